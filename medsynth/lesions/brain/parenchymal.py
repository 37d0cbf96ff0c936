"""Haemorrhage within the brain: where hypertension and amyloid bleed, in a rim of oedema, with mass effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.brain.blood import HIGHEST_HU, MEAN_HU, SPECKLE, VOLUME_ML, blood_part, faded_hu, stage_of
from medsynth.lesions.brain.cranium import (
    NUCLEI,
    STEM,
    WHITE,
    brain_host,
    midline_shift_mm,
    present,
    side_of,
    structure_at,
)
from medsynth.lesions.distributions import Distribution, Options, Uniform, choose
from medsynth.lesions.effect import mass_effect
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Structure
from medsynth.shapes.warp import Warped

HAEMORRHAGE = Code("274100004", "Cerebral hemorrhage")
OEDEMA = Code("2032001", "Cerebral edema")

Site = Literal["basal_ganglia", "thalamus", "lobar", "cerebellum", "pons"]
# About half in the basal ganglia; the rest in this order (shares unverified).
SITE_SHARES: dict[Site, float] = {"basal_ganglia": 0.5, "thalamus": 0.15, "lobar": 0.2, "cerebellum": 0.09,
                                  "pons": 0.06}
# Structures that it starts in, how deep, and the most that fits there, ml (unverified: larger ones do not survive).
SEEDS: dict[Site, tuple[tuple[str, ...], tuple[float, float], float]] = {
    "basal_ganglia": (("putamen_*", "pallidum_*"), (0.5, 20.0), 120.0),
    "thalamus": (("thalamus_*",), (2.0, 20.0), 30.0),
    "lobar": (WHITE, (3.0, 12.0), 120.0),
    "cerebellum": (("cerebellar_white_matter_*", "dentate_nucleus_*"), (0.0, 20.0), 45.0),
    "pons": (("pons",), (4.0, 20.0), 12.0)}
SITES = 60
OEDEMA_MM_PER_DAY, OEDEMA_GROWS_DAYS, OEDEMA_GONE_DAYS = 0.7, 10.0, 30.0  # unverified
STAIN_MM = 1.6  # haemosiderin around an old cavity (unverified)
BED_HU = (15.0, 23.0)


class ParenchymalOptions(Options):
    """Haemorrhages within the brain of one recipe entry.

    Attributes
    ----------
    count : how many.
    volume_ml : of the blood, without oedema.
    fresh_hu : mean CT number at 120 kVp while fresh.
    age_days : since the bleed: decides MR signal, oedema and how far it has faded.
    sites : weights.
    oedema_mm : thickness of the rim on the first day; it grows for ten days.
    push : largest displacement over the radius of a sphere of its volume.
    """

    count: Distribution = Field(default=1, validate_default=True)
    volume_ml: Distribution = VOLUME_ML["intraparenchymal"]
    fresh_hu: Distribution = MEAN_HU["intraparenchymal"]
    age_days: Distribution = Uniform(low=0.1, high=2.0)
    sites: dict[Site, float] = SITE_SHARES
    oedema_mm: Distribution = Uniform(low=1.0, high=4.5)
    push: Distribution = Uniform(low=0.25, high=0.5)


class ParenchymalSpec(Options):
    """One haemorrhage within the brain in plain numbers."""

    kind: Literal["intraparenchymal_haemorrhage"] = "intraparenchymal_haemorrhage"
    volume_ml: float = Field(gt=0, le=200)
    centre_mm: Vector
    reach_mm: float
    host: str
    nucleus: str
    site: Site
    age_days: float = Field(ge=0)
    hu: float = Field(ge=-10, le=HIGHEST_HU)
    oedema_mm: float = Field(ge=0, le=20)
    oedema_hu: float
    push_mm: float = Field(ge=0)
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    lobulation: float
    shape_seed: int = Field(ge=0)


def sample_specs(options: ParenchymalOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the haemorrhages of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: ParenchymalOptions, scene: Scene, taken: Sequence[Ball], *, rng: np.random.Generator
                ) -> ParenchymalSpec:
    volume, fresh, age, rim, push = (float(one.sample(rng=rng)) for one in (
        options.volume_ml, options.fresh_hu, options.age_days, options.oedema_mm, options.push))
    weights = {site: w for site, w in options.sites.items() if volume <= SEEDS[site][2]}
    if not any(weights.values()):
        raise PlacementError(f"lesions.intraparenchymal_haemorrhage has no room for one of volume_ml {volume:.1f} in "
                             f"{', '.join(options.sites)}")
    site: Site = choose(weights, rng=rng)
    radius = float(np.cbrt(750 * volume / np.pi))
    fading = float(np.clip((OEDEMA_GONE_DAYS - age) / (OEDEMA_GONE_DAYS - OEDEMA_GROWS_DAYS), 0, 1))
    rim = min(rim + OEDEMA_MM_PER_DAY * min(age, OEDEMA_GROWS_DAYS), 15.0) * fading
    # Blood splits the fibres of the capsules, from front to back.
    axes = random_axes(0.12, rng=rng) if site == "lobar" else _long(rng)
    reach = 1.35 * radius + rim
    turn = random_quaternion(rng=rng) if site == "lobar" else _nearly_straight(rng)
    form: dict[str, Any] = {"axes": axes, "quaternion": turn,
            "lobulation": float(rng.uniform(0.25, 0.9)), "shape_seed": int(rng.integers(2**53)),
            "oedema_hu": float(rng.uniform(*BED_HU)), "oedema_mm": round(rim, 3)}
    patterns, depth, _ = SEEDS[site]
    for centre in host(scene, *patterns).points(SITES, rng=rng, depth_mm=depth):
        if not keeps_apart(centre, reach, taken):
            continue
        one = ParenchymalSpec(
            volume_ml=round(volume, 4), centre_mm=point(centre), reach_mm=round(reach, 3),
            host=_around(scene, point(centre), site), nucleus=structure_at(scene, point(centre), *patterns), site=site,
            age_days=age,
            hu=round(faded_hu(fresh, age), 3), push_mm=push * radius * min(1.0, fading + 0.2), **form)
        try:
            _body(one, scene, _push(one, scene))
        except PlacementError:
            continue
        return one
    raise PlacementError(f"lesions.intraparenchymal_haemorrhage found no place for one of volume_ml {volume:.1f} "
                         f"in {site}")


def _around(scene: Scene, centre: Vector, site: Site) -> str:
    """Return what it is measured against: a nucleus may be covered whole, the white matter around it never is."""
    if site == "pons":
        return "pons"
    part = "cerebellar" if site == "cerebellum" else "cerebral"
    return f"{part}_white_matter_{side_of(scene, centre)}"


def _long(rng: np.random.Generator) -> tuple[float, float, float]:
    x, y, z = rng.uniform(0.75, 1.0), rng.uniform(1.2, 1.55), rng.uniform(0.9, 1.15)
    mean = (x * y * z) ** (1 / 3)
    return float(x / mean), float(y / mean), float(z / mean)


def _nearly_straight(rng: np.random.Generator) -> tuple[float, float, float, float]:
    x, y, z = (rng.standard_normal(3) * 0.12).tolist()
    return 1.0, x, y, z


def _push(one: ParenchymalSpec, scene: Scene) -> tuple[Push, ...]:
    if one.push_mm <= 0.3:
        return ()
    radius = float(np.cbrt(750 * one.volume_ml / np.pi))
    return (mass_effect(one.centre_mm, max(4.0 * radius, 22.0), one.push_mm,
                        within=scene.fields["cranial_cavity"]),)


def _body(one: ParenchymalSpec, scene: Scene, pushes: tuple[Push, ...]) -> Any:
    """Return the blood's shape; its volume is that within the brain as the mass effect leaves it."""
    brain: Any = brain_host(scene).shape
    if pushes:
        brain = Warped(brain, pushes[0].warp)
    return blob(one.centre_mm, 1000 * one.volume_ml, axes=one.axes, turn=turn_of(one.quaternion),
                lobulation=one.lobulation, roughness=0.07, host=brain,
                seed=Seed(one.shape_seed).child("body"), cut=True)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build haemorrhage `number` from its spec alone."""
    one = checked_spec(ParenchymalSpec, spec, number)
    brain, pushes = brain_host(scene), _push(one, scene)
    body = _body(one, scene, pushes)
    made = _structures(one, number)
    over = brain.labels
    layers = [Layer(made["rim"].label), Layer(made["blood"].label, STAIN_MM)] if "rim" in made else [
        Layer(made["blood"].label)]
    paints: tuple[Paint, ...] = (Paint(body, tuple(layers), over),)
    if "oedema" in made:
        bed = body.with_radius(body.radius_mm + one.oedema_mm)
        soft = labels_of(scene, *present(scene, *WHITE, *NUCLEI, *STEM, "corpus_callosum", "cerebellar_white_matter_*"))
        paints = (Paint(bed, (Layer(made["oedema"].label),), soft),
                  Paint(body, tuple(layers), (*over, made["oedema"].label)))
    return Lesion(number, one.kind, HAEMORRHAGE, tuple(made.values()), paints, one.host, {
        "type": one.site, "site": one.nucleus, "side": side_of(scene, one.centre_mm), "stage": stage_of(one.age_days),
        "age_days": round(one.age_days, 3), "deep": one.site in ("basal_ganglia", "thalamus"),
        "midline_shift_mm": round(abs(midline_shift_mm(scene, pushes)), 2), "oedema": "oedema" in made},
        one.model_dump(mode="json"), pushes=pushes)


def _structures(one: ParenchymalSpec, number: int) -> dict[str, Structure]:
    made = {"blood": blood_part(number, HAEMORRHAGE, one.age_days, one.hu)}
    if stage_of(one.age_days) == "chronic":
        made["rim"] = lesion_part(number, "rim", "haemosiderin", HAEMORRHAGE, texture=SPECKLE)
    if one.oedema_mm > 0.3:
        made["oedema"] = lesion_part(number, "oedema", "brain_oedema", OEDEMA,
                                     mixture=mixture_for_hu("brain_oedema", one.oedema_hu))
    return made


FAMILY = Family("intraparenchymal_haemorrhage", "Haemorrhage in the brain: deep, lobar, cerebellar, pontine; ages",
                ParenchymalOptions, sample_specs, insert, ("head",))

