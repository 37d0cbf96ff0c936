"""The body of one vertebra: its axes and heights, and the map that presses it together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Matrix3, Vector, as_direction
from medsynth.lesions.host import host, point
from medsynth.scene.structure import Scene
from medsynth.shapes.base import Points
from medsynth.shapes.lattice_warp import LatticeWarp, lattice_warp

Array = NDArray[np.float64]
Deformity = Literal["wedge", "biconcave", "crush"]

ORDER = (*(f"C{n}" for n in range(4, 8)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))
STEP_MM = 2.0
ROUNDS = 5  # of matching the loss
PROBE_MM = 0.25
REACH_MM = 26.0  # no endplate lies farther from a vertebra's middle
STATIONS = (0.72, 0.0, -0.72)  # front, middle and back height, of the half depth
SPREAD_MM = 70.0  # the spine above (or below) takes the lost height up over this length
DISC_MM, BEYOND_HOLLOW = 6.0, 0.4  # thickness that evens a hollow endplate out; and how far what lies behind it sinks
FADE_MM = 16.0  # beside the vertebral body
BEHIND_MM = 10.0  # behind it, in front of the arch
LEAST_AT_BACK = 0.12  # of a wedge's loss in front: the posterior wall gives way a little


@dataclass(frozen=True, eq=False)
class Vertebra:
    """A vertebral body. Local coordinates: forwards, to the left, and up along its axis, from its middle.

    Attributes
    ----------
    turn : its columns are the LPS directions of the local axes.
    half_depth_mm, half_width_mm, half_height_mm : of the body.
    ends_mm : (2, 3) lower and upper endplate at the front, middle and back station, along the axis.
    """

    level: str
    middle_mm: Vector
    turn: Matrix3
    half_depth_mm: float
    half_width_mm: float
    half_height_mm: float
    ends_mm: Array

    def local(self, points_mm: Array) -> Array:
        """Return LPS points (..., 3) in local coordinates."""
        return (np.asarray(points_mm) - self.middle_mm) @ np.asarray(self.turn)

    def world(self, local_mm: Array) -> Array:
        """Return local points (..., 3) in LPS."""
        return np.asarray(local_mm) @ np.asarray(self.turn).T + self.middle_mm


def vertebra(scene: Scene, level: str) -> Vertebra:
    """Measure the vertebral body of a level, e.g. `"L1"`.

    Raises
    ------
    PlacementError
        If the scene has no such vertebra, or not all of its body.
    """
    if level not in scene.landmarks:
        raise PlacementError(f"level must be a vertebra of body {scene.body!r}, got {level!r}")
    middle = np.asarray(scene.landmarks[level])
    at = ORDER.index(level)
    beside = [np.asarray(scene.landmarks[ORDER[n]]) for n in (at + 1, at - 1)
              if 0 <= n < len(ORDER) and ORDER[n] in scene.landmarks]
    up = beside[-1] - beside[0] if len(beside) == 2 else (beside[0] - middle) * np.sign((beside[0] - middle)[2])
    up = up / np.linalg.norm(up)
    left = np.cross(up, (0.0, -1.0, 0.0))
    left /= np.linalg.norm(left)
    turn = np.stack([np.cross(left, up), left, up], axis=1)
    bone = host(scene, f"vertebra_{level}")

    def inside(local: Array) -> NDArray[np.bool_]:
        return bone.depth_at(local @ turn.T + middle) > 0

    steps = np.arange(-REACH_MM, REACH_MM, PROBE_MM)
    forwards = steps[inside(steps[:, None] * [1.0, 0, 0])]
    across = steps[inside(steps[:, None] * [0, 1.0, 0])]
    if not len(forwards) or not len(across):
        raise PlacementError(f"vertebra {level} of body {scene.body!r} has no body at its landmark")
    depth, width = 0.5 * float(np.ptp(forwards)), 0.5 * float(np.ptp(across))
    middle = middle + turn @ [0.5 * float(forwards.min() + forwards.max()), 0.5 * float(across.min() + across.max()), 0]
    ends = []
    for station in STATIONS:
        line = steps[:, None] * [0, 0, 1.0] + [station * depth, 0, 0]
        within = steps[inside(line)]
        if not len(within) or not np.ptp(within) > 5.0:
            raise PlacementError(f"vertebra {level} of body {scene.body!r} is not whole")
        ends.append((float(within.min()), float(within.max())))
    heights = np.array(ends).T
    half = 0.5 * float(np.diff(heights, axis=0).mean())
    return Vertebra(level, point(middle), as_direction(turn), depth, width, half, heights)


def compression(one: Vertebra, deformity: Deformity, loss: float) -> LatticeWarp:
    """Return the map that takes this share of the height away where the deformity takes most (to 0.2 %).

    Above the vertebra the spine sinks and takes the room up over `SPREAD_MM`.

    Raises
    ------
    GeometryError
        If the map would fold.
    """
    gain = 1.0
    for _ in range(ROUNDS):
        warp = _pressed(one, deformity, gain * loss)
        got = float((1 - heights_mm(one, warp) / heights_mm(one)).max())
        if abs(got - loss) < 0.002:
            break
        gain *= loss / got
    return warp


def _pressed(one: Vertebra, deformity: Deformity, loss: float) -> LatticeWarp:
    h = one.half_height_mm
    half = np.array([one.half_depth_mm + FADE_MM, one.half_width_mm + FADE_MM, h + SPREAD_MM])
    corners = one.world(np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) * half)
    box = tuple((corners.min(0) - STEP_MM).tolist()), tuple((corners.max(0) + STEP_MM).tolist())
    both = deformity == "biconcave"

    def moves(points: Points) -> Points:
        local = one.local(np.asarray(points, float))
        s, u, t = (local[..., n] for n in range(3))
        beyond = np.clip((np.abs(t) - h) / DISC_MM, 0, 1)  # the disc fills the hollow: what lies behind it only sinks
        profile = _profile(one, deformity, s, u)
        profile = profile + beyond * ((BEYOND_HOLLOW if both else profile) - profile)
        drop = loss * _height(one, deformity, s) * profile * _beside(one, s, u)
        top = np.where(t < h, np.clip((t + h) / (2 * h), 0, 1), np.clip(1 - (t - h) / SPREAD_MM, 0, 1))
        if both:  # each endplate sinks in by half
            bottom = np.where(t > -h, np.clip((h - t) / (2 * h), 0, 1), np.clip(1 - (-h - t) / SPREAD_MM, 0, 1))
            along = 0.5 * drop * (bottom - top)
        else:
            along = -drop * top
        return along[..., None] * np.asarray(one.turn)[:, 2]

    return lattice_warp(moves, box, STEP_MM)


def heights_mm(one: Vertebra, warp: LatticeWarp | None = None) -> Array:
    """Return the height (3,) of the body at its front, middle and back; with a map, after it."""
    points = np.stack([np.stack([[s * one.half_depth_mm, 0.0, end] for s, end in zip(STATIONS, ends, strict=True)])
                       for ends in one.ends_mm])
    lps = one.world(points)
    if warp is not None:
        lps = lps + warp.displacement_mm(lps)
    low, high = one.local(lps)[..., 2]
    return np.asarray(high - low)


def _height(one: Vertebra, deformity: Deformity, s: Array) -> Array:
    """Return the height that the loss is a share of: in front, in the middle, or everywhere its own."""
    heights = heights_mm(one)
    if deformity == "crush":
        order = np.argsort(STATIONS)
        return np.interp(s / one.half_depth_mm, np.asarray(STATIONS)[order], heights[order])
    return np.full_like(s, heights[0 if deformity == "wedge" else 1])


def _profile(one: Vertebra, deformity: Deformity, s: Array, u: Array) -> Array:
    """Return how much of the loss falls on each place of the endplate, 0 to 1."""
    along = np.clip(s / one.half_depth_mm, -1, 1)
    if deformity == "wedge":  # 1 from the front station on
        return np.clip(LEAST_AT_BACK + (1 - LEAST_AT_BACK) * (along - STATIONS[2]) / (STATIONS[0] - STATIONS[2]),
                       LEAST_AT_BACK, 1)
    if deformity == "crush":
        return np.ones_like(along)
    across = np.clip(u / one.half_width_mm, -1, 1)
    return 0.15 + 0.85 * (1 - along**2) * (1 - across**2)


def _beside(one: Vertebra, s: Array, u: Array) -> Array:
    """Return 1 over the vertebral body and 0 well beside it, smooth between."""
    away = [np.maximum(s - one.half_depth_mm, 0) / FADE_MM, np.maximum(-s - one.half_depth_mm, 0) / BEHIND_MM,
            np.maximum(np.abs(u) - one.half_width_mm, 0) / FADE_MM]
    share = np.ones_like(s)
    for one_side in away:
        kept = np.clip(1 - one_side, 0, 1)
        share = share * kept * kept * (3 - 2 * kept)
    return share

