"""Where everything of the hand lies: scales, joints and directions.

The right hand is raised beside the head, palm to the front. So +x, the patient's left, is the side of the thumb; -y is
the palm; +z points to the finger tips. The origin is the middle of the base of the third metacarpal. Positions are
written in reference millimetres, those of a hand with the mean bone lengths below, and scaled to the individual.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.core.seed import Seed

Array = NDArray[np.float64]

DIGITS = ("thumb", "index", "middle", "ring", "little")
# Mean lengths in mm of metacarpal, proximal, middle and distal phalanx of each digit (SD 3-5, 3-5, 2.5-3.3, 1.6-2.5):
# radiographs of 66 adults, Buryanov and Kotiuk 2010, Proportions of hand segments, Int J Morphol 28:755-758.
LENGTHS_MM = {
    "thumb": (46.2, 31.6, 21.7),
    "index": (68.1, 39.8, 22.4, 15.8),
    "middle": (64.6, 44.6, 26.3, 17.4),
    "ring": (58.0, 41.4, 25.7, 17.3),
    "little": (53.7, 32.6, 18.1, 16.0),
}
# Width of the joint spaces on radiographs, in mm (unverified): to the metacarpal, then from joint to joint.
GAP_MM = 1.5
# Base of each metacarpal (reference mm), and the directions of metacarpal and phalanges: degrees from +z towards the
# thumb, and degrees of flexion towards the palm.
BASE_MM = {
    "thumb": (26.0, -9.5, -5.0),
    "index": (13.5, 0.5, -0.5),
    "middle": (0.5, 1.0, 0.0),
    "ring": (-11.0, 0.0, -1.5),
    "little": (-20.5, -2.5, -4.5),
}
SPLAY_DEG = {
    "thumb": (40.0, 27.0, 20.0),
    "index": (9.0, 9.5, 8.0, 6.5),
    "middle": (1.5, 1.0, 0.5, 0.0),
    "ring": (-6.5, -9.0, -8.5, -8.0),
    "little": (-14.0, -20.0, -18.0, -16.0),
}
FLEXION_DEG = {
    "thumb": (22.0, 12.0, 8.0),
    "index": (-1.0, 6.0, 9.0, 7.0),
    "middle": (-2.0, 7.0, 10.0, 8.0),
    "ring": (-1.0, 8.0, 11.0, 8.0),
    "little": (2.0, 9.0, 10.0, 8.0),
}
ROLL_DEG = {"thumb": 58.0, "index": 6.0, "middle": 0.0, "ring": -6.0, "little": -14.0}


@dataclass(frozen=True)
class Segment:
    """One long bone: from its base to its head, with the direction of its width."""

    start_mm: Array
    end_mm: Array
    width: Array

    @property
    def along(self) -> Array:
        """Unit vector from base to head."""
        step: Array = self.end_mm - self.start_mm
        return step / np.linalg.norm(step)

    @property
    def back(self) -> Array:
        """Unit vector to the back of the hand."""
        out: Array = np.cross(self.along, self.width)
        return out if out[1] > 0 else -out

    def at(self, share: float, width_mm: float = 0.0, back_mm: float = 0.0) -> Array:
        """Return the point at this share of the length, moved across."""
        return self.start_mm + share * (self.end_mm - self.start_mm) + width_mm * self.width + back_mm * self.back


@dataclass(frozen=True)
class Frame:
    """Scales and individual numbers.

    Attributes
    ----------
    length, breadth : scales of lengths and of sections against the reference.
    spread : scale of the angles between the fingers.
    bend_deg : what each digit flexes more than usual.
    seed : chooses the noise.
    """

    length: float
    breadth: float
    spread: float
    bend_deg: tuple[float, ...]
    seed: int

    def at(self, points: ArrayLike) -> Array:
        """Return reference points (..., 3) in this hand."""
        return np.asarray(points, float) * (self.breadth, self.breadth, self.length)

    def noise_seed(self, name: str) -> int:
        """Return the seed of a noise field of this hand."""
        return Seed(self.seed).child("hand", name).integer(31)

    @cached_property
    def rays(self) -> dict[str, tuple[Segment, ...]]:
        """Metacarpal and phalanges of every digit."""
        return {digit: self._ray(n, digit) for n, digit in enumerate(DIGITS)}

    def _ray(self, number: int, digit: str) -> tuple[Segment, ...]:
        joint, segments = self.at(BASE_MM[digit]), []
        for n, length in enumerate(LENGTHS_MM[digit]):
            bend = self.bend_deg[number] * (0.0 if n == 0 else 1.0)
            splay = np.radians(SPLAY_DEG[digit][n] * (self.spread if n and digit != "thumb" else 1.0))
            flexion = np.radians(FLEXION_DEG[digit][n] + bend)
            along = np.array([np.sin(splay) * np.cos(flexion), -np.sin(flexion), np.cos(splay) * np.cos(flexion)])
            flat = np.array([np.cos(splay), 0.0, -np.sin(splay)])
            roll = np.radians(ROLL_DEG[digit])
            width = np.cos(roll) * flat + np.sin(roll) * np.cross(along, flat)
            start = joint if n == 0 else joint + GAP_MM * along
            joint = start + length * self.length * along
            segments.append(Segment(start, joint, width))
        return tuple(segments)
