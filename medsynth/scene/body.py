"""What a body is to medsynth: a name, a spec drawn from a subject, and a scene built from the spec."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np

from medsynth.core.errors import RecipeError
from medsynth.scene.structure import Scene, Structure
from medsynth.scene.subject import Subject

GROUP = "medsynth.phantoms"


class Body(Protocol):
    """A phantom. SAMPLE draws every number once; BUILD is deterministic: the spec alone rebuilds the scene."""

    name: str
    description: str
    scan_ranges: tuple[str, ...]

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure a scene of this body may hold, with its label and code."""
        ...

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw the spec (JSON values only) of one individual."""
        ...

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec; no randomness beyond the seeds that stand in the spec."""
        ...


def bodies() -> dict[str, Body]:
    """Return the installed bodies by name (entry-point group `medsynth.phantoms`)."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def load_body(name: str) -> Body:
    """Return the body called `name`; only that entry point is imported."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise RecipeError(f"phantom.body must be one of {sorted(found)}, got {name!r}")
    body: Body = found[name].load()
    return body
