"""The organs of the abdomen: their numbers, how they share the room, and how they are painted."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from medsynth.core.seed import Seed
from medsynth.scene.reference import expected_liver_ml, expected_spleen_ml, individual_factor
from medsynth.scene.structure import Layer, Paint
from medsynth.scene.subject import Subject
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep
from medsynth.shapes.tubes import Tubes
from phantoms.torso import bowel, bowel_filling, kidneys, liver, mesentery, pancreas, stomach
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels
from phantoms.torso.viscera_space import FAR_MM, Field, Space

# By how much an organ pushes a shared wall towards softer neighbours, mm.
STIFFNESS_MM = {
    "colon": 2.0, "spleen": 1.0, "duodenum": 7.0, "stomach": 1.0,
    "pancreas": 7.0,
}  # fmt: skip
FIRM = ("kidney_right", "kidney_left", "gallbladder")
INFLATED_MM = {"spleen": 3.0, "stomach": 3.0, "colon": 1.0, "pancreas": 1.0}
# Heights of the organs whose volume is matched, reference mm.
SPANS_MM = {
    "liver": (-200.0, -60.0), "spleen": (-145.0, -60.0), "stomach": (-155.0, -60.0), "pancreas": (-175.0, -75.0),
    "kidney_right": (-212.0, -95.0), "kidney_left": (-196.0, -80.0), "gallbladder": (-165.0, -100.0), "duodenum": (-200.0, -110.0),
}  # fmt: skip
# How far an organ reaches into the fat behind the kidneys: the spleen's tip does, the liver leaves more than it.
REACH_BEHIND_MM = {"liver": -2.5, "spleen": 14.0, "stomach": 4.0}
BEHIND_MM = 10.0  # how far behind its front a kidney's fat begins
SPLEEN_ML = 190.0  # of the spleen as it is drawn, among its neighbours
GALLBLADDER_ML = 26.0  # of the gallbladder's course as it stands
GROWTH_MM = 15.0  # at most; tubes know their distance that far
ROUNDS = 6  # of matching volumes


def sample_viscera(subject: Subject, *, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the abdomen's numbers; all are plain JSON values.

    Kidneys: MRI medians 174 ml in men, 138 ml in women, the left 6 % larger, 4 % smaller over 60 (J Clin Med 2024;
    13:769), with body surface area. Pancreas: 77.9 +- 21.7 ml, falling with age (204 trauma CTs). Gallbladder 25 +- 12
    ml fasting (unverified). Stomach: wall 150 and content 250 g (ICRP 89).
    Duodenum: 65 ml, a third of it content (unverified). Small bowel 2.8 / 2.6 m (ICRP 89).
    """
    female, age = subject.sex == "female", subject.age_years
    normal = rng.standard_normal

    def spread(mean: float, cv: float) -> float:
        return float(mean * np.exp(cv * np.clip(normal(), -2.3, 2.3) - cv * cv / 2))

    size = subject.bsa_m2 / (1.70 if female else 1.95)
    kidney = (138.0 if female else 174.0) * size**0.9 * (1 - 0.0025 * max(age - 55, 0)) * spread(1.0, 0.13)
    fat = np.interp(subject.bmi, [17, 22, 28, 36, 45], [0.15, 0.5, 1.2, 2.2, 3.0])
    visceral = float((0.7 if female else 1.1) * fat)
    heavy, tall = subject.bmi - 25, subject.height_cm / (163.0 if female else 176.0)
    spleen = expected_spleen_ml(subject) * individual_factor("spleen", rng=rng)
    return {
        "liver_ml": expected_liver_ml(subject) * individual_factor("liver", rng=rng),
        "spleen_ml": min(420.0 * min(1.0, (subject.bsa_m2 / 1.75) ** 2), spleen),  # a small body holds no large one
        "kidney_right_ml": kidney * spread(0.97, 0.06),
        "kidney_left_ml": kidney * spread(1.03, 0.06),
        "sinus_fat": float(np.clip(0.35 + 0.010 * (age - 40) + 0.015 * heavy + 0.1 * normal(), 0.1, 1.2)),
        "pancreas_ml": spread(84.0 * size**0.6 * (1 - 0.006 * max(age - 45, 0)), 0.24),
        "pancreas_fat": float(np.clip(0.04 + 0.003 * (age - 30) + 0.006 * heavy + 0.04 * normal(), 0, 0.45)),
        "gallbladder_ml": float(np.clip(spread(27.0, 0.40), 8.0, 70.0)),
        "stomach_ml": spread(370.0 if female else 400.0, 0.30),
        "duodenum_ml": spread(65.0 * size**0.8, 0.18),
        "stomach_gas": float(rng.uniform(0.12, 0.5)),
        "adrenal": spread(1.0, 0.12),
        "liver_slant": float(np.clip(0.70 + 0.09 * normal(), 0.5, 0.9)),
        "liver_left_reach_mm": float(np.clip(70.0 + 13.0 * normal(), 44.0, 100.0)),
        "small_bowel_m": spread(2.6 if female else 2.8, 0.10) * tall,
        "small_bowel_ml": spread(880.0 if female else 1000.0, 0.12) * size**0.5,
        "colon_calibre": spread(0.95, 0.09),
        "colon_droop_mm": float(np.clip(12.0 + 22.0 * normal(), -25.0, 60.0)),
        "visceral_fat": spread(visceral, 0.2),
        "omentum_mm": float(np.clip(1.0 + 6.0 * visceral + 1.5 * normal(), 1.0, 24.0)),
    }


def build_viscera(
    frame: Frame,
    body: Lattice,
    inside: Field,
    spine: SampledShape,
    vessels: Mapping[str, Sweep],
    spec: Mapping[str, Any],
    seed: Seed,
    *,
    low_mm: float,
    high_mm: float,
    pelvic: Field | None = None,
) -> tuple[dict[str, SampledShape], dict[str, Tubes], list[Paint], dict[str, Tubes]]:
    """Return shapes, trees, paints and centrelines of the organs below the diaphragm.

    Parameters
    ----------
    body : the lattice that `inside` and `pelvic` are given on.
    inside : signed distance of the peritoneal and retroperitoneal space, negative inside.
    spine : bone to keep clear of.
    vessels : at least `descending_aorta` and `inferior_vena_cava`; all are kept clear of.
    spec : holds the numbers of `sample_viscera`.
    low_mm, high_mm : heights between which the body is built.
    pelvic : distance to bladder, uterus, prostate; nothing grows into them.
    """
    seed = seed.child("viscera")
    space = Space.of(frame, body, inside, spine, vessels, low_mm=low_mm, high_mm=high_mm, pelvic=pelvic)
    organs = _Organs(space, spec, vessels, seed)
    return organs.fields, organs.trees, organs.paints, organs.centrelines


class _Organs:
    """One build: organs find their size and place, then the bowel fills what is left, then vessels are laid."""

    def __init__(self, space: Space, spec: Mapping[str, Any], vessels: Mapping[str, Sweep], seed: Seed) -> None:
        space = replace(space, moved_mm=kidneys.settle_kidneys(space, spec))
        self.space, self.spec, self.seed = space, spec, seed
        self.arteries = mesentery.build_arteries(space, vessels, seed)
        self.veins = mesentery.build_veins(space, vessels)
        raw, self.arc = self._raw()
        soft = np.minimum.reduce([raw[n] for n in ("kidney_right", "kidney_left", "spleen", "stomach")]) + 4.0
        soft = np.minimum(soft, liver.liver_field(space, spec, 0.0) + 6.0)
        self.colon = bowel.build_colon(space, soft, spec, seed)
        raw["colon"] = bowel.colon_field(space, self.colon)
        self.settled = self._settled(raw)
        self.fields = {name: space.part(field) for name, field in self.settled.items() if name != "liver"}
        liver_shape, self._liver_paints = liver.paint_liver(space, self.settled["liver"], self.settled["gallbladder"])
        self.fields["liver"] = liver_shape
        with ThreadPoolExecutor(max_workers=2) as pool:  # the kernels release the interpreter lock
            growing = pool.submit(liver.grow_liver_trees, space, liver_shape, seed)
            self.small, small_paints, taken = self._small_bowel()
            self.trees = self._mesentery(vessels, taken)
            self.trees |= growing.result()
        self.trees["bile_ducts"] = liver.bile_ducts(space, self.drop_mm)
        self.trees["pancreatic_duct"] = pancreas.pancreatic_duct(space)
        ureters = kidneys.collecting_system(space, spec, seed)
        self.paints = self._paints(small_paints, ureters)
        self.centrelines = {"colon": self.colon.centreline, **ureters}
        if self.small is not None:
            self.centrelines["small_bowel"] = self.small.centreline

    def _raw(self) -> tuple[dict[str, Field], dict[str, Field]]:
        """Return every organ but liver and colon before they meet, and arc lengths along the tubes among them."""
        space, spec = self.space, self.spec
        raw: dict[str, Field] = dict(kidneys.kidney_fields(space, spec))
        arc: dict[str, Field] = {}
        raw["spleen"] = stomach.spleen_field(space, (float(spec["spleen_ml"]) / SPLEEN_ML) ** (1 / 3))
        raw["stomach"], arc["stomach"] = stomach.stomach_field(space, (float(spec["stomach_ml"]) / 430.0) ** 0.4)
        raw["duodenum"] = stomach.duodenum_field(space, (float(spec["duodenum_ml"]) / 65.0) ** 0.5)
        raw["pancreas"], arc["pancreas"] = pancreas.pancreas_field(space, (float(spec["pancreas_ml"]) / 78.0) ** 0.45)
        return raw, arc

    def _settled(self, raw: Mapping[str, Field]) -> dict[str, Field]:
        """Match the volumes on every other node, then let the organs share the room on all of them."""
        half = self.space.coarse()
        every = (slice(None, None, 2),) * 3
        small = {name: np.ascontiguousarray(field[every]) for name, field in raw.items()}
        wanted = {name: float(self.spec[f"{name}_ml"]) for name, span in SPANS_MM.items() if self._whole(span)}
        if "liver" in wanted:
            wanted["liver"] *= 1.03  # its outermost layer is shared with the diaphragm
        if "pancreas" in wanted:
            wanted["pancreas"] *= 1.16  # its lobules are too fine for every other node
        growth, border = dict(INFLATED_MM), 0.0
        lower_surface = 17000.0 * self.space.frame.width * self.space.frame.depth  # mm^2
        bed = kidney_bed(half, small)
        size = (float(self.spec["gallbladder_ml"]) / GALLBLADDER_ML) ** (1 / 2.4)
        for _ in range(ROUNDS):
            bulk = liver.liver_field(half, self.spec, border)
            drop = liver.gallbladder_drop_mm(half, bulk)
            small["gallbladder"] = liver.gallbladder_field(half, size, drop)
            settled = share_room(half, small, growth, bulk, bed)
            for name, target in wanted.items():
                if name == "liver":
                    continue
                have = max(half.lattice.volume_ml(settled[name]), 0.1 * target)
                surface = 6.5 * have ** (2 / 3) * 100  # mm^2; an organ is less compact than a ball
                step = float(np.clip((target - have) * 1000 / surface, -9, 9))
                growth[name] = float(np.clip(growth.get(name, 0.0) + step, -7, GROWTH_MM))
            lacks = wanted["liver"] - half.lattice.volume_ml(settled["liver"]) if "liver" in wanted else 0.0
            border -= float(np.clip(lacks * 1000 / lower_surface, -45, 45))
        bulk = liver.liver_field(self.space, self.spec, border)
        self.drop_mm = drop
        whole = {**raw, "gallbladder": liver.gallbladder_field(self.space, size, drop)}
        return share_room(self.space, whole, growth, bulk, kidney_bed(self.space, raw))

    def _whole(self, span_mm: tuple[float, float]) -> bool:
        """Tell whether an organ lies in the built range; one that is cut keeps its reference size."""
        z, height = self.space.lattice.z, self.space.frame.height
        return bool(z[0, 0, 0] < span_mm[0] * height and z[-1, 0, 0] > span_mm[1] * height)

    def _small_bowel(self) -> tuple[bowel.Gut | None, list[Paint], Field]:
        """Return jejunum and ileum, their paints, and the distance to everything in place."""
        space = self.space
        taken = np.minimum.reduce(list(self.settled.values()))
        every = {**self.arteries, **self.veins}
        near = space.union([sweep for name, sweep in every.items() if "superior" not in name], 16.0) - np.float32(1.0)
        root = 5.0 + 4.0 * min(float(self.spec["visceral_fat"]), 2.0)  # fat in the root of the mesentery
        far = space.union([sweep for name, sweep in every.items() if "superior" in name], 26.0) - np.float32(root)
        trunks = np.minimum(near, far)
        start = space.frame.at(stomach.DUODENUM[0][-1]) + [3.0, -9.0, -6.0]
        built = bowel.build_small_bowel(
            space, np.minimum(taken, trunks), self.colon, start, self.spec, self.seed
        )  # fmt: skip
        if built is None:
            return None, [], taken
        small, free = built
        room = float(np.clip(0.5 - free / space.lattice.step_mm, 0, 1).sum()) * space.lattice.step_mm**3 / 1000
        target = min(float(self.spec["small_bowel_ml"]), 0.80 * room)
        field = bowel.small_bowel_field(space, small, free, target)
        self.fields["small_bowel"] = space.part(field)
        return small, bowel_filling.paint_small_bowel(space, small, field, self.seed), np.minimum(taken, field)

    def _mesentery(self, vessels: Mapping[str, Sweep], taken: Field) -> dict[str, Tubes]:
        """Return the trees and nodes in the fat."""
        space, seed = self.space, self.seed
        trees = mesentery.build_fans(space, self.arteries, self.veins, self.small, self.colon, seed)
        for side, _ in kidneys.SIDES:
            trees[f"renal_artery_{side}"] = mesentery.hilar_branches(space, side, seed, 1.7)
            trees[f"renal_vein_{side}"] = mesentery.hilar_branches(space, side, seed, 2.6)
        trees["fat_vessels"] = mesentery.fat_vessels(space, taken, seed.child("fat").rng())
        trees["lymph_nodes"] = mesentery.lymph_nodes(space, vessels, trees, seed)
        return trees

    def _paints(self, small_paints: list[Paint], ureters: Mapping[str, Tubes]) -> list[Paint]:
        space, s, names = self.space, self.settled, labels()
        return [
            Paint(space.part(space.inside), (Layer(names["abdominal_fat"]),)),
            *kidneys.paint_adrenals(space, self.spec),
            *self._liver_paints,
            Paint(self.fields["spleen"], (Layer(names["spleen"]),)),
            *kidneys.paint_kidneys(space, s, self.spec, self.seed),
            *pancreas.paint_pancreas(space, s["pancreas"], self.arc["pancreas"], self.trees["pancreatic_duct"]),
            *stomach.paint_stomach(space, s["stomach"], self.arc["stomach"], self.spec),
            *stomach.paint_duodenum(space, s["duodenum"]),
            *small_paints,
            *bowel_filling.paint_colon(space, self.colon, s["colon"], self.seed),
            *mesentery.paint_vessels(self.arteries, self.veins, self.trees, ureters),
            *liver.paint_liver_trees(self.trees),
        ]


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
    # Kidneys keep their form in their fat, the full gallbladder its own; what lies on them takes theirs.
    bed = np.minimum.reduce(list(firm.values()))
    for name in settled:
        solid = name in ("liver", "spleen")
        cover = bed - np.float32(0.8 if solid else 2.0) - space.gap
        if name in REACH_BEHIND_MM:
            cover = np.minimum(cover, behind + np.float32(REACH_BEHIND_MM[name]))
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
        # The fat tapers towards the diaphragm, under a roof that falls backwards.
        inward = inward + np.maximum(space.lattice.z - (pole_mm - 12.0) + 0.2 * (space.lattice.y - centre[1]), 0)
        middle = np.sign(space.lattice.x) == -sign
        shadow = np.where(middle, FAR_MM, inward if sign < 0 else inward[:, :, ::-1]).astype(np.float32)
        field = np.minimum(field, smooth_min(own, shadow, 10.0))
    return field
