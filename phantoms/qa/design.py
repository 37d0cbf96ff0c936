"""What an object's file gives: its parts and what is known of it; and the checks of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medsynth.core.errors import RecipeError, expected
from phantoms.qa.truth import Part

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Design:
    """A test object in its own frame, which is LPS with the origin at its middle.

    Attributes
    ----------
    parts : the first one is the outer body.
    module_mm : half the length of the scan range "module", which holds what is measured.
    details : what else is known (JSON values).
    landmarks : named points in mm.
    """

    parts: tuple[Part, ...]
    module_mm: float
    details: Mapping[str, Any] = field(default_factory=dict)
    landmarks: Mapping[str, Point] = field(default_factory=dict)


def number(spec: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """Return a number of the spec, or raise RecipeError if it is none in low..high."""
    value = spec[name]
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (fine and low <= value <= high):
        raise RecipeError(expected(f"spec.{name}", value, f"a number in {low:g}..{high:g}"))
    return float(value)


def on_circle(radius_mm: float, angle_deg: float, z_mm: float = 0.0) -> Point:
    """Return a point of a circle about the z axis: 0 degrees is image right (+x), 90 image top (-y)."""
    angle = np.radians(angle_deg)
    return (float(radius_mm * np.cos(angle)), float(-radius_mm * np.sin(angle)), z_mm)
