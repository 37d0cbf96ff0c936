"""What was measured of one lesion, as a plain record: annotations fill it, the writers print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from medsynth.core.errors import RecipeError, expected

Point = tuple[float, float, float]
Concept = tuple[str, str]  # SNOMED CT identifier and its meaning
Attribute = str | int | float | bool
Place = tuple[float, float]  # row and column of an image; pixel centres are whole numbers


@dataclass(frozen=True, slots=True)
class ShadowFinding:
    """One lesion as a projection image shows it; sizes are those on the detector, magnified.

    Attributes
    ----------
    box_ji : (row, column) of the first and of the last-plus-one pixel of its mask.
    centre_ji : centre of its thickness.
    area_mm2 : of its mask.
    thickness_mm : the longest way of a ray through it.
    long_axis_mm, short_axis_mm : largest diameter of its outline, and the largest one square to it.
    long_axis_ends_ji, short_axis_ends_ji : their ends.
    outline_ji : (row, column) of the points of its outline, the first once more at the end.
    """

    box_ji: tuple[tuple[int, int], tuple[int, int]]
    centre_ji: Place
    area_mm2: float
    thickness_mm: float
    long_axis_mm: float
    short_axis_mm: float
    long_axis_ends_ji: tuple[Place, Place]
    short_axis_ends_ji: tuple[Place, Place]
    outline_ji: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One lesion of one image, measured from the truth.

    Attributes
    ----------
    number : 1, 2, ...; the lesion's value in the lesion image.
    kind : the lesion family, e.g. `"lung_nodule"`.
    code : what it is, as (SNOMED CT identifier, meaning).
    site : the structure it lies in, by name, e.g. `"lung_lobe_upper_right"`.
    site_code : that structure, as (SNOMED CT identifier, meaning).
    site_laterality : side of that structure, empty when it has none.
    volume_ml : fraction-weighted volume.
    long_axis_mm, short_axis_mm : largest diameter in an axial slice, and the largest one square to it there (RECIST).
    mean_diameter_mm : mean of the long and the short axis.
    centre_mm : LPS centre of mass.
    box_mm : LPS (low, high) corners of the axis-aligned box around it.
    mean_hu, sd_hu : of the image inside it; None for images without HU.
    contrast_hu : `mean_hu` less the mean of its surroundings; None as above.
    mean_signal, sd_signal, contrast_signal : the same of images without HU, in units of the image; None for HU.
    shadow : what a projection image shows of it; None for cross-sections.
    long_axis_ends_mm, short_axis_ends_mm : LPS ends of the two axes, where known.
    attributes : flat values of its family, e.g. `{"texture": "part-solid", "spiculation": 3}`.
    """

    number: int
    kind: str
    code: Concept
    site: str
    site_code: Concept
    site_laterality: Literal["", "left", "right"]
    volume_ml: float
    long_axis_mm: float
    short_axis_mm: float
    mean_diameter_mm: float
    centre_mm: Point
    box_mm: tuple[Point, Point]
    mean_hu: float | None = None
    sd_hu: float | None = None
    contrast_hu: float | None = None
    mean_signal: float | None = None
    sd_signal: float | None = None
    contrast_signal: float | None = None
    long_axis_ends_mm: tuple[Point, Point] | None = None
    short_axis_ends_mm: tuple[Point, Point] | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    shadow: ShadowFinding | None = None

    def __post_init__(self) -> None:
        if self.number < 1:
            raise RecipeError(expected("number of a finding", self.number, ">= 1"))
        sizes = (self.volume_ml, self.long_axis_mm, self.short_axis_mm, self.mean_diameter_mm)
        if not all(np.isfinite(size) and size >= 0 for size in sizes):
            raise RecipeError(expected(f"sizes of finding {self.number}", sizes, "finite and >= 0"))
