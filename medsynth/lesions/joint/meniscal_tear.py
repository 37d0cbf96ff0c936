"""Tears of the menisci: horizontal, longitudinal, radial, and the bucket handle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.joint.side import filled_mm, laterality
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]
Meniscus = Literal["medial", "lateral"]
Tear = Literal["horizontal", "longitudinal", "radial", "bucket_handle"]
Horn = Literal["posterior", "body", "anterior"]

TEAR = Code("52988006", "Lesion")
STEP_MM = 0.7
TRIES = 30
SECTOR_RAD = 0.14  # half of the slice of the ring that is looked at
# Direction of the horns about the ring's middle, from straight outwards (0) to straight back (90 degrees).
HORN_DEG: Mapping[str, tuple[float, float]] = {"posterior": (50.0, 85.0), "body": (-15.0, 25.0),
                                               "anterior": (-80.0, -45.0)}
ARC_RAD: Mapping[str, tuple[float, float]] = {"horizontal": (0.25, 0.6), "longitudinal": (0.25, 0.6),
                                              "radial": (0.0, 0.0), "bucket_handle": (0.7, 1.0)}
HANDLE_FROM = 0.55  # of the width from the inner edge: where a handle breaks off
FLUID_SHARE = 0.2  # of torn tissue between the fluid
WAVY_MM, WAVE_MM = 0.35, 5.0
NOTCH_MM = 7.0  # how far the handle has slipped towards the notch
HANDLE_MM = 2.0  # its radius


class MeniscalTearOptions(Options):
    """Meniscal tears of one recipe entry.

    Attributes
    ----------
    count : how many; at most one a meniscus.
    menisci, types, horns : relative weights (medial and posterior most often; unverified).
    width_mm : of the cleft.
    extent : share of the meniscus's width that the tear runs through, from its inner edge.
    """

    count: Distribution = Fixed(value=1)
    menisci: Annotated[dict[Meniscus, Weight], AfterValidator(some_weight)] = Field(
        default={"medial": 0.7, "lateral": 0.3})
    types: Annotated[dict[Tear, Weight], AfterValidator(some_weight)] = Field(
        default={"horizontal": 0.4, "longitudinal": 0.25, "radial": 0.22, "bucket_handle": 0.13})
    horns: Annotated[dict[Horn, Weight], AfterValidator(some_weight)] = Field(
        default={"posterior": 0.65, "body": 0.25, "anterior": 0.1})
    width_mm: Distribution = Uniform(low=0.7, high=1.4)
    extent: Distribution = Uniform(low=0.5, high=0.95)


class MeniscalTearSpec(Options):
    """One tear in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["meniscal_tear"] = "meniscal_tear"
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    meniscus: Meniscus
    type: Tear
    horn: Horn
    ring_mm: tuple[float, float, float]
    angle_rad: float
    arc_rad: float
    inner_mm: float
    outer_mm: float
    width_mm: float = Field(gt=0, le=5)
    extent: float = Field(gt=0, le=1)
    shape_seed: int = Field(ge=0)


def sample_specs(options: MeniscalTearOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the tears of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If both menisci are torn already.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        torn = {other["meniscus"] for other in (*taken, *specs) if other["kind"] == "meniscal_tear"}
        weights = {name: weight for name, weight in options.menisci.items() if name not in torn}
        if not sum(weights.values()) > 0:
            raise PlacementError(f"lesions.meniscal_tear found no meniscus left: {sorted(torn)} are torn")
        specs.append(_sample_one(options, scene, choose(weights, rng=stream), rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: MeniscalTearOptions, scene: Scene, meniscus: str, *,
                rng: np.random.Generator) -> MeniscalTearSpec:
    tear, horn = choose(options.types, rng=rng), choose(options.horns, rng=rng)
    horn = "body" if tear == "bucket_handle" else horn
    points = filled_mm(host(scene, f"meniscus_{meniscus}", step_mm=STEP_MM))
    ring = 0.5 * (points.min(0) + points.max(0))
    ring[0] = points[:, 0].min() if abs(points[:, 0].min()) < abs(points[:, 0].max()) else points[:, 0].max()
    ring[0] += 0.25 * (points[:, 0].mean() - ring[0])
    outer_sign = np.sign(points[:, 0].mean() - scene.landmarks["joint_centre"][0])
    form: dict[str, Any] = {"meniscus": meniscus, "type": tear, "horn": horn, "ring_mm": point(ring),
                            "arc_rad": float(rng.uniform(*ARC_RAD[tear])),
                            "width_mm": float(options.width_mm.sample(rng=rng)),
                            "extent": float(np.clip(options.extent.sample(rng=rng), 0.1, 1.0)),
                            "shape_seed": int(rng.integers(2**53))}
    for _ in range(TRIES):
        turn = np.radians(rng.uniform(*HORN_DEG[horn]))
        angle = float(np.arctan2(np.sin(turn), outer_sign * np.cos(turn)))
        slice_ = points[np.abs(_apart(np.arctan2(points[:, 1] - ring[1], points[:, 0] - ring[0]), angle)) < SECTOR_RAD]
        if len(slice_) < 12:
            continue
        far = np.linalg.norm((slice_ - ring)[:, :2], axis=1)
        inner, outer = (float(np.percentile(far, q)) for q in (3, 97))
        if outer - inner < 3.0:
            continue
        middle = ring + 0.5 * (inner + outer) * np.array([np.cos(angle), np.sin(angle), 0.0])
        middle[2] = slice_[:, 2].mean()
        return MeniscalTearSpec(centre_mm=point(middle), reach_mm=2.0, angle_rad=angle, inner_mm=inner, outer_mm=outer,
                                **form)
    raise PlacementError(f"lesions.meniscal_tear found no place for a {tear} one in the {horn} of the {meniscus} "
                         "meniscus")


@dataclass(frozen=True, eq=False)
class _Cleft:
    """A wavy cleft in ring coordinates: distance from the ring's middle, angle about it, height. A bound.

    Attributes
    ----------
    along : which coordinate is the thin one.
    rho_mm, arc_rad : (from, to) distance from the middle, and half of the arc.
    """

    ring_mm: Vector
    along: Literal["height", "distance", "angle"]
    at_mm: float
    rho_mm: tuple[float, float]
    angle_rad: float
    arc_rad: float
    half_mm: float
    height_mm: tuple[float, float]
    rise: float
    seed: int
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        points = np.asarray(points_mm)
        arm = points - self.ring_mm
        rho = np.linalg.norm(arm[..., :2], axis=-1)
        turned = _apart(np.arctan2(arm[..., 1], arm[..., 0]), self.angle_rad)
        wave = WAVY_MM * np.asarray(CoherentNoise(self.seed, WAVE_MM).at(points), float)
        middle = 0.5 * (self.rho_mm[0] + self.rho_mm[1])
        thin = {"height": points[..., 2] - self.at_mm - self.rise * (rho - middle), "distance": rho - self.at_mm,
                "angle": rho * turned}[self.along] + wave
        limits = [np.abs(thin) - self.half_mm, self.rho_mm[0] - rho, rho - self.rho_mm[1],
                  self.height_mm[0] - points[..., 2], points[..., 2] - self.height_mm[1]]
        if self.along != "angle":
            limits.append(rho * (np.abs(turned) - self.arc_rad))
        return np.asarray(np.maximum.reduce(limits))

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        arc = self.arc_rad + (self.half_mm + 1.5) / max(self.rho_mm[0], 4.0)
        angles = self.angle_rad + np.linspace(-arc, arc, 25)
        rays = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        ends = np.concatenate([np.asarray(self.ring_mm)[:2] + rho * rays for rho in self.rho_mm])
        low, high = ends.min(0) - 1.0, ends.max(0) + 1.0
        return (point(np.array([*low, self.height_mm[0]])), point(np.array([*high, self.height_mm[1]])))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(MeniscalTearSpec, spec, number)
    name = f"meniscus_{one.meniscus}"
    gap = lesion_part(number, "gap", "synovial_fluid", TEAR, whole=True, mixture=(("meniscus", FLUID_SHARE),))
    made, over = [gap], labels_of(scene, name)
    paints = [Paint(_cleft(one), (Layer(gap.label),), over, lattice_mm=0.3)]
    if one.type == "bucket_handle":
        handle = lesion_part(number, "solid", "meniscus", TEAR)
        made.append(handle)
        free = labels_of(scene, "joint_fluid", "intracapsular_fat", "infrapatellar_fat_pad")
        paints.append(Paint(_handle(one, scene), (Layer(handle.label),), free))
    attributes = {"meniscus": one.meniscus, "tear_type": one.type, "horn": one.horn, "laterality": laterality(scene),
                  "displaced": one.type == "bucket_handle", "extent_of_width": round(one.extent, 3)}
    return Lesion(number, one.kind, TEAR, tuple(made), tuple(paints), name, attributes, one.model_dump(mode="json"))


def _cleft(one: MeniscalTearSpec) -> _Cleft:
    width = one.outer_mm - one.inner_mm
    seed = Seed(one.shape_seed).child("wave").integer(62)
    z = one.centre_mm[2]
    tall, inner = (z - 9.0, z + 9.0), one.inner_mm - 2.5
    common = {"ring_mm": one.ring_mm, "angle_rad": one.angle_rad, "seed": seed, "height_mm": tall}
    if one.type == "horizontal":
        return _Cleft(along="height", at_mm=z, rho_mm=(inner, one.inner_mm + one.extent * width), arc_rad=one.arc_rad,
                      half_mm=one.width_mm / 2, rise=0.12, **common)  # type: ignore[arg-type]
    if one.type == "radial":
        return _Cleft(along="angle", at_mm=0.0, rho_mm=(inner, one.inner_mm + one.extent * width), arc_rad=0.0,
                      half_mm=one.width_mm / 2, rise=0.0, **common)  # type: ignore[arg-type]
    at = one.inner_mm + (HANDLE_FROM if one.type == "bucket_handle" else 0.4 + 0.4 * one.extent) * width
    if one.type == "longitudinal":
        return _Cleft(along="distance", at_mm=at, rho_mm=(at - 2.5, at + 2.5), arc_rad=one.arc_rad,
                      half_mm=one.width_mm / 2, rise=0.0, **common)  # type: ignore[arg-type]
    middle = 0.5 * (inner + at)  # all of the inner part is gone
    return _Cleft(along="distance", at_mm=middle, rho_mm=(inner, at), arc_rad=one.arc_rad, half_mm=at - middle + 1.0,
                  rise=0.0, **common)  # type: ignore[arg-type]


def _handle(one: MeniscalTearSpec, scene: Scene) -> Tubes:
    """Return the inner part of the meniscus where it has slipped to: a flatter arc beside the notch."""
    angles = one.angle_rad + np.linspace(-one.arc_rad, one.arc_rad, 13)
    rho = one.inner_mm + 1.0
    arc = np.asarray(one.ring_mm) + rho * np.stack([np.cos(angles), np.sin(angles), np.zeros(13)], axis=-1)
    share = np.cos(np.linspace(-np.pi / 2, np.pi / 2, 13))  # its ends are still where they were
    towards = np.sign(scene.landmarks["joint_centre"][0] - arc[6, 0])
    arc[:, 0] += towards * (NOTCH_MM + rho * 0.6) * share
    arc[:, 2] = one.centre_mm[2] + 1.5 * share
    radii = HANDLE_MM * (0.55 + 0.45 * share)
    return Tubes(arc[:-1], arc[1:], radii[:-1], radii[1:], np.arange(-1, 11))


def _apart(angles: Array, angle: float) -> Array:
    """Return angles minus one angle, in -pi..pi."""
    return (angles - angle + np.pi) % (2 * np.pi) - np.pi


FAMILY = Family("meniscal_tear", "Meniscal tears: horizontal, longitudinal, radial, bucket handle", MeniscalTearOptions,
                sample_specs, insert, ("knee",))
