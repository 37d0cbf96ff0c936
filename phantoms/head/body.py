"""The adult head and upper neck: numbers drawn once, and the scene built from them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.lattice import Lattice
from phantoms.extremes import extreme, point_of
from phantoms.head import airspaces
from phantoms.head.assembly import Assembly, Field
from phantoms.head.brain import DURA_MM, build_brain
from phantoms.head.brain_numbers import sample_brain
from phantoms.head.fillings import build_fillings, present
from phantoms.head.frame import BASION, CAVITY_HIGH_MM, CAVITY_LOW_MM, HIGH_MM, LOW_MM, SELLA, Frame, Space
from phantoms.head.jaws import add_face
from phantoms.head.muscles import build_soft_parts
from phantoms.head.orbit import EYE_MM, build_orbits
from phantoms.head.people import sample_head
from phantoms.head.skin import build_skin
from phantoms.head.skullbase import add_skull_base
from phantoms.head.spine import build_spine
from phantoms.head.table import labels, structures
from phantoms.head.teeth import build_teeth
from phantoms.head.vault import build_vault, outer_surface
from phantoms.head.vessels import build_vessels

ORIGIN = "midway between the anterior and the posterior commissure, their line along y"
FACE_LOW_MM, FACE_HIGH_MM, FACE_STEP_MM = (-77.0, -117.0, -156.0), (77.0, 62.0, 8.0), 1.0
BRAIN_STEP_MM = 1.5
SOFT_TOP_MM = 32.0  # nothing but scalp lies above it
CORTEX_MM = 1.4  # of the facial bones
BELOW_BASION_MM = 14.0  # how far a clinical head scan reaches below the foramen magnum


class Head:
    """Adults of both sexes from the vertex to the fifth cervical vertebra, mouth closed."""

    name = "head"
    description = "adult head with brain, and upper neck down to C5, mouth closed"
    scan_ranges = ("head", "head-neck")

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code."""
        return structures()

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw one individual's numbers; all are plain JSON values."""
        return {"version": 1, **sample_head(subject, rng), "brain": sample_brain(subject, rng)}

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec."""
        if spec.get("version") != 1:
            raise RecipeError(f"the spec's version must be 1, got {spec.get('version')!r}")
        frame = Frame.of(spec)
        with ThreadPoolExecutor(max_workers=2) as pool:  # the kernels release the interpreter lock
            thinking = pool.submit(_brain, frame, spec)
            outside = pool.submit(_Outside.build, frame, spec)
            column = pool.submit(build_spine, frame)
        fields, trees, brain = thinking.result()
        head, (inside, vertebrae) = outside.result(), column.result()
        tubes, vessels = build_vessels(frame, spec)
        paints = (*head.soft, *vessels, *inside, *vertebrae, *head.bones, *head.hollows, *brain)
        return Scene(
            "head",
            ORIGIN,
            subject,
            tuple(s for s in structures() if present(s, spec)),
            paints,
            {**fields, **head.fields},
            {**trees, **tubes},
            _landmarks(frame) | {"vertex": point_of(extreme(head.fields["skull"], (0, 0, 1)))},
            head.fields["body"].bounds_mm(),
            _ranges(frame, head.fields["body"].bounds_mm()[1][2]),
            texture_seed=int(spec["seed"]),
        )


BODY = Head()


def _brain(frame: Frame, spec: Mapping[str, Any]) -> tuple[Any, Any, list[Paint]]:
    """Build the brain in its cavity, within the dura."""
    lattice = frame.box(np.subtract(CAVITY_LOW_MM, 4.0), np.add(CAVITY_HIGH_MM, 4.0), BRAIN_STEP_MM)
    seed = Seed(int(spec["seed"])).child("brain")
    return build_brain(frame, lattice, frame.inner_table(lattice) + np.float32(DURA_MM), spec["brain"], seed)


@dataclass(frozen=True, eq=False)
class _Outside:
    """All but brain, spine and vessels: paints of the soft parts, of the bones, and of what lies in the bones."""

    soft: list[Paint]
    bones: list[Paint]
    hollows: list[Paint]
    fields: dict[str, Any]

    @classmethod
    def build(cls, frame: Frame, spec: Mapping[str, Any]) -> _Outside:
        """Build bones first, then what covers them."""
        names = labels()
        face = frame.space(frame.box(FACE_LOW_MM, FACE_HIGH_MM, FACE_STEP_MM))
        near = frame.inner_table(face.lattice)
        bones = Assembly(frame, face)
        add_skull_base(bones)
        add_face(bones, _shrunk_ridges(spec))
        cavities = airspaces.build_cavities(frame, face, near, spec)
        airspaces.carve(bones, cavities, near)
        whole = frame.space(frame.lattice)
        lattice = whole.lattice
        inner = frame.inner_table(lattice)
        outer = outer_surface(frame, whole, inner)
        skin, cover = build_skin(frame, whole, outer, _thinned(bones, lattice))
        vault = build_vault(frame, whole, inner, outer, float(spec["suture"]))
        count = int(np.searchsorted(lattice.z.ravel(), SOFT_TOP_MM * frame.height))
        low = Space(lattice.part((slice(0, count), slice(None), slice(None))),
                    whole.x[:count], whole.y[:count], whole.z[:count])
        shape = bones.shape()
        body = lattice.shape_of(skin)
        return cls(
            [*cover, *build_soft_parts(frame, low, skin[:count], outer[:count], spec)],
            [*vault["cortex"], Paint(shape, (Layer(bones.labels(names)),)), *vault["diploe"],
             Paint(shape, (Layer(bones.marrow(names), CORTEX_MM),)), *vault["inner"]],
            [*airspaces.paint_cavities(frame, face, cavities, spec),
             *airspaces.paint_ears(frame, face, bones, near, spec),
             *build_teeth(frame, spec), *build_fillings(frame, spec),
             *build_orbits(frame, face, cavities, spec)],
            {"body": body, "skull": lattice.shape_of(outer), "cranial_cavity": lattice.shape_of(inner)},
        )


def _shrunk_ridges(spec: Mapping[str, Any]) -> tuple[float, float]:
    """Return how far the upper and the lower alveolar ridge have shrunk: with the share of teeth lost there."""
    lost = [sum(tooth[0] in quadrants for tooth in spec["teeth"]["missing"]) for quadrants in ("12", "34")]
    upper, lower = (float(np.clip((n - 6) / 10, 0, 1)) for n in lost)
    return upper, lower


def _thinned(bones: Assembly, lattice: Lattice) -> Field:
    """Return the distance to bones at the nodes of a coarser lattice that are nodes of their own, far elsewhere."""
    fine = bones.space.lattice
    ratio = round(lattice.step_mm / fine.step_mm)
    field = np.full(lattice.shape, bones.margin_mm, np.float32)
    into, out = [], []
    for coarse, own in ((lattice.z, fine.z), (lattice.y, fine.y), (lattice.x, fine.x)):
        nodes, mine = (np.rint(axis.ravel() / fine.step_mm).astype(int) for axis in (coarse, own))
        held = np.flatnonzero((nodes >= mine[0]) & (nodes <= mine[-1]))
        into.append(slice(int(held[0]), int(held[-1]) + 1))
        first = int(nodes[held[0]] - mine[0])
        out.append(slice(first, first + ratio * (held.size - 1) + 1, ratio))
    field[tuple(into)] = bones.values[tuple(out)]
    return field


def _landmarks(frame: Frame) -> dict[str, tuple[float, float, float]]:
    """Return named points of this head."""
    points = {
        "nasion": (0.0, -89.5, -32.0), "basion": (0.0, *BASION), "anterior_nasal_spine": (0.0, -84.0, -84.5),
        "menton": (0.0, -66.0, -148.0), "porion_left": (63.0, 9.5, -39.5), "porion_right": (-63.0, 9.5, -39.5),
        "eye_left": EYE_MM, "eye_right": (-EYE_MM[0], *EYE_MM[1:]), "dens_tip": (0.0, 15.5, -63.0),
        "sella": (0.0, *SELLA), "gnathion": (0.0, -70.5, -146.0),
        "external_auditory_meatus_left": (62.0, 9.5, -43.5), "external_auditory_meatus_right": (-62.0, 9.5, -43.5),
    }
    return {name: tuple(frame.at(point).tolist()) for name, point in points.items()}


def _ranges(frame: Frame, top_mm: float) -> dict[str, tuple[float, float]]:
    """Return the z ranges of a clinical head scan, and of all there is."""
    floor, bottom = frame.at([[0.0, BASION[0], BASION[1] - BELOW_BASION_MM], [0.0, 0.0, LOW_MM[2]]])[:, 2]
    top = min(top_mm, float(frame.at([0.0, 0.0, HIGH_MM[2]])[2]))
    return {"head": (float(floor), top), "head-neck": (float(bottom), top)}
