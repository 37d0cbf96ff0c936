"""Popliteal vessels with their branches, saphenous veins and nerves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sweep import spline_mm
from medsynth.shapes.tree_edit import concatenate
from medsynth.shapes.tubes import Tubes
from phantoms.knee.frame import KneeFrame
from phantoms.knee.leg import Leg
from phantoms.knee.table import labels

# Courses in reference mm. Popliteal artery 6-7 mm wide outside at the joint (unverified).
ARTERY = [(-15, 24, 104), (-8, 25, 80), (-1, 29, 55), (2, 34, 34), (3, 36, 12), (4, 33, -8), (5, 31, -28), (5, 30, -44)]
ANTERIOR_TIBIAL = [(5, 30, -44), (11, 23, -52), (20, 11, -60), (24, 2, -76), (24, 1, -92)]
POSTERIOR_TIBIAL = [(5, 30, -44), (3, 29, -58), (-1, 28, -76), (-3, 28, -94)]
PERONEAL = [(4, 29, -56), (14, 27, -70), (20, 27, -94)]
VEIN_BESIDE = np.array([3.0, 6.0, 0.0])  # the vein lies behind and outside the artery
TIBIAL_NERVE = [(2, 46, 104), (6, 47, 80), (8, 48, 55), (8, 48, 30), (7, 46, 5), (5, 41, -20), (2, 35, -50),
                (0, 33, -94)]  # fmt: skip
PERONEAL_NERVE = [(8, 48, 84), (18, 47, 65), (27, 45, 45), (34, 41, 22), (39, 36, 0), (46, 29, -20), (48, 21, -32),
                  (46, 11, -42), (40, 4, -56)]  # fmt: skip
GENICULARS = [
    [(0, 30, 50), (-14, 31, 52), (-30, 20, 50), (-40, 2, 46), (-36, -18, 42)],
    [(0, 30, 50), (14, 31, 51), (30, 20, 49), (40, 4, 45), (34, -18, 42)],
    [(3, 35, 10), (-14, 31, -10), (-33, 22, -20), (-42, 0, -18), (-32, -22, -8)],
    [(3, 35, 8), (18, 29, 0), (34, 20, 2), (43, 4, -2), (34, -20, -4)],
    [(3, 36, 22), (2, 28, 24), (0, 18, 24)],
]
SURALS = [[(5, 42, 20), (-8, 42, 5), (-18, 47, -25), (-20, 49, -60)],
          [(6, 42, 18), (12, 42, 4), (19, 47, -22), (20, 50, -60)]]  # fmt: skip


def chain(points_mm: NDArray[np.float64], start_mm: float, end_mm: float, wall_mm: float | None = None) -> Tubes:
    """Return one unbranched tube along points, its radius changing evenly."""
    n = len(points_mm) - 1
    radius = np.linspace(start_mm, end_mm, n + 1)
    walls = None if wall_mm is None else np.full(n, wall_mm)
    return Tubes(points_mm[:-1], points_mm[1:], radius[:-1], radius[1:], np.arange(-1, n - 1), walls)


def _course(frame: KneeFrame, points: ArrayLike, wander_mm: float = 1.0, number: int = 0) -> NDArray[np.float64]:
    """Return a winding course every 3 mm along reference points; both ends stay."""
    axis = spline_mm(frame.at(points), 3.0)
    shift = [CoherentNoise(frame.noise_seed(70 + n), 30.0).at(axis + 100.0 * number) for n in range(3)]
    fade = np.sin(np.pi * np.linspace(0, 1, len(axis)))[:, None] ** 0.5
    return axis + wander_mm * fade * np.stack(shift, axis=1)


def _companion(
    frame: KneeFrame, artery: ArrayLike, start_mm: NDArray[np.float64], side_mm: float
) -> NDArray[np.float64]:
    """Return the course of one of the two veins beside a tibial artery, from the end of the popliteal vein."""
    beside = _course(frame, artery)[3:] + [side_mm, 1.5, 0.0]
    return spline_mm(np.concatenate([start_mm[None], beside]), 3.0)


def build_vessels(frame: KneeFrame, leg: Leg, calcified: float) -> tuple[dict[str, Tubes], list[Paint]]:
    """Return vessels and nerves by name, and their paints; calcified : share of the artery's wall with plaque."""
    k, names = frame.vessel, labels()
    main = _course(frame, ARTERY, 1.2)
    artery = concatenate(
        chain(main, 3.1 * k, 2.5 * k, 0.7),
        chain(_course(frame, ANTERIOR_TIBIAL), 1.7 * k, 1.4 * k, 0.4),
        chain(_course(frame, POSTERIOR_TIBIAL), 1.8 * k, 1.4 * k, 0.4),
        chain(_course(frame, PERONEAL), 1.3 * k, 1.1 * k, 0.4),
    )
    beside = frame.at(VEIN_BESIDE)
    end = (main + beside)[-1]
    vein = concatenate(
        chain(main + beside, 4.3 * k, 3.4 * k),
        *(chain(_companion(frame, course, end, side), radius * k, 0.8 * radius * k)
          for course, radius in ((ANTERIOR_TIBIAL, 1.5), (POSTERIOR_TIBIAL, 1.7)) for side in (2.8, -2.8)),
        *(chain(_course(frame, course, 1.0, 5), 1.6 * k, 1.3 * k) for course in SURALS),
    )  # fmt: skip
    small = concatenate(*(chain(_course(frame, c, 1.6, n), 1.0 * k, 0.6 * k) for n, c in enumerate(GENICULARS)))
    great, lesser = _saphenous(frame, leg)
    tubes = {"popliteal_vein": vein, "popliteal_artery": artery, "genicular_vessels": small,
             "great_saphenous_vein": great, "small_saphenous_vein": lesser}  # fmt: skip
    nerves = {
        "tibial_nerve": chain(_course(frame, TIBIAL_NERVE), 3.0, 2.2),
        "common_peroneal_nerve": chain(_course(frame, PERONEAL_NERVE, 0.6, 3), 2.0, 1.5),
    }
    bones = ("femur", "tibia", "fibula", "patella")
    soft = tuple(label for name, label in names.items() if not name.startswith(bones) or "cartilage" in name)
    thin = {name: tube for name, tube in tubes.items() if name != "popliteal_artery"}
    paints = [Paint(tube, (Layer(names[name]),), over=soft) for name, tube in thin.items()]
    paints.append(Paint(artery, (Layer(names["popliteal_artery_wall"]), Layer(names["popliteal_artery"]))))
    paints += [Paint(tube, (Layer(names[name]),), over=soft) for name, tube in nerves.items()]
    if calcified > 0:
        paints.append(Paint(_plaques(frame, main, calcified), (Layer(names["arterial_calcification"]),),
                            over=(names["popliteal_artery_wall"], names["popliteal_artery"])))  # fmt: skip
    return tubes | nerves, paints


def _plaques(frame: KneeFrame, axis: NDArray[np.float64], share: float) -> Tubes:
    """Return short calcified strips along the artery's wall, where a noise is high."""
    turn = np.cumsum(0.35 * CoherentNoise(frame.noise_seed(76), 22.0).at(axis))
    rim = 2.9 * frame.vessel * np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], axis=1)
    noise = CoherentNoise(frame.noise_seed(77), 12.0).at(axis)[:-1]
    chosen = np.flatnonzero(noise >= np.quantile(noise, 1 - min(share, 1.0)))
    starts, ends = (axis + rim)[:-1][chosen], (axis + rim)[1:][chosen]
    radius = np.full(len(chosen), 0.55)
    return Tubes(starts, ends, radius, radius, np.full(len(chosen), -1))


def _saphenous(frame: KneeFrame, leg: Leg) -> tuple[Tubes, Tubes]:
    """Return the great and the small saphenous vein with tributaries, in the fat under the skin."""
    low, high = leg.fascia_surface.levels_mm[[0, -1]]
    k = frame.vessel

    def along(angles: ArrayLike, z: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
        knots = np.linspace(0, 1, len(np.atleast_1d(angles)))
        angle = np.interp(np.linspace(0, 1, len(z)), knots, np.atleast_1d(angles))
        return spline_mm([leg.under_skin(a, np.array([h]), depth)[0] for a, h in zip(angle, z, strict=True)], 3.0)

    top_down = np.linspace(high, low, 9)
    great = concatenate(
        chain(along([236, 232, 238, 262], top_down, 0.25), 1.9 * k, 1.6 * k),
        chain(along([262, 285, 300], np.linspace(0.5 * low, low, 5), 0.5), 1.1 * k, 0.9 * k),
        chain(along([234, 270, 310, 330], np.linspace(0.7 * high, -5.0, 6), 0.55), 1.1 * k, 0.7 * k),
        chain(along([40, 70, 95, 120], np.linspace(0.9 * high, 0.8 * low, 8), 0.6), 0.9 * k, 0.8 * k),
    )
    up = np.linspace(low, 0.02 * high, 5)
    fossa = frame.at([[4, 52, 10], [4, 44, 22], [5, 41, 26]])
    lesser = spline_mm(np.concatenate([along([176, 178, 180], up, 0.15)[::4], fossa]), 3.0)
    return great, chain(lesser, 1.4 * k, 1.7 * k)
