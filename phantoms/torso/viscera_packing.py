"""How the organs share the room: each is inflated until it has its volume, and yields to its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.contact import compete
from phantoms.torso import kidneys, liver
from phantoms.torso.viscera_space import FAR_MM, Field, Space

# By how much an organ pushes a shared wall towards softer neighbours, mm.
STIFFNESS_MM = {"colon": 2.0, "spleen": 4.0, "stomach": 1.0, "pancreas": 7.0}
# What keeps its form: kidneys in their fat, the full gallbladder, the duodenum fixed to the back wall.
FIRM = ("kidney_right", "kidney_left", "gallbladder", "duodenum")
INFLATED_MM = {"spleen": 3.0, "stomach": 3.0, "colon": 1.0, "pancreas": 1.0}
# Heights of the organs whose volume is matched, reference mm.
SPANS_MM = {
    "liver": (-200.0, -60.0), "spleen": (-145.0, -60.0), "stomach": (-155.0, -60.0), "pancreas": (-175.0, -75.0),
    "kidney_right": (-212.0, -95.0), "kidney_left": (-196.0, -80.0), "gallbladder": (-165.0, -100.0),
    "duodenum": (-200.0, -110.0),
}  # fmt: skip
# How far an organ reaches into the fat behind the kidneys.
REACH_BEHIND_MM = {"liver": -2.5, "stomach": 4.0}
SPLEEN_TIP_MM = 8.0  # how far the spleen reaches inward of the left kidney's middle
BEHIND_MM = 10.0  # how far behind its front a kidney's fat begins
GALLBLADDER_ML = 26.0  # of the gallbladder's course as it stands
GROWTH_MM = {"spleen": 26.0}  # at most; 15 mm for tubes, which know their distance that far
LOWEST_MM = -84.0  # a larger liver is as large as the room beside it lets it be
# By how much more than its volume an organ is made: outermost layers are shared with what is painted beside them, and
# the pancreas's lobules are too fine for every other node. Measured over sampled adults.
SURPLUS = {"liver": 1.05, "pancreas": 1.18, "spleen": 1.09}
OTHER_SURPLUS = 1.02


@dataclass(frozen=True, eq=False)
class Packing:
    """What gives the organs their volumes.

    Attributes
    ----------
    growth_mm : inflation of each organ by name.
    border_mm : shift of the liver's lower border, reference mm.
    drop_mm : how far the gallbladder hangs below its reference place.
    """

    growth_mm: Mapping[str, float] = field(default_factory=lambda: dict(INFLATED_MM))
    border_mm: float = 0.0
    drop_mm: float = 0.0

    def packed(
        self, space: Space, raw: Mapping[str, Field], spec: Mapping[str, Any], bed: Field | None = None
    ) -> dict[str, Field]:
        """Return the organs in their places, the liver and the gallbladder too."""
        size = (float(spec["gallbladder_ml"]) / GALLBLADDER_ML) ** (1 / 2.4)
        bulk = liver.liver_field(space, spec, self.border_mm)
        whole = {**raw, "gallbladder": liver.gallbladder_field(space, size, self.drop_mm)}
        return share_room(space, whole, self.growth_mm, bulk, kidney_bed(space, raw) if bed is None else bed)


def match_volumes(
    space: Space, raw: Mapping[str, Field], wanted_ml: Mapping[str, float], spec: Mapping[str, Any], start: Packing,
    *, rounds: int,
) -> Packing:  # fmt: skip
    """Return the packing that gives the organs the wanted volumes, measured on every other node."""
    half = space.coarse()
    every = (slice(None, None, 2),) * 3
    small = {name: np.ascontiguousarray(values[every]) for name, values in raw.items()}
    bed = kidney_bed(half, small)
    growth, border, drop = dict(start.growth_mm), start.border_mm, start.drop_mm
    lower_surface = 17000.0 * space.frame.width * space.frame.depth  # mm^2
    for _ in range(rounds):
        drop = liver.gallbladder_drop_mm(half, liver.liver_field(half, spec, border))
        settled = Packing(growth, border, drop).packed(half, small, spec, bed)
        have = {name: max(half.lattice.volume_ml(settled[name]), 0.1 * target) for name, target in wanted_ml.items()}
        for name, target in wanted_ml.items():
            lacks = SURPLUS.get(name, OTHER_SURPLUS) * target - have[name]
            if name == "liver":
                border = max(border - float(np.clip(lacks * 1000 / lower_surface, -45, 45)), LOWEST_MM)
                continue
            surface = 6.5 * have[name] ** (2 / 3) * 100  # mm^2; an organ is less compact than a ball
            grown = growth.get(name, 0.0) + float(np.clip(lacks * 1000 / surface, -9, 9))
            growth[name] = float(np.clip(grown, -7, GROWTH_MM.get(name, 15.0)))
    return Packing(growth, border, drop)


def share_room(
    space: Space, raw: Mapping[str, Field], growth_mm: Mapping[str, float], liver_mm: Field, behind: Field
) -> dict[str, Field]:
    """Return the organs inflated, yielding to each other, to the walls and to what is hard.

    behind : distance to the kidneys' bed, see `kidney_bed`.
    """
    grown = {name: _grown(field, growth_mm.get(name, 0.0)) for name, field in raw.items()}
    grown["liver"] = liver_mm.astype(np.float32)
    firm = {name: grown.pop(name) for name in FIRM}
    settled = compete(grown, STIFFNESS_MM, space.gap)
    # What is firm takes its place first: kidneys, then the gallbladder, then the duodenum.
    taken = np.minimum(firm["kidney_right"], firm["kidney_left"])
    for name in ("gallbladder", "duodenum"):
        firm[name] = smooth_max(firm[name], 1.0 - taken, 3.0)
        taken = np.minimum(taken, firm[name])
    bed = taken
    for name in settled:
        solid = name in ("liver", "spleen")
        cover = bed - np.float32(0.8 if solid else 2.0) - space.gap
        if name in REACH_BEHIND_MM:
            cover = np.minimum(cover, behind + np.float32(REACH_BEHIND_MM[name]))
        if name == "spleen":
            tip = float(kidneys.kidney_axes(space, "left")[0][0]) - SPLEEN_TIP_MM
            cover = np.minimum(cover, space.lattice.x - np.float32(tip) + 2.0 * space.noise[30.0])
        settled[name] = smooth_max(settled[name], -cover.astype(np.float32), 6.0)
    settled |= firm
    uneven = (0.8 * space.noise[30.0]).astype(np.float32)
    for name in settled:
        margin = np.float32(0.2 if name in ("liver", "spleen") else 1.2)
        settled[name] = smooth_max(settled[name], space.inside + margin + uneven * margin, 3.0)
        clear = -(space.hard - np.float32(0.0 if name in ("liver", "pancreas") else 1.5))
        settled[name] = smooth_max(settled[name], clear.astype(np.float32), 10.0 if "kidney" in name else 5.0)
        np.minimum(settled[name], np.float32(FAR_MM), out=settled[name])
    return settled


def _grown(field: Field, growth_mm: float) -> Field:
    """Return an organ inflated near its surface; far from it nothing is known and nothing changes."""
    near = np.clip((FAR_MM - 2.0 - field) / 6.0, 0, 1)
    return np.asarray(field - growth_mm * near, np.float32)


def kidney_bed(space: Space, raw: Mapping[str, Field]) -> Field:
    """Return the distance to the kidneys and the fat behind, inward and above them, free of liver and spleen."""
    field: Field = np.minimum(raw["kidney_right"], raw["kidney_left"])
    back = round(BEHIND_MM / space.lattice.step_mm)
    for side, sign in kidneys.SIDES:
        own = np.minimum(raw[f"kidney_{side}"], space.distance(kidneys.upper_fat(space, side), 25.0)[0])
        shadow = np.full_like(own, FAR_MM)
        shadow[:, back:] = np.minimum.accumulate(own, axis=1)[:, :-back]  # all that lies behind
        inward = shadow if sign < 0 else shadow[:, :, ::-1]
        inward = np.minimum.accumulate(inward, axis=2)  # and what lies between that and the midline
        centre, axes = kidneys.kidney_axes(space, side)
        pole_mm = float((centre + axes @ [0.0, 0.0, kidneys.HALF_MM[2]])[2])
        # The fat tapers towards the diaphragm, under a vault that falls backwards and outwards.
        outward = np.maximum(sign * (space.lattice.x - centre[0]) + 25.0, 0)
        vault = 0.25 * (space.lattice.y - centre[1]) + 0.010 * outward**2 - 12.0
        inward = inward + np.maximum(space.lattice.z - (pole_mm - 12.0) + vault + 3.0 * space.noise[30.0], 0)
        middle = np.sign(space.lattice.x) == -sign
        shadow = np.where(middle, FAR_MM, inward if sign < 0 else inward[:, :, ::-1]).astype(np.float32)
        field = np.minimum(field, smooth_min(own, shadow, 10.0))
    return field
