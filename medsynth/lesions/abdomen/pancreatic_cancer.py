"""Pancreatic ductal adenocarcinoma: a fibrous mass on the duct, which widens upstream while the gland withers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import GeometryError, PlacementError
from medsynth.lesions.abdomen.focal import FocalSpec, body_of, form_of, part_at, size_class_cm
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import hu_of, lesion_part, mixture_for_hu
from medsynth.lesions.placement import keeps_apart, taken_balls
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Push, Scene, Texture
from medsynth.shapes.lattice_warp import lattice_warp
from medsynth.shapes.tubes import Tubes
from medsynth.tissues.contrast import iodine_mg_per_ml

Site = Literal["head", "neck", "body", "tail"]
CANCER = Code("363418001", "Malignant tumor of pancreas")
PANCREAS = ("pancreas*",)
GATES_CM = (2.0, 4.0)  # T1, T2, T3 of TNM 8
IODINE_HU = 28.0  # of 1 mg/mL at 120 kVp (iodine.csv)
NATIVE_HU = (12.0, 52.0)  # what a tumour's tissue can have
WITHER_MM, STEP_MM = 14.0, 3.0  # distance from the duct over which the gland withers; lattice of that
SITES: dict[Site, float] = {"head": 0.66, "neck": 0.08, "body": 0.16, "tail": 0.1}  # head 2/3 (facts 5.8)


class PancreaticCancerOptions(Options):
    """Pancreatic cancers of one recipe entry: one at most finds its duct.

    Attributes
    ----------
    count : 0 or 1.
    sites : weights of head, neck, body, tail.
    iso_share : how often the tumour has the pancreas' own HU.
    diameter_mm, iso_diameter_mm : of the sphere of the same volume, for the others and for those.
    duct_mm : width of the duct upstream; it is not narrowed where it is wider.
    atrophy : how much the gland upstream shrinks towards its duct.
    bile_duct : how often a tumour of the head dams up the bile, too.
    """

    count: Distribution = Fixed(value=1)
    sites: dict[Site, float] = SITES
    iso_share: float = Field(default=0.12, ge=0, le=1)  # 11-14 % (pubmed 12202711)
    # 30.3 +- 9.0 mm and 12.4 +- 4.8 mm, each +- 1.5 standard deviations
    diameter_mm: Distribution = Uniform(low=16.8, high=43.8)
    iso_diameter_mm: Distribution = Uniform(low=6, high=19.6)
    contrast_hu: Distribution = Uniform(low=12, high=75)  # 40 +- 23 portal (pubmed 17961951), +- 1.5 sd
    duct_mm: Distribution = Uniform(low=3.5, high=9)  # > 3 mm
    atrophy: Distribution = Uniform(low=0.15, high=0.5)
    bile_duct: float = Field(default=0.7, ge=0, le=1)  # unverified


class PancreaticCancerSpec(FocalSpec):
    """One pancreatic cancer in plain numbers."""

    kind: Literal["pancreatic_cancer"] = "pancreatic_cancer"
    site: Site
    capsule: int = Field(ge=0)
    iso_attenuating: bool
    contrast_hu: float
    duct_mm: float = Field(gt=0)
    atrophy: float = Field(ge=0, lt=0.8)
    bile_duct: bool


def sample_specs(options: PancreaticCancerOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the pancreatic cancers of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        iso = bool(stream.uniform() < options.iso_share)
        site: Site = choose(options.sites, rng=stream)
        diameter = float((options.iso_diameter_mm if iso else options.diameter_mm).sample(rng=stream))
        form = form_of(diameter, 0.14, rng=stream)
        numbers: dict[str, Any] = {
            "contrast_hu": float(stream.uniform(2, 11)) if iso else options.contrast_hu.sample(rng=stream),
            "duct_mm": options.duct_mm.sample(rng=stream), "atrophy": options.atrophy.sample(rng=stream)}
        bile = bool(stream.uniform() < options.bile_duct) and site == "head"
        reach = 0.65 * diameter
        capsule, at = _on_duct(scene, site, diameter, reach, (*taken, *specs), rng=stream)
        specs.append(PancreaticCancerSpec(site=site, capsule=capsule, iso_attenuating=iso, centre_mm=at, bile_duct=bile,
                                          reach_mm=round(reach, 3), host="pancreas", **form, **numbers)
                     .model_dump(mode="json"))
    return specs


def _on_duct(scene: Scene, site: Site, diameter: float, reach: float, taken: Sequence[Mapping[str, Any]], *,
             rng: np.random.Generator) -> tuple[int, tuple[float, float, float]]:
    if any(other["kind"] == "pancreatic_cancer" for other in taken):
        raise PlacementError("lesions.pancreatic_cancer: a pancreas has one duct, got more than one tumour")
    gland, duct = host(scene, *PANCREAS), scene.vessels["pancreatic_duct"]
    middles = (duct.starts_mm + duct.ends_mm) / 2
    order = rng.permutation(len(middles)).tolist()
    right = [n for n in order if part_at(scene, gland, middles[n].tolist()) == f"pancreas_{site}"]
    # A tumour is not always centred on the duct, but always takes it in.
    shift = rng.standard_normal(3)
    shift *= 0.2 * diameter / np.linalg.norm(shift)
    for n in right or order:
        for at in (middles[n] + shift, middles[n]):
            if gland.depth_at(at[None])[0] > 0 and keeps_apart(at, reach, taken_balls(*taken)):
                return int(n), point(at)
    raise PlacementError(f"lesions.pancreatic_cancer found no place in the {site} for one of "
                         f"diameter_mm {diameter:.1f}")


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(PancreaticCancerSpec, spec, number)
    where = host(scene, *PANCREAS, "pancreatic_duct", "abdominal_fat", "bile_duct")
    body = body_of(one, lobulation=0.3, roughness=0.06, within=where)
    key = ("pancreatic_cancer_iso" if one.contrast_hu < 12 else
           "pancreatic_cancer_moderate" if one.contrast_hu < 26 else "pancreatic_cancer")
    part = lesion_part(number, "solid", "fibrous_tumour", CANCER, whole=True, enhancement=key,
                       mixture=_mixture(scene, one.contrast_hu, key),
                       texture=Texture(octaves=((6.0, 0.006), (3.0, 0.006))))
    duct, label = scene.vessels["pancreatic_duct"], scene.structure("pancreatic_duct").label
    upstream = np.arange(one.capsule)
    changes: list[Paint] = []
    if len(upstream):
        wide = np.maximum(duct.start_radii_mm[upstream], one.duct_mm / 2)
        beaded = 1 + 0.15 * np.sin(1.7 * upstream + one.duct_mm)
        gland = labels_of(scene, *PANCREAS, "abdominal_fat")
        changes.append(Paint(_wider(duct, upstream, wide * beaded), (Layer(label),), (*gland, label)))
    if one.bile_duct:
        changes += _bile(scene, one)
    attributes = {"site": one.site, "iso_attenuating": one.iso_attenuating, "duct_cut_off": len(upstream) > 0,
                  "duct_mm": round(one.duct_mm, 2), "double_duct": one.bile_duct, "atrophy": round(one.atrophy, 3)}
    return Lesion(number, one.kind, CANCER, (part,), (Paint(body, (Layer(part.label),), where.labels),), "pancreas",
                  attributes, one.model_dump(mode="json"), pushes=_withering(duct, upstream, one),
                  changes=tuple(changes), classify=_stage)


def _mixture(scene: Scene, contrast_hu: float, key: str) -> tuple[tuple[str, float], ...]:
    """Return what makes the tumour that much darker than this person's pancreas in the portal phase, if possible."""
    pancreas = scene.structure("pancreas")
    fat = sum(share for _, share in pancreas.mixture)
    native = (1 - fat) * hu_of(pancreas.tissue) + sum(share * hu_of(name) for name, share in pancreas.mixture)
    gain = IODINE_HU * (iodine_mg_per_ml(pancreas.enhancement, "portal") - iodine_mg_per_ml(key, "portal"))
    return mixture_for_hu("fibrous_tumour", float(np.clip(native + gain - contrast_hu, *NATIVE_HU)))


def _wider(tubes: Tubes, which: NDArray[np.intp], radius: NDArray[np.float64]) -> Tubes:
    ends = np.append(radius[1:], radius[-1])
    return Tubes(tubes.starts_mm[which], tubes.ends_mm[which], radius, ends, np.full(len(which), -1))


def _bile(scene: Scene, one: PancreaticCancerSpec) -> list[Paint]:
    ducts, label = scene.vessels["bile_ducts"], scene.structure("bile_duct").label
    above = np.flatnonzero((ducts.starts_mm[:, 2] + ducts.ends_mm[:, 2]) / 2 > one.centre_mm[2])
    if not len(above):
        return []
    over = (*labels_of(scene, "liver*", "pancreas_*", "abdominal_fat"), label)
    grown = Tubes(ducts.starts_mm[above], ducts.ends_mm[above], ducts.start_radii_mm[above] * 1.7,
                  ducts.end_radii_mm[above] * 1.7, np.full(len(above), -1))
    return [Paint(grown, (Layer(label),), over)]


def _withering(duct: Tubes, upstream: NDArray[np.intp], one: PancreaticCancerSpec) -> tuple[Push, ...]:
    """Return the pull towards the duct upstream of the tumour."""
    if len(upstream) < 2 or one.atrophy < 0.05:
        return ()
    line = (duct.starts_mm[upstream] + duct.ends_mm[upstream]) / 2
    margin = 2.6 * WITHER_MM
    bounds = tuple((line.min(0) - margin).tolist()), tuple((line.max(0) + margin).tolist())

    def pull(points: NDArray[Any]) -> NDArray[Any]:
        flat = points.reshape(-1, 3)
        away, least = np.zeros_like(flat), np.full(len(flat), np.inf)
        for node in line:
            rest = flat - node
            square = np.square(rest).sum(axis=1)
            near = square < least
            away[near], least[near] = rest[near], square[near]
        beside = np.clip(np.linalg.norm(flat - np.asarray(one.centre_mm), axis=1) / one.radius_mm - 1, 0, 1)
        return (-one.atrophy * away * (np.exp(-least / WITHER_MM**2) * beside)[:, None]).reshape(points.shape)

    try:
        warp = lattice_warp(pull, bounds, STEP_MM)
    except GeometryError:
        return ()
    return (Push(warp, warp.bounds_mm),)


def _stage(measured: Measured) -> dict[str, Any]:
    size = measured.max_diameter_mm
    return {"tnm_size_class": ("T1", "T2", "T3")[sum(size > 10 * gate for gate in GATES_CM)],
            "size": size_class_cm(size, GATES_CM)}


FAMILY = Family("pancreatic_cancer", "Pancreatic cancer with upstream duct dilatation and atrophy",
                PancreaticCancerOptions, sample_specs, insert, ("abdomen", "torso"))
