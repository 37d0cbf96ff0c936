"""Rib fractures: a gap across the rib, a step of its ends, and callus that grows with age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, Options, Poisson, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import Host, host, labels_of, point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Texture
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.lattice_warp import lattice_warp
from medsynth.shapes.noise import CoherentNoise

FRACTURE = Code("33737001", "Fracture of rib")

RIB_VOXEL_MM = 2.0
NEAR_MM = 12.0  # of the rib around a place that tells its direction
FRACTURE_REACH_MM = 14.0
CALLUS_FROM_DAYS, CALLUS_FULL_DAYS, GONE_DAYS = 14.0, 45.0, 365.0  # unverified: visible callus from about two weeks
SITES = 60
Rib = Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]
RIBS: dict[Rib, float] = {"1": 0.2, "2": 0.5, "3": 1, "4": 1.5, "5": 2, "6": 2, "7": 2, "8": 1.8, "9": 1.5, "10": 1,
                          "11": 0.5, "12": 0.2}  # unverified: ribs 4-9 break most often


class RibFractureOptions(Options):
    """Rib fractures of one recipe entry.

    Attributes
    ----------
    count : how many; several may lie on neighbouring ribs.
    sides : relative weights; all fractures of an entry are on one side.
    ribs : relative weights by number.
    gap_mm : width of the fracture line.
    step_mm : displacement of one end against the other, across the rib.
    age_days : callus grows with it.
    """

    count: Distribution = Poisson(mean=2, low=1, high=8)
    sides: dict[Literal["left", "right"], float] = Field(default={"left": 0.5, "right": 0.5})
    ribs: dict[Rib, float] = Field(default=RIBS)
    gap_mm: Distribution = Uniform(low=0.4, high=1.8)
    step_mm: Distribution = Uniform(low=0, high=4)
    age_days: Distribution = Uniform(low=0, high=10)


class RibFractureSpec(Options):
    """One fracture in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["rib_fracture"] = "rib_fracture"
    rib: str
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    along: Vector
    across: Vector
    radius_mm: float = Field(gt=0)
    gap_mm: float = Field(gt=0, le=10)
    step_mm: float = Field(ge=0, le=15)
    age_days: float = Field(ge=0)
    shape_seed: int = Field(ge=0)


@dataclass(frozen=True, eq=False)
class Crack:
    """A jagged gap square to a direction, within a ball. An approximation."""

    centre_mm: Vector
    along: Vector
    gap_mm: float
    radius_mm: float
    seed: int
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        off = np.asarray(points_mm) - np.asarray(self.centre_mm)
        run = off @ np.asarray(self.along) + 0.9 * CoherentNoise(self.seed, 5.0).at(points_mm)
        distance: Distances = np.maximum(np.abs(run) - self.gap_mm / 2, np.linalg.norm(off, axis=-1) - self.radius_mm)
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        low, high = (np.asarray(self.centre_mm) + sign * self.radius_mm for sign in (-1, 1))
        return tuple(low.tolist()), tuple(high.tolist())


def sample_specs(options: RibFractureOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the fractures of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no rib that is free.
    """
    side = choose(options.sides, rng=rng)
    age = options.age_days.sample(rng=rng)  # broken together
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        balls = [Ball(tuple(other["centre_mm"]), float(other["reach_mm"])) for other in (*taken, *specs)]
        specs.append(_sample_one(options, scene, side, age, balls, rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: RibFractureOptions, scene: Scene, side: str, age: float, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> RibFractureSpec:
    ribs = {f"rib_{side}_{n}": weight for n, weight in options.ribs.items() if weight > 0}
    ribs = {name: weight for name, weight in ribs.items() if any(s.name == name for s in scene.structures)}
    gap, step = options.gap_mm.sample(rng=rng), options.step_mm.sample(rng=rng)
    while ribs:
        name = choose(ribs, rng=rng)
        bone = host(scene, name, step_mm=RIB_VOXEL_MM)
        for centre in bone.points(SITES, rng=rng):
            found = _axis(bone, centre)
            if found is None:
                continue
            middle, along, radius = found
            if not keeps_apart(middle, FRACTURE_REACH_MM, taken):
                continue
            across = rng.standard_normal(3)
            across -= (across @ along) * along
            across /= np.linalg.norm(across)
            return RibFractureSpec(rib=name, centre_mm=point(middle), reach_mm=FRACTURE_REACH_MM, along=point(along),
                                   across=point(across), radius_mm=radius, gap_mm=gap, step_mm=step, age_days=age,
                                   shape_seed=int(rng.integers(2**53)))
        del ribs[name]
    raise PlacementError(f"lesions.rib_fracture found no place on the ribs of the {side} side")


def _axis(bone: Host, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Return the rib's middle, direction and radius near a point; None at its ends."""
    points = bone.grid.world_mm(np.argwhere(bone.share > 0.3))
    for _ in range(2):
        near = points[np.linalg.norm(points - centre, axis=1) < NEAR_MM]
        if len(near) < 20:
            return None
        centre = near.mean(0)
    values, vectors = np.linalg.eigh(np.cov((near - centre).T))
    along = vectors[:, 2]
    if values[2] < 1.8 * values[1]:
        return None
    for end in (-1, 1):  # a rib that ends here is no place
        beyond = points[np.linalg.norm(points - (centre + 14.0 * end * along), axis=1) < 7.0]
        if len(beyond) < 8:
            return None
    return centre, along, float(2 * np.sqrt(values[1]) + 1.5)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(RibFractureSpec, spec, number)
    healed = float(np.clip((one.age_days - CALLUS_FROM_DAYS) / (CALLUS_FULL_DAYS - CALLUS_FROM_DAYS), 0, 1))
    bone = labels_of(scene, one.rib)
    seed = Seed(one.shape_seed).integer(31)
    texture = Texture(octaves=((3.0, 0.06),))
    gap = lesion_part(number, "gap", "soft_tissue", FRACTURE, whole=True,
                      mixture=(("cortical_bone", round(0.55 * healed, 4)),) if healed > 0 else (), texture=Texture())
    made, paints = [gap], []
    cracked: tuple[int, ...] = bone
    if healed > 0:
        callus = lesion_part(number, "bone", "soft_tissue", FRACTURE, texture=texture,
                             mixture=(("cortical_bone", round(0.12 + 0.35 * healed, 4)),))
        made.append(callus)
        soft = present_around(scene)
        cuff = Cuff(one.centre_mm, one.along, one.radius_mm * (1.0 + 0.22 * healed), 4.0 + 3.0 * healed, seed)
        paints.append(Paint(cuff, (Layer(callus.label),), soft, lattice_mm=0.6))
        cracked = (*bone, callus.label) if healed < 0.5 else bone
    crack = Crack(one.centre_mm, one.along, one.gap_mm, one.radius_mm + 3.0, seed)
    paints.append(Paint(crack, (Layer(gap.label),), cracked, lattice_mm=0.4))
    pushes = (_step(one),) if one.step_mm > 0.2 else ()
    _, side, digit = one.rib.split("_")
    attributes = {"type": "displaced" if one.step_mm > 2 else "non-displaced", "side": side, "rib": int(digit),
                  "place": _place(one.centre_mm), "step_mm": round(one.step_mm, 2), "gap_mm": round(one.gap_mm, 2),
                  "healing": "acute" if healed == 0 else "callus" if healed < 1 else "bridging"}
    return Lesion(number, one.kind, FRACTURE, tuple(made), tuple(paints), one.rib, attributes,
                  one.model_dump(mode="json"), pushes=pushes)


def present_around(scene: Scene) -> tuple[int, ...]:
    """Return what callus may cover: muscle and fat of the chest wall, and no lung."""
    words = ("intercostal", "intermuscular_fat", "serratus", "latissimus", "subscapularis", "pectoralis", "erector",
             "subcutaneous_fat")
    return tuple(s.label for s in scene.structures if s.name.startswith(words))


@dataclass(frozen=True, eq=False)
class Cuff:
    """A rough spindle around a rib. An approximation."""

    centre_mm: Vector
    along: Vector
    radius_mm: float
    half_mm: float
    seed: int
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        off = np.asarray(points_mm) - np.asarray(self.centre_mm)
        run = off @ np.asarray(self.along)
        beside = np.linalg.norm(off - run[..., None] * np.asarray(self.along), axis=-1)
        level = np.sqrt((run / (2 * self.half_mm)) ** 2 + (beside / self.radius_mm) ** 2) - 1
        distance: Distances = level * self.radius_mm + 0.35 * CoherentNoise(self.seed + 1, 4.0).at(points_mm)
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        reach = max(2 * self.half_mm, self.radius_mm) + 2
        low, high = (np.asarray(self.centre_mm) + sign * reach for sign in (-1, 1))
        return tuple(low.tolist()), tuple(high.tolist())


def _step(one: RibFractureSpec) -> Push:
    """Return the push that moves the end beyond the fracture across the rib; it is back in place farther on."""
    centre, along, across = (np.asarray(v) for v in (one.centre_mm, one.along, one.across))
    reach = 26.0
    low, high = centre - reach - 3, centre + reach + 3

    def moves(points: Points) -> Points:
        off = points - centre
        run = off @ along
        beside = np.linalg.norm(off - run[..., None] * along, axis=-1)
        rise = np.clip(0.5 + run / (one.gap_mm + 1.0), 0, 1)
        fall = np.clip(1 - run / reach, 0, 1) * np.clip(1 - (beside - one.radius_mm) / 12.0, 0, 1)
        return (one.step_mm * rise * fall)[..., None] * across

    warp = lattice_warp(moves, (tuple(low.tolist()), tuple(high.tolist())), 1.0)
    return Push(warp, warp.bounds_mm)


def _place(centre_mm: Vector) -> str:
    """Return where along the rib a point lies; the angle is about the spine's front (LPS y 15 mm)."""
    angle = np.degrees(np.arctan2(abs(centre_mm[0]), -(centre_mm[1] - 15.0)))
    return "anterior" if angle < 60 else "lateral" if angle < 115 else "posterior"


FAMILY = Family("rib_fracture", "Rib fractures with gap, step and callus", RibFractureOptions, sample_specs, insert,
                ("thorax", "torso"))
