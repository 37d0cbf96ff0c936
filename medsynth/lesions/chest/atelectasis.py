"""Atelectasis: airless plates above the diaphragm, or a lobe that has shrunk to a wedge and pulls its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.chest.lungs import Array, Lobe, Region, filled_to, free_lobes, present, region
from medsynth.lesions.chest.mediastinum import mediastinal_shift
from medsynth.lesions.chest.places import lobe_word, segment_of
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import field
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Texture
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.blend import Offset
from medsynth.shapes.noise import CoherentNoise

ATELECTASIS = Code("46621007", "Atelectasis")

LATTICE_MM = 0.8  # plates are thin
SWAY = (48.0, 2.5)  # of the border of a collapsed lobe: wavelength and SD in mm
BEYOND_MM = 1.0  # over the lobe's outline, so that no air is left at the pleura
# Where each lobe shrinks to: LPS directions whose way from the lobe's own end counts, (x towards the middle, y, z).
# Upper lobes collapse up and forwards to the mediastinum, lower lobes down and back to the spine, the middle lobe to
# the heart.
TOWARDS: dict[str, Vector] = {"lobe_right_upper": (1.0, 0.0, 0.9), "lobe_right_middle": (1.0, -0.3, -0.2),
                              "lobe_right_lower": (1.0, 0.9, -0.35), "lobe_left_upper": (0.5, -1.0, 0.3),
                              "lobe_left_lower": (1.0, 0.9, -0.35)}
NEIGHBOUR = {"lobe_right_upper": "lobe_right_lower", "lobe_right_middle": "lobe_right_upper",
             "lobe_right_lower": "lobe_right_upper", "lobe_left_upper": "lobe_left_lower",
             "lobe_left_lower": "lobe_left_upper"}


class AtelectasisOptions(Options):
    """Atelectases of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : relative weights.
    lobes : relative weights of lobes; plates lie in lower lobes where these have weight.
    thickness_mm, length_mm : of a plate.
    left_share : part of a lobe's volume that a collapsed lobe keeps.
    shift_mm : of the mediastinum towards a collapsed lobe; 0 for none (it costs time: all of the chest moves).
    """

    count: Distribution = Fixed(value=1)
    types: dict[Literal["plate", "lobar"], float] = Field(default={"plate": 0.7, "lobar": 0.3})  # unverified
    lobes: dict[Lobe, float] = Field(
        default={"lobe_right_upper": 0.15, "lobe_right_middle": 0.1, "lobe_right_lower": 0.3, "lobe_left_upper": 0.1,
                 "lobe_left_lower": 0.35})  # unverified
    thickness_mm: Distribution = Uniform(low=1.8, high=5)
    length_mm: Distribution = Uniform(low=35, high=95)
    left_share: Distribution = Uniform(low=0.22, high=0.40)
    shift_mm: Distribution = Fixed(value=0)


class AtelectasisSpec(Options):
    """One atelectasis in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["atelectasis"] = "atelectasis"
    type: Literal["plate", "lobar"]
    lobe: str
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    thickness_mm: float = Field(gt=0)
    length_mm: float = Field(gt=0)
    normal: Vector
    volume_ml: float = Field(ge=0)  # of a collapsed lobe
    shift_mm: float = Field(ge=0, le=30)
    shape_seed: int = Field(ge=0)


@dataclass(frozen=True, eq=False)
class Plate:
    """A wavy sheet: `thickness_mm` thick, round, `length_mm` wide. An approximation."""

    centre_mm: Vector
    normal: Vector
    thickness_mm: float
    length_mm: float
    seed: int
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        normal = np.asarray(self.normal) / np.linalg.norm(self.normal)
        off = np.asarray(points_mm) - np.asarray(self.centre_mm)
        height = off @ normal
        wide = np.linalg.norm(off - height[..., None] * normal, axis=-1)
        height = height + 2.2 * CoherentNoise(self.seed, 42.0).at(points_mm)
        thin = self.thickness_mm / 2 * np.sqrt(np.clip(1 - (2 * wide / self.length_mm) ** 2, 0.02, 1))
        edge = wide - self.length_mm / 2 + 5.0 * CoherentNoise(self.seed + 1, 26.0).at(points_mm)
        distance: Distances = np.maximum(np.abs(height) - thin, edge)
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        half = self.length_mm / 2 + 16.0
        normal = np.asarray(self.normal) / np.linalg.norm(self.normal)
        reach = half * np.sqrt(np.clip(1 - normal**2, 0, 1)) + 11.0
        low, high = np.asarray(self.centre_mm) - reach, np.asarray(self.centre_mm) + reach
        return tuple(low.tolist()), tuple(high.tolist())


def sample_specs(options: AtelectasisOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the atelectases of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If no lobe is left to collapse, or a plate finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        kind = choose(options.types, rng=stream)
        lobes = free_lobes(options.lobes, (*taken, *specs))
        if kind == "plate" and any("lower" in name for name in lobes):
            lobes = {name: weight for name, weight in lobes.items() if "lower" in name}
        if not lobes:
            raise PlacementError(f"lesions.atelectasis found no lobe left among {sorted(options.lobes)}")
        lobe = region(scene, choose(lobes, rng=stream))
        specs.append(_sample_one(options, kind, lobe, rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: AtelectasisOptions, kind: str, lobe: Region, *, rng: np.random.Generator) -> AtelectasisSpec:
    points = lobe.points_mm[lobe.tissue > 0.5]
    z = points[:, 2]
    low = z < z.min() + 0.35 * np.ptp(z)
    if not low.any():
        raise PlacementError(f"lesions.atelectasis found no place in {lobe.name}")
    centre = points[low][int(rng.integers(np.count_nonzero(low)))]
    tilt = rng.normal(0, 0.28, 2)
    return AtelectasisSpec(
        type=kind, lobe=lobe.name, centre_mm=point(centre), reach_mm=1.0,  # type: ignore[arg-type]
        thickness_mm=options.thickness_mm.sample(rng=rng), length_mm=options.length_mm.sample(rng=rng),
        normal=(float(tilt[0]), float(tilt[1]), 1.0),
        volume_ml=round(options.left_share.sample(rng=rng) * lobe.tissue_ml, 4) if kind == "lobar" else 0.0,
        shift_mm=options.shift_mm.sample(rng=rng) if kind == "lobar" else 0.0, shape_seed=int(rng.integers(2**53)))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(AtelectasisSpec, spec, number)
    lobe = region(scene, one.lobe)
    airless = lesion_part(number, "change", "nodule_solid", ATELECTASIS, whole=True, enhancement="atelectasis",
                          texture=Texture(octaves=((9.0, 0.012), (4.0, 0.012))))
    own, neighbour = (tuple(s.label for s in scene.structures if s.name == name)
                      for name in (one.lobe, NEIGHBOUR[one.lobe]))
    pushes: tuple[Push, ...] = ()
    changes: tuple[Paint, ...] = ()
    attributes: dict[str, Any] = {"type": one.type, "side": lobe.side, "lobe": lobe_word(one.lobe)}
    if one.type == "plate":
        shape = Plate(one.centre_mm, one.normal, one.thickness_mm, one.length_mm, Seed(one.shape_seed).integer(31))
        paint = Paint(shape, (Layer(airless.label),), own, lattice_mm=LATTICE_MM)
        attributes |= {"segment": segment_of(lobe, np.asarray(one.centre_mm)),
                       "thickness_mm": round(one.thickness_mm, 2)}
    else:
        way = _way(lobe, Seed(one.shape_seed))
        _, values = filled_to(lobe, lobe.tissue, one.volume_ml, lambda level: way - np.float32(level),
                              float(way[lobe.tissue > 0.5].min()) - 2, float(way[lobe.tissue > 0.5].max()) + 2)
        inside = np.asarray(field(scene, one.lobe).distance_mm(lobe.points_mm), np.float32)
        wedge = lobe.shape(np.maximum(values, inside - np.float32(BEYOND_MM)))
        paint = Paint(wedge, (Layer(airless.label),), (*own, *neighbour))
        # The neighbour stretches into the room that the lobe leaves; the fissure goes with it.
        sheets = present(scene, f"fissure_{lobe.side}")
        changes = (Paint(Offset(field(scene, one.lobe), 1.5), (Layer(neighbour[0]),), (*own, *sheets)),)
        if one.shift_mm > 0.5:
            other = "left" if lobe.side == "right" else "right"
            pushes = (mediastinal_shift(scene, other, one.shift_mm),)
        attributes |= {"left_share": round(one.volume_ml / lobe.tissue_ml, 4),
                       "mediastinal_shift_mm": round(one.shift_mm, 1)}
    host = NEIGHBOUR[one.lobe] if one.type == "lobar" else one.lobe
    return Lesion(number, one.kind, ATELECTASIS, (airless,), (paint,), host, attributes, one.model_dump(mode="json"),
                  pushes=pushes, changes=changes)


def _way(lobe: Region, seed: Seed) -> Array:
    """Return how far each voxel lies from where the lobe shrinks to, (k, j, i) mm."""
    points = lobe.points_mm
    inside = points[lobe.tissue > 0.5]
    inwards = 1.0 if lobe.side == "right" else -1.0
    weights = np.asarray(TOWARDS[lobe.name]) * [inwards, 1.0, 1.0]
    ends = np.where(weights > 0, inside.max(0), inside.min(0))
    far = np.abs(points - ends) * np.abs(weights)
    wavelength, size = SWAY
    sway = size * lobe.noise(seed.child("sway"), wavelength)
    return np.asarray(np.sum(far, axis=-1) / np.linalg.norm(weights) + sway, np.float32)


FAMILY = Family("atelectasis", "Atelectasis: plates, or a collapsed lobe", AtelectasisOptions, sample_specs, insert,
                ("thorax", "torso"))
