"""The breast's own coordinates: millimetres of a LEFT breast; a right one is its mirror image (`phantoms.mirror`).

Origin: the outer surface of the ribs behind the middle of the breast. x points outwards (lateral), y back, z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.lattice import Field, Lattice

F32 = NDArray[np.float32]
Position = Literal["prone", "upright"]

# Rib cage behind the breast: half width and half depth of its outline, and how far out along it the breast sits.
CAGE_HALF_WIDTH_MM, CAGE_HALF_DEPTH_MM, BREAST_AT_DEG = 146.0, 100.0, 37.0
MEDIAL_X_MM, BACK_Y_MM = -84.0, 62.0  # where the drawn piece of the chest ends
RIB_MM = 11.0  # ribs with intercostal muscles between their outer surface and the pleura
SKIN_MM = 1.6  # mean skin of the breast (mammography of American women: 1.6-1.7 mm)


@dataclass(frozen=True, eq=False)
class BreastFrame:
    """Numbers that every part of the breast is placed by.

    Attributes
    ----------
    volume_ml : what lies between skin and pectoral muscle, skin included.
    glandular : fraction of it that is fibroglandular tissue.
    radius_mm : half the width of the base; `tall` its height over its width.
    position : "prone" hangs straight forwards, "upright" sags.
    droop_mm : how far the nipple lies below the middle of the base.
    outward_mm : how far it lies to the side of it.
    blunt : exponent of the outline, 2 an ellipsoid, more a bluntly hanging breast.
    fat_mm : thickness of the fat under the skin of the chest.
    muscle : scale of the chest's muscles.
    chest : scale of the rib cage.
    skin : scale of the skin's thickness.
    lobule_mm : size of the fat lobules.
    lobes : number of duct trees.
    seed : chooses the noise.
    """

    volume_ml: float
    glandular: float
    radius_mm: float
    tall: float
    position: Position
    droop_mm: float
    outward_mm: float
    blunt: float
    fat_mm: float
    muscle: float
    chest: float
    skin: float
    lobule_mm: float
    lobes: int
    seed: int

    def noise_seed(self, number: int) -> int:
        """Return the seed of a noise field of this body."""
        return (self.seed * 1009 + number) % (1 << 31)

    @property
    def step_mm(self) -> float:
        """Step of the breast's lattice: a large breast is drawn a little coarser."""
        return 1.0 if self.volume_ml < 700 else 1.25 if self.volume_ml < 1300 else 1.5


def cage_mm(frame: BreastFrame, lattice: Lattice) -> F32:
    """Return the distance outwards from the rib cage's outer surface, mm; negative towards the lung."""
    a, b = CAGE_HALF_WIDTH_MM * frame.chest, CAGE_HALF_DEPTH_MM * frame.chest
    at = np.radians(BREAST_AT_DEG)
    x = lattice.x + np.float32(a * np.sin(at))
    # Upwards the chest recedes.
    y = lattice.y - np.float32(b * np.cos(at)) - 0.0013 * (lattice.z + 20.0) * np.abs(lattice.z + 20.0)
    level = np.hypot(x / a, y / b)
    slope = np.hypot(x / a**2, y / b**2) / np.maximum(level, 0.2)
    return np.asarray((level - 1) / np.maximum(slope, 1e-4), np.float32)


def muscle_mm(frame: BreastFrame, lattice: Lattice) -> F32:
    """Return the thickness of the muscles over the ribs, (nz, 1, nx): thick above, thin below the breast."""
    above = 1 / (1 + np.exp(-(lattice.z + 42.0) / 11.0))
    beside = 1 / (1 + np.exp((lattice.x - 62.0) / 12.0))
    return np.asarray(frame.muscle * (3.0 + (9.0 + 3.5 * np.clip(lattice.z / 60.0, 0, 1)) * above * beside
                                      + 6.0 * (1 - beside)), np.float32)  # fmt: skip


def region(frame: BreastFrame, projection_mm: float, step_mm: float) -> Lattice:
    """Return the lattice of the whole piece for a breast that reaches `projection_mm` forwards."""
    half = frame.radius_mm
    front = -(projection_mm + 34.0)
    return Lattice((MEDIAL_X_MM, front, -(half * frame.tall + 38.0)),
                   (half + 52.0, BACK_Y_MM, half * frame.tall + 58.0), step_mm)  # fmt: skip


__all__ = ["BACK_Y_MM", "MEDIAL_X_MM", "RIB_MM", "SKIN_MM", "BreastFrame", "Field", "Position", "cage_mm", "muscle_mm",
           "region"]  # fmt: skip
