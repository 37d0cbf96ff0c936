"""Emphysema: holes in the middle of lobules, blebs below the pleura; share of the lung below -950 HU as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.chest.lungs import Array, Region, filled_to, present, region
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Texture

EMPHYSEMA = Code("87433001", "Pulmonary emphysema")

HOLE_HU = -985.0
WALL_MM = 0.5  # of blebs
LARGEST = 0.6
# Fleischner Society, Lynch 2015 doi:10.1148/radiol.2015141579: trace below 0.5 % of a zone, mild to
# 5 %, moderate above; the word for more is "confluent", from a fifth on (unverified).
GRADES = (("trace", 0.005), ("mild", 0.05), ("moderate", 0.2))
MIXED = 0.7  # of the volume that holes in lobules have beside blebs
INSIDE = 0.75  # of a bleb's ball lies in the lung, about
CANDIDATES = 4000
SWELL_MM = 12.0  # by which all blebs may grow or shrink to meet the volume
BLEB_MM = (4.0, 11.0)  # radii (unverified)


class EmphysemaOptions(Options):
    """Emphysema of one recipe entry.

    Attributes
    ----------
    probability : that there is some at all.
    sides : relative weights.
    types : relative weights.
    share : part of the lung's volume whose CT number is below -950 HU.
    hole_mm : distance of neighbouring holes.
    upper : how far it prefers the tips: 0 not at all, 1 strongly.
    """

    probability: float = Field(default=1.0, ge=0, le=1)
    sides: dict[Literal["left", "right", "both"], float] = Field(default={"both": 1.0})
    types: dict[Literal["centrilobular", "paraseptal", "mixed"], float] = Field(
        default={"centrilobular": 0.6, "paraseptal": 0.15, "mixed": 0.25})  # unverified
    share: Distribution = LogNormal(median=0.06, sigma=0.9, low=0.003, high=0.45)  # unverified
    hole_mm: Distribution = Uniform(low=8, high=14)
    upper: Distribution = Uniform(low=0.4, high=1.0)


class EmphysemaSpec(Options):
    """The emphysema of one lung in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["emphysema"] = "emphysema"
    type: Literal["centrilobular", "paraseptal", "mixed"]
    side: Literal["left", "right"]
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    volume_ml: float = Field(gt=0)
    hole_mm: float = Field(ge=5, le=40)
    upper: float = Field(ge=0, le=1)
    shape_seed: int = Field(ge=0)


def sample_specs(options: EmphysemaOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the emphysema of one recipe entry as specs of JSON values, one a lung.

    Raises
    ------
    PlacementError
        If a lung has one already.
    """
    if rng.uniform() >= options.probability:
        return []
    which, kind = choose(options.sides, rng=rng), choose(options.types, rng=rng)
    share, hole, upper = (float(one.sample(rng=rng)) for one in (options.share, options.hole_mm, options.upper))
    specs = []
    for side, stream in zip(("right", "left"), rng.spawn(2), strict=True):
        if which not in (side, "both"):
            continue
        if any(other.get("kind") == "emphysema" and other.get("side") == side for other in taken):
            raise PlacementError(f"lesions.emphysema: the {side} lung has one already")
        lung = region(scene, f"lung_{side}")
        own = float(np.clip(share * stream.uniform(0.85, 1.15), 0.001, LARGEST)) if which == "both" else share
        top = lung.points_mm[lung.whole > 0.5]
        spec = EmphysemaSpec(type=kind, side=lung.side, centre_mm=point(top[np.argmax(top[:, 2])]), reach_mm=1.0,  # type: ignore[arg-type]
                             volume_ml=round(own * lung.volume_ml, 4), hole_mm=hole,
                             upper=float(np.clip(upper, 0, 1)), shape_seed=int(stream.integers(2**53)))
        specs.append(spec.model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If the lung has not that much tissue.
    """
    one = checked_spec(EmphysemaSpec, spec, number)
    lung = region(scene, f"lung_{one.side}")
    grown = {"centrilobular": _lobules, "paraseptal": _blebs, "mixed": _mixed}[one.type](lung, one)
    level, values = filled_to(lung, lung.tissue, one.volume_ml, lambda level: grown - np.float32(level),
                              float(grown.min()) - 1, float(grown.max()) + 1)
    holes = lesion_part(number, "change", "lung_tissue", EMPHYSEMA, whole=True,
                        mixture=mixture_for_hu("lung_tissue", HOLE_HU), texture=Texture())
    made, lobes = [holes], present(scene, f"lobe_{one.side}_*")
    paints = []
    if one.type != "centrilobular":  # blebs have walls that can be seen, holes in lobules have none
        wall = lesion_part(number, "strand", "lung_tissue", EMPHYSEMA, host=f"lobe_{one.side}_upper",
                           mixture=mixture_for_hu("lung_tissue", -350.0))
        made.append(wall)
        rind = np.abs(_blebs(lung, one) - np.float32(level + WALL_MM / 2)) - np.float32(WALL_MM)
        rind = np.maximum(rind, -lung.depth_mm)
        paints.append(Paint(lung.shape(rind), (Layer(wall.label),), lobes))
    covered = (*lobes, *(s.label for s in made))
    paints.append(Paint(lung.shape(values), (Layer(holes.label),), covered))
    share = one.volume_ml / lung.volume_ml
    attributes = {"type": one.type, "side": one.side, "laa950_share": round(share, 5), "grade": grade(share),
                  "distribution": "upper" if one.upper > 0.5 else "diffuse"}
    return Lesion(number, one.kind, EMPHYSEMA, tuple(made), tuple(paints), f"lobe_{one.side}_upper", attributes,
                  one.model_dump(mode="json"))


def grade(share: float) -> str:
    """Return the Fleischner word for the visual extent of emphysema.

    Examples
    --------
    >>> grade(0.03)
    'mild'
    """
    return next((name for name, end in GRADES if share < end), "confluent")


def _upper(lung: Region, one: EmphysemaSpec) -> Array:
    """Return how much sooner a place falls ill towards the tip, (k, j, i), 0..1."""
    z = lung.points_mm[..., 2]
    inside = z[lung.whole > 0.5]
    return np.asarray(one.upper * np.clip((z - inside.min()) / (inside.max() - inside.min()), 0, 1), np.float32)


def _lobules(lung: Region, one: EmphysemaSpec) -> Array:
    """Return a field that is lowest in the middle of lobules, (k, j, i); lobules near the pleura stay longer."""
    seed = Seed(one.shape_seed)
    holes = lung.noise(seed.child("holes"), one.hole_mm) + 0.5 * lung.noise(seed.child("zones"), 55.0)
    spared = np.clip(1 - lung.depth_mm / 6.0, 0, 1)
    field = np.asarray(spared - holes - 1.6 * _upper(lung, one), np.float32) * np.float32(one.hole_mm / 4)
    return np.asarray(field / lung.slope(field), np.float32)


def _blebs(lung: Region, one: EmphysemaSpec) -> Array:
    """Return the distance to blebs in a row below the pleura, (k, j, i) mm."""
    rng = Seed(one.shape_seed).child("blebs").rng()
    inside = np.flatnonzero((lung.tissue > 0.5) & (lung.depth_mm > 0.5) & (lung.depth_mm < 4))
    upper = _upper(lung, one).ravel()[inside]
    points = lung.points_mm.reshape(-1, 3)[inside]
    field = np.full(lung.tissue.shape, 60.0, np.float32)
    order = np.argsort(rng.exponential(size=len(points)) / np.exp(6 * upper))
    taken: list[tuple[np.ndarray, float]] = []
    wanted, room = one.volume_ml * (1.0 if one.type == "paraseptal" else 1 - MIXED), 0.0
    for n in order[:CANDIDATES]:
        radius = float(rng.uniform(*BLEB_MM))
        if all(np.linalg.norm(points[n] - other) > 0.92 * (radius + r) for other, r in taken):
            taken.append((points[n], radius))
            room += INSIDE * np.pi / 0.75 * radius**3 / 1000
        if room >= wanted:
            break
    for rank, (centre, radius) in enumerate(taken):
        k, j, i = np.rint(lung.grid.index_kji(centre)).astype(int)
        reach = int(np.ceil((radius + SWELL_MM) / lung.step_mm))
        at = tuple(slice(max(0, c - reach), c + reach + 1) for c in (k, j, i))
        away = np.linalg.norm(lung.points_mm[at] - centre, axis=-1) - radius + 0.03 * rank
        np.minimum(field[at], away, out=field[at])
    return np.minimum(field, np.float32(SWELL_MM))


def _mixed(lung: Region, one: EmphysemaSpec) -> Array:
    lobules = _lobules(lung, one)
    own = np.quantile(lobules[lung.tissue > 0.5], min(0.9, MIXED * one.volume_ml / lung.tissue_ml))
    return np.minimum(lobules - own, _blebs(lung, one)).astype(np.float32)


FAMILY = Family("emphysema", "Emphysema: centrilobular, paraseptal with blebs", EmphysemaOptions, sample_specs, insert,
                ("thorax", "torso"))
