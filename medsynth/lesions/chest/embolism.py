"""Pulmonary embolism: clots along the arteries, from the saddle to the segments, in contrast-filled blood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.lesions.chest.arteries import Path, main_path, path_from, pulmonary_tree
from medsynth.lesions.chest.lungs import present
from medsynth.lesions.distributions import Distribution, Options, Poisson, Trait, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene
from medsynth.shapes.tubes import Tubes

EMBOLISM = Code("59282003", "Pulmonary embolism")

Level = Literal["main", "lobar", "segmental", "subsegmental"]

# Radius of the artery in which a clot begins, by its level in mm: lobar arteries 4-6, segmental 2-3.5, subsegmental
# 1-2 (unverified).
LEVELS: dict[str, tuple[float, float]] = {"lobar": (3.4, 9.0), "segmental": (1.9, 3.4), "subsegmental": (1.0, 1.9)}
LENGTH_MM = {"saddle": (60.0, 110.0), "main": (25.0, 55.0), "lobar": (20.0, 55.0), "segmental": (12.0, 35.0),
             "subsegmental": (6.0, 18.0)}
LEVEL_WEIGHTS: dict[Level, float] = {"main": 0.12, "lobar": 0.30, "segmental": 0.40, "subsegmental": 0.18}  # unverified
CENTRAL = ("saddle", "main")
CENTRAL_FILLING = 0.55  # clots from the legs are thinner than the main arteries (unverified)
KNOTS, KNOT_MM = 0.14, 13.0  # clots are no smooth rods
MIDDLE = (0.2, 0.6)  # of the way from a lung to the trunk
SITES = 200


class EmbolismOptions(Options):
    """Pulmonary emboli of one recipe entry; the scan should be in the arterial phase.

    Attributes
    ----------
    count : clots beside a saddle.
    levels : relative weights of the largest artery that a clot lies in.
    saddle : probability of a clot across the division of the main artery.
    filling : share of the artery's radius that a clot takes; 1 blocks it.
    clot_hu : mean CT number at 120 kVp.
    """

    count: Distribution = Poisson(mean=3, low=1, high=10)
    levels: dict[Level, float] = Field(default=LEVEL_WEIGHTS)
    saddle: Trait = Trait(probability=0.05, low=1, high=1)  # 2-5 % of emboli: unverified
    filling: Distribution = Uniform(low=0.55, high=1.0)
    clot_hu: Distribution = Uniform(low=40, high=70)


class EmbolismSpec(Options):
    """One clot in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["pulmonary_embolism"] = "pulmonary_embolism"
    level: Literal["saddle", "main", "lobar", "segmental", "subsegmental"]
    side: Literal["left", "right", "both"]
    lobe: str
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    start: int = Field(ge=-1)  # the artery's number in the tree; -1 in the main arteries
    branches: tuple[int, ...] = ()  # which way it goes at each division: rank of the calibre
    length_mm: float = Field(gt=0)
    middle_share: float = Field(ge=0, le=1)  # where on the way through the main arteries its middle lies
    filling: float = Field(gt=0, le=1)
    offset: Vector  # of the clot's middle, as a share of what the artery leaves free
    clot_hu: float


def sample_specs(options: EmbolismOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the clots of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If a clot finds no artery of its level that is free.
    """
    specs: list[dict[str, Any]] = []
    wanted = ["saddle"] if options.saddle.sample(rng=rng) > 0 else []
    levels = {level: weight for level, weight in options.levels.items() if weight > 0}
    wanted += [choose(levels, rng=rng) for _ in range(int(options.count.sample(rng=rng)))]
    used: list[NDArray[np.float64]] = [path_of(EmbolismSpec.model_validate(other), scene).points_mm for other in taken
                                       if other.get("kind") == "pulmonary_embolism"]
    # Large ones first: they need the room.
    order = sorted(zip(wanted, rng.spawn(len(wanted)), strict=True), key=lambda item: list(LENGTH_MM).index(item[0]))
    for level, stream in order:
        # Where the large arteries are full already, the clot lies in smaller ones.
        smaller = [name for name in levels if list(LENGTH_MM).index(name) > list(LENGTH_MM).index(level)]
        for name in (level, *smaller):
            found = _sample_one(options, scene, name, used, rng=stream)
            if found is not None:
                break
        else:
            raise PlacementError(f"lesions.pulmonary_embolism found no free {level} artery for clot {len(specs) + 1}")
        one, points = found
        used.append(points)
        specs.append(one.model_dump(mode="json"))
    return specs


def _sample_one(options: EmbolismOptions, scene: Scene, level: str, used: Sequence[NDArray[np.float64]], *,
                rng: np.random.Generator) -> tuple[EmbolismSpec, NDArray[np.float64]] | None:
    tree = pulmonary_tree(scene)
    offset = rng.standard_normal(3)
    offset /= np.linalg.norm(offset)
    filling = float(np.clip(options.filling.sample(rng=rng), 0.15, 1.0))
    if level in CENTRAL:
        filling *= CENTRAL_FILLING
    form: dict[str, Any] = {"level": level, "length_mm": float(rng.uniform(*LENGTH_MM[level])), "filling": filling,
            "middle_share": float(rng.uniform(*MIDDLE)) if level == "main" else 0.5, "offset": point(offset),
            "clot_hu": options.clot_hu.sample(rng=rng),
            "branches": tuple(int(n) for n in rng.integers(0, 2, 12))}
    if level in CENTRAL:
        starts = [-1] if level == "saddle" else [-1, -2]
    else:
        low, high = LEVELS[level]
        starts = np.flatnonzero((tree.start_radii_mm >= low) & (tree.start_radii_mm < high)).tolist()
    places = rng.permutation(len(starts))[:SITES]
    for place in places:
        start = int(starts[place])
        side = "both" if level == "saddle" else "right" if start == -2 else "left"
        draft = EmbolismSpec(side=side, lobe="", centre_mm=(0.0, 0.0, 0.0), reach_mm=0.0,  # type: ignore[arg-type]
                             start=max(start, -1), **form)
        path = path_of(draft, scene)
        if len(path.points_mm) < 2 or any(_near(path, other) for other in used):
            continue
        middle = path.points_mm[len(path.points_mm) // 2]
        where = _lobe_at(scene, path.points_mm[-1])
        side = side if start < 0 else where.split("_")[1]
        return draft.model_copy(update={"centre_mm": point(middle), "lobe": where, "side": side, "reach_mm": 1.0}), \
            path.points_mm
    return None


def path_of(one: EmbolismSpec, scene: Scene) -> Path:
    """Return the axis of a clot and the radius of the artery along it."""
    if one.level == "saddle":
        return main_path(scene, "both").part(one.length_mm, one.middle_share)
    if one.start < 0:
        return main_path(scene, one.side).part(one.length_mm, one.middle_share)
    return path_from(pulmonary_tree(scene), one.start, one.branches, one.length_mm)


def _near(path: Path, other: NDArray[np.float64]) -> bool:
    apart = np.linalg.norm(path.points_mm[:, None] - other[None], axis=-1)
    return bool(apart.min() < 2 * float(path.radii_mm.max()) + 2)


def _lobe_at(scene: Scene, place: NDArray[np.float64]) -> str:
    lobes = [name for name in scene.fields if name.startswith("lobe_")]
    return min(lobes, key=lambda name: float(scene.fields[name].distance_mm(place[None])[0]))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If the body has no pulmonary arteries.
    """
    one = checked_spec(EmbolismSpec, spec, number)
    path = path_of(one, scene)
    inner = one.filling * path.radii_mm
    if one.filling >= 0.98:
        inner = path.radii_mm * 1.04  # it blocks: no blood is left beside it
    free = np.maximum(path.radii_mm - inner, 0)
    points = path.points_mm + 0.85 * free[:, None] * np.asarray(one.offset)
    taper = np.minimum(1.0, np.minimum(np.arange(len(points)) + 1.0, len(points) - np.arange(len(points))) / 3 + 0.4)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    knots = 1 + KNOTS * np.cos(2 * np.pi * along / KNOT_MM + 6 * one.offset[0])
    radii = np.maximum(inner * taper * (knots if one.filling < 0.98 else 1.0), 0.25)
    tubes = Tubes(points[:-1], points[1:], radii[:-1], radii[1:], np.arange(-1, len(points) - 2))
    clot = lesion_part(number, "clot", "clot", EMBOLISM, whole=True, mixture=mixture_for_hu("clot", one.clot_hu))
    arteries = present(scene, "pulmonary_artery", "pulmonary_artery_branches", "pulmonary_arteries")
    paint = Paint(tubes, (Layer(clot.label),), arteries)
    return Lesion(number, one.kind, EMBOLISM, (clot,), (paint,), _artery(one, scene), _attributes(one, path),
                  one.model_dump(mode="json"))


def _artery(one: EmbolismSpec, scene: Scene) -> str:
    names = {s.name for s in scene.structures}
    wanted = ("pulmonary_artery",) if one.level in CENTRAL else ("pulmonary_artery_branches", "pulmonary_arteries")
    return next(name for name in (*wanted, "pulmonary_artery") if name in names)


def _attributes(one: EmbolismSpec, path: Path) -> dict[str, Any]:
    """Return the words of the RSNA 2020 pulmonary embolism challenge, and more exact ones."""
    central = one.level in CENTRAL
    return {"type": "acute", "level": one.level, "rsna_central_pe": central, "side": one.side,
            "rsna_leftsided_pe": one.side in ("left", "both"), "rsna_rightsided_pe": one.side in ("right", "both"),
            "lobe": "" if central else one.lobe.removeprefix("lobe_").replace("_", " ") + " lobe",
            "occlusive": one.filling >= 0.98, "filling_share": round(min(1.0, one.filling**2), 3),
            "artery_diameter_mm": round(2 * float(path.radii_mm.max()), 2)}


FAMILY = Family("pulmonary_embolism", "Pulmonary emboli: saddle, main, lobar, segmental", EmbolismOptions, sample_specs,
                insert, ("thorax", "torso"))
