"""The proximal tibia with plateaus, eminence and tuberosity, the head of the fibula, and the patella."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice, unit_slope
from medsynth.shapes.loft import PolarLoft
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from phantoms.knee.frame import BONE_STEP_MM, BOTTOM_MM, MARGIN_MM, KneeFrame

Field = NDArray[np.floating[Any]]

# Sections of the tibia: reference heights, y of the axis, and radii every 15 degrees from the front, on the lateral and
# the medial side. Plateau 76.0 +- 3.0 mm wide and 46.9 +- 3.0 mm deep in men, 67.3 and
# 41.4 mm in women (MRI of 200 adults).
ANGLES_DEG = np.arange(0.0, 181.0, 15.0)
LEVELS_MM = np.array([BOTTOM_MM - 10, -62.0, -48.0, -36.0, -25.0, -13.0, -2.0, 16.0])
AXIS_V_MM = np.array([-3.0, -3.0, -3.0, -2.5, -1.5, -0.5, 0.0, 0.0])
LATERAL_MM = np.array(
    [
        [22.5, 19.5, 16.5, 15.2, 14.8, 15.0, 15.6, 16.6, 17.6, 17.8, 16.6, 15.6, 15.0],
        [25.0, 21.5, 18.4, 17.0, 16.8, 17.4, 18.2, 19.2, 20.0, 19.6, 17.8, 16.4, 15.6],
        [29.0, 24.5, 20.8, 19.6, 20.2, 21.4, 22.4, 23.4, 23.6, 22.0, 19.4, 17.4, 16.4],
        [31.5, 27.5, 23.6, 22.8, 24.2, 26.0, 27.4, 28.4, 28.0, 25.0, 21.2, 18.6, 17.2],
        [29.0, 27.0, 25.4, 26.2, 29.0, 31.6, 33.0, 33.6, 32.2, 28.0, 23.6, 20.4, 18.4],
        [26.0, 26.4, 27.6, 30.6, 34.4, 37.0, 37.6, 37.0, 34.2, 29.6, 25.4, 22.0, 19.6],
        [25.0, 26.0, 28.4, 32.2, 36.0, 38.6, 39.0, 38.0, 34.6, 29.8, 25.6, 22.0, 19.4],
        [25.0, 26.0, 28.4, 32.2, 36.0, 38.6, 39.0, 38.0, 34.6, 29.8, 25.6, 22.0, 19.4],
    ]
)
MEDIAL_MM = np.array(
    [
        [22.5, 20.5, 18.4, 16.8, 16.0, 16.0, 16.4, 17.0, 17.6, 17.6, 16.8, 15.8, 15.0],
        [25.0, 22.6, 20.4, 19.0, 18.6, 18.8, 19.4, 20.2, 20.6, 20.0, 18.4, 16.8, 15.6],
        [29.0, 25.6, 22.8, 22.0, 22.2, 23.0, 24.0, 24.8, 24.8, 23.4, 20.8, 18.4, 16.4],
        [31.5, 28.2, 25.6, 25.4, 26.6, 28.2, 29.4, 30.0, 29.6, 27.4, 23.8, 20.0, 17.2],
        [29.0, 27.6, 27.2, 28.8, 31.4, 33.4, 34.2, 34.4, 33.6, 30.8, 26.6, 21.8, 18.4],
        [26.0, 26.6, 28.6, 31.8, 35.0, 37.2, 37.4, 37.2, 36.0, 33.4, 29.2, 23.8, 19.6],
        [25.0, 26.4, 29.0, 32.8, 36.4, 38.6, 38.8, 38.4, 36.8, 34.0, 29.6, 24.0, 19.4],
        [25.0, 26.4, 29.0, 32.8, 36.4, 38.6, 38.8, 38.4, 36.8, 34.0, 29.6, 24.0, 19.4],
    ]
)
CORTEX_W_MM, CORTEX_MM = (-90.0, -70.0, -55.0, -42.0, -28.0, -12.0), (5.0, 4.2, 3.2, 2.2, 1.5, 1.1)
# Fibula: axis (outwards, back, up) and radius. Head about 24 mm wide, neck 12 mm (unverified).
FIBULA_MM = np.array([[34.5, 22.5, -10.0], [35.0, 21.5, -18.0], [36.0, 20.5, -27.0], [37.5, 19.5, -40.0],
                      [38.5, 19.0, -58.0], [38.0, 19.0, -80.0], [37.5, 19.0, -92.0]])  # fmt: skip
FIBULA_ALONG, FIBULA_RADIUS_MM = (0.0, 0.10, 0.2, 0.32, 0.45, 0.7, 1.0), (6.5, 10.5, 10.8, 8.0, 6.4, 6.2, 6.6)
PATELLA_HALF_WIDTH_MM, PATELLA_HALF_HEIGHT_MM = 27.2, 23.4  # 46 x 45 mm, 23 mm thick in men (unverified)
PATELLA_BACK_V_MM, PATELLA_FRONT_V_MM = -34.4, -57.8  # median ridge and front, bone


def tibia_lattice(frame: KneeFrame) -> Lattice:
    """Return the lattice of the proximal tibia and fibula."""
    return frame.lattice((-48, -44, BOTTOM_MM - MARGIN_MM), (56, 44, 14), BONE_STEP_MM)


def patella_lattice(frame: KneeFrame) -> Lattice:
    """Return the lattice of the patella with its cartilage."""
    z = frame.patella_z_mm
    return frame.lattice((-32, -64, z - 34), (34, -22, z + 34), BONE_STEP_MM)


def plateau_mm(frame: KneeFrame, u: Field, v: Field) -> Field:
    """Return the height of the tibia's bony top over its plan, reference mm."""
    medial = -1.9 + 1.9 * np.minimum(((u + 21) ** 2 + v * v) / 20.0**2, 1.4)
    lateral = -0.6 + 0.5 * ((u - 21) / 18.0) ** 2 - 0.7 * (v / 20.0) ** 2
    share = np.clip(u / 12.0 + 0.5, 0, 1)
    spine = 8.0 * np.exp(-(((u + 4.6) / 3.8) ** 2) - ((v - 0.5) / 9.0) ** 2)
    spine += 7.0 * np.exp(-(((u - 5.8) / 3.8) ** 2) - ((v - 2.5) / 7.0) ** 2)
    facet = 5.0 * np.clip((v - 13.0) / 9.0, 0, 1) * np.exp(-((u / 9.0) ** 2))  # where the posterior cruciate holds
    return medial * (1 - share) + lateral * share - np.float32(frame.slope) * v + spine - facet


def tibia(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the signed distance of the bone, cartilage apart."""
    u, v, w = frame.reference(lattice)
    centres = np.stack([np.zeros_like(AXIS_V_MM), AXIS_V_MM], axis=1)
    points = np.stack(np.broadcast_arrays(u, v, w), axis=-1).astype(np.float32)
    wall = PolarLoft(LEVELS_MM, centres, ANGLES_DEG, LATERAL_MM, MEDIAL_MM).distance_mm(points)
    x = frame.tubercle_x_mm
    tuberosity = np.sqrt(((u - x) / 9.0) ** 2 + ((v + 27.0) / 8.5) ** 2 + ((w + 36.0) / 14.0) ** 2)
    wall = smooth_min(wall, (tuberosity - 1) * 8.0, 6.0)
    field = smooth_max(wall, w - plateau_mm(frame, u, v), 3.0)
    rough = 0.35 * lattice.noise(frame.noise_seed(3), 17.0) + 0.12 * lattice.noise(frame.noise_seed(4), 6.0)
    return unit_slope(np.asarray(field * frame.bone, np.float32), lattice.step_mm, 0.5, 4.0) + rough


def fibula(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the signed distance of the fibula, whose head leans on the tibia from behind and outside."""
    axis = spline_mm(frame.at(FIBULA_MM), 2.0)
    radius = np.interp(np.linspace(0, 1, len(axis)), FIBULA_ALONG, FIBULA_RADIUS_MM) * frame.bone
    along = np.tile([1.0, 0.0, 0.0], (len(axis), 1))
    field, _ = sweep_distance(Sweep(axis, along, 0.92 * radius, 1.08 * radius), lattice, 12.0)
    return field + 0.5 * lattice.noise(frame.noise_seed(5), 11.0)


def patella(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the signed distance of the patella: a rounded shield with a ridge and two facets behind."""
    u, v, w = frame.reference(lattice)
    u, w = u - 1.5, w - np.float32(frame.patella_z_mm)
    # Thick cartilage and a shallow groove carry it forward.
    v = v + np.float32((frame.patellar_mm + frame.femoral_mm - 5.3) / frame.depth + 6.0 * (1 - frame.trochlea))
    low = np.clip(-w / PATELLA_HALF_HEIGHT_MM, 0, 1)
    half_width = PATELLA_HALF_WIDTH_MM * (1 - 0.35 * low**1.5)  # it narrows to the apex
    outline = ((np.abs(u) / half_width) ** 2.3 + (np.abs(w) / PATELLA_HALF_HEIGHT_MM) ** 2.3) ** (1 / 2.3)
    front = PATELLA_FRONT_V_MM + u * u / 60.0 + w * w / 75.0 - v
    facets = v - PATELLA_BACK_V_MM + np.where(u > 0, 0.40 * u, -0.52 * u) + 0.006 * w * w
    apex = v - PATELLA_BACK_V_MM + 0.55 * np.clip(-w - 8.0, 0, 30)  # the apex bears no cartilage
    field = smooth_max((outline - 1) * 15.0, smooth_max(front, smooth_max(facets, apex, 4.0), 5.0), 6.0)
    rough = 0.3 * lattice.noise(frame.noise_seed(6), 12.0)
    return unit_slope(np.asarray(field * frame.bone, np.float32), lattice.step_mm, 0.5, 4.0) + rough


def tibial_cortex_mm(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the thickness of the cortex (nz, 1, 1) of tibia and fibula."""
    _, _, w = frame.reference(lattice)
    return frame.cortex * np.interp(w, CORTEX_W_MM, CORTEX_MM).astype(np.float32)
