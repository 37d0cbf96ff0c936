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
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep
from medsynth.shapes.tubes import Tubes
from phantoms.torso import bowel, bowel_filling, kidneys, liver, mesentery, pancreas, stomach
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels
from phantoms.torso.viscera_packing import SPANS_MM, Packing, match_volumes
from phantoms.torso.viscera_space import Field, Space


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
        "gallbladder_ml": float(np.clip(spread(26.5, 0.40), 8.0, 70.0)),
        "stomach_ml": spread(370.0 if female else 400.0, 0.30),
        "duodenum_ml": spread(65.0 * size**0.8, 0.18),
        "stomach_gas": float(rng.uniform(0.12, 0.5)),
        "adrenal": spread(1.0, 0.12),
        "liver_slant": float(np.clip(0.70 + 0.09 * normal(), 0.5, 0.9)),
        "liver_left_reach_mm": float(np.clip(76.0 + 13.0 * normal(), 50.0, 104.0)),
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
        wanted = self._wanted()
        first = match_volumes(space, raw, wanted, spec, Packing(), rounds=3)
        solid = first.packed(space, raw, spec)
        soft = np.minimum.reduce([field for name, field in solid.items() if name != "pancreas"])
        self.colon = bowel.build_colon(space, soft + 4.0, spec, seed)
        raw["colon"] = bowel.colon_field(space, self.colon)
        packing = match_volumes(space, raw, wanted, spec, first, rounds=4)
        self.settled = packing.packed(space, raw, spec)
        self.drop_mm = packing.drop_mm
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
        raw["spleen"] = stomach.spleen_field(space, (float(spec["spleen_ml"]) / 190.0) ** (1 / 3))
        raw["stomach"], arc["stomach"] = stomach.stomach_field(space, (float(spec["stomach_ml"]) / 430.0) ** 0.4)
        raw["duodenum"] = stomach.duodenum_field(space, (float(spec["duodenum_ml"]) / 65.0) ** 0.5)
        raw["pancreas"], arc["pancreas"] = pancreas.pancreas_field(space, (float(spec["pancreas_ml"]) / 78.0) ** 0.45)
        return raw, arc

    def _wanted(self) -> dict[str, float]:
        """Return the volumes, in ml, of the organs that lie in the built range; one that is cut keeps its size."""
        z, height = self.space.lattice.z, self.space.frame.height
        low, high = float(z[0, 0, 0]) / height, float(z[-1, 0, 0]) / height
        return {name: float(self.spec[f"{name}_ml"]) for name, (a, b) in SPANS_MM.items() if low < a and b < high}

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
