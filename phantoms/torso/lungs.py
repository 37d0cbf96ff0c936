"""Diaphragm, lungs with lobes and fissures, and the trees of airways, arteries and veins."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.lattice import Lattice, unit_slope
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep
from medsynth.shapes.tree import TreeSpec, bundle, grow_tree
from medsynth.shapes.tree_edit import concatenate, walled
from medsynth.shapes.tubes import Tubes
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels
from phantoms.torso.trunk import Trunk

Field = NDArray[np.floating[Any]]

# Share of each lobe of its own lung (supine CT, PMC7490509 table 3): RUL 17.9, RML 9.3, RLL 26.5, LUL 23.1, LLL 23.2 %.
SIDES = ("right", "left")
# Where the fissures lie when only the lungs' bases are built: medians of whole ones (reference mm of the two levels).
OBLIQUE_LEVEL_MM, ACROSS_LEVEL_MM = -4.0, 18.0
HEART_HOLDS = 0.45  # of the heart's lift, by which the tendon under it stays behind the domes
FISSURE_MM = 0.2  # two layers of visceral pleura; less than a pixel, seen by its fraction


@dataclass(frozen=True, eq=False)
class Lungs:
    """The lungs' shapes by name (`lung_left`, `lobe_right_upper`, ...) and the trees in them."""

    fields: Mapping[str, SampledShape]
    trees: Mapping[str, Tubes]
    paints: list[Paint]


def diaphragm_height(frame: Frame, lattice: Lattice, trunk: Trunk, shift_mm: float, dome: tuple[float, float]) -> Field:
    """Return the height above the diaphragm in mm (positive on the lung's side), as a distance.

    Two domes and a flat middle hang from an insertion that falls steeply from front to back, which makes the lung a
    crescent behind the liver instead of an even ring around it.
    """
    x, y, z = lattice.x / frame.width, lattice.y / frame.depth, lattice.z
    h = frame.height
    right = dome[0] - 38 * ((x + 60) / 78) ** 2 - 30 * ((y + 2) / 72) ** 2
    left = dome[1] - 34 * ((x - 66) / 72) ** 2 - 28 * ((y - 2) / 66) ** 2
    middle = dome[0] - 19.0 - 18 * ((y + 20) / 60) ** 2 + 0 * x
    top = smooth_max(smooth_max(right, left, 14.0), middle, 14.0)
    insertion = np.interp(
        trunk.angle, [0, 30, 60, 90, 120, 150, 165, 180], [-50, -56, -74, -106, -130, -136, -105, -75]
    )
    inward = np.clip(-trunk.cavity / 52.0, 0, 1)
    rise = 1 - (1 - inward) ** 1.9
    surface = (
        (insertion + (top - insertion) * rise) * h + shift_mm * rise + 1.6 * lattice.noise(frame.noise_seed(50), 60.0)
    )
    if frame.heart_lift_mm > 0:  # the domes rise further than the tendon on which the heart rests
        held = np.exp(-(((x - 12.0) / 46.0) ** 2) - ((y + 26.0) / 44.0) ** 2)
        surface = surface - HEART_HOLDS * frame.heart_lift_mm * held * rise
    return unit_slope((z - surface).astype(np.float32), lattice.step_mm, 0.9, 4.0)


def lung_field(frame: Frame, lattice: Lattice, trunk: Trunk, above: Field, outline: Field) -> Field:
    """Return both lungs: inside the ribs, above the diaphragm, beside the mediastinum."""
    pleura = smooth_max(2.2 - above, trunk.cavity + 1.2, 3.0)
    top, bend = (163.0, 0.005) if not frame.arms_down else (166.0, 0.013)  # raised arms flatten the tips
    apex = top - bend * ((np.abs(lattice.x) / frame.width - 34) ** 2 + (lattice.y / frame.depth - 14) ** 2)
    pleura = smooth_max(pleura, (lattice.z - apex * frame.height).astype(np.float32), 8.0)
    lung = smooth_max(pleura, -outline, 2.0).astype(np.float32)
    # Pockets between heart, diaphragm and spine that belong to neither lung are fat.
    parts, count = ndimage.label(lung < 0)
    if count > 2:
        sizes = np.bincount(parts.ravel())
        small = sizes < max(sizes[1:].max() // 4, 1)
        small[0] = False
        lung[small[parts]] = 1.0
    return lung


def build_lungs(
    frame: Frame,
    lattice: Lattice,
    lung: Field,
    tubes: Mapping[str, Sweep],
    shares: Mapping[str, float],
    seed: Seed,
    *,
    whole: bool = True,
) -> Lungs:
    """Return lobes, fissures and trees; of the lungs' bases alone no trees, and fissures at their usual places.

    shares : what the `right_lower` and `left_lower` lobes hold of their lung, and the `right_middle` lobe of the rest.
    """
    names = labels()
    fields: dict[str, SampledShape] = {}
    paints: list[Paint] = []
    x = np.broadcast_to(lattice.x, lattice.shape)
    z = lattice.z / frame.height
    y = lattice.y / frame.depth
    wave = [lattice.noise(frame.noise_seed(52 + n), 60.0) for n in range(2)]
    fine = lattice.noise(frame.noise_seed(54), 24.0)
    left = np.broadcast_to(x > 0, lattice.shape)
    upper_lobes, lower_split = np.empty_like(lung), np.empty_like(lung)
    across = lung
    for side, sign in (("right", -1), ("left", 1)):
        own = np.maximum(lung, np.float32(-sign) * x + 0.5).astype(np.float32)
        oblique = (
            z
            - 0.95 * y
            + 0.0022 * (x / frame.width + sign * -70) ** 2 / 2
            + 4.5 * wave[0 if sign < 0 else 1]
            + 1.0 * fine
        )
        oblique = _split(lattice, own, oblique, shares[f"{side}_lower"] if whole else OBLIQUE_LEVEL_MM, share=whole)
        upper, lower = np.maximum(own, -oblique), np.maximum(own, oblique)
        half = left if sign > 0 else ~left
        lower_split[half] = oblique[half]
        if side == "right":
            across = z - 0.06 * y - 0.05 * x + 3.5 * wave[1] + 1.0 * fine
            across = _split(lattice, upper, across, shares["right_middle"] if whole else ACROSS_LEVEL_MM, share=whole)
            fields["lobe_right_middle"] = lattice.shape_near(np.maximum(upper, across))
            upper = np.maximum(upper, -across)
        upper_lobes[half] = own[half]
        fields[f"lung_{side}"] = lattice.shape_near(own)
        fields[f"lobe_{side}_upper"] = lattice.shape_near(upper)
        fields[f"lobe_{side}_lower"] = lattice.shape_near(lower)
    owner = left.astype(np.uint8)
    both = tuple(names[f"lobe_{side}_upper"] for side in SIDES)
    middle = (both[0], names["lobe_right_middle"], names["fissure_right"])
    near_lung = np.maximum(lung - 1.0, across)  # the plane goes on without end; the lungs do not
    paints = [
        Paint(lattice.shape_near(lung, owner), (Layer(names["pleural_line"], -0.35), Layer(both))),
        Paint(
            lattice.shape_near(np.maximum(near_lung, x).astype(np.float32)),
            (Layer(names["fissure_right"], -FISSURE_MM / 2), Layer(names["lobe_right_middle"], FISSURE_MM / 2)),
            over=(both[0],),
        ),
        Paint(
            lattice.shape_near(np.maximum(lung - 1.0, lower_split), owner),
            (
                Layer(tuple(names[f"fissure_{side}"] for side in SIDES), -FISSURE_MM / 2),
                Layer(tuple(names[f"lobe_{side}_lower"] for side in SIDES), FISSURE_MM / 2),
            ),
            over=(*both, *middle),
        ),
    ]
    if not whole:
        return Lungs(fields, {}, paints)
    trees = grow_trees(fields, tubes, seed)
    lung_labels = tuple(
        names[n]
        for n in (
            "lobe_right_upper",
            "lobe_right_middle",
            "lobe_right_lower",
            "lobe_left_upper",
            "lobe_left_lower",
            "fissure_right",
            "fissure_left",
            "pleural_line",
            "mediastinal_fat",
            "pulmonary_vein",
        )
    )
    paints.append(Paint(trees["pulmonary_veins"], (Layer(names["pulmonary_vein"]),), over=lung_labels))
    paints.append(Paint(trees["pulmonary_arteries"], (Layer(names["pulmonary_artery_branches"]),), over=lung_labels))
    # At the hilum an airway goes through whatever its way is blocked by; it dents an artery, it never ends at one.
    airway_over = (*lung_labels, *(names[n] for n in ("pulmonary_artery_branches", "pulmonary_artery", "trachea_wall",
                                                      "pericardium", "pericardial_fat")))
    paints.append(Paint(trees["airways"], (Layer(names["bronchi_wall"]), Layer(names["bronchi"])), over=airway_over))
    return Lungs(fields, trees, paints)


def _split(lattice: Lattice, inside: Field, level: Field, wanted: float, *, share: bool) -> Field:
    """Shift a level function and give it unit slope.

    Its negative side holds the share `wanted` of the inside; where only a part of the inside is built, it ends at the
    level `wanted`.
    """
    at = np.quantile(np.broadcast_to(level, lattice.shape)[inside < 0], wanted) if share else wanted
    shifted = np.broadcast_to(level - at, lattice.shape).astype(np.float32)
    return unit_slope(shifted, lattice.step_mm, 0.3, 4.0)


LOBES = ("lobe_right_upper", "lobe_right_middle", "lobe_right_lower", "lobe_left_upper", "lobe_left_lower")
# Where each lobe's bronchus, artery and vein begin: reference mm relative to the end of the main tube.
HILUM: Mapping[str, tuple[str, str, str]] = {
    "lobe_right_upper": ("bronchus_right", "pulmonary_artery_right", "vein_right_upper"),
    "lobe_right_middle": ("bronchus_right", "pulmonary_artery_right", "vein_right_upper"),
    "lobe_right_lower": ("bronchus_right", "pulmonary_artery_right", "vein_right_lower"),
    "lobe_left_upper": ("bronchus_left", "pulmonary_artery_left", "vein_left_upper"),
    "lobe_left_lower": ("bronchus_left", "pulmonary_artery_left", "vein_left_lower"),
}
AIRWAY_TIPS = {
    "lobe_right_upper": 90,
    "lobe_right_middle": 50,
    "lobe_right_lower": 120,
    "lobe_left_upper": 110,
    "lobe_left_lower": 110,
}
ARTERY_TIPS = {
    "lobe_right_upper": 760,
    "lobe_right_middle": 400,
    "lobe_right_lower": 1050,
    "lobe_left_upper": 950,
    "lobe_left_lower": 950,
}
SURPLUS = 1.25  # calibre of a lobe's trunk over what Murray's law gives for its drawn ends
DEPENDENT = (0.0, 0.004, -0.002)  # flow rises towards the back and the base of a supine lung
SHARE = {
    "lobe_right_upper": 0.33,
    "lobe_right_middle": 0.17,
    "lobe_right_lower": 0.50,
    "lobe_left_upper": 0.5,
    "lobe_left_lower": 0.5,
}


def grow_trees(fields: Mapping[str, SampledShape], tubes: Mapping[str, Sweep], seed: Seed) -> dict[str, Tubes]:
    """Grow airways, then the veins clear of where the arteries will run, then the arteries beside the airways."""

    def grow(lobe: str) -> tuple[Tubes, Tubes, Tubes]:
        bronchus, artery, vein = (tubes[name] for name in HILUM[lobe])
        middle, rng = _middle(fields[lobe]), seed.child("trees", lobe).rng()
        tips, share = ARTERY_TIPS[lobe], SHARE[lobe]
        own_vein = share if vein is tubes["vein_right_upper"] else 0.95
        air_spec = _spec(bronchus, middle, AIRWAY_TIPS[lobe], 0.52, share, 2.8, margin_mm=6.0)
        artery_spec = _spec(artery, middle, tips, 0.36, share, 2.8, flow_gradient_per_mm=DEPENDENT)
        vein_spec = _spec(vein, middle, int(0.65 * tips), 0.37, own_vein, 2.8, flow_gradient_per_mm=DEPENDENT)
        air = walled(grow_tree(fields[lobe], air_spec, rng=rng), fraction=0.18, offset_mm=0.35)
        ven = grow_tree(fields[lobe], vein_spec, rng=rng, avoid=bundle(air, artery_spec))
        return air, grow_tree(fields[lobe], artery_spec, rng=rng, follow=air, avoid=ven), ven

    # Each lobe has its own stream, so the order in which threads finish does not matter.
    with ThreadPoolExecutor(max_workers=2) as pool:
        airways, arteries, veins = zip(*pool.map(grow, LOBES), strict=True)
    return {
        "airways": concatenate(*airways),
        "pulmonary_arteries": concatenate(*arteries),
        "pulmonary_veins": concatenate(*veins),
    }


def _middle(shape: SampledShape) -> NDArray[np.float64]:
    inside = np.argwhere(shape.values_mm < 0).mean(axis=0)[::-1]
    return np.asarray(shape.origin_mm) + inside * shape.step_mm


def _spec(
    trunk: Sweep,
    goal: NDArray[np.float64],
    tips: int,
    tip_mm: float,
    share: float,
    exponent: float,
    margin_mm: float = 4.5,
    flow_gradient_per_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> TreeSpec:
    """Start a tree at the trunk's end with its share of the trunk's calibre, heading between trunk and lobe."""
    end, tangent = trunk.points_mm[-1], trunk.points_mm[-1] - trunk.points_mm[-3]
    heading = goal - end
    direction = 0.5 * tangent / np.linalg.norm(tangent) + heading / np.linalg.norm(heading)
    start = trunk.points_mm[-2]
    murray = tip_mm * tips ** (1 / exponent)
    root = min(float(trunk.first_mm[-1] * share ** (1 / exponent)), SURPLUS * murray)
    return TreeSpec(
        tuple(start.tolist()),
        tuple(direction.tolist()),
        tips,
        tip_mm,
        root_radius_mm=root,
        murray_exponent=exponent,
        margin_mm=margin_mm,
        flow_gradient_per_mm=flow_gradient_per_mm,
    )
