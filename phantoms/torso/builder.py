"""One builder for the whole trunk: each body builds of it what its range shows."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Paint, Scene, Structure, Texture
from medsynth.scene.subject import Subject
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep
from phantoms.extremes import point_of
from phantoms.torso import devices, heart, implants, lungs, places
from phantoms.torso.cage import build_cage
from phantoms.torso.chest import build_chest
from phantoms.torso.fitting import UPRIGHT_LUNGS, fitted_frame, positioned
from phantoms.torso.frame import BIFURCATION_Z_MM, HIP_CENTRE_MM, SYMPHYSIS_TOP_MM, Frame
from phantoms.torso.great_vessels import paint_great_vessels, pelvic_tubes
from phantoms.torso.loins import Loins, build_loins
from phantoms.torso.pelvis_bones import PelvisBones, build_pelvis_bones, place
from phantoms.torso.pelvis_organs import PelvisOrgans, build_pelvis_organs
from phantoms.torso.spine import build_spine
from phantoms.torso.table import structures_of
from phantoms.torso.trunk import Trunk, build_trunk
from phantoms.torso.viscera import build_viscera

Field = NDArray[np.floating[Any]]

ORIGIN = "midline, middle of the T8 vertebral body's height, halfway between breastbone and back"
# Heights of what can be imaged, reference mm: from the kidneys to the neck; from the dome of the diaphragm to L5; from
# the iliac crests to the upper thighs; all.
SCAN_RANGES_MM: Mapping[str, tuple[float, float]] = {
    "chest": (-150.0, 176.0),
    "abdomen": (-290.0, 0.0),
    "pelvis": (-478.0, -225.0),
    "torso": (-478.0, 176.0),
}
# What only a body with hanging arms shows, since it has a longer neck.
HANGING_ONLY = ("arm_flexors", "arm_extensors", "vertebra_C4", "vertebra_C5", "vertebra_C6",
                "disc_C4", "disc_C5", "disc_C6")  # fmt: skip
CHEST_FROM_MM = -100.0  # a body that reaches higher shows lungs and heart
NECK_FROM_MM, NECK_TOP_MM = 180.0, 236.0  # a body that reaches the neck shows it up to C4 where the arms hang
PELVIS_FROM_MM = -240.0  # one that reaches lower shows hip bones


@dataclass(frozen=True)
class Extent:
    """What of the trunk a body builds: reference heights, and the scan ranges it offers."""

    low_z_mm: float
    high_z_mm: float
    scan_ranges: tuple[str, ...]


def build_scene(name: str, extent: Extent, subject: Subject, spec: Mapping[str, Any]) -> Scene:
    """Build everything between the heights of `extent`."""
    seed = Seed(int(spec["seed"])).child("thorax")
    if positioned(spec).arms_down and extent.high_z_mm > NECK_FROM_MM:
        extent = replace(extent, high_z_mm=NECK_TOP_MM)  # without raised arms in its way the neck shows
    fit = fitted_frame(subject, spec, extent.low_z_mm, extent.high_z_mm)
    frame = fit.frame
    lattice = frame.lattice
    chest_shown, pelvis_shown = extent.high_z_mm > CHEST_FROM_MM, extent.low_z_mm < PELVIS_FROM_MM
    with ThreadPoolExecutor(max_workers=2) as pool:  # independent parts; the kernels release the interpreter lock
        outside = pool.submit(build_trunk, frame, float(spec["breast_ml"]))
        column = pool.submit(build_spine, frame, np.asarray(spec["sway_rad"]))
        bars = pool.submit(build_cage, frame, np.asarray(spec["rib_jitter_mm"]), 0.0) if chest_shown else None
        ring = pool.submit(build_pelvis_bones, frame) if pelvis_shown else None
        soft = pool.submit(build_loins, frame)
    (trunk, wall), (spine, bones), loins = outside.result(), column.result(), soft.result()
    cage, ribs = bars.result() if bars else (None, [])
    pelvis = ring.result() if ring else None
    above = _above(fit.shift_mm, frame, trunk, spec) if chest_shown else None
    sweeps = heart.tubes(frame, float(spec["aorta"]))
    if extent.low_z_mm < BIFURCATION_Z_MM:
        sweeps |= pelvic_tubes(frame, np.asarray(spec["artery_wander_mm"]))
    organs = build_pelvis_organs(frame, trunk, subject.sex, spec, seed) if pelvis_shown else None
    inside, pelvic = _room(frame, trunk, above, loins, organs)
    bone = spine.bone if pelvis is None else _joined(frame, spine.bone, pelvis)
    with ThreadPoolExecutor(max_workers=2) as pool:
        breathing = None
        if above is not None:
            whole = extent.high_z_mm > 100.0
            breathing = pool.submit(build_chest, fit, trunk, above, spine.bone, spec, seed, whole=whole)
        digesting = pool.submit(
            build_viscera, frame, lattice, inside, bone, _near_belly(sweeps), spec, seed,
            low_mm=extent.low_z_mm * frame.height, high_mm=min(extent.high_z_mm, 60.0) * frame.height, pelvic=pelvic,
        )  # fmt: skip
    viscera, trees, belly, centrelines = digesting.result()
    body = lattice.shape_near(trunk.skin)
    fields: dict[str, Shape] = {**viscera, "body": body, "spine": spine.bone}
    behind: list[Paint] = []
    front: list[Paint] = []
    if breathing is not None:
        chest = breathing.result()
        fields |= chest.fields
        trees = {**chest.trees, **trees}
        behind = chest.behind
        front = chest.front
    if cage is not None:
        fields["ribs"] = cage.ribs
    if pelvis is not None:
        fields["pelvis_bones"] = pelvis.bone
    if organs is not None:
        fields |= organs.fields
    paced = implants.paint_pacemaker(fit, fields, sweeps, spec) if above is not None else []
    made = devices.Devices([], {}, {})
    if extent.high_z_mm > 100.0:
        made = devices.build_devices(frame, fields, sweeps, spec)
    paints = (
        *wall,
        *behind[:1],
        *belly[:1],
        *(loins.paints if loins else ()),
        *(organs.paints if organs else ()),
        *belly[1:],
        *behind[1:],
        *paint_great_vessels(frame, sweeps, float(spec["plaque"])),
        *bones,
        *(pelvis.paints if pelvis else ()),
        *implants.paint_hips(frame, spec),
        *ribs,
        *front,
        *paced,
        *made.paints,
    )
    low, high = made.around(*body.bounds_mm())
    ranges = {n: tuple((np.array(SCAN_RANGES_MM[n]) * frame.height).tolist()) for n in extent.scan_ranges}
    return Scene(
        name, ORIGIN, subject, individual_structures(name, spec), paints, fields, {**trees, **centrelines},
        {**_landmarks(frame, extent, fields, above, trunk.cavity, sweeps), **made.tips}, (low, high),
        ranges, texture_seed=int(spec["seed"]),
        remarks=made.remarks,
    )  # fmt: skip


def _above(shift_mm: float, frame: Frame, trunk: Trunk, spec: Mapping[str, Any]) -> Field:
    return lungs.diaphragm_height(frame, frame.lattice, trunk, shift_mm, tuple(spec["dome_mm"]))


def _room(
    frame: Frame, trunk: Trunk, above: Field | None, loins: Loins | None, organs: PelvisOrgans | None
) -> tuple[Field, Field | None]:
    """Return the room of the abdominal organs, and the distance to the pelvic ones that stand in it."""
    lattice = frame.lattice
    inside: Field = trunk.cavity if above is None else np.maximum(trunk.cavity, above)
    if loins is not None:
        muscles = lattice.sample(loins.lattice.shape_of(np.minimum(loins.field, 10.0)))
        inside = smooth_max(inside, 1.2 - muscles, 3.0)
    pelvic = None if organs is None else lattice.sample(organs.shape)
    return inside.astype(np.float32), pelvic


def _joined(frame: Frame, spine: SampledShape, pelvis: PelvisBones) -> SampledShape:
    """Return spine and pelvis as one obstacle, on the body's lattice."""
    lattice = frame.lattice
    return lattice.shape_of(np.minimum(lattice.sample(spine), lattice.sample(pelvis.bone)))


def _near_belly(sweeps: Mapping[str, Any]) -> dict[str, Any]:
    """Return the vessels that abdominal organs must keep clear of."""
    return {n: s for n, s in sweeps.items() if n in ("descending_aorta", "inferior_vena_cava") or "iliac" in n}


def _landmarks(
    frame: Frame,
    extent: Extent,
    fields: Mapping[str, Shape],
    above: Field | None,
    cavity: Field,
    sweeps: Mapping[str, Sweep],
) -> dict[str, tuple[float, float, float]]:
    """Return the named points inside the built range."""
    points: dict[str, Any] = {
        **places.bone_places(frame),
        "carina": frame.at(heart.TRACHEA[-1]),
        "aortic_bifurcation": frame.at([5.0, -18.0, BIFURCATION_Z_MM]),
        "hip_centre_right": place(frame, HIP_CENTRE_MM, -1.0),
        "hip_centre_left": place(frame, HIP_CENTRE_MM),
        "symphysis": frame.at(SYMPHYSIS_TOP_MM),
    }
    if above is not None and extent.high_z_mm > 100.0:
        points |= places.lung_places(frame, fields, above, cavity) | places.heart_places(frame, sweeps)
    bone = fields.get("pelvis_bones")
    if isinstance(bone, SampledShape):
        points |= places.pelvis_places(frame, bone)
    low, high = extent.low_z_mm * frame.height, extent.high_z_mm * frame.height
    return {name: point_of(np.asarray(p)) for name, p in points.items() if low <= p[2] <= high}


def individual_structures(body: str, spec: Mapping[str, Any]) -> tuple[Structure, ...]:
    """Return the structures with this individual's mixtures: lung air, marrow mineral, fat of organs."""
    tissue, mineral, fat = float(spec["lung_tissue"]), float(spec["marrow_mineral"]), float(spec["liver_fat"])
    placed = positioned(spec)
    tissue = tissue / placed.breath / (UPRIGHT_LUNGS if placed.upright else 1.0)
    # Blood pools in the dependent lung: density rises by about 4 HU per cm towards the back at full inspiration.
    slope = (0.0, 0.4 / (1000 * tissue), 0.0)
    made = []
    for one in structures_of(body):
        if one.name.startswith("lobe_"):  # what is breathed out leaves the tissue in less room
            texture = Texture(one.texture.octaves, one.texture.ridges, slope)
            one = replace(one, mixture=(("air", 1 - tissue),), texture=texture)
        elif one.name.endswith("_marrow"):
            share = mineral if one.name.startswith("vertebra") else 0.6 * mineral
            if one.name.startswith("femur"):
                share = mineral  # the head bears the weight
            one = replace(one, mixture=tuple((t, share if t == "cortical_bone" else v) for t, v in one.mixture))
        elif one.name == "liver" or one.name.startswith("liver_segment"):
            one = replace(one, mixture=(("adipose", fat),))
        elif one.tissue == "pancreas":
            one = replace(one, mixture=(("adipose", float(spec["pancreas_fat"])),))
        elif one.name == "thymus":
            one = replace(one, mixture=(("adipose", float(spec["thymus_fat"])),))
        made.append(one)
    made = [one for one in made if placed.arms_down or not one.name.startswith(HANGING_ONLY)]
    return tuple(one for one in made if implants.present(one, spec))
