"""Tears of the anterior cruciate ligament, partial and complete: swollen fibres, a gap between stumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.joint.side import filled_mm, laterality
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.base import Box, Distances, Points, Shape
from medsynth.shapes.blend import Offset
from medsynth.shapes.noise import CoherentNoise

Array = NDArray[np.float64]
TearGrade = Literal["partial", "complete"]

TEAR = Code("52988006", "Lesion")
LIGAMENT = "anterior_cruciate_ligament"
STEP_MM = 0.7
SWOLLEN_MM = (0.8, 2.2)  # how much thicker the torn ligament is on each side (unverified)
FLUID_SHARE = {"partial": 0.45, "complete": 0.6}  # in swollen fibres (unverified)
PARTIAL_SHARE = (0.35, 0.7)  # of the section that is torn
ROUGH_MM, WAVE_MM = 1.3, 4.0  # of the stumps' ends


class AclTearOptions(Options):
    """Tears of the anterior cruciate ligament of one recipe entry; a knee has at most one.

    Attributes
    ----------
    count : 0 or 1.
    grades : relative weights of partial and complete tears (unverified).
    gap_mm : between the stumps of a complete tear.
    length_mm : of the swollen stretch.
    place : of the tear along the ligament, 0 at the tibia to 1 at the femur; most lie in the middle or near the femur.
    """

    count: Distribution = Fixed(value=1)
    grades: Annotated[dict[TearGrade, Weight], AfterValidator(some_weight)] = Field(
        default={"partial": 0.25, "complete": 0.75})
    gap_mm: Distribution = Uniform(low=3, high=8)
    length_mm: Distribution = Uniform(low=14, high=24)
    place: Distribution = Uniform(low=0.4, high=0.8)


class AclTearSpec(Options):
    """One tear in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["acl_tear"] = "acl_tear"
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    grade: TearGrade
    axis: tuple[float, float, float]
    side: tuple[float, float, float]
    torn_share: float = Field(gt=0, le=1)
    gap_mm: float = Field(gt=0, le=30)
    length_mm: float = Field(gt=0, le=60)
    swollen_mm: float = Field(ge=0, le=5)
    place: float = Field(ge=0, le=1)
    shape_seed: int = Field(ge=0)


def sample_specs(options: AclTearOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the tear of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If the ligament is torn already.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "acl_tear" for other in taken) > 1:
        raise PlacementError("lesions.acl_tear: a knee has one anterior cruciate ligament, which is torn already")
    return [_sample_one(options, scene, rng=rng).model_dump(mode="json") for _ in range(count)]


def _sample_one(options: AclTearOptions, scene: Scene, *, rng: np.random.Generator) -> AclTearSpec:
    points = filled_mm(host(scene, LIGAMENT, step_mm=STEP_MM))
    middle = points.mean(0)
    axis = np.linalg.svd(points - middle, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[2])  # from the tibia to the femur
    along = (points - middle) @ axis
    low, high = (float(np.percentile(along, q)) for q in (2, 98))
    place = float(np.clip(options.place.sample(rng=rng), 0, 1))
    at = low + place * (high - low)
    near = points[np.abs(along - at) < 1.5]
    side = np.cross(axis, rng.standard_normal(3))
    grade = choose(options.grades, rng=rng)
    return AclTearSpec(
        centre_mm=point(near.mean(0) if len(near) else middle + at * axis), reach_mm=2.0, grade=grade,
        axis=point(axis), side=point(side / np.linalg.norm(side)),
        torn_share=1.0 if grade == "complete" else float(rng.uniform(*PARTIAL_SHARE)),
        gap_mm=float(options.gap_mm.sample(rng=rng)), length_mm=float(options.length_mm.sample(rng=rng)),
        swollen_mm=float(rng.uniform(*SWOLLEN_MM)) * (1.0 if grade == "complete" else 0.5), place=round(place, 4),
        shape_seed=int(rng.integers(2**53)))


@dataclass(frozen=True, eq=False)
class _Stretch:
    """A rough-ended stretch of a shape, on one side of a plane along it. A bound."""

    inner: Shape
    centre_mm: Array
    axis: Array
    side: Array
    half_mm: float
    beyond_mm: float
    rough_mm: float
    seed: int
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        arm = np.asarray(points_mm) - self.centre_mm
        rough = self.rough_mm * np.asarray(CoherentNoise(self.seed, WAVE_MM).at(points_mm), float)
        ends = np.abs(arm @ self.axis) - self.half_mm + rough
        return np.maximum(np.maximum(np.asarray(self.inner.distance_mm(points_mm), float), ends),
                          self.beyond_mm - arm @ self.side + 0.5 * rough)

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        low, high = (np.asarray(end) for end in self.inner.bounds_mm())
        return point(low), point(high)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(AclTearSpec, spec, number)
    made = _structures(one, number)
    ligament = host(scene, LIGAMENT, step_mm=STEP_MM)
    own = labels_of(scene, LIGAMENT)
    seed = Seed(one.shape_seed)
    swollen = Offset(ligament.shape, one.swollen_mm)
    room = (*own, *labels_of(scene, "joint_fluid", "intracapsular_fat"))
    paints = [Paint(_stretch(one, scene, swollen, one.length_mm / 2, 0.6, seed.child("swelling")),
                    (Layer(made["change"].label),), room, lattice_mm=0.5)]
    if "gap" in made:
        paints.append(Paint(_stretch(one, scene, swollen, one.gap_mm / 2, ROUGH_MM, seed.child("gap")),
                            (Layer(made["gap"].label),), (*room, made["change"].label), lattice_mm=0.4))
    where = "proximal" if one.place > 2 / 3 else "distal" if one.place < 1 / 3 else "middle"
    attributes = {"ligament": "anterior_cruciate", "grade": one.grade, "third": where, "laterality": laterality(scene),
                  "torn_share": round(one.torn_share, 3)}
    return Lesion(number, one.kind, TEAR, tuple(made.values()), tuple(paints), LIGAMENT, attributes,
                  one.model_dump(mode="json"))


def _stretch(one: AclTearSpec, scene: Scene, inner: Shape, half_mm: float, rough_mm: float, seed: Seed) -> _Stretch:
    """Return the part of the ligament that is torn: all of its section, or what lies on one side."""
    beyond = -50.0
    if one.torn_share < 1:
        points = filled_mm(host(scene, LIGAMENT, step_mm=STEP_MM)) - np.asarray(one.centre_mm)
        near = points[np.abs(points @ np.asarray(one.axis)) < 3.0]
        beyond = float(np.quantile(near @ np.asarray(one.side), 1 - one.torn_share))
    return _Stretch(inner, np.asarray(one.centre_mm), np.asarray(one.axis), np.asarray(one.side), half_mm, beyond,
                    rough_mm, seed.integer(62))


def _structures(one: AclTearSpec, number: int) -> dict[str, Structure]:
    wet = (("synovial_fluid", FLUID_SHARE[one.grade]), ("adipose", 0.05))
    made = {"change": lesion_part(number, "change", "connective_tissue", TEAR, whole=True, mixture=wet,
                                  texture=Texture(octaves=((4.0, 0.02), (1.8, 0.02)), ridges=((2.5, 0.25, 0.05),)))}
    if one.grade == "complete":
        made["gap"] = lesion_part(number, "gap", "synovial_fluid", TEAR, mixture=(("clot", 0.25),))
    return made


FAMILY = Family("acl_tear", "Partial and complete tears of the anterior cruciate ligament", AclTearOptions,
                sample_specs, insert, ("knee",))
