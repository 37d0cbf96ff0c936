"""Multiple sclerosis: plaques at the ventricles, below the cortex, in deep white matter and below the tentorium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.brain.cranium import WHITE, lobe_of, near_host, side_of, structure_at
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, turn_to
from medsynth.lesions.host import Host, host, labels_of, point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene, Structure, Texture

SCLEROSIS = Code("24700007", "Multiple sclerosis")

Place = Literal["periventricular", "juxtacortical", "deep_white_matter", "infratentorial"]
# Early disease: most of the volume at the ventricles (PMC9850035); the shares of counts are unverified.
PLACES: dict[Place, float] = {"periventricular": 0.42, "juxtacortical": 0.18, "deep_white_matter": 0.3,
                              "infratentorial": 0.1}
ENHANCING: dict[Place, float] = {"periventricular": 0.053, "juxtacortical": 0.043, "deep_white_matter": 0.031,
                                 "infratentorial": 0.072}  # PMC9850035: share that takes up contrast
BLACK_HOLES = 0.25  # share of plaques dark in T1 (unverified)
LARGER = {"periventricular": 1.25, "juxtacortical": 0.8, "deep_white_matter": 0.9, "infratentorial": 0.85}
FINGER = (1.3, 2.2)  # length over width at the ventricles: along the veins, square to the wall (unverified)
SITES = 300
RING_FROM_MM = 7.0  # larger active plaques take up contrast as a ring (unverified)
RING_MM = 1.3
LEAST_MM = 3.0  # MAGNIMS: shorter ones do not count
BELOW_TENT = ("pons", "cerebellar_white_matter_*", "midbrain", "medulla")
SPECKLE = Texture(octaves=((3.0, 0.004), (8.0, 0.004)))


class SclerosisOptions(Options):
    """Plaques of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the sphere with a plaque's volume.
    places : weights.
    enhancing : share that takes up contrast, by place.
    black_holes : share that is dark in T1.
    """

    count: Distribution = Field(default=Poisson(mean=13, low=1, high=60))
    diameter_mm: Distribution = LogNormal(median=5.5, sigma=0.42, low=3, high=20)
    places: dict[Place, float] = Field(default=PLACES)
    enhancing: dict[Place, float] = Field(default=ENHANCING)
    black_holes: float = Field(default=BLACK_HOLES, ge=0, le=1)


class SclerosisSpec(Options):
    """One plaque in plain numbers."""

    kind: Literal["ms_plaque"] = "ms_plaque"
    diameter_mm: float = Field(gt=0, le=40)
    centre_mm: Vector
    reach_mm: float
    host: str
    place: Place
    direction: Vector
    axes: tuple[float, float, float]
    black_hole: bool
    enhancement: Literal["none", "nodular", "ring"]
    shape_seed: int = Field(ge=0)


def sample_specs(options: SclerosisOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the plaques of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: SclerosisOptions, scene: Scene, taken: Sequence[Ball], *, rng: np.random.Generator
                ) -> SclerosisSpec:
    diameter, place = float(options.diameter_mm.sample(rng=rng)), choose(dict(options.places), rng=rng)
    low, high = options.diameter_mm.range
    diameter = float(np.clip(diameter * LARGER[place], low, high))
    long, active, hole = rng.uniform(*FINGER), rng.uniform(), rng.uniform() < options.black_holes
    if place != "periventricular":
        long = 1 + (long - 1) * 0.3
    if place == "juxtacortical":
        long = 1 / long  # flat, along the cortex
    enhancement: Literal["none", "nodular", "ring"] = "none"
    if active < options.enhancing.get(place, 0.0):
        enhancement = "ring" if diameter > RING_FROM_MM else "nodular"
    axes = (float(long ** (2 / 3)), float(long ** (-1 / 3)), float(long ** (-1 / 3)))
    reach = 0.5 * diameter * 1.15 * max(axes)
    seed = int(rng.integers(2**53))
    for centre, direction in _places(scene, place, 0.5 * diameter * axes[0], rng):
        if not keeps_apart(centre, reach, taken):
            continue
        one = SclerosisSpec(
            diameter_mm=round(diameter, 3), centre_mm=point(centre), reach_mm=round(reach, 3), place=place,
            host=structure_at(scene, point(centre), *(BELOW_TENT if place == "infratentorial" else WHITE)),
            direction=point(direction), axes=axes, black_hole=bool(hole and enhancement == "none"),
            enhancement=enhancement, shape_seed=seed)
        try:
            _body(one, scene)
        except PlacementError:
            continue
        return one
    raise PlacementError(f"lesions.ms_plaque found no place for one of diameter_mm {diameter:.1f} ({place})")


def _places(scene: Scene, place: Place, half_mm: float, rng: np.random.Generator
            ) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return random centres (3,) and the direction of the first axis at each."""
    if place == "infratentorial":
        below = host(scene, *BELOW_TENT)
        points = below.points(SITES, rng=rng, depth_mm=(0.5, 6.0))  # the pons' border, the peduncles
        return [(p, _normal(below, p)) for p in points]
    white = host(scene, *WHITE)
    if place == "juxtacortical":
        points = white.points(SITES, rng=rng, depth_mm=(0.3, max(1.0, 0.5 * half_mm)))
        return [(p, _normal(white, p)) for p in points]
    ventricles = host(scene, "lateral_ventricle_*")
    away = _distance(ventricles, white)
    if place == "periventricular":
        weight = (away > max(0.5, half_mm - 2.0)) & (away < half_mm + 0.5)
        points = white.points(SITES, rng=rng, weight=weight.astype(np.float32))
    else:
        weight = away > half_mm + 5
        points = white.points(SITES, rng=rng, depth_mm=(0.6 * half_mm + 1.5, 30.0), weight=weight.astype(np.float32))
    return [(p, _normal(ventricles, p)) for p in points]


def _distance(ventricles: Host, white: Host) -> np.ndarray:
    """Return how far each voxel (k, j, i) of white matter is from the ventricles, mm."""
    k, j, i = np.meshgrid(*[np.arange(n, dtype=float) for n in white.share.shape], indexing="ij")
    points = white.grid.world_mm(np.stack([k, j, i], axis=-1))
    low, high = (np.asarray(end) for end in (ventricles.grid.origin_mm, ventricles.grid.world_mm(
        np.subtract(ventricles.share.shape, 1).astype(float))))
    beyond = np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0), axis=-1)
    return np.asarray(ventricles.shape.distance_mm(points), float) + np.where(beyond > 0, beyond, 0)


def _normal(of: Host, at: np.ndarray) -> np.ndarray:
    """Return the unit vector (3,) out of a host at a point."""
    probe = np.concatenate([np.eye(3), -np.eye(3)]) * 1.5
    values = of.depth_at(at + probe)
    slope = values[3:] - values[:3]
    size = float(np.linalg.norm(slope))
    return slope / size if size > 1e-3 else np.array([1.0, 0.0, 0.0])


def _covered(one: SclerosisSpec, scene: Scene) -> tuple[int, ...]:
    return labels_of(scene, *(BELOW_TENT if one.place == "infratentorial" else WHITE))


def _body(one: SclerosisSpec, scene: Scene) -> Any:
    reach = 1.45 * one.diameter_mm * max(one.axes)
    return blob(one.centre_mm, np.pi / 6 * one.diameter_mm**3, axes=one.axes, turn=turn_to(one.direction),
                lobulation=0.15, roughness=0.07, seed=Seed(one.shape_seed).child("body"),
                host=near_host(scene, _covered(one, scene), one.centre_mm, reach), cut=True)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build plaque `number` from its spec alone."""
    one = checked_spec(SclerosisSpec, spec, number)
    body, parts = _body(one, scene), _structures(one, number)
    over = _covered(one, scene)
    names = list(parts)
    layers = [Layer(parts[names[0]].label)]
    if len(names) > 1:
        layers.append(Layer(parts[names[1]].label, RING_MM if one.enhancement == "ring" else 0.16 * one.diameter_mm))

    def classify(measured: Measured) -> Mapping[str, Any]:
        return {"counts_for_magnims": measured.long_axis_mm >= LEAST_MM}

    return Lesion(number, one.kind, SCLEROSIS, tuple(parts.values()), (Paint(body, tuple(layers), over),), one.host, {
        "type": "active" if one.enhancement != "none" else "black_hole" if one.black_hole else "t2",
        "magnims_place": one.place, "enhancement": one.enhancement, "black_hole": one.black_hole,
        "side": side_of(scene, one.centre_mm),
        "lobe": "infratentorial" if one.place == "infratentorial" else lobe_of(scene, one.centre_mm)},
        one.model_dump(mode="json"), classify=classify)


def _structures(one: SclerosisSpec, number: int) -> dict[str, Structure]:
    """Return the plaque's parts, outermost first."""
    plain: Any = {"texture": SPECKLE, "whole": True}
    if one.enhancement == "ring":
        return {"rim": lesion_part(number, "rim", "ms_lesion", SCLEROSIS, enhancement="ms_active", **plain),
                "core": lesion_part(number, "core", "ms_lesion", SCLEROSIS, texture=SPECKLE)}
    if one.black_hole:
        return {"solid": lesion_part(number, "solid", "ms_lesion", SCLEROSIS, **plain),
                "core": lesion_part(number, "core", "ms_black_hole", SCLEROSIS, texture=SPECKLE)}
    return {"solid": lesion_part(number, "solid", "ms_lesion", SCLEROSIS, **plain,
                                 enhancement="ms_active" if one.enhancement == "nodular" else "")}


FAMILY = Family("ms_plaque", "Multiple sclerosis: plaques by place, black holes, active ones", SclerosisOptions,
                sample_specs, insert, ("head",))
