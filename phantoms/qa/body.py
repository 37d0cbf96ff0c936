"""Test objects as bodies: no anatomy, no noise, the same for every subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Scene, Structure
from medsynth.scene.subject import Subject
from phantoms.qa import modules, mr, orientation, resolution, shepp_logan, water
from phantoms.qa.design import Design
from phantoms.qa.truth import Truth
from phantoms.table import read_labels, read_structures

ORIGIN = "the object's middle; its long axis is z"


@dataclass(frozen=True)
class QaObject:
    """A test object. It ignores the subject: a case's patient only lends it a name and an age.

    Attributes
    ----------
    defaults : the numbers of its spec; `build` takes any others within their limits.
    design : its parts and what is known of them, from the spec.
    """

    name: str
    description: str
    defaults: Mapping[str, float]
    design: Callable[[Mapping[str, Any]], Design]
    scan_ranges: tuple[str, ...] = ("module", "all")

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code."""
        return _structures(self)

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:  # noqa: ARG002
        """Return the object's own numbers; nothing is drawn."""
        return {"version": 1, **self.defaults}

    def truth(self, spec: Mapping[str, Any] | None = None) -> Truth:
        """Return what is known exactly of the object of this spec; missing numbers are the defaults."""
        design = self.design(self._checked(spec or {}))
        return self._truth(design)

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the object of this spec; missing numbers are the defaults."""
        design = self.design(self._checked(spec))
        truth, labels = self._truth(design), read_labels("phantoms.qa")
        outside = design.parts[0].solids[0]
        low, high = outside.bounds_mm()
        return Scene(
            body=self.name,
            origin=ORIGIN,
            subject=subject,
            structures=truth.structures,
            paints=tuple(paint for part in design.parts for paint in part.paints(labels)),
            fields={"body": outside},
            vessels={},
            landmarks={"middle": (0.0, 0.0, 0.0), **design.landmarks},
            bounds_mm=(low, high),
            scan_range_mm={"module": (-design.module_mm, design.module_mm), "all": (low[2], high[2])},
        )

    def _checked(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        if spec.get("version", 1) != 1:
            raise RecipeError(expected("spec.version", spec["version"], "1"))
        unknown = sorted(set(spec) - {"version", *self.defaults})
        if unknown:
            raise RecipeError(f"spec.{unknown[0]} is unknown to {self.name}: it has {', '.join(self.defaults)}")
        return {**self.defaults, **spec}

    def _truth(self, design: Design) -> Truth:
        used = {part.structure for part in design.parts}
        return Truth(self.name, design.parts, tuple(s for s in self.structures() if s.name in used), design.details)


@lru_cache
def _structures(body: QaObject) -> tuple[Structure, ...]:
    """Return the rows of the table that the object with its default numbers holds."""
    used = {part.structure for part in body.design(body.defaults).parts}
    return tuple(s for s in read_structures("phantoms.qa") if s.name in used)


def _object(name: str, description: str, defaults: Mapping[str, float], design: Callable[..., Design]) -> QaObject:
    return QaObject(name, description, _Numbers(defaults), design)


class _Numbers(dict[str, float]):
    """Numbers by name that never change, so that an object can be a key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


WATER = _object("qa-water", "water cylinder of any size in an acrylic wall", water.DEFAULTS, water.design)
SHEPP_LOGAN = _object(
    "qa-shepp-logan", "three-dimensional Shepp-Logan head of water at several densities",
    shepp_logan.DEFAULTS, shepp_logan.design,
)  # fmt: skip
CTP404 = _object(
    "qa-ctp404", "sensitometry module: eight inserts, wire ramps, rods and balls",
    modules.CTP404_DEFAULTS, modules.ctp404,
)  # fmt: skip
CTP528 = _object(
    "qa-ctp528", "line-pair module: aluminium bars from 1 to 21 line pairs per cm",
    modules.CTP528_DEFAULTS, modules.ctp528,
)  # fmt: skip
MITA = _object("qa-mita", "low-contrast module: rods of 3 to 10 mm, 14 to 3 HU", modules.MITA_DEFAULTS, modules.mita)
RESOLUTION = _object(
    "qa-resolution", "point, line and edge: steel bead and wire, slanted block",
    resolution.DEFAULTS, resolution.design,
)  # fmt: skip
MR = _object("qa-mr", "MR sphere: 28 vials of known T1 and T2, balls on a 40 mm grid", mr.DEFAULTS, mr.design)
ORIENTATION = _object(
    "qa-orientation", "letters and unequal arms that tell every axis and its sign",
    orientation.DEFAULTS, orientation.design,
)  # fmt: skip
OBJECTS = (WATER, SHEPP_LOGAN, CTP404, CTP528, MITA, RESOLUTION, MR, ORIENTATION)
