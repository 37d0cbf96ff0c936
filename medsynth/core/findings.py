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
    long_axis_ends_mm: tuple[Point, Point] | None = None
    short_axis_ends_mm: tuple[Point, Point] | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.number < 1:
            raise RecipeError(expected("number of a finding", self.number, ">= 1"))
        sizes = (self.volume_ml, self.long_axis_mm, self.short_axis_mm, self.mean_diameter_mm)
        if not all(np.isfinite(size) and size >= 0 for size in sizes):
            raise RecipeError(expected(f"sizes of finding {self.number}", sizes, "finite and >= 0"))
