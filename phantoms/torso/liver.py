"""The liver with its segments and vessels, the gallbladder and the bile ducts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.primitives import Ellipsoid, rotation
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tree import TreeSpec, grow_tree
from medsynth.shapes.tree_edit import concatenate
from medsynth.shapes.tubes import Tubes
from phantoms.torso.table import labels
from phantoms.torso.viscera_space import Course, Field, Space, capsules, tube_along

PORTA = (-26.0, -26.0, -92.0)  # where the portal vein enters, reference mm
CAVA = (-24.0, -8.0, -46.0)  # where the hepatic veins leave
GALLBLADDER: Course = (
    [[-33, -30, -103], [-40, -40, -112], [-48, -54, -126], [-56, -68, -142], [-60, -76, -152]],
    [2.6, 7.0, 12.0, 13.5, 11.0],
)
GALLBLADDER_WALL_MM = 1.6  # up to 3 mm is normal
# The common bile duct runs before the portal vein, behind the duodenum, through the head to the papilla. 4.1 +- 1.0 mm
# wide at ultrasound.
BILE_DUCT: Course = (
    [[-31, -31, -97], [-30, -29, -108], [-27, -23, -122], [-30, -17, -140], [-40, -17, -158]],
    [1.9, 2.1, 2.1, 1.9, 1.5],
)
# The two hepatic ducts and their first branches, up to 2 mm wide inside the liver.
HEPATIC_DUCTS: tuple[Course, ...] = (
    ([[-31, -31, -97], [-38, -31, -91], [-50, -28, -86], [-66, -22, -78]], [1.7, 1.3, 1.0, 0.6]),
    ([[-38, -31, -91], [-50, -36, -92], [-66, -42, -98]], [1.2, 0.9, 0.6]),
    ([[-31, -31, -97], [-22, -36, -89], [-6, -44, -83], [6, -54, -78]], [1.6, 1.2, 0.9, 0.6]),
    ([[-14, -40, -86], [-12, -56, -90], [-10, -66, -98]], [1.0, 0.8, 0.5]),
)
CYSTIC_MM = (1.6, 1.3, 1.3)
SEGMENTS = tuple(f"liver_segment_{n}" for n in range(1, 9))


def liver_field(space: Space, spec: Mapping[str, Any], border_mm: float) -> Field:
    """Return the liver as what the cavity leaves: a right set above a slanting plane, a left wedge in front of another.

    border_mm lowers the inferior border (reference mm) where negative; the wall and the diaphragm cut the rest.
    """
    x, y, z = space.reference
    noise = space.noise
    rumple = 3.0 * noise[46.0] + 0.6 * noise[15.0]
    # A large liver hangs lower, reaches farther to the left and lies thicker before the stomach.
    large = -min(border_mm, 0.0)
    slant, reach = float(spec["liver_slant"]) - 0.0015 * large, float(spec["liver_left_reach_mm"]) + 0.5 * large
    below = -197 + border_mm + slant * (x + 120) + 0.35 * np.maximum(y + 20, -40)
    right = smooth_max(
        smooth_max(x + 8 - 0.2 * large - 0.10 * (z + 75) + 0.25 * y + rumple, below - z + rumple, 14.0),
        y - 92 - 0.1 * x,
        10.0,
    )
    above = -112 + 0.45 * border_mm + 0.22 * (x + 10)
    left = smooth_max(
        smooth_max(y + 20 - 0.25 * large + 0.42 * x + rumple, above - z + rumple, 12.0),
        x - reach + 0.2 * np.abs(y + 60),
        12.0,
    )
    liver = smooth_min(right, left, 16.0)
    liver = smooth_min(liver, caudate(space).astype(liver.dtype), 8.0)
    ligament = np.maximum(
        np.abs(x + 6 - 0.25 * (y + 70) + 0.7 * noise[15.0]) - 0.9 - 0.03 * np.maximum(-75 - z, 0),
        np.maximum(z + 63, y + 38),
    )
    return smooth_max(liver, -ligament, 3.0).astype(np.float32)


def caudate(space: Space) -> Field:
    """Return the caudate lobe, between vena cava and the fissure of the venous ligament."""
    centre = tuple(space.frame.at([-12, 4, -69]).tolist())
    return space.lattice.sample(Ellipsoid(centre, (17, 17, 30), rotation(0, 0, -20)))


def segments(space: Space, liver: Field) -> NDArray[np.uint8]:
    """Return Couinaud's segment (0 for I to 7 for VIII) of every node.

    The planes of the three hepatic veins fan out from the vena cava; the portal plane parts upper from lower.
    """
    del liver
    x, y, z = space.reference
    wave = 4.0 * space.noise[46.0]
    dx, dy = x + 22, y + 6
    middle = dx * 0.905 - dy * 0.425 + 0.0 * z + wave  # < 0 right of Cantlie's plane, towards the gallbladder's bed
    right = dy * 0.98 - dx * 0.05 - 0.15 * (z + 80) - wave  # > 0 behind the right hepatic vein
    left = x + 6 - 0.25 * (y + 70) + 0.5 * wave  # > 0 left of the umbilical fissure
    upper = z + 86 - 0.08 * dx + wave
    upper_left = z + 86 + 0.4 * (y + 55) + wave
    segment = np.where(upper > 0, 7, 4).astype(np.uint8)  # VIII, V
    behind = np.broadcast_to(right > 0, segment.shape)
    segment[behind] = np.where(upper > 0, 6, 5)[behind]  # VII, VI
    segment[np.broadcast_to(middle > 0, segment.shape)] = 3  # IV
    lateral = np.broadcast_to(left > 0, segment.shape) & (middle > 0)
    segment[lateral] = np.where(upper_left > 0, 1, 2)[lateral]  # II, III
    segment[caudate(space) < 5.0] = 0
    return segment


def gallbladder_drop_mm(space: Space, liver: Field) -> float:
    """Return by how much the gallbladder hangs below its reference place (mm, negative above): at the liver's edge."""
    bed = space.lattice.shape_of(liver)
    axis = space.frame.at(GALLBLADDER[0][1:])
    drops = np.arange(-36.0, 72.0, 3.0)
    depth = np.array([bed.distance_mm(axis - [0.0, 0.0, drop]).mean() for drop in drops])
    return float(drops[np.argmin(np.abs(depth - 3.0))])


def gallbladder_field(space: Space, size: float, drop_mm: float) -> Field:
    """Return the gallbladder; `size` multiplies its calibre, its neck stays and its fundus hangs `drop_mm` lower."""
    sweep = tube_along(hanging(space, GALLBLADDER, drop_mm), np.asarray(GALLBLADDER[1]) * size)
    field, _ = space.distance(sweep, 14.0)
    return (field + 0.8 * space.noise[30.0]).astype(np.float32)


def hanging(space: Space, course: Course, drop_mm: float) -> NDArray[np.float64]:
    """Return a course in the body, lowered by `drop_mm`."""
    return np.asarray(space.frame.at(course[0]) - [0.0, 0.0, drop_mm], float)


def paint_liver(space: Space, liver: Field, gallbladder: Field) -> tuple[SampledShape, list[Paint]]:
    """Return the liver's shape, owned by its segments, and the paints of liver and gallbladder."""
    names = labels()
    shape = space.part(liver, segments(space, liver))
    layers = (Layer(names["gallbladder"]), Layer(names["gallbladder_bile"], GALLBLADDER_WALL_MM))
    return shape, [
        Paint(shape, (Layer(tuple(names[segment] for segment in SEGMENTS)),)),
        Paint(space.part(gallbladder), layers),
    ]


def grow_liver_trees(space: Space, liver: SampledShape, seed: Seed) -> dict[str, Tubes]:
    """Grow portal vein, hepatic veins, hepatic artery and bile ducts; none runs into another."""
    frame = space.frame
    if space.lattice.high_mm[2] < PORTA[2] * frame.height:  # a body that shows no more than the liver's tip
        none = np.zeros((0, 3))
        bare = Tubes(none, none, none[:, 0], none[:, 0], np.zeros(0, np.int64))
        return {"portal_vein": bare, "hepatic_veins": bare}
    porta, cava = frame.at(PORTA), frame.at(CAVA)
    portal_spec = TreeSpec(
        tuple(porta.tolist()), (-0.8, -0.2, 0.4), 260, 0.75, root_radius_mm=6.0 * frame.vessel, murray_exponent=2.6,
        backbone_tips=24, margin_mm=6.0,
    )  # fmt: skip
    portal = grow_tree(liver, portal_spec, rng=seed.child("portal").rng())
    hepatic_spec = replace(
        portal_spec, root_mm=tuple(cava.tolist()), direction=(-0.5, -0.3, -0.5), tips=200, tip_radius_mm=0.85,
        root_radius_mm=6.5 * frame.vessel, backbone_tips=20,
    )  # fmt: skip
    hepatic = grow_tree(liver, hepatic_spec, rng=seed.child("hepatic").rng(), avoid=portal)
    return {"portal_vein": portal, "hepatic_veins": hepatic}


def paint_liver_trees(trees: Mapping[str, Tubes]) -> list[Paint]:
    """Return the veins inside the liver and the ducts between liver, gallbladder and duodenum."""
    names = labels()
    liver = tuple(names[segment] for segment in SEGMENTS)
    ducts = (*liver, *(names[n] for n in ("abdominal_fat", "pancreas_head", "duodenum")))
    return [
        Paint(trees["portal_vein"], (Layer(names["portal_vein"]),), over=liver),
        Paint(trees["hepatic_veins"], (Layer(names["hepatic_vein"]),), over=liver),
        Paint(trees["bile_ducts"], (Layer(names["bile_duct"]),), over=ducts),
    ]


def bile_ducts(space: Space, drop_mm: float) -> Tubes:
    """Return the common bile duct, the hepatic ducts it comes from, and the cystic duct from the gallbladder."""
    neck = hanging(space, GALLBLADDER, drop_mm)[0]
    common = tube_along(space.frame.at(BILE_DUCT[0]), BILE_DUCT[1], 2.5)
    join = common.points_mm[int(np.argmin(np.abs(common.points_mm[:, 2] - max(neck[2], common.points_mm[8, 2]))))]
    bend = 0.5 * (neck + join) + [0.0, 3.0, 2.0]
    above = [capsules(tube_along(space.frame.at(points), radii, 2.5)) for points, radii in HEPATIC_DUCTS]
    return concatenate(capsules(common), capsules(tube_along([neck, bend, join], CYSTIC_MM, 2.5)), *above)
