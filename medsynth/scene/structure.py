"""Named structures, and the painting steps that put them into a scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Vector
from medsynth.scene.subject import Subject
from medsynth.shapes.base import Box, Shape
from medsynth.shapes.tubes import Tubes
from medsynth.shapes.warp import Warp

Laterality = Literal["", "left", "right"]

BACKGROUND = 0  # the label of the air around the body


@dataclass(frozen=True, slots=True)
class Code:
    """A SNOMED CT concept: `value` its identifier, `meaning` its fully specified name without the tag."""

    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Texture:
    """Relative density variation inside one structure, on fixed millimetre lattices of the body.

    Attributes
    ----------
    octaves : (wavelength in mm, standard deviation as a fraction of the density) of summed coherent noise.
    ridges : (wavelength in mm, half width as a fraction of the noise's standard deviation, amplitude as a fraction
        of the density) of thin sheets where a noise field crosses zero: septa, fibres, marbling.
    gradient_per_mm : change of relative density per mm along LPS x, y, z about the body's origin.
    """

    octaves: tuple[tuple[float, float], ...] = ()
    ridges: tuple[tuple[float, float, float], ...] = ()
    gradient_per_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Structure:
    """A named organ, a part of one, or a part of a lesion.

    Attributes
    ----------
    name : unique in its scene, e.g. `"rib_left_5"`.
    label : unique in its scene, 1..65535, stable over versions.
    tissue : a row of the tissue table.
    mixture : (tissue, volume fraction) of what is finely mixed into it, e.g. bone trabeculae in marrow, air in lung.
    part_of : name of the structure that label images and volumes count this one to; empty for itself.
    enhancement : the column of the iodine table that tells its concentration in each contrast phase; empty for none.
    """

    name: str
    label: int
    tissue: str
    code: Code
    laterality: Laterality = ""
    part_of: str = ""
    texture: Texture = field(default_factory=Texture)
    enhancement: str = ""
    mixture: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.label <= 65535:
            raise RecipeError(expected(f"label of {self.name}", self.label, "in 1..65535"))
        if any(not 0 <= part <= 1 for _, part in self.mixture) or sum(part for _, part in self.mixture) > 1 + 1e-9:
            what = "volume fractions that sum to at most 1"
            raise RecipeError(expected(f"mixture of {self.name}", self.mixture, what))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a painting step: where `distance + inset_mm < 0` lies `label`.

    A shape with owners (see `SampledShape.owner`) gives one label per owner.
    """

    label: int | tuple[int, ...]
    inset_mm: float = 0.0


@dataclass(frozen=True, eq=False)
class Paint:
    """One painting step: a shape and its layers from the outside in; later steps cover earlier ones.

    Attributes
    ----------
    shape : a `Shape` (sampled on a lattice when painted), or `Tubes` (thin capsules, drawn exactly).
    layers : outermost first, insets rising.
    over : labels that may be covered; empty means every label.
    lattice_mm : step at which the shape is sampled; 0 derives it from the shape's size.
    """

    shape: Shape | Tubes
    layers: tuple[Layer, ...]
    over: tuple[int, ...] = ()
    lattice_mm: float = 0.0


@dataclass(frozen=True, eq=False)
class Push:
    """A mass effect: what a lesion does to the shape of what is around it.

    Attributes
    ----------
    warp : takes every point of the healthy body to where it lies beside the lesion.
    bounds_mm : LPS box outside which nothing moves.
    """

    warp: Warp
    bounds_mm: Box


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a lesion in one image, for its family to say what readers would call it.

    Attributes
    ----------
    volume_ml, long_axis_mm, short_axis_mm, mean_diameter_mm, max_diameter_mm : of the whole lesion, without thin parts.
    solid_mean_mm : mean diameter of its solid part, 0 without one.
    axis_ratio : smallest over largest principal axis, 0..1.
    mean_hu, contrast_hu : None where the image has no HU.
    cnr : contrast-to-noise ratio in this image; None where there are no surroundings.
    parts_ml : volume of each part.
    """

    volume_ml: float
    long_axis_mm: float
    short_axis_mm: float
    mean_diameter_mm: float
    max_diameter_mm: float
    solid_mean_mm: float
    axis_ratio: float
    mean_hu: float | None
    contrast_hu: float | None
    cnr: float | None
    parts_ml: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Lesion:
    """An inserted lesion: its parts, how to paint them, and the spec that rebuilds it.

    Attributes
    ----------
    number : 1, 2, ... within its case; the value in the lesion image.
    kind : the lesion family, e.g. `"lung_nodule"`.
    structures : its parts, each with a label of its own above every anatomical one.
    paints : painting steps, applied after the anatomy, in order.
    host : name of the structure it grows in.
    pushes : how it moves the anatomy, before anything of it is painted. Its own paints lie where they end up.
    changes : painting steps with anatomical labels, before its paints: a duct that it dilates, say.
    classify : tells from measurements what readers would call it; what it returns joins the attributes.
    rigid : it is so much stiffer than what is around it that a posture moves it as a whole and does not press it flat.
    attributes : what its family tells about it beyond measurements (JSON values).
    spec : the plain numbers that rebuild it (JSON values).
    """

    number: int
    kind: str
    code: Code
    structures: tuple[Structure, ...]
    paints: tuple[Paint, ...]
    host: str
    attributes: Mapping[str, Any]
    spec: Mapping[str, Any]
    pushes: tuple[Push, ...] = ()
    changes: tuple[Paint, ...] = ()
    classify: Callable[[Measured], Mapping[str, Any]] | None = None
    rigid: bool = False


@dataclass(frozen=True, eq=False)
class Posture:
    """Another shape that a body can take, e.g. a breast between paddle and support (see `medsynth.scene.posture`).

    Attributes
    ----------
    description : what it is, in words.
    warp : takes every point of the body to where it lies in this posture.
    bounds_mm : LPS box of the body in this posture, or of what can be imaged of it.
    axis : LPS unit vector along which the beam travels, from the paddle to the support.
    plates_mm : where paddle and support touch the body, as distances along `axis` from LPS (0, 0, 0).
    inwards : LPS unit vector in the plane of the plates, from the edge at the chest wall into the image.
    edge_mm : where the plates end at the chest wall, as a distance along `inwards` from LPS (0, 0, 0).
    """

    description: str
    warp: Warp
    bounds_mm: Box
    axis: Vector
    plates_mm: tuple[float, float]
    inwards: Vector
    edge_mm: float

    @property
    def thickness_mm(self) -> float:
        """Distance of the plates."""
        return self.plates_mm[1] - self.plates_mm[0]


@dataclass(frozen=True, eq=False)
class Scene:
    """A body built from its spec: structures with labels, and how to paint them.

    Attributes
    ----------
    body : name of the phantom, e.g. `"thorax"`.
    origin : the landmark that LPS (0, 0, 0) lies at, in words.
    structures : every structure, the parts too; labels and names are unique.
    paints : painting steps, first to last.
    fields : shapes by name that lesions and annotations may ask for distances, e.g. `"lung_right"`.
    vessels : tubes by name, e.g. `"pulmonary_artery"`.
    landmarks : named LPS points in mm.
    bounds_mm : LPS box (low, high) of the body.
    scan_range_mm : named z ranges (low, high) for acquisitions, e.g. `"chest"`.
    postures : other shapes by name that the body can take, e.g. `"cc"`; empty for most bodies.
    remarks : what a reader says of a structure, by its name, e.g. where a catheter's tip lies.
    """

    body: str
    origin: str
    subject: Subject
    structures: tuple[Structure, ...]
    paints: tuple[Paint, ...]
    fields: Mapping[str, Shape]
    vessels: Mapping[str, Tubes]
    landmarks: Mapping[str, tuple[float, float, float]]
    bounds_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    scan_range_mm: Mapping[str, tuple[float, float]]
    texture_seed: int = 0
    postures: Mapping[str, Posture] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what in ("label", "name"):
            values = [getattr(s, what) for s in self.structures]
            doubled = sorted({v for v in values if values.count(v) > 1})
            if doubled:
                raise RecipeError(f"structure {what}s must be unique, got {doubled} more than once")

    def structure(self, name: str) -> Structure:
        """Return the structure called `name`."""
        for structure in self.structures:
            if structure.name == name:
                return structure
        raise RecipeError(f"no structure named {name!r} in body {self.body!r}")


def organ_labels(structures: tuple[Structure, ...]) -> np.ndarray:
    """Return the (65536,) uint16 table from a structure's label to the label of the organ it counts to."""
    by_name = {s.name: s.label for s in structures}
    table = np.arange(65536, dtype=np.uint16)
    for s in structures:
        if s.part_of:
            if s.part_of not in by_name:
                raise RecipeError(f"part_of of {s.name} must name a structure of the same body, got {s.part_of!r}")
            table[s.label] = by_name[s.part_of]
    return table
