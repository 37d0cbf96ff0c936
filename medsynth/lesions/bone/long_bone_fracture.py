"""Fractures of long bones: a rough gap across the shaft, and one fragment displaced along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from medsynth.core.errors import GeometryError, PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform, choose
from medsynth.lesions.effect import smooth_rise
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.lattice_warp import LatticeWarp, lattice_warp
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.warp import Warped

Array = NDArray[np.float64]
Site = Literal["femur_left", "femur_right", "femur", "tibia"]

FRACTURE = Code("125605004", "Fracture of bone")
# Where the shaft is whole in each body, as mm below (negative) or above a landmark, and which way the moving fragment
# lies (up or down): (landmark, from, to, direction).
SHAFTS: Mapping[Site, tuple[str, float, float, int]] = {
    "femur_left": ("greater_trochanter_left", -56.0, -44.0, -1),
    "femur_right": ("greater_trochanter_right", -56.0, -44.0, -1),
    "femur": ("joint_centre", 48.0, 56.0, 1), "tibia": ("joint_centre", -52.0, -44.0, -1)}
TRIES = 30
AXIS_MM = 12.0  # above and below: where the shaft's axis is measured
SLAB_MM = 2.5
ROUGH_MM, ROUGH_WAVE_MM = 1.1, 7.0  # of the broken surfaces (unverified)
SHEAR_MM = 3.0  # over which the displacement begins: a displaced fracture's gap is at least as wide
FADE_MM = 28.0  # beside the bone, where soft tissue follows less and less
BEYOND_MM = 40.0  # past the body's end, where the displaced fragment comes to rest
STEP_MM = 1.5
ROUNDS = 12
OBLIQUE_DEG = 30.0  # from which a fracture is called oblique


class LongBoneFractureOptions(Options):
    """Long-bone fractures of one recipe entry.

    Attributes
    ----------
    count : how many.
    sites : relative weights of bones; those that the body has not are left out. Left out, all alike.
    gap_mm : width of the lucent line, 0.3-2 mm (facts of atlases, unverified); at least 3 mm where a fragment moves.
    displacement_mm : how far the fragment has moved across the shaft, along the broken surface; 0 for none.
    tilt_deg : of the fracture from square across the shaft; from 30 on it is oblique.
    """

    count: Distribution = Fixed(value=1)
    sites: Annotated[dict[Site, Weight], AfterValidator(some_weight)] | None = None
    gap_mm: Distribution = Uniform(low=0.6, high=2.0)
    displacement_mm: Distribution = Uniform(low=0, high=9)
    tilt_deg: Distribution = Uniform(low=5, high=50)


class LongBoneFractureSpec(Options):
    """One fracture in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["long_bone_fracture"] = "long_bone_fracture"
    host: Site
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    gap_mm: float = Field(gt=0, le=20)
    displacement_mm: float = Field(ge=0, le=15)
    tilt_deg: float = Field(ge=0, le=65)
    turn_deg: float
    shape_seed: int = Field(ge=0)


def sample_specs(options: LongBoneFractureOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the fractures of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If there is no bone left.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: LongBoneFractureOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> LongBoneFractureSpec:
    names = {s.name for s in scene.structures}
    weights = {site: weight for site, weight in (options.sites or dict.fromkeys(SHAFTS, 1.0)).items()
               if site in names and SHAFTS[site][0] in scene.landmarks}
    moved = float(options.displacement_mm.sample(rng=rng))
    gap = float(options.gap_mm.sample(rng=rng))
    form: dict[str, Any] = {"gap_mm": max(gap, SHEAR_MM) if moved > 0 else gap, "displacement_mm": moved,
                            "tilt_deg": float(options.tilt_deg.sample(rng=rng)),
                            "turn_deg": float(rng.uniform(0, 360)), "shape_seed": int(rng.integers(2**53))}
    for _ in range(TRIES if sum(weights.values()) > 0 else 0):
        site = choose(weights, rng=rng)
        landmark, low, high, _ = SHAFTS[site]
        at = _shaft(scene, site, scene.landmarks[landmark][2] + float(rng.uniform(low, high)))
        if at is not None and keeps_apart(at.middle, at.radius_mm, taken):
            return LongBoneFractureSpec(host=site, centre_mm=point(at.middle), reach_mm=round(at.radius_mm, 3), **form)
    raise PlacementError("lesions.long_bone_fracture found no whole shaft of "
                         f"{sorted(weights) or 'the sites asked for'} that is free in body {scene.body!r}")


@dataclass(frozen=True, eq=False)
class _Shaft:
    """A shaft at one height: its middle, its axis upwards, and its greatest radius."""

    middle: Array
    axis: Array
    radius_mm: float


def _shaft(scene: Scene, name: str, z_mm: float) -> _Shaft | None:
    """Measure a shaft at a height; None where the body has nothing of it."""
    bone = host(scene, name)
    points = bone.grid.world_mm(np.argwhere(bone.share >= 0.5).astype(float))
    slabs = [points[np.abs(points[:, 2] - z) < SLAB_MM] for z in (z_mm - AXIS_MM, z_mm, z_mm + AXIS_MM)]
    if any(len(slab) < 4 for slab in slabs):
        return None
    low, middle, high = (0.5 * (slab.min(0) + slab.max(0)) for slab in slabs)
    axis = (high - low) / np.linalg.norm(high - low)
    return _Shaft(middle, axis, float(np.linalg.norm((slabs[1] - middle)[:, :2], axis=1).max()) + 1.0)


@dataclass(frozen=True, eq=False)
class _BrokenSurface:
    """What lies within half a gap of a rough plane, and within a radius of its middle. A bound."""

    centre_mm: Vector
    normal: Array
    half_mm: float
    radius_mm: float
    seed: int
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm, too short by the slope of the roughness."""
        arm = np.asarray(points_mm) - self.centre_mm
        along = arm @ self.normal
        flat = np.asarray(points_mm) - along[..., None] * self.normal  # the same roughness on both sides
        across = np.linalg.norm(arm - along[..., None] * self.normal, axis=-1)
        height = along - ROUGH_MM * CoherentNoise(self.seed, ROUGH_WAVE_MM).at(flat)
        return np.asarray(np.maximum(np.abs(height) - self.half_mm, across - self.radius_mm))

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        reach = self.radius_mm * np.sqrt(1 - self.normal**2) + (self.half_mm + 4 * ROUGH_MM) * np.abs(self.normal)
        return point(self.centre_mm - reach), point(self.centre_mm + reach)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(LongBoneFractureSpec, spec, number)
    at = _shaft(scene, one.host, one.centre_mm[2])
    if at is None:
        raise PlacementError(f"lesions.long_bone_fracture found no shaft of {one.host} at z {one.centre_mm[2]:.0f} mm")
    normal, slide = _directions(at, one)
    reach = at.radius_mm / np.cos(np.radians(one.tilt_deg)) + 4.0
    surface = _BrokenSurface(one.centre_mm, normal, one.gap_mm / 2, float(reach),
                             Seed(one.shape_seed).child("surface").integer(62))
    warp = _displaced(scene, one, at, normal, slide) if one.displacement_mm > 0 else None
    gap = lesion_part(number, "gap", "clot", FRACTURE, whole=True)
    shape = surface if warp is None else Warped(surface, warp)
    paint = Paint(shape, (Layer(gap.label),), host(scene, one.host).labels,
                  lattice_mm=float(np.clip(one.gap_mm / 4, 0.2, 0.6)))
    moved = 0.0 if warp is None else _step_mm(warp, at, normal)
    attributes = {"bone": one.host, "fracture": "oblique" if one.tilt_deg >= OBLIQUE_DEG else "transverse",
                  "displaced": moved >= 1.0, "displacement_mm": round(moved, 2),
                  "displacement_of_width": round(moved / (2 * at.radius_mm), 3), "gap_mm": round(one.gap_mm, 2)}
    return Lesion(number, one.kind, FRACTURE, (gap,), (paint,), one.host, attributes, one.model_dump(mode="json"),
                  pushes=() if warp is None else (Push(warp, warp.bounds_mm),))


def _directions(at: _Shaft, one: LongBoneFractureSpec) -> tuple[Array, Array]:
    """Return the normal of the fracture and the direction in its plane along which the fragment slides."""
    across = np.cross(at.axis, (0.0, 1.0, 0.0))
    across /= np.linalg.norm(across)
    turn, tilt = np.radians(one.turn_deg), np.radians(one.tilt_deg)
    side = np.cos(turn) * across + np.sin(turn) * np.cross(at.axis, across)
    normal = np.cos(tilt) * at.axis + np.sin(tilt) * side
    slide = np.cross(normal, at.axis) if one.tilt_deg > 1e-6 else side  # square to the shaft: no change of length
    return normal, slide / np.linalg.norm(slide)


def _displaced(scene: Scene, one: LongBoneFractureSpec, at: _Shaft, normal: Array, slide: Array) -> LatticeWarp:
    """Return the map that slides all beyond the fracture along it, bone and what is around it."""
    sign = SHAFTS[one.host][3]
    end = scene.bounds_mm[1 if sign > 0 else 0][2]
    span = abs(end - float(at.middle[2]))
    radius = at.radius_mm + FADE_MM
    ends = np.stack([at.middle - sign * 10.0 * at.axis - radius, at.middle - sign * 10.0 * at.axis + radius,
                     at.middle + sign * (span + BEYOND_MM) * at.axis - radius,
                     at.middle + sign * (span + BEYOND_MM) * at.axis + radius])
    box = point(ends.min(0)), point(ends.max(0))

    def moves(points: Points, push: float) -> Points:
        arm = np.asarray(points) - at.middle
        along = arm @ at.axis
        from_axis = np.linalg.norm(arm - along[..., None] * at.axis, axis=-1)
        share = smooth_rise(0.5 + sign * (arm @ normal) / SHEAR_MM)
        share = share * smooth_rise(1 - (from_axis - at.radius_mm) / FADE_MM)
        share = share * smooth_rise((span + BEYOND_MM - sign * along) / (0.9 * BEYOND_MM))
        return push * share[..., None] * slide

    push = one.displacement_mm
    for _ in range(ROUNDS):
        try:
            return lattice_warp(lambda points, push=push: moves(points, push), box, STEP_MM)  # type: ignore[misc]
        except GeometryError:
            push *= 0.85
    raise GeometryError(f"a displacement of {one.displacement_mm:g} mm folds space in {one.host}")


def _step_mm(warp: LatticeWarp, at: _Shaft, normal: Array) -> float:
    """Return how far the fragments have moved against each other at the fracture."""
    sides = np.stack([at.middle + sign * 2.0 * SHEAR_MM * normal for sign in (-1, 1)])
    first, last = warp.displacement_mm(sides)
    return float(np.linalg.norm(last - first))


FAMILY = Family("long_bone_fracture", "Fractures of femur and tibia, with displacement", LongBoneFractureOptions,
                sample_specs, insert, ("pelvis", "torso", "knee"))
