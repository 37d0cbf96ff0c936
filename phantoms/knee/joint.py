"""What lies between the bones: cartilage, menisci, fluid, capsule and the fat inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.knee import femur
from phantoms.knee.frame import BONE_STEP_MM, KneeFrame
from phantoms.knee.lower_leg import PATELLA_BACK_V_MM, plateau_mm
from phantoms.knee.table import labels

Field = NDArray[np.floating[Any]]

FILM_MM = 0.15  # fluid between cartilage layers that bear on each other
# Menisci: height at the rim 5-7 mm, width in the middle (MRI of 40 adults).
# Lateral ring: middle (outwards, back) and outer radius.
MENISCUS_HEIGHT_MM, MEDIAL_WIDTH_MM, LATERAL_WIDTH_MM = 6.4, 8.2, 9.0
LATERAL_RING_MM = (20.5, -0.5, 18.3)
CAPSULE_MM = 1.5  # thickness of the capsule
CAPSULE_FROM_BONE_MM = 3.4
BARE_MM = 1.5  # how far the cartilage surface sinks into bone that bears none


@dataclass(frozen=True, eq=False)
class Bones:
    """The bones' signed distances as shapes."""

    femur: SampledShape
    tibia: SampledShape
    fibula: SampledShape
    patella: SampledShape


@dataclass(frozen=True, eq=False)
class Joint:
    """The nodes of the joint, and distances there: bones, cartilage surfaces, reference coordinates."""

    lattice: Lattice
    femur: Field
    tibia: Field
    patella: Field
    u: Field
    v: Field
    w: Field


def build_joint(frame: KneeFrame, bones: Bones) -> tuple[list[Paint], list[Paint]]:
    """Return the paints of fat, capsule and fluid, and those of menisci and cartilage."""
    lattice = frame.lattice((-50, -64, -30), (50, 46, 90), BONE_STEP_MM)
    u, v, w = frame.reference(lattice)
    thigh, shin, cap = (np.asarray(lattice.sample(bone)) for bone in (bones.femur, bones.tibia, bones.patella))
    joint = Joint(lattice, thigh, shin, cap, u, v, w)
    layers = {"femoral": joint.femur - _bare(femoral_thickness_mm(frame, joint)),
              "tibial": joint.tibia - _bare(tibial_thickness_mm(frame, joint)),
              "patellar": joint.patella - _bare(patellar_thickness_mm(frame, joint))}  # fmt: skip
    settled = compete(layers, {}, FILM_MM)
    names = labels()
    cartilage = np.minimum(np.minimum(settled["femoral"], settled["tibial"]), settled["patellar"])
    owner = np.where(settled["femoral"] <= cartilage, 0, np.where(settled["patellar"] <= cartilage, 3, 1))
    owner += (owner == 1) & (u > 0)
    parts = ("femoral_cartilage", "tibial_cartilage_medial", "tibial_cartilage_lateral", "patellar_cartilage")
    cover = Paint(lattice.shape_of(cartilage, owner.astype(np.uint8)), (Layer(tuple(names[p] for p in parts)),))
    return _soft_parts(frame, joint, settled), [_menisci(frame, joint, settled), cover]


def _bare(thickness_mm: Field) -> Field:
    """Return the thickness with bare bone drawn in: the layer ends with an edge instead of running out to a film."""
    return thickness_mm - BARE_MM * (1 - np.clip(thickness_mm / 0.6, 0, 1))


def femoral_thickness_mm(frame: KneeFrame, joint: Joint) -> Field:
    """Return the thickness of the femur's cartilage: trochlea, bearing surfaces, back of the condyles; 0 elsewhere."""
    _, angle = femur.polar(joint.v, joint.w)
    angle = np.where(angle > 280, angle - 360, angle)
    along = np.clip((angle + 28.0) / 12.0, 0, 1) * np.clip((222.0 - angle) / 16.0, 0, 1)
    front = np.clip(np.cos(np.radians(angle)), 0, 1)
    rim = 37.5 - 12.5 * front**0.7
    across = np.clip((rim - np.abs(joint.u)) / 5.0, 0, 1)
    outside_notch = np.clip((femur.notch(frame, joint.u, joint.v, joint.w) + 0.5) / 3.0, 0, 1)
    uneven = 1 + 0.09 * joint.lattice.noise(frame.noise_seed(20), 15.0)
    hill = 0.85 + 0.3 * front - 0.1 * np.clip(-np.cos(np.radians(angle)), 0, 1)
    return np.asarray(frame.femoral_mm * along * across**0.7 * outside_notch * uneven * hill, np.float32)


def tibial_thickness_mm(frame: KneeFrame, joint: Joint) -> Field:
    """Return the thickness of the cartilage on both plateaus, greatest in their middles, lateral 15 % more."""
    depth = np.where(joint.u < 0, 22.0, 19.5)
    rim = ((np.abs(joint.u) - 21.5) / 16.5) ** 2 + (joint.v / depth) ** 2
    hill = np.clip(1 - rim**2, 0, 1) ** 0.6
    uneven = 1 + 0.07 * joint.lattice.noise(frame.noise_seed(21), 14.0)
    return np.asarray(frame.tibial_mm * np.where(joint.u < 0, 0.95, 1.15) * hill * uneven, np.float32)


def patellar_thickness_mm(frame: KneeFrame, joint: Joint) -> Field:
    """Return the thickness of the cartilage behind the patella, greatest on the ridge, none on the apex."""
    w = joint.w - np.float32(frame.patella_z_mm)
    rim = ((joint.u - 1.5) / 22.0) ** 2 + ((w - 3.5) / 17.5) ** 2
    behind = np.clip((joint.v - PATELLA_BACK_V_MM + 13.0 - 0.012 * joint.u**2) / 4.0, 0, 1)
    return np.asarray(frame.patellar_mm * np.clip(1 - rim**2, 0, 1) ** 0.5 * behind, np.float32)


def _menisci(frame: KneeFrame, joint: Joint, cartilage: dict[str, Field]) -> Paint:
    """Return both menisci: bands along the rim of the plateaus, wedge-shaped between the cartilage layers."""
    u, v, w = joint.u, joint.v, joint.w
    top = plateau_mm(frame, u, v)
    level = np.hypot(u / 39.0, v / np.where(u < 0, 25.0, 24.0))
    inward = (1 - level) * (np.hypot(u, v) / np.maximum(level, 0.2))  # from the rim of the medial plateau inwards
    back = np.clip(v / 18.0, -1, 1)
    # Front, middle, back: 10.5, 7.8 and 13.9 mm medially, 11.8, 8.6 and 12.0 mm laterally (MRI of 40 adults).
    width = frame.meniscus * (MEDIAL_WIDTH_MM + 4.2 * back**2 + 1.7 * back)
    medial = _wedge(inward + 0.3, width, w - top)
    medial = smooth_max(medial, u + 4.5 - 1.5 * back, 2.0)
    middle_u, middle_v, radius = LATERAL_RING_MM
    from_middle = np.hypot(u - middle_u, v - middle_v)
    lateral = _wedge(radius + 0.7 - from_middle, frame.meniscus * (LATERAL_WIDTH_MM + 3.3 * back**2), w - top)
    opening = np.abs(np.degrees(np.arctan2(v - middle_v, middle_u - u)))  # 0 towards the eminence
    lateral = smooth_max(lateral, (24.0 - opening) * from_middle / 57.3, 2.0)
    owner = np.broadcast_to(u > 0, joint.lattice.shape).astype(np.uint8)
    between = np.minimum(cartilage["femoral"], cartilage["tibial"])
    ring = np.where(owner, lateral, medial) * frame.bone + 0.3 * joint.lattice.noise(frame.noise_seed(22), 9.0)
    field = np.maximum(ring, 0.05 - between)
    names = labels()
    return Paint(joint.lattice.shape_of(field, owner), (Layer((names["meniscus_medial"], names["meniscus_lateral"])),))


def _wedge(inward: Field, width: Field | float, height: Field) -> Field:
    """Return a band `width` wide from its rim inwards whose top falls from the rim to the free edge."""
    share = np.clip(inward / width, 0, 1)
    top = height - (0.6 + MENISCUS_HEIGHT_MM * (1 - share) ** 0.8)
    return smooth_max(smooth_max(np.maximum(-inward, inward - width), top, 1.5), -height - 4.0, 1.0)


def _soft_parts(frame: KneeFrame, joint: Joint, cartilage: dict[str, Field]) -> list[Paint]:
    """Return the fat pads, the capsule and the fluid."""
    u, v, w = joint.u, joint.v, joint.w
    lattice, names = joint.lattice, labels()
    lumpy = 1.6 * lattice.noise(frame.noise_seed(23), 16.0) + 0.6 * lattice.noise(frame.noise_seed(24), 6.0)
    hull = smooth_min(joint.femur, joint.tibia, 16.0)
    level = np.maximum(-9.0 - w, w - 47.0) * frame.bone
    arch = np.maximum(femur.notch(frame, u, v, w) - 2.0, np.maximum(v - 23.0, -18.0 - v))
    arch = smooth_max(arch, w - 33.0 + 0.3 * v, 6.0)
    hull = smooth_min(hull - CAPSULE_FROM_BONE_MM, np.asarray(arch * frame.bone, np.float32), 5.0)
    capsule = smooth_max(hull + 0.3 * lumpy, np.asarray(level + 0 * hull, np.float32), 8.0)
    low = (frame.patella_z_mm - 14.0) / 2 - 8.0
    hoffa = np.sqrt(((u - 1.5) / 25.0) ** 2 + ((v + 30.5) / 17.5) ** 2 + ((w - low) / (low + 22.0)) ** 2)
    hoffa_field = (hoffa - 1) * 17.0 * frame.bone + lumpy
    surface = np.minimum(np.minimum(cartilage["femoral"], cartilage["tibial"]), cartilage["patellar"])
    film = 0.15 + 0.25 * frame.fluid
    # Under the condyles there is no fat: what cartilage and menisci leave is fluid.
    bearing = np.maximum(np.maximum(cartilage["femoral"], cartilage["tibial"]) - 2.0, 9.0 - np.abs(u))
    near = np.minimum(surface - film - 0.1 * lumpy, bearing)
    recess = _recess(frame, joint)
    fluid = np.minimum(near, recess + 0.25 * lumpy)
    return [
        Paint(lattice.shape_of(np.minimum(capsule, hoffa_field)),
              (Layer(names["joint_capsule"]), Layer(names["intracapsular_fat"], CAPSULE_MM))),
        Paint(lattice.shape_of(hoffa_field + 0.6), (Layer(names["infrapatellar_fat_pad"]),)),
        Paint(lattice.shape_of(fluid), (Layer(names["joint_fluid"]),)),
    ]  # fmt: skip


def _recess(frame: KneeFrame, joint: Joint) -> Field:
    """Return the suprapatellar recess: a collapsed pouch between quadriceps tendon and the fat before the femur."""
    top = frame.patella_z_mm + 22.0
    sheet = -35.5 - 6.0 * np.clip((joint.w - top + 12.0) / 14.0, 0, 1) + 0.007 * joint.u**2
    half = 0.3 + 0.5 * frame.fluid + 0.7 * frame.fluid * np.exp(-(((joint.w - top - 16.0) / 9.0) ** 2))
    plan = np.hypot((joint.u - 1.0) / 17.0, (joint.w - top - 6.0) / 24.0)
    return smooth_max(np.abs(joint.v - sheet) - half, (plan - 1) * 16.0, 2.0) * frame.bone
