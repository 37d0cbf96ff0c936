"""The bones as paints: cortex, the dense zone under it, trabecular marrow, fatty marrow and physeal scars."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from phantoms.knee import femur, lower_leg
from phantoms.knee.frame import KneeFrame
from phantoms.knee.joint import Bones
from phantoms.knee.table import labels

Field = NDArray[np.floating[Any]]

TRABECULAR_FROM_MM, CORE_FROM_MM = 2.2, 7.0  # depth of the less dense zones below the cortex
SCAR_HALF_MM = 0.55
PATELLA_CORTEX_MM = 1.1


def build_bones(frame: KneeFrame, scar: float) -> tuple[Bones, list[Paint]]:
    """Return the bones' shapes and their paints; scar : how much is left of the physeal scars, 0..1."""
    thigh, shank, cap = femur.femur_lattice(frame), lower_leg.tibia_lattice(frame), lower_leg.patella_lattice(frame)
    thighbone, shinbone = femur.femur(frame, thigh), lower_leg.tibia(frame, shank)
    splint, kneecap = lower_leg.fibula(frame, shank), lower_leg.patella(frame, cap)
    bones = Bones(thigh.shape_of(thighbone), shank.shape_of(shinbone), shank.shape_of(splint), cap.shape_of(kneecap))
    above = _femoral_physis(frame, thigh)
    below = _tibial_physis(frame, shank)
    both = np.minimum(shinbone, splint)
    shaft = np.where(splint < shinbone, 2, below < 0).astype(np.uint8)
    paints = [
        *_bone(frame, thigh, thighbone, femur.femoral_cortex_mm(frame, thigh), (above > 0).astype(np.uint8), ("femur",)),
        *_bone(frame, shank, both, lower_leg.tibial_cortex_mm(frame, shank), shaft, ("tibia", "fibula")),
        *_bone(frame, cap, kneecap, PATELLA_CORTEX_MM * frame.cortex, None, ("patella",)),
    ]
    if scar > 0:
        paints.append(_scar(frame, thigh, thighbone, above, "femur"))
        paints.append(_scar(frame, shank, shinbone, below, "tibia"))
    return bones, paints


def _bone(frame: KneeFrame, lattice: Lattice, bone: Field, cortex_mm: Field | float, zone: NDArray[np.uint8] | None,
          kinds: tuple[str, ...]) -> list[Paint]:  # fmt: skip
    """Return the paints of cortex and marrow; zone : 0 epiphysis, 1 shaft of the first bone, 2 the second bone."""
    names = labels()
    uneven = lattice.noise(frame.noise_seed(30), 12.0)
    marrow = bone + cortex_mm + 0.12 * uneven
    marrow = marrow + 1.6 * uneven * np.clip(-marrow / 4.0, 0, 1)  # the zones' borders wander, the cortex does not
    first = kinds[0]
    if zone is None:
        whole: tuple[int, ...] = (names[first],)
        zones = [(names[f"{first}_{part}"],) for part in ("subchondral", "trabecular", "core")]
    else:
        second = kinds[-1]
        whole = (names[first], names[first], names[second])
        zones = [(names[f"{first}_{epi}"], names[f"{first}_{shaft}"], names[f"{second}_{other}"])
                 for epi, shaft, other in (("subchondral", "metaphysis", "trabecular" if second != first else "core"),
                                           ("trabecular", "metaphysis", "core"), ("core", "medulla", "core"))]  # fmt: skip
    owner = np.zeros(lattice.shape, np.uint8) if zone is None else zone
    insets = (0.0, TRABECULAR_FROM_MM, CORE_FROM_MM)
    return [
        Paint(lattice.shape_of(bone, owner), (Layer(whole),)),
        Paint(lattice.shape_of(marrow, owner), tuple(Layer(z, inset) for z, inset in zip(zones, insets, strict=True))),
    ]


def _femoral_physis(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the height above the distal femoral growth plate, an undulating sheet at the adductor tubercle's level."""
    u, v, w = frame.reference(lattice)
    level = 41.0 - 3.0 * np.cos(2 * np.pi * u / 46.0) + 0.10 * v - 0.004 * u * u
    return (w - level) * frame.height + 1.5 * lattice.noise(frame.noise_seed(31), 14.0)


def _tibial_physis(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the height above the proximal tibial growth plate."""
    u, v, w = frame.reference(lattice)
    level = -17.0 + 1.5 * np.cos(2 * np.pi * u / 50.0) + 0.10 * v
    return (w - level) * frame.height + 1.2 * lattice.noise(frame.noise_seed(32), 14.0)


def _scar(frame: KneeFrame, lattice: Lattice, bone: Field, height: Field, name: str) -> Paint:
    """Return the paint of a thin broken sheet of dense bone where the growth plate was."""
    names = labels()
    half = SCAR_HALF_MM + 0.45 * lattice.noise(frame.noise_seed(33), 9.0)
    sheet = np.maximum(np.abs(height) - half, bone + 2.0)
    over = tuple(names[f"{name}_{zone}"] for zone in ("subchondral", "trabecular", "core", "metaphysis", "medulla"))
    return Paint(lattice.shape_of(sheet), (Layer(names[f"{name}_physeal_scar"]),), over=over)
