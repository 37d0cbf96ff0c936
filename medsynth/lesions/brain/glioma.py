"""Glioma: dead core, enhancing rim, oedema that follows white matter; some cross the corpus callosum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.brain.cranium import (
    CISTERNS,
    CORTICAL_VESSELS,
    WHITE,
    brain_host,
    closed_brain,
    displaced_share,
    lobe_of,
    midline_shift_mm,
    present,
    side_of,
    structure_at,
)
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Trait, Uniform, choose
from medsynth.lesions.effect import mass_effect
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.spreading import front, near_box, shortest_ways
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Structure, Texture
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.warp import Warped

GLIOMA = Code("393564001", "Glioma")
OEDEMA = Code("2032001", "Cerebral edema")

Site = Literal["frontal", "temporal", "parietal", "occipital", "callosum"]
# Larjavaara 2007 doi:10.1215/15228517-2007-006: frontal 40, temporal 29, parietal 14 % (recalled)
SITE_SHARES: dict[Site, float] = {"frontal": 0.42, "temporal": 0.28, "parietal": 0.2, "occipital": 0.05,
                                  "callosum": 0.05}
SITES = 250
FITS = 5  # places where its volumes are tried
DEPTH_MM = (2.0, 30.0)
RIM_MM = (0.8, 9.0)
REACH_MM = 65.0  # farthest oedema from the tumour's middle
OPEN_SHARE = 0.4
STEP_MM = 1.0
BRATS = {"brats_core": 1, "brats_oedema": 2, "brats_rim": 4, "brats_2023_rim": 3}
SPECKLE = Texture(octaves=((3.0, 0.007), (9.0, 0.007)))


class GliomaOptions(Options):
    """Gliomas of one recipe entry.

    Attributes
    ----------
    count : how many.
    core_ml : of the tumour without oedema (BraTS: tumour core).
    oedema_ratio : volume of the oedema over that of the core.
    necrosis : share of the core that is dead where it enhances.
    enhancing : whether it enhances at all (high grade); strength without meaning.
    sites : weights of lobe, or the corpus callosum for a butterfly.
    push : largest displacement over the radius of a sphere of its volume.
    """

    count: Distribution = Field(default=1, validate_default=True)
    core_ml: Distribution = LogNormal(median=35, sigma=0.65, low=4, high=110)
    oedema_ratio: Distribution = LogNormal(median=1.5, sigma=0.5, low=0.3, high=4)
    necrosis: Distribution = Uniform(low=0.2, high=0.65)
    enhancing: Trait = Trait(probability=0.85)
    sites: dict[Site, float] = Field(default=SITE_SHARES)
    push: Distribution = Uniform(low=0.15, high=0.4)


class GliomaSpec(Options):
    """One glioma in plain numbers."""

    kind: Literal["glioma"] = "glioma"
    core_ml: float = Field(gt=0, le=200)
    oedema_ml: float = Field(ge=0)
    centre_mm: Vector
    reach_mm: float
    host: str
    site: Site
    necrosis: float = Field(ge=0, lt=0.9)
    enhancing: bool
    tumour_hu: float
    oedema_hu: float
    push_mm: float = Field(ge=0)
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    shape_seed: int = Field(ge=0)


def sample_specs(options: GliomaOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the gliomas of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: GliomaOptions, scene: Scene, taken: Sequence[Ball], *, rng: np.random.Generator
                ) -> GliomaSpec:
    core, ratio, necrosis, push = (float(one.sample(rng=rng)) for one in (
        options.core_ml, options.oedema_ratio, options.necrosis, options.push))
    enhancing, site = options.enhancing.sample(rng=rng) > 0, choose(dict(options.sites), rng=rng)
    radius = float(np.cbrt(750 * core / np.pi))
    butterfly = site == "callosum"
    form: dict[str, Any] = {"axes": (1.35, 0.9, 1 / (1.35 * 0.9)) if butterfly else random_axes(0.15, rng=rng),
            "quaternion": (1.0, 0.0, 0.0, 0.0) if butterfly else random_quaternion(rng=rng),
            "tumour_hu": float(rng.uniform(28, 42)), "oedema_hu": float(rng.uniform(16, 22)),
            "shape_seed": int(rng.integers(2**53))}
    places = (host(scene, "corpus_callosum").points(SITES, rng=rng) if butterfly
              else host(scene, *WHITE).points(SITES, rng=rng, depth_mm=DEPTH_MM))
    tried = 0
    if core * ratio > host(scene, *WHITE).volume_ml / (1 if butterfly else 2):
        places = places[:0]  # more oedema than white matter
    for centre in places:
        if not (butterfly or lobe_of(scene, point(centre)) == site) or not keeps_apart(centre, 1.3 * radius, taken):
            continue
        one = GliomaSpec(
            core_ml=round(core, 4), oedema_ml=round(core * ratio, 4), centre_mm=point(centre),
            reach_mm=round(1.3 * radius, 3), site=site, necrosis=necrosis if enhancing else 0.0, enhancing=enhancing,
            host="corpus_callosum" if butterfly else structure_at(scene, point(centre), *WHITE),
            push_mm=push * radius, **form)
        try:
            _Made.of(one, scene)
        except PlacementError:
            tried += 1
            if tried >= FITS:
                break
            continue
        return one
    raise PlacementError(f"lesions.glioma found no place for one of core_ml {core:.1f} with {core * ratio:.1f} ml of "
                         f"oedema in {site}")


@dataclass(frozen=True, eq=False)
class _Made:
    """The shapes of a glioma, in the brain as its mass effect leaves it."""

    pushes: tuple[Push, ...]
    body: SampledShape
    core: SampledShape | None
    rim_mm: float
    bed: SampledShape | None

    @classmethod
    def of(cls, one: GliomaSpec, scene: Scene) -> _Made:
        seed, radius = Seed(one.shape_seed), float(np.cbrt(750 * one.core_ml / np.pi))
        pushes: tuple[Push, ...] = ()
        if one.push_mm > 0.3:
            pushes = (mass_effect(one.centre_mm, max(3.6 * radius, 25.0), one.push_mm,
                                  within=scene.fields["cranial_cavity"]),)
        brain: Any = closed_brain(scene)
        moved = Warped(brain, pushes[0].warp) if pushes else brain
        body = blob(one.centre_mm, 1000 * one.core_ml, axes=one.axes, turn=turn_of(one.quaternion), lobulation=0.75,
                    roughness=0.10, fraying=0.03, seed=seed.child("body"), host=moved, cut=True)
        low, high = body.bounds_mm()
        lattice = Lattice(point(np.subtract(low, 3)), point(np.add(high, 3)), STEP_MM)
        surface = np.asarray(moved.distance_mm(lattice.points_mm), float)
        field = np.maximum(np.asarray(body.distance_mm(np.asarray(lattice.points_mm, float))), surface)
        inside = np.clip(0.5 - surface / STEP_MM, 0, 1)
        core, rim = _dead(one, field, inside, lattice, seed) if one.necrosis > 0 else (None, 0.0)
        shape = lattice.shape_of(field)
        bed = _oedema(one, scene, pushes, shape, seed) if one.oedema_ml > 0 else None
        return cls(pushes, shape, core, rim, bed)


def _dead(one: GliomaSpec, field: NDArray[Any], inside: NDArray[Any], lattice: Lattice, seed: Seed
          ) -> tuple[SampledShape, float]:
    """Return the dead core, of an uneven outline within a rim whose thickness gives its volume; and that thickness."""
    waves = lattice.noise(seed.child("slow").integer(32), 15.0) * 1.5
    waves += lattice.noise(seed.child("quick").integer(32), 6.0) * 0.7
    uneven = np.maximum(field + waves, field + 0.5)  # no hole in the rim
    low, high, wanted = RIM_MM[0], 0.0, 1000 * one.necrosis * one.core_ml
    high = float(-field.min())
    for _ in range(30):
        rim = (low + high) / 2
        volume = float((np.clip(0.5 - np.maximum(uneven + rim, field + RIM_MM[0]) / STEP_MM, 0, 1) * inside).sum())
        low, high = (rim, high) if volume * STEP_MM**3 > wanted else (low, rim)
    return lattice.shape_of(np.maximum(uneven + rim, field + RIM_MM[0])), rim


def _oedema(one: GliomaSpec, scene: Scene, pushes: tuple[Push, ...], body: SampledShape, seed: Seed) -> SampledShape:
    """Return the oedema: what is nearest to the tumour along white matter of its side (of both for a butterfly)."""
    white = host(scene, *_bed(scene, one))
    share = displaced_share(white, pushes)
    centre = white.grid.index_kji(np.asarray(one.centre_mm))
    at = near_box(share.shape, centre, REACH_MM / white.grid.spacing_mm[0])
    k, j, i = np.meshgrid(*[np.arange(s.start, s.stop, dtype=float) for s in at], indexing="ij")
    points = white.grid.world_mm(np.stack([k, j, i], axis=-1))
    from_body = np.asarray(body.distance_mm(points), float)
    slow = np.exp(0.3 * CoherentNoise(seed.child("oedema").integer(32), 18.0).at(points))
    ways = np.full(share.shape, np.inf)
    ways[at] = shortest_ways((share[at] > OPEN_SHARE) | (from_body < 0), np.asarray(slow, float), from_body < 0,
                             white.grid.spacing_mm[0], REACH_MM)
    counted = share.copy()
    counted[at] *= np.clip(0.5 + from_body / white.grid.spacing_mm[0], 0, 1).astype(np.float32)
    return front(ways, counted, 1000 * one.oedema_ml, white.grid)


def _bed(scene: Scene, one: GliomaSpec) -> tuple[str, ...]:
    if one.site == "callosum":
        return (*WHITE, "corpus_callosum")
    return (f"cerebral_white_matter_{side_of(scene, one.centre_mm)}",)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build glioma `number` from its spec alone."""
    one = checked_spec(GliomaSpec, spec, number)
    made, parts = _Made.of(one, scene), _structures(one, number)
    over = (*brain_host(scene).labels, *labels_of(scene, *CISTERNS, *CORTICAL_VESSELS))
    first = parts["rim" if one.enhancing else "solid"].label
    paints: list[Paint] = []
    if made.bed is not None:
        paints.append(Paint(made.bed, (Layer(parts["oedema"].label),), labels_of(scene, *present(
            scene, *_bed(scene, one)))))
        over = (*over, parts["oedema"].label)
    paints.append(Paint(made.body, (Layer(first),), over))
    if made.core is not None:
        paints.append(Paint(made.core, (Layer(parts["core"].label),), (first,)))
    return Lesion(number, one.kind, GLIOMA, tuple(parts.values()), tuple(paints), one.host, {
        "type": "high_grade" if one.enhancing else "low_grade", "site": one.site, "lobe": lobe_of(scene, one.centre_mm),
        "side": side_of(scene, one.centre_mm), "butterfly": one.site == "callosum", "rim_mm": round(made.rim_mm, 2),
        "enhancement": "ring" if one.enhancing else "none", **_brats(one),
        "midline_shift_mm": round(abs(midline_shift_mm(scene, made.pushes)), 2)}, one.model_dump(mode="json"),
        pushes=made.pushes)


def _brats(one: GliomaSpec) -> dict[str, int]:
    """Return the label of each part in BraTS: up to 2022, and of the rim from 2023 on."""
    return BRATS if one.enhancing else {"brats_solid": BRATS["brats_core"], "brats_oedema": BRATS["brats_oedema"]}


def _structures(one: GliomaSpec, number: int) -> dict[str, Structure]:
    first = "rim" if one.enhancing else "solid"
    made = {first: lesion_part(number, first, "tumour", GLIOMA, whole=True, texture=SPECKLE,
                               mixture=mixture_for_hu("tumour", one.tumour_hu),
                               enhancement="tumour" if one.enhancing else "")}
    if one.necrosis > 0:
        made["core"] = lesion_part(number, "core", "necrosis", GLIOMA, texture=SPECKLE)
    if one.oedema_ml > 0:
        made["oedema"] = lesion_part(number, "oedema", "brain_oedema", OEDEMA,
                                     mixture=mixture_for_hu("brain_oedema", one.oedema_hu))
    return made


FAMILY = Family("glioma", "Glioma: necrosis, enhancing rim, oedema along white matter, mass effect, butterfly",
                GliomaOptions, sample_specs, insert, ("head",))
