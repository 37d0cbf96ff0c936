"""Muscles about the knee with the tendons they end in, and the planes of fat between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from phantoms.knee.frame import KneeFrame
from phantoms.knee.table import labels

Field = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Muscle:
    """A belly from top to bottom: rows of reference (outwards, back, up, half width, half depth), and its turn.

    `turn_deg` turns the section's width from straight outwards towards the back.
    """

    rows: tuple[tuple[float, float, float, float, float], ...]
    turn_deg: float = 0.0


# Courses after cross-sections of the leg (sketched; sizes unverified).
MUSCLES: Final[dict[str, Muscle]] = {
    "vastus_medialis": Muscle(
        ((-26, -22, 100, 19, 30), (-31, -23, 80, 17.5, 29), (-34, -25, 60, 14, 24), (-33, -30, 44, 10, 17),
         (-26, -37, 30, 4.5, 8)), -20.0),
    "vastus_lateralis": Muscle(
        ((34, -21, 100, 18, 31), (35.5, -23, 80, 15, 27), (36, -27, 62, 9.5, 19), (30, -36, 48, 4, 9)), 20.0),
    "vastus_intermedius": Muscle(
        ((4, -35, 100, 27, 12), (4, -35, 80, 24, 10), (3, -37, 62, 16, 4.5)), 0.0),
    "adductor_magnus": Muscle(((-30, 10, 100, 8, 11), (-36, 8, 74, 4.5, 6), (-41, 5, 44, 2, 3)), -60.0),
    "biceps_femoris": Muscle(
        ((24, 36, 100, 21, 23), (30, 36, 75, 17, 21), (37, 34, 50, 12.5, 16.5), (42, 31, 25, 7.5, 11),
         (43.5, 26, 5, 3.5, 5), (41, 23, -12, 2.5, 3.5)), 20.0),
    "semimembranosus": Muscle(
        ((-13, 42, 100, 23, 17), (-19, 43, 75, 22, 17), (-27, 43, 45, 17, 13.5), (-32, 39, 20, 10.5, 8.5),
         (-34, 31, 2, 5, 4), (-33, 24, -12, 4, 3)), -25.0),
    "semitendinosus": Muscle(
        ((-6, 61, 100, 12, 9), (-17, 62, 75, 8, 6.5), (-25, 60, 52, 3.6, 3.2), (-37, 51, 20, 2.3, 2.3),
         (-42, 38, -5, 2.2, 2.2), (-39, 16, -32, 3.5, 1.6), (-28, -8, -56, 4, 1.2)), -30.0),
    "gracilis": Muscle(
        ((-36, 42, 100, 6, 9), (-42, 44, 75, 4.5, 6.5), (-46, 43, 50, 2.5, 3), (-47, 38, 20, 1.9, 1.9),
         (-46, 29, -5, 1.9, 1.9), (-40, 10, -32, 3, 1.4), (-29, -10, -52, 3.5, 1.2)), -60.0),
    "sartorius": Muscle(
        ((-45, 18, 100, 7, 15), (-50, 24, 75, 5.5, 15), (-52, 28, 45, 4.0, 13.5), (-50.5, 26, 18, 3.0, 11.5),
         (-48, 19, -6, 2.0, 9.5), (-39, 2, -34, 1.5, 9.5), (-28, -14, -54, 1.2, 7)), 8.0),
    "gastrocnemius_medial": Muscle(
        ((-19, 35, 44, 8, 4), (-19, 41, 26, 12, 7.5), (-20, 45, 4, 15.5, 10), (-22, 48, -24, 19.5, 13),
         (-23, 50, -60, 24, 15.5), (-23, 50, -92, 25, 15)), -14.0),
    "gastrocnemius_lateral": Muscle(
        ((20, 34, 42, 7, 3.5), (21, 40, 24, 10.5, 6.5), (21, 45, 2, 13.5, 9), (21, 49, -24, 17, 11.5),
         (22, 52, -60, 20.5, 13), (22, 52, -92, 21, 12.5)), 14.0),
    "plantaris": Muscle(((16, 32, 40, 4, 2.5), (13, 34, 24, 5.5, 4), (9, 35, 4, 5, 4), (2, 36, -18, 3, 2.4)), 0.0),
    "popliteus": Muscle(
        ((40, 14, 8, 3, 3.5), (30, 24, -4, 5, 4), (12, 24, -16, 13, 5), (-2, 23, -32, 19, 6.5), (-8, 19, -50, 16, 6),
         (-12, 15, -68, 8, 3)), -12.0),
    "soleus": Muscle(
        ((36, 30, -20, 7, 5), (30, 33, -36, 14, 8), (18, 32, -56, 26, 9.5), (8, 33, -76, 33, 11), (6, 33, -92, 34, 12)),
        8.0),
    "tibialis_anterior": Muscle(
        ((28, -15, -18, 6, 5), (26, -14, -36, 9, 9.5), (24, -11, -60, 10.5, 14), (23, -10, -92, 11.5, 16)), -22.0),
    "extensor_and_peroneal_muscles": Muscle(
        ((40, 0, -22, 5, 8), (40, 4, -40, 9.5, 13), (40, 6, -62, 11.5, 17), (39, 6, -92, 12.5, 18)), -8.0),
    "tibialis_posterior": Muscle(((14, 16, -36, 7, 4), (16, 15, -58, 11, 7.5), (15, 14, -92, 13, 9)), 0.0),
    "flexor_digitorum_longus": Muscle(((-10, 22, -52, 7, 4), (-12, 20, -72, 10, 6), (-13, 20, -92, 12, 7)), -20.0),
}  # fmt: skip
TENDONS = {"semitendinosus", "gracilis", "sartorius", "semimembranosus", "biceps_femoris"}
BUNDLE = "vessels_and_nerves"  # what keeps the popliteal fossa open
BUNDLE_MM = Muscle(((-8, 27, 100, 8, 8), (0, 37, 60, 11, 11), (3, 42, 30, 12, 12), (4, 40, 5, 7, 10),
                    (5, 35, -20, 5, 6), (4, 29, -50, 6, 4), (2, 27, -92, 8, 4)))  # fmt: skip


def _sweep(frame: KneeFrame, muscle: Muscle) -> Sweep:
    rows = np.asarray(muscle.rows, float)
    outward = 1 + 0.35 * (frame.muscle - 1) * np.clip(np.hypot(rows[:, 0], rows[:, 1]) / 40.0, 0, 1)
    points = rows[:, :3] * np.stack([outward, outward, np.ones_like(outward)], axis=1)
    axis = spline_mm(frame.at(points), 5.0)
    along = np.linspace(0, 1, len(axis))
    chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(frame.at(points), axis=0), axis=1))])
    half = np.stack([np.interp(along, chord / chord[-1], rows[:, n]) for n in (3, 4)])
    belly = np.clip(half.sum(axis=0) / 12.0 - 0.4, 0, 1)  # tendons do not grow with the muscle
    wide, deep = half * frame.bone * (1 + (frame.muscle - 1) * belly)
    turn = np.radians(muscle.turn_deg)
    return Sweep(axis, np.tile([np.cos(turn), np.sin(turn), 0.0], (len(axis), 1)), wide, deep, exponent=2.2)


def raw_muscles(frame: KneeFrame, lattice: Lattice) -> dict[str, Field]:
    """Return every muscle's signed distance at the nodes, before they compete; and the vessels' bundle."""
    return {name: sweep_distance(_sweep(frame, muscle), lattice, 12.0)[0]
            for name, muscle in {**MUSCLES, BUNDLE: BUNDLE_MM}.items()}  # fmt: skip


def build_muscles(frame: KneeFrame, lattice: Lattice, raw: dict[str, Field], fascia: Field) -> Paint:
    """Let the muscles compete for the room under the fascia, and return their paint; bones are painted over them."""
    slow, mid = lattice.noise(frame.noise_seed(50), 26.0), lattice.noise(frame.noise_seed(51), 11.0)
    gap = np.clip(1.3 + 1.0 * lattice.noise(frame.noise_seed(52), 17.0), 0.2, 4.0).astype(np.float32)
    bulged = {}
    for n, (name, field) in enumerate(raw.items()):
        sign = 1 if n % 2 else -1
        reach = 0.0 if name == BUNDLE else 2.6  # bellies swell until they meet
        bulged[name] = np.asarray(field + sign * (1.2 * slow + 0.4 * mid) - reach, np.float32)
    settled = compete(bulged, {BUNDLE: 1.5}, gap)
    names = [name for name in settled if name != BUNDLE]
    # A thin tendon must not be eaten by the noise of its neighbours.
    fields = [np.minimum(settled[name], raw[name] + 0.3) if name in TENDONS else settled[name] for name in names]
    best, owner = fields[0].copy(), np.zeros(lattice.shape, np.uint8)
    for n, field in enumerate(fields[1:], 1):
        closer = field < best
        best[closer], owner[closer] = field[closer], n
    best = np.maximum(best, fascia + 1.0)
    return Paint(lattice.shape_of(best, owner), (Layer(tuple(labels()[name] for name in names)),))
