"""View presets: how a body stands between source and detector, and the usual technique, as data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Vector

ViewName = Literal["chest_pa", "chest_ap", "chest_ap_supine", "chest_lateral", "abdomen_ap", "pelvis_ap", "skull_ap",
                   "skull_lateral", "knee_ap", "knee_lateral", "mammo_cc", "mammo_mlo", "free"]
VIEWS: tuple[ViewName, ...] = get_args(ViewName)

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Preset(BaseModel):
    """Frozen, finite, no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cover(Preset):
    """What the beam must hold: fields of the scene with margins, or a box about a landmark.

    Attributes
    ----------
    fields : names of `Scene.fields`; their boxes together.
    margins_mm : beyond them: up, down, left and right in the image.
    landmark, box_mm : name of a landmark, and the low and high corner of a box about it in LPS mm.
    """

    fields: tuple[str, ...] = ()
    margins_mm: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    landmark: str = ""
    box_mm: tuple[Vector, Vector] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.fields) == bool(self.landmark) or bool(self.landmark) != (self.box_mm is not None):
            raise ValueError("cover needs either fields, or a landmark with box_mm")
        return self


class Errors(Preset):
    """How far a body stands from where it should: standard deviations.

    Attributes
    ----------
    turn_deg : about the body's long axis.
    tilt_deg : about the image's horizontal, as in a lordotic view.
    lean_deg : in the image.
    shift_mm : of the central ray, in each direction.
    edge_mm : of each edge of the collimated field.
    """

    turn_deg: NotNegative = 0.0
    tilt_deg: NotNegative = 0.0
    lean_deg: NotNegative = 0.0
    shift_mm: NotNegative = 0.0
    edge_mm: NotNegative = 0.0


class View(Preset):
    """One view. The keys are explained at the head of `data/views.yaml`.

    Attributes
    ----------
    posture : the posture of the scene between paddle and support; it tells the directions. Empty for the body as it is.
    cut : whether the body is cut off above and below the field, so that the beam must stay within it.
    """

    words: str
    modality: Literal["DX", "MG"] = "DX"
    body_part: str
    region: tuple[str, str, str]
    projection: tuple[str, str, str]
    view_position: str
    towards: Vector
    down: Vector
    right: Vector
    posture: str = ""
    cut: tuple[bool, bool] = (True, True)
    cover: Cover
    kvp: Positive
    dose_uGy: Positive
    target_index: Positive | None = None
    filter_mm: dict[str, NotNegative] = {}
    layers_mm: dict[str, NotNegative] = {}
    sid_mm: Positive
    grid: str
    tube: str
    detector: str
    focal_mm: NotNegative
    gap_mm: NotNegative
    field_mm: tuple[Positive, Positive]
    aec: tuple[tuple[float, float, Positive, Positive], ...]
    errors: Errors
    voxel_mm: tuple[Positive, Positive]


@cache
def views() -> dict[str, View]:
    """Return the presets by name; `free` has none."""
    text = files("medsynth.acquire.xray").joinpath("data", "views.yaml").read_text(encoding="utf-8")
    return {name: View.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def view(name: str) -> View:
    """Return the preset called `name`.

    Raises
    ------
    RecipeError
        If there is none.
    """
    if name not in views():
        raise RecipeError(expected("view", name, f"one of {sorted(views())}"))
    return views()[name]
