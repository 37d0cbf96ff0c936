"""Urinary stones by composition, in calyx, pelvis, at the junction or in the ureter, with what they dam up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.lesions.abdomen.focal import FocalSpec, form_of
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, turn_of
from medsynth.lesions.host import labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene
from medsynth.shapes.tubes import Tubes

Composition = Literal["uric_acid", "calcium_oxalate", "struvite", "cystine"]
Site = Literal["calyx", "pelvis", "upj", "ureter", "uvj"]
KIDNEY_STONE, URETER_STONE = Code("95570007", "Kidney stone"), Code("31054009", "Ureteric stone")
# Uric acid < 500 HU (200-450), calcium oxalate > 900 (800-1200 and more), the others between (WJN 3:282, facts 5.7).
HU: Mapping[str, Distribution] = {
    "uric_acid": Uniform(low=220, high=450), "cystine": Uniform(low=480, high=720),
    "struvite": Uniform(low=520, high=800), "calcium_oxalate": Uniform(low=850, high=1400),
}
DAMMED_MM = 1.3  # a stone wider than the ureter's lumen by this dams it up (unverified)
COMPOSITIONS: dict[Composition, float] = {
    "calcium_oxalate": 0.78, "uric_acid": 0.12, "struvite": 0.08, "cystine": 0.02}  # unverified
SITES: dict[Site, float] = {"calyx": 0.6, "pelvis": 0.12, "upj": 0.08, "ureter": 0.2}  # unverified


class KidneyStoneOptions(Options):
    """Urinary stones of one recipe entry.

    Attributes
    ----------
    count : how many.
    compositions : weights of uric_acid, calcium_oxalate, struvite, cystine.
    sites : weights of calyx, pelvis, upj, ureter, uvj (only where the body shows the ureter's end).
    diameter_mm : of the sphere of the same volume.
    dilation : ureter and calyces above an obstructing stone, over their own width.
    """

    count: Distribution = Poisson(mean=2, low=1, high=8)
    compositions: dict[Composition, float] = COMPOSITIONS
    sites: dict[Site, float] = SITES
    diameter_mm: Distribution = LogNormal(median=4, sigma=0.55, low=1, high=20)  # 1-20 mm (facts 5.7)
    dilation: Distribution = Uniform(low=1.4, high=2.6)


class KidneyStoneSpec(FocalSpec):
    """One stone in plain numbers."""

    kind: Literal["kidney_stone"] = "kidney_stone"
    composition: Composition
    site: Site
    stone_hu: float
    side: Literal["left", "right"]
    capsule: int = Field(ge=0)
    dilation: float = Field(ge=1, le=5)


def sample_specs(options: KidneyStoneOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the stones of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        composition: Composition = choose(options.compositions, rng=stream)
        diameter, site = float(options.diameter_mm.sample(rng=stream)), choose(options.sites, rng=stream)
        if site == "ureter":
            diameter = min(diameter, 12.0)
        form = form_of(diameter, 0.15, rng=stream)
        numbers: dict[str, Any] = {"stone_hu": HU[composition].sample(rng=stream),
                                   "dilation": options.dilation.sample(rng=stream)}
        # Stones lie side by side: a small reach lets a calyx hold several.
        reach = 0.5 * diameter * 1.25
        balls = [Ball(tuple(o["centre_mm"]), float(o["reach_mm"])) for o in (*taken, *specs)
                 if o["kind"] not in ("kidney_cyst", "renal_mass")]
        place = _place(scene, site, reach, balls, rng=stream)
        if place is None:
            raise PlacementError(f"lesions.kidney_stone found no place in the {site} for one of "
                                 f"diameter_mm {diameter:.1f}")
        side, capsule, at = place
        specs.append(KidneyStoneSpec(composition=composition, site=site, side=side, capsule=capsule, centre_mm=at,
                                     reach_mm=round(reach, 3), host=f"kidney_{side}", **form, **numbers)
                     .model_dump(mode="json"))
    return specs


def _place(scene: Scene, site: Site, reach: float, taken: Sequence[Ball], *, rng: np.random.Generator
           ) -> tuple[Literal["left", "right"], int, tuple[float, float, float]] | None:
    sides: list[Literal["left", "right"]] = ["left", "right"] if rng.uniform() < 0.5 else ["right", "left"]
    for side in sides:
        tubes = scene.vessels.get(f"ureter_{side}")
        if tubes is None or len(tubes.starts_mm) == 0:
            continue
        for capsule in rng.permutation(_capsules(tubes, scene, site)).tolist():
            at = point((tubes.starts_mm[capsule] + tubes.ends_mm[capsule]) / 2)
            if keeps_apart(np.asarray(at), reach, taken):
                return side, int(capsule), at
    return None


def trunk(tubes: Tubes) -> np.ndarray:
    """Return the capsules of the ureter itself, from the renal pelvis down: the longest chain."""
    roots = np.flatnonzero(tubes.parents < 0)
    ends = np.append(roots[1:], len(tubes.parents))
    longest = int(np.argmax(ends - roots))
    return np.arange(roots[longest], ends[longest])


def _capsules(tubes: Tubes, scene: Scene, site: Site) -> np.ndarray:
    main = trunk(tubes)
    low, high = scene.bounds_mm[0][2] + 8.0, scene.bounds_mm[1][2]
    seen = main[(tubes.starts_mm[main, 2] > low) & (tubes.starts_mm[main, 2] < high)]
    if site == "calyx":
        return np.setdiff1d(np.arange(len(tubes.parents)), main)
    if site == "pelvis":
        return main[:4]
    if site == "upj":
        return main[6:9]
    return seen[10:-3] if site == "ureter" else np.intersect1d(main[-3:], seen)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(KidneyStoneSpec, spec, number)
    body = blob(one.centre_mm, one.volume_mm3, axes=one.axes, turn=turn_of(one.quaternion), lobulation=0.3,
                roughness=0.06, seed=one.part("body"))
    above = one.site in ("upj", "ureter", "uvj")
    code = URETER_STONE if one.site in ("ureter", "uvj") else KIDNEY_STONE
    part = lesion_part(number, "calcification", one.composition, code, whole=True,
                       mixture=mixture_for_hu(one.composition, one.stone_hu))
    tubes, ureter = scene.vessels[f"ureter_{one.side}"], scene.structure(f"ureter_{one.side}")
    lumen = float(tubes.start_radii_mm[one.capsule])
    dammed = above and one.radius_mm > lumen * 0.5 * DAMMED_MM
    changes: tuple[Paint, ...] = ()
    around = labels_of(scene, f"kidney_{one.side}*", "abdominal_fat", f"ureter_{one.side}")
    if dammed:
        changes = (Paint(_dilated(tubes, one), (Layer(ureter.label),), around),)
    attributes = {"composition": one.composition, "stone_hu": round(one.stone_hu), "site": one.site,
                  "hydronephrosis": dammed}
    return Lesion(number, one.kind, code, (part,),
                  (Paint(body, (Layer(part.label),), lattice_mm=min(0.4, one.radius_mm / 3)),),
                  one.host, attributes, one.model_dump(mode="json"), changes=changes)


def _dilated(tubes: Tubes, one: KidneyStoneSpec) -> Tubes:
    """Return calyces, pelvis and ureter above the stone, wider."""
    main = trunk(tubes)
    upstream = np.setdiff1d(np.arange(len(tubes.parents)), main[main > one.capsule])
    wide = one.dilation
    return Tubes(tubes.starts_mm[upstream], tubes.ends_mm[upstream], tubes.start_radii_mm[upstream] * wide,
                 tubes.end_radii_mm[upstream] * wide, np.full(len(upstream), -1))


FAMILY = Family("kidney_stone", "Urinary stones by composition and site, with what they dam up", KidneyStoneOptions,
                sample_specs, insert, ("abdomen", "torso"))
