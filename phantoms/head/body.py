"""The adult head and upper neck: numbers drawn once, and the scene built from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medsynth.core.errors import RecipeError
from medsynth.scene.structure import Layer, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.lattice import Lattice
from phantoms.head import airspaces
from phantoms.head.assembly import Assembly
from phantoms.head.frame import BASION, HIGH_MM, LOW_MM, Frame, Space
from phantoms.head.jaws import add_face
from phantoms.head.muscles import build_soft_parts
from phantoms.head.orbit import build_orbits
from phantoms.head.people import sample_head
from phantoms.head.skin import build_skin
from phantoms.head.skullbase import add_skull_base
from phantoms.head.spine import build_spine
from phantoms.head.table import labels, structures
from phantoms.head.teeth import build_teeth
from phantoms.head.vault import build_vault, outer_surface
from phantoms.head.vessels import build_vessels

FACE_LOW_MM, FACE_HIGH_MM, FACE_STEP_MM = (-77.0, -117.0, -156.0), (77.0, 62.0, 8.0), 1.0
ORIGIN = "midway between the anterior and the posterior commissure, their line along y"


class Head:
    """Adults of both sexes from the vertex to the fifth cervical vertebra, mouth closed, arms down."""

    name = "head"
    description = "adult head and upper neck from the vertex to C5, mouth closed"
    scan_ranges = ("head", "head-neck")

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code."""
        return structures()

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw one individual's numbers; all are plain JSON values."""
        return {"version": 1, **sample_head(subject, rng)}

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec."""
        if spec.get("version") != 1:
            raise RecipeError(f"the spec's version must be 1, got {spec.get('version')!r}")
        return _scene(subject, spec)


BODY = Head()


def _scene(subject: Subject, spec: Mapping[str, Any]) -> Scene:
    names = labels()
    frame = Frame.of(spec)
    space = frame.space(frame.lattice)
    lattice = space.lattice
    inner = frame.inner_table(lattice)
    outer = outer_surface(frame, space, inner)
    skin, paints = build_skin(frame, space, outer)
    vault = build_vault(frame, space, inner, outer, 1.0)
    face = frame.space(frame.box(FACE_LOW_MM, FACE_HIGH_MM, FACE_STEP_MM))
    near = frame.inner_table(face.lattice)
    bones = Assembly(frame, face)
    add_skull_base(bones)
    add_face(bones, _shrunk_ridges(spec))
    cavities = airspaces.build_cavities(frame, face, near, spec)
    airspaces.carve(bones, cavities, near)
    shape = bones.shape()
    below = Lattice(lattice.low_mm, (*lattice.high_mm[:2], 32.0 * frame.height), lattice.step_mm)
    count = below.shape[0]
    soft = Space(below, space.x[:count], space.y[:count], space.z[:count])
    paints += build_soft_parts(frame, soft, skin[:count], outer[:count], spec)
    tubes, vessels = build_vessels(frame, spec)
    inside, vertebrae = build_spine(frame, spec)
    shape = bones.shape()
    paints += [*vessels, *inside, *vertebrae]
    paints += [*vault["cortex"], Paint(shape, (Layer(bones.labels(names)),)), *vault["diploe"],
               Paint(shape, (Layer(bones.marrow(names), 1.4),)), *vault["inner"]]
    paints += airspaces.paint_cavities(frame, face, cavities, spec)
    paints += airspaces.paint_ears(frame, face, bones, near, spec)
    paints += build_teeth(frame, spec)
    paints += build_orbits(frame, face, cavities, spec)
    paints.append(Paint(lattice.shape_of(inner), (Layer(names["intracranial_tissue"]),)))
    low, high = lattice.shape_of(skin).bounds_mm()
    ends = frame.at([[0, 0, LOW_MM[2]], [0, 0, HIGH_MM[2]], [0, BASION[0], BASION[1] - 16]])[:, 2]
    return Scene(
        "head",
        ORIGIN,
        subject,
        structures(),
        tuple(paints),
        {"body": lattice.shape_of(skin), "cranial_cavity": lattice.shape_of(inner)},
        tubes,
        {},
        (low, high),
        {"head-neck": (float(ends[0]), float(high[2])), "head": (float(ends[2]), float(high[2]))},
        texture_seed=int(spec["seed"]),
    )


def _shrunk_ridges(spec: Mapping[str, Any]) -> tuple[float, float]:
    """Return how far the upper and the lower alveolar ridge have shrunk: with the share of teeth lost there."""
    lost = [sum(tooth[0] in quadrants for tooth in spec["teeth"]["missing"]) for quadrants in ("12", "34")]
    upper, lower = (float(np.clip((n - 6) / 10, 0, 1)) for n in lost)
    return upper, lower
