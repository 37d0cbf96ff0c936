"""The adult trunk as four bodies: thorax, abdomen, pelvis, and all of it; one person looks the same in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medsynth.core.errors import RecipeError
from medsynth.scene.structure import Scene, Structure
from medsynth.scene.subject import Subject
from phantoms.torso import devices, implants
from phantoms.torso.builder import Extent, build_scene
from phantoms.torso.fitting import positioned
from phantoms.torso.person import sample_person
from phantoms.torso.table import structures_of


@dataclass(frozen=True)
class TrunkBody:
    """Adults of both sexes, arms raised and at full inspiration unless the spec says otherwise, between two heights."""

    name: str
    description: str
    extent: Extent

    @property
    def scan_ranges(self) -> tuple[str, ...]:
        """Names of the ranges that can be imaged."""
        return self.extent.scan_ranges

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code."""
        return structures_of(self.name)

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw one individual's numbers; all are plain JSON values."""
        return sample_person(subject, rng=rng)

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec."""
        if spec.get("version") != 1:
            raise RecipeError(f"the spec's version must be 1, got {spec.get('version')!r}")
        implants.asked(spec)  # these refuse wrong numbers before anything is built
        devices.asked(spec)
        positioned(spec)
        return build_scene(self.name, self.extent, subject, spec)


BODY = TrunkBody(
    "thorax",
    "adult chest from the thoracic inlet to the upper abdomen, arms up, full inspiration",
    Extent(-214.0, 200.0, ("chest",)),
)
ABDOMEN = TrunkBody(
    "abdomen",
    "adult abdomen from the dome of the diaphragm to the iliac crests, with the lung bases, arms up",
    Extent(-304.0, 40.0, ("abdomen",)),
)
PELVIS = TrunkBody(
    "pelvis",
    "adult pelvis from the iliac crests to the upper thighs",
    Extent(-500.0, -195.0, ("pelvis",)),
)
TORSO = TrunkBody(
    "torso",
    "adult trunk from the thoracic inlet to the upper thighs, arms up, full inspiration",
    Extent(-500.0, 200.0, ("torso", "chest", "abdomen", "pelvis")),
)
