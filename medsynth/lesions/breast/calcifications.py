"""Microcalcifications of the breast by BI-RADS morphology and distribution: specks of 0.1 to 1 mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field
from scipy.spatial.distance import pdist

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.breast.place import breast_of, breast_words, covered_labels, gland_weight
from medsynth.lesions.breast.speck_sites import DISTRIBUTIONS, Spread, speck_sites
from medsynth.lesions.breast.specks import MORPHOLOGIES, Morphology, draw_specks
from medsynth.lesions.distributions import Distribution, Fixed, Options, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene

CALCIFICATIONS = Code("52988006", "Lesion")
SITES = 60  # places tried
DEPTH_MM = 5.0  # of the middle below the breast's surface


class BreastCalcificationsOptions(Options):
    """Microcalcifications of one recipe entry.

    Attributes
    ----------
    count : how many groups.
    morphologies, distributions : relative weights.
    specks : how many in a group; left out, what is usual for the distribution.
    extent_mm : of the group; left out, what is usual for the distribution. Grouped ones lie within 20 mm.
    speck_mm : median size of a speck; left out, what is usual for the morphology.
    """

    count: Distribution = Fixed(value=1)
    morphologies: Annotated[dict[Morphology, Weight], AfterValidator(some_weight)] = Field(default={
        "round": 0.2, "punctate": 0.15, "amorphous": 0.2, "coarse_heterogeneous": 0.1, "fine_pleomorphic": 0.27,
        "fine_linear_branching": 0.08})
    distributions: Annotated[dict[Spread, Weight], AfterValidator(some_weight)] = Field(default={
        "grouped": 0.6, "linear": 0.08, "segmental": 0.12, "regional": 0.12, "diffuse": 0.08})
    specks: Distribution | None = None
    extent_mm: Distribution | None = None
    speck_mm: Distribution | None = None


class BreastCalcificationsSpec(Options):
    """One group in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["breast_calcifications"] = "breast_calcifications"
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    morphology: Morphology
    distribution: Spread
    specks: int = Field(ge=1, le=2000)
    extent_mm: float = Field(gt=0)
    speck_mm: float = Field(gt=0, le=5)
    shape_seed: int = Field(ge=0)


def sample_specs(options: BreastCalcificationsOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the groups of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: BreastCalcificationsOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> BreastCalcificationsSpec:
    morphology, spread = choose(options.morphologies, rng=rng), choose(options.distributions, rng=rng)
    usual = DISTRIBUTIONS[spread]
    specks = (options.specks or usual.specks).sample(rng=rng)
    extent = float((options.extent_mm or usual.extent_mm).sample(rng=rng))
    form: dict[str, Any] = {
        "morphology": morphology, "distribution": spread, "specks": round(specks), "extent_mm": round(extent, 3),
        "speck_mm": float((options.speck_mm or MORPHOLOGIES[morphology].size_mm).sample(rng=rng)),
        "shape_seed": int(rng.integers(2**53))}
    # Only a tight group keeps others out: wide ones are strewn through tissue that holds masses too.
    reach = 0.5 * extent if spread == "grouped" else 1.0
    depth = DEPTH_MM + (0.3 * extent if spread == "grouped" else 0.0)
    for centre in breast_of(scene).points(SITES, rng=rng, depth_mm=(depth, np.inf), weight=gland_weight(scene) ** 2):
        if keeps_apart(centre, reach, taken):
            return BreastCalcificationsSpec(centre_mm=point(centre), reach_mm=round(reach, 3), **form)
    raise PlacementError(f"lesions.breast_calcifications found no place for a {spread} one of extent_mm {extent:.1f}")


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(BreastCalcificationsSpec, spec, number)
    seed = Seed(one.shape_seed)
    sites, along = speck_sites(scene, one.centre_mm, one.distribution, one.specks, one.extent_mm, seed=seed)
    specks, sizes = draw_specks(one.morphology, sites, along, one.speck_mm, seed=seed.child("specks"))
    mineral = MORPHOLOGIES[one.morphology].mineral
    matter = (("hydroxyapatite", mineral),) if mineral > 0 else ()
    structure = lesion_part(number, "calcification", "calcification", CALCIFICATIONS, whole=True, mixture=matter)
    attributes = {"bi_rads_calcification": one.morphology, "bi_rads_distribution": one.distribution,
                  "suspicious": MORPHOLOGIES[one.morphology].suspicious, "specks": len(sites),
                  "speck_median_mm": round(float(np.median(sizes)), 3),
                  "speck_largest_mm": round(float(sizes.max()), 3),
                  "extent_mm": round(float(pdist(sites).max(initial=0.0)), 1),
                  **breast_words(scene, one.centre_mm)}
    paint = Paint(specks, (Layer(structure.label),), covered_labels(scene))
    return Lesion(number, one.kind, CALCIFICATIONS, (structure,), (paint,), "fibroglandular_tissue", attributes,
                  one.model_dump(mode="json"))


FAMILY = Family("breast_calcifications", "Breast microcalcifications by BI-RADS morphology and distribution",
                BreastCalcificationsOptions, sample_specs, insert, ("breast",))
