"""The bones as paints: cortex, the dense zone under it, trabecular marrow, fatty marrow and physeal scars."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from phantoms.knee import femur, lower_leg
from phantoms.knee.frame import KneeFrame
from phantoms.knee.joint import Bones
from phantoms.knee.table import labels

Field = NDArray[np.floating[Any]]

TRABECULAR_FROM_MM, CORE_FROM_MM = 2.2, 7.0  # depth of the less dense zones below the cortex
SHAFT_FROM_PHYSIS_MM = (15.0, 30.0)  # height plus depth where trabeculae thin out and the medullary cavity starts
SCAR_HALF_MM = 0.40
PATELLA_CORTEX_MM = 1.1
TIBIOFIBULAR_MM = 2.0  # cartilage of the upper joint between tibia and fibula


def build_bones(frame: KneeFrame, scar: float) -> tuple[Bones, list[Paint]]:
    """Return the bones' shapes and their paints; scar : how much is left of the physeal scars, 0..1."""
    thigh, shank, cap = femur.femur_lattice(frame), lower_leg.tibia_lattice(frame), lower_leg.patella_lattice(frame)
    thighbone, shinbone = femur.femur(frame, thigh), lower_leg.tibia(frame, shank)
    splint, kneecap = lower_leg.fibula(frame, shank), lower_leg.patella(frame, cap)
    splint = np.maximum(splint, TIBIOFIBULAR_MM - shinbone)
    bones = Bones(thigh.shape_of(thighbone), shank.shape_of(shinbone), shank.shape_of(splint), cap.shape_of(kneecap))
    above = _femoral_physis(frame, thigh)
    below = _tibial_physis(frame, shank)
    both = np.minimum(shinbone, splint)
    thigh_zone = _zone(frame, thigh, above, thighbone)
    shank_zone = np.where(splint < shinbone, np.uint8(4), _zone(frame, shank, -below, shinbone))
    paints = [
        *_bone(frame, thigh, thighbone, femur.femoral_cortex_mm(frame, thigh), thigh_zone, ("femur",)),
        *_bone(frame, shank, both, lower_leg.tibial_cortex_mm(frame, shank), shank_zone, ("tibia", "fibula")),
        *_bone(frame, cap, kneecap, PATELLA_CORTEX_MM * frame.cortex, None, ("patella",)),
    ]
    if scar > 0:
        paints.append(_scar(frame, thigh, thighbone, above, "femur"))
        paints.append(_scar(frame, shank, shinbone, below, "tibia"))
    return bones, paints


def _bone(frame: KneeFrame, lattice: Lattice, bone: Field, cortex_mm: Field | float, zone: NDArray[np.uint8] | None,
          kinds: tuple[str, ...]) -> list[Paint]:  # fmt: skip
    """Return the paints of cortex and marrow; zone : see `_zone`; 4 is the second bone."""
    names = labels()
    uneven = lattice.noise(frame.noise_seed(30), 12.0)
    depth = depth_mm(bone, lattice.step_mm)
    marrow = np.asarray(cortex_mm + 0.08 * uneven - depth, np.float32)
    wander = 1.4 * uneven * np.clip(-marrow / 4.0, 0, 1)  # the zones' borders wander, the cortex does not
    marrow = np.where(marrow < 0, np.minimum(marrow + wander, 0.3 * marrow), marrow)
    first, second = kinds[0], kinds[-1]
    if zone is None:
        whole: tuple[int, ...] = (names[first],)
        zones: list[tuple[int, ...]] = [(names[f"{first}_{part}"],) for part in ("subchondral", "trabecular", "core")]
    else:
        whole = (names[first],) * 4 + (names[second],)
        by_zone = (("subchondral", "trabecular", "core"), ("trabecular", "core", "core"),
                   ("core", "metaphysis", "metaphysis"), ("metaphysis", "medulla", "medulla"))  # fmt: skip
        other = ("trabecular", "core", "core")
        zones = [(*(names[f"{first}_{parts[n]}"] for parts in by_zone), names[f"{second}_{other[n]}"])
                 for n in range(3)]  # fmt: skip
    insets = (0.0, TRABECULAR_FROM_MM, CORE_FROM_MM)
    return [
        Paint(lattice.shape_of(bone, zone), (Layer(whole),)),
        Paint(lattice.shape_of(marrow, zone), tuple(Layer(z, inset) for z, inset in zip(zones, insets, strict=True))),
    ]


def depth_mm(bone: Field, step_mm: float) -> Field:
    """Return how deep each node lies in the bone: the distance to the nearest node outside, less its own distance."""
    outside = np.asarray(bone >= 0)
    far, (k, j, i) = ndimage.distance_transform_edt(~outside, return_indices=True)
    return np.where(outside, -bone, far * step_mm - bone[k, j, i])


def _zone(frame: KneeFrame, lattice: Lattice, beyond_physis_mm: Field, bone: Field) -> NDArray[np.uint8]:
    """Return 0 in the epiphysis, 1 and 2 in the metaphysis, 3 in the shaft.

    Trabeculae give way to fat raggedly, and sooner in the middle than along the cortex.
    """
    ragged = 3.5 * lattice.noise(frame.noise_seed(34), 9.0) + 1.0 * lattice.noise(frame.noise_seed(35), 4.0)
    height = beyond_physis_mm + ragged - 0.6 * bone
    zone = np.asarray(beyond_physis_mm > 0, np.uint8)
    for limit in SHAFT_FROM_PHYSIS_MM:
        zone += (beyond_physis_mm > 0) & (height > limit)
    return zone


def _femoral_physis(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the height above the distal femoral growth plate, an undulating sheet at the adductor tubercle's level."""
    u, v, w = frame.reference(lattice)
    level = 41.0 - 3.0 * np.cos(2 * np.pi * u / 46.0) + 0.10 * v - 0.004 * u * u
    return (w - level) * frame.height + 0.9 * lattice.noise(frame.noise_seed(31), 12.0)


def _tibial_physis(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the height above the proximal tibial growth plate."""
    u, v, w = frame.reference(lattice)
    level = -17.0 + 1.5 * np.cos(2 * np.pi * u / 50.0) + 0.10 * v
    return (w - level) * frame.height + 0.8 * lattice.noise(frame.noise_seed(32), 12.0)


def _scar(frame: KneeFrame, lattice: Lattice, bone: Field, height: Field, name: str) -> Paint:
    """Return the paint of a thin broken sheet of dense bone where the growth plate was."""
    names = labels()
    half = SCAR_HALF_MM + 0.45 * lattice.noise(frame.noise_seed(33), 9.0)
    sheet = np.maximum(np.abs(height) - half, bone + 2.0)
    over = tuple(names[f"{name}_{zone}"] for zone in ("subchondral", "trabecular", "core", "metaphysis", "medulla"))
    return Paint(lattice.shape_of(sheet), (Layer(names[f"{name}_physeal_scar"]),), over=over)
