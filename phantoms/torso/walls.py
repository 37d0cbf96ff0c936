"""Muscles of chest, back, belly, hip and thigh: all that lies between the cavity and the fat under the skin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice
from phantoms.torso.arms import arm_regions
from phantoms.torso.frame import RIB_LAYER_MM, Frame
from phantoms.torso.hips import ALIASES, FAT, TOP_MM, hip_regions
from phantoms.torso.muscle_groups import paint_in_groups
from phantoms.torso.table import labels

if TYPE_CHECKING:
    from phantoms.torso.trunk import Trunk

F32 = NDArray[np.float32]
Field = NDArray[np.floating[Any]]

# Share of the abdominal wall's thickness down to the far side of each layer: external 7, internal 9, transversus 4 mm
# (facts, unverified).
EXTERNAL_SHARE, INTERNAL_SHARE = 0.36, 0.78
BELLY = ("rectus_abdominis", "external_oblique", "internal_oblique", "transversus_abdominis")
# Where the belly's muscles end, by angle from the front: at the groin, the iliac crest, the lumbar fascia.
GROIN_DEG = [0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 105.0, 130.0, 150.0, 180.0]
GROIN_Z_MM = [-388.0, -388.0, -372.0, -345.0, -314.0, -284.0, -256.0, -243.0, -240.0, -250.0, -300.0]


def build_walls(frame: Frame, trunk: Trunk, fine: F32) -> list[Paint]:
    """Return the paints of all muscles in the wall; what none of them takes is fat between them."""
    lattice, names = frame.lattice, labels()
    paints = [Paint(lattice.shape_near(trunk.muscle), (Layer(names["intermuscular_fat"]),))]
    seam = TOP_MM * frame.height
    if frame.high_z_mm > -100.0:
        paints.append(_intercostals(frame, trunk))
    if frame.high_z_mm > TOP_MM + 10:
        cut, part = _slab(lattice, seam - 5.0, np.inf)
        paints += _settle(frame, part, _cut(trunk, cut), fine[cut], chest=frame.high_z_mm > -100.0, hips=False)
    if frame.low_z_mm < TOP_MM - 10:
        cut, part = _slab(lattice, -np.inf, seam)
        paints += _settle(frame, part, _cut(trunk, cut), fine[cut], chest=False, hips=True)
    return paints


def _slab(lattice: Lattice, low_mm: float, high_mm: float) -> tuple[slice, Lattice]:
    """Return the nodes between two heights, and a lattice of just them."""
    z = lattice.z.ravel()
    kept = np.flatnonzero((z >= low_mm) & (z <= high_mm))
    low = (lattice.low_mm[0], lattice.low_mm[1], float(z[kept[0]]) + 0.25)
    high = (lattice.high_mm[0], lattice.high_mm[1], float(z[kept[-1]]) - 0.25)
    return slice(int(kept[0]), int(kept[-1]) + 1), Lattice(low, high, lattice.step_mm)


def _cut(trunk: Trunk, part: slice) -> Trunk:
    arms = None if trunk.arms is None else trunk.arms[part]
    return type(trunk)(trunk.skin[part], trunk.muscle[part], trunk.cavity[part], trunk.angle[part], arms)


def rib_layer_mm(frame: Frame, lattice: Lattice) -> F32:
    """Return how thick the rib cage is outside the cavity: nothing below the last rib."""
    z = lattice.z.ravel() / frame.height
    return np.interp(z, [-150, -112], [0.8, RIB_LAYER_MM])[:, None, None].astype(np.float32)


def _intercostals(frame: Frame, trunk: Trunk) -> Paint:
    lattice, names = frame.lattice, labels()
    ends = np.maximum(-150 * frame.height - lattice.z, lattice.z - 158 * frame.height)
    field = np.maximum(np.maximum(trunk.cavity - RIB_LAYER_MM + 1.0, trunk.muscle + 1.0), ends)
    side = np.broadcast_to(lattice.x > 0, lattice.shape).astype(np.uint8)
    pair = names["intercostal_muscles_right"], names["intercostal_muscles_left"]
    return Paint(lattice.shape_near(field, side), (Layer(pair),))


def _settle(frame: Frame, lattice: Lattice, trunk: Trunk, fine: F32, *, chest: bool, hips: bool) -> list[Paint]:
    """Let the muscles of one slab compete, and keep them inside the fascia and outside cavity and ribs."""
    outside = trunk.cavity - rib_layer_mm(frame, lattice)
    regions = _back(frame, lattice, trunk, outside) | _belly(frame, lattice, trunk)
    if chest:
        regions |= _chest(frame, lattice, trunk, outside)
    wobble = 1.3 * lattice.noise(frame.noise_seed(9), 28.0) + 0.4 * fine
    regions = {name: field + wobble * (1 if n % 2 else -1) for n, (name, field) in enumerate(regions.items())}
    if hips:
        half = Lattice((0.0, lattice.low_mm[1], lattice.low_mm[2]), lattice.high_mm, lattice.step_mm)
        for n, (name, field) in enumerate(hip_regions(frame, half).items()):
            regions[name] = _both_sides(field, lattice, half) + wobble * (0.5 if n % 2 else -0.5)
        regions["levator_ani"] = _levator(frame, lattice, trunk)
    gap = np.clip(1.5 + 1.2 * lattice.noise(frame.noise_seed(8), 18.0), 0.2, 4.0).astype(np.float32)
    settled = compete(regions, {"erector_spinae": 1.0, "levator_ani": 8.0, "ischioanal_fossa": -2.0}, gap)
    bound = trunk.muscle + np.float32(0.6)
    kept = {}
    for name, field in settled.items():
        if name in FAT:
            continue
        inner = bound  # the pelvic floor closes the cavity itself
        if name != "levator_ani":
            inner = 0.7 - trunk.cavity if name in BELLY or hips else 1.2 - outside
        kept[name] = np.maximum(field, np.maximum(bound, inner)).astype(np.float32)
    return paint_in_groups(lattice, kept, ALIASES)


def _both_sides(field: Field, lattice: Lattice, half: Lattice) -> Field:
    """Mirror a field of the left half onto a whole lattice."""
    nodes = np.abs(np.rint(lattice.x.ravel() / lattice.step_mm)).astype(int)
    return field[:, :, np.minimum(nodes, half.shape[2] - 1)]


def _levator(frame: Frame, lattice: Lattice, trunk: Trunk) -> F32:
    """Return the pelvic floor: a sheet 4 mm thick just outside the cavity's funnel."""
    top = lattice.z + 400.0 * frame.height
    front = -6.0 * frame.pelvis_depth - lattice.y  # the gap behind the pubis
    return np.maximum(np.abs(trunk.cavity - 2.4) - 1.9, np.maximum(top, front)).astype(np.float32)


def joined(lattice: Lattice, *parts: Field) -> F32:
    """Return what lies in all parts, with rounded edges."""
    field = parts[0]
    for part in parts[1:]:
        field = smooth_max(field, part, 4.0)
    return np.broadcast_to(field, lattice.shape).astype(np.float32)


def _back(frame: Frame, lattice: Lattice, trunk: Trunk, outside: F32) -> dict[str, Field]:
    """Return the long muscles of the back and the broad one over them."""
    z = lattice.z / frame.height
    flat = z.ravel()
    x, depth = np.abs(lattice.x), -trunk.muscle
    # Behind the transverse processes; behind the sacrum below.
    front = frame.spine_y_mm(lattice.z.ravel()) + np.interp(flat, [-340, -280, -235, -120], [30, 26, 22, 4])
    behind = lattice.y - front[:, None, None].astype(np.float32)

    def reach(heights: list[float], widths: list[float]) -> F32:
        return np.interp(flat, heights, widths)[:, None, None].astype(np.float32)

    wide = reach([-345, -300, -265, -235, -200, 0, 120, 200], [4, 26, 48, 60, 62, 50, 40, 32])
    deep = reach([-352, -310, -235, -150, -112, -100], [4, 22, 27, 20, 6, -60])
    regions = {
        "erector_spinae": joined(lattice, x - wide, -behind, np.maximum(deep, 3.0) - x, -350 - z),
        "latissimus_dorsi": joined(lattice, (np.maximum(98 - trunk.angle, trunk.angle - 156)) * np.float32(2.3),
                                   np.maximum(-232 - z, z - 66) * frame.height, depth - 9.0, 5.0 - outside),
    }
    if float(flat[0]) < -100:
        regions["multifidus"] = joined(
            lattice, x - deep, -behind, 2.5 - x, z + 105, -352 - z, 0.5 * (depth - 44.0 + 0.9 * x)
        )
    return regions  # fmt: skip


def _belly(frame: Frame, lattice: Lattice, trunk: Trunk) -> dict[str, Field]:
    """Return the abdominal wall: rectus on both sides of the linea alba, three flat layers in the flank."""
    z, a = lattice.z / frame.height, trunk.angle
    if float(z.ravel()[-1]) < GROIN_Z_MM[0]:
        return {}
    depth = -trunk.muscle
    thickness = np.maximum(trunk.cavity - trunk.muscle, 3.0)
    width = float(frame.scales(-200.0)[0])
    x = np.abs(lattice.x) / width
    groin = np.interp(a, GROIN_DEG, GROIN_Z_MM).astype(np.float32)
    lower = 0.7 * (groin - z)
    # The rectus is widest above the navel and ends at the pubis as a strap; the flat muscles begin at its edge.
    edge = np.interp(z.ravel(), [-390, -330, -230, -120, -60], [30, 46, 64, 68, 70])[:, None, None].astype(np.float32)
    edge = edge * np.float32(1 + 0.003 * max(frame.belly_mm, 0))
    behind = (lattice.y - 10).astype(np.float32)
    margin = np.interp(a, [0, 25, 60, 100, 140, 180], [-30, -38, -64, -96, -112, -400]).astype(np.float32)
    costal = np.interp(a, [0, 25, 50, 75, 110, 140, 180], [-45, -66, -104, -132, -140, -150, -400]).astype(np.float32)
    flank = [(edge + 4.0 - x) - 40.0 * (behind > 0), (a - 138) * np.float32(2.0), lower]
    regions = {
        "rectus_abdominis": joined(lattice, x - edge, 2.2 - x, behind, z - np.where(a < 20, -30, -38), -389 - z),
        "external_oblique": joined(lattice, depth - EXTERNAL_SHARE * thickness, *flank, z - margin, 1.6 * (a - 128)),
        "internal_oblique": joined(
            lattice, EXTERNAL_SHARE * thickness - depth, depth - INTERNAL_SHARE * thickness, *flank, z - costal),
        "transversus_abdominis": joined(lattice, INTERNAL_SHARE * thickness - depth, *flank, z - costal - 14),
    }  # fmt: skip
    return {name: field.astype(np.float32) for name, field in regions.items()}


def _chest(frame: Frame, lattice: Lattice, trunk: Trunk, outside: F32) -> Mapping[str, Field]:
    """Return chest and shoulder: angle from the front, height, and layer from the surface or from the ribs."""
    a, depth = trunk.angle, -trunk.muscle
    z = lattice.z / frame.height
    arc = np.float32(2.3)  # mm per degree about 130 mm from the axis
    x = np.abs(lattice.x)

    def sector(low: float, high: float) -> F32:
        return np.maximum(low - a, a - high) * arc

    def span(low: float | Field, high: float | Field) -> Field:
        return np.maximum(low - z, z - high) * np.float32(frame.height)

    regions = {
        name: joined(lattice, *parts)
        for name, parts in {
            "pectoralis_major": (sector(7, 74), span(-8 + 0.75 * np.maximum(a - 8, 0), 132), 8.0 - outside),
            "pectoralis_minor": (sector(32, 68), span(34, 118), outside - 8.0),
            "serratus_anterior": (sector(56, 134), span(-78, 98), outside - np.where(z < 10, 7.0, 9.0)),
            "teres_major": (sector(100, 132), span(18, 84), 20.0 - outside),
            "trapezius": (sector(142, 181), span(-70, 210), depth - 9.0, 5.0 - x + 5.0 * (a < 150)),
            "infraspinatus": (sector(110, 152), span(-2, 98), 18.0 - outside),
            "subscapularis": (sector(94, 150), span(2, 118), outside - 14.0, 6.0 - outside),
            "deltoid": (sector(38, 132), 82.0 - outside, 62 - z),
            "shoulder_muscles": (sector(62, 168), 14.0 - outside, span(92, 215)),
            "neck_muscles": (128 - z, outside - 60.0, 12.0 - x),
        }.items()
    }
    return regions if trunk.arms is None else regions | arm_regions(frame, lattice, trunk.arms, outside)
