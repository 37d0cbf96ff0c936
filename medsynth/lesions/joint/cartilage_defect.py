"""Defects of the knee's cartilage by ICRS grade: holes of a share of its depth, filled with fluid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import Host, host, labels_of, point
from medsynth.lesions.joint.side import laterality, outwards
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, field, keeps_apart, one_by_one
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene
from medsynth.shapes.base import Box, Distances, Points, Shape
from medsynth.shapes.noise import CoherentNoise

Array = NDArray[np.float64]
Surface = Literal["medial_femoral_condyle", "lateral_femoral_condyle", "trochlea", "medial_tibial_plateau",
                  "lateral_tibial_plateau", "patella"]
Grade = Literal[1, 2, 3, 4]
GradeName = Literal["1", "2", "3", "4"]  # as keys: JSON has no other

DEFECT = Code("52988006", "Lesion")
CARTILAGE: Mapping[str, tuple[str, str]] = {  # surface -> cartilage, field of the bone below
    "medial_femoral_condyle": ("femoral_cartilage", "femur"), "lateral_femoral_condyle": ("femoral_cartilage", "femur"),
    "trochlea": ("femoral_cartilage", "femur"), "medial_tibial_plateau": ("tibial_cartilage_medial", "tibia"),
    "lateral_tibial_plateau": ("tibial_cartilage_lateral", "tibia"), "patella": ("patellar_cartilage", "patella")}
# ICRS: 1 superficial, 2 less than half of the depth, 3 more than half, 4 through to the bone (and into it). Depth as a
# share of the thickness; the limits of grade 1 are unverified.
DEPTH_SHARE: Mapping[int, tuple[float, float]] = {1: (0.12, 0.25), 2: (0.28, 0.48), 3: (0.55, 0.92), 4: (1.0, 1.0)}
INTO_BONE_MM = (0.0, 2.5)  # of grade 4
STEP_MM = 0.7
SITES = 400
LEAST_THICKNESS_MM, MOST_THICKNESS_MM = 1.2, 7.0
PROBE_MM = 0.1
FACING = 0.55  # cosine between a surface's normal and the way it faces
RAGGED_MM, RAGGED_WAVE_MM = 0.5, 4.0  # of the rim


def _named(weights: Any) -> Any:
    """Return weights whose keys are words; YAML makes numbers of them."""
    return {str(grade): weight for grade, weight in weights.items()} if isinstance(weights, dict) else weights


class CartilageDefectOptions(Options):
    """Cartilage defects of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the hole along the surface.
    grades : relative weights of the ICRS grades 1 to 4.
    surfaces : relative weights; medial condyle and patella most often (31 516 arthroscopies, Curl 1997, recalled).
    """

    count: Distribution = Fixed(value=1)
    diameter_mm: Distribution = LogNormal(median=9, sigma=0.4, low=3, high=25)
    grades: Annotated[dict[GradeName, Weight], BeforeValidator(_named), AfterValidator(some_weight)] = Field(
        default={"1": 0.1, "2": 0.28, "3": 0.41, "4": 0.21})
    surfaces: Annotated[dict[Surface, Weight], AfterValidator(some_weight)] = Field(default={
        "medial_femoral_condyle": 0.4, "lateral_femoral_condyle": 0.13, "trochlea": 0.1, "medial_tibial_plateau": 0.07,
        "lateral_tibial_plateau": 0.08, "patella": 0.22})


class CartilageDefectSpec(Options):
    """One defect in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["cartilage_defect"] = "cartilage_defect"
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    surface: Surface
    grade: Grade
    diameter_mm: float = Field(gt=0, le=60)
    normal: tuple[float, float, float]
    thickness_mm: float = Field(gt=0)
    depth_share: float = Field(gt=0, le=1)
    bone_mm: float = Field(ge=0)
    shape_seed: int = Field(ge=0)


def sample_specs(options: CartilageDefectOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the defects of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: CartilageDefectOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> CartilageDefectSpec:
    surface, grade = choose(options.surfaces, rng=rng), int(choose(options.grades, rng=rng))
    diameter = float(options.diameter_mm.sample(rng=rng))
    share = float(rng.uniform(*DEPTH_SHARE[grade]))
    into = float(rng.uniform(*INTO_BONE_MM)) if grade == 4 else 0.0
    reach = 0.5 * diameter + 1.0
    name, below = CARTILAGE[surface]
    cartilage, bone = host(scene, name, step_mm=STEP_MM), field(scene, below)
    form: dict[str, Any] = {"surface": surface, "grade": grade, "diameter_mm": round(diameter, 3), "depth_share": share,
                            "bone_mm": into, "shape_seed": int(rng.integers(2**53))}
    for candidate in cartilage.points(SITES, rng=rng):
        normal = _normal(bone, candidate)
        if not _faces(surface, normal, candidate, scene):
            continue
        foot = candidate - normal * float(bone.distance_mm(candidate[None])[0])
        thickness = _thickness_mm(cartilage, foot, normal)
        if LEAST_THICKNESS_MM <= thickness <= MOST_THICKNESS_MM and keeps_apart(foot, reach, taken):
            return CartilageDefectSpec(centre_mm=point(foot), reach_mm=round(reach, 3), normal=point(normal),
                                       thickness_mm=round(thickness, 3), **form)
    raise PlacementError(f"lesions.cartilage_defect found no place for one of diameter_mm {diameter:.1f} on {surface}")


def _normal(bone: Shape, at: Array) -> Array:
    """Return the direction away from the bone."""
    probe = 1.0 * np.eye(3)
    slope = np.asarray(bone.distance_mm(at + probe)) - np.asarray(bone.distance_mm(at - probe))
    return np.asarray(slope / max(float(np.linalg.norm(slope)), 1e-9), np.float64)


def _faces(surface: str, normal: Array, at: Array, scene: Scene) -> bool:
    """Tell whether a place of the cartilage belongs to the surface: by the way it faces and by its side."""
    outer = outwards(scene) * (at[0] - scene.landmarks["joint_centre"][0]) > 0
    if surface == "trochlea":
        return bool(-normal[1] > FACING)
    if surface.endswith("femoral_condyle"):
        return bool(-normal[2] > FACING and outer == surface.startswith("lateral") and abs(at[0]) > 8)
    return bool(normal[2] > FACING or surface == "patella")


def _thickness_mm(cartilage: Host, foot: Array, normal: Array) -> float:
    """Return the thickness of the cartilage along the normal."""
    along = np.arange(-0.5, MOST_THICKNESS_MM + 1, PROBE_MM)
    inside = cartilage.depth_at(foot + along[:, None] * normal) > 0
    return float(PROBE_MM * np.argmin(inside[np.argmax(inside):])) if inside.any() else 0.0


@dataclass(frozen=True, eq=False)
class _Hole:
    """What lies within a radius of a line and more than `above_mm` outside the bone. A bound."""

    bone: Shape
    foot_mm: Vector
    normal: Vector
    radius_mm: float
    above_mm: float
    high_mm: float
    seed: int
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        arm = np.asarray(points_mm) - self.foot_mm
        along = arm @ np.asarray(self.normal)
        across = np.linalg.norm(arm - along[..., None] * np.asarray(self.normal), axis=-1)
        rim = across - self.radius_mm - RAGGED_MM * CoherentNoise(self.seed, RAGGED_WAVE_MM).at(points_mm)
        floor = self.above_mm - np.asarray(self.bone.distance_mm(points_mm), float)
        return np.maximum(np.maximum(rim, floor), along - self.high_mm)

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        normal, reach = np.asarray(self.normal), self.radius_mm + 4 * RAGGED_MM
        ends = np.asarray(self.foot_mm) + np.array([[min(self.above_mm, 0.0) - 1.5], [self.high_mm]]) * normal
        side = reach * np.sqrt(np.maximum(1 - normal**2, 0)) + 0.3 * reach * np.abs(normal)
        return point(ends.min(0) - side), point(ends.max(0) + side)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(CartilageDefectSpec, spec, number)
    name, below = CARTILAGE[one.surface]
    gap = lesion_part(number, "gap", "synovial_fluid", DEFECT, whole=True)
    above = one.thickness_mm * (1 - one.depth_share) if one.grade < 4 else -one.bone_mm
    hole = _Hole(field(scene, below), one.centre_mm, one.normal, one.diameter_mm / 2, above, one.thickness_mm + 1.5,
                 Seed(one.shape_seed).child("rim").integer(62))
    over = labels_of(scene, name) + (labels_of(scene, below) if one.grade == 4 else ())
    paint = Paint(hole, (Layer(gap.label),), over, lattice_mm=0.3)
    attributes = {"icrs_grade": one.grade, "outerbridge_grade": _outerbridge(one), "surface": one.surface,
                  "laterality": laterality(scene), "depth_share": round(one.depth_share, 3),
                  "depth_mm": round(one.depth_share * one.thickness_mm + one.bone_mm, 2),
                  "cartilage_thickness_mm": one.thickness_mm, "area_mm2": round(np.pi / 4 * one.diameter_mm**2, 1)}
    return Lesion(number, one.kind, DEFECT, (gap,), (paint,), name, attributes, one.model_dump(mode="json"))


def _outerbridge(one: CartilageDefectSpec) -> int:
    """Return the grade after Outerbridge: fissures up to half an inch across are 2, wider ones 3, bare bone 4."""
    if one.grade in (1, 4):
        return one.grade
    return 2 if one.diameter_mm <= 12.7 else 3


FAMILY = Family("cartilage_defect", "Cartilage defects of the knee by ICRS grade", CartilageDefectOptions, sample_specs,
                insert, ("knee",))
