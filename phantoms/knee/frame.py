"""The knee's own coordinates: reference millimetres of a 175 cm man's LEFT knee in extension, scaled to the individual.

Origin: the middle of the tibial plateau at the height of the joint surface. x points outwards (lateral), y back, z up.
A right knee is the mirror image of a left one (`phantoms.mirror`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.shapes.lattice import Lattice

F32 = NDArray[np.float32]

TOP_MM, BOTTOM_MM = 92.0, -80.0  # reference z of the ends of the leg that is drawn
MARGIN_MM = 6.0  # what parts reach beyond them, so that they end outside
BONE_STEP_MM, SOFT_STEP_MM = 1.0, 2.0


@dataclass(frozen=True, eq=False)
class KneeFrame:
    """Scales and individual numbers that every part of the knee is placed by.

    Attributes
    ----------
    width, depth, height : scales of x, y and z of bones and joint against the reference.
    muscle : scale of muscle sections.
    fat : thickness of subcutaneous fat against a man's at a BMI of 25.
    vessel : scale of vessel calibres.
    cortex : scale of the thickness of cortical bone.
    femoral_mm, tibial_mm, patellar_mm : greatest thickness of the cartilage layers.
    trochlea : depth of the trochlear groove against the reference.
    notch : width of the intercondylar notch against the reference.
    slope : posterior slope of the tibial plateau, mm per mm.
    patella_z_mm : height of the middle of the patella, reference mm.
    tubercle_x_mm : how far the tibial tuberosity lies to the side of the groove, reference mm.
    meniscus : width of the menisci against the reference.
    fluid : amount of joint fluid against a little.
    seed : chooses the noise.
    """

    width: float
    depth: float
    height: float
    muscle: float
    fat: float
    vessel: float
    cortex: float
    femoral_mm: float
    tibial_mm: float
    patellar_mm: float
    trochlea: float
    notch: float
    slope: float
    patella_z_mm: float
    tubercle_x_mm: float
    meniscus: float
    fluid: float
    seed: int

    @property
    def bone(self) -> float:
        """Mean scale of the bones: turns reference distances into millimetres."""
        return (self.width * self.depth * self.height) ** (1 / 3)

    def at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return reference points (..., 3) in this body."""
        return np.asarray(points, float) * (self.width, self.depth, self.height)

    def noise_seed(self, number: int) -> int:
        """Return the seed of a noise field of this body."""
        return (self.seed * 1009 + number) % (1 << 31)

    def lattice(self, low: tuple[float, float, float], high: tuple[float, float, float], step_mm: float) -> Lattice:
        """Return the lattice over a box of reference coordinates."""
        return Lattice(tuple(self.at(low).tolist()), tuple(self.at(high).tolist()), step_mm)

    def reference(self, lattice: Lattice) -> tuple[F32, F32, F32]:
        """Return the reference coordinates (outwards, back, up) of a lattice's nodes, ready to broadcast."""
        scales = (np.float32(s) for s in (self.width, self.depth, self.height))
        u, v, w = (axis / s for axis, s in zip((lattice.x, lattice.y, lattice.z), scales, strict=True))
        return u, v, w
