"""What a person sets on a radiography system."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medsynth.acquire.xray.looks import LookName
from medsynth.acquire.xray.views import View, ViewName, view

Point = tuple[Annotated[float, Field(ge=-2000, le=2000)], Annotated[float, Field(ge=-2000, le=2000)],
              Annotated[float, Field(ge=-2000, le=2000)]]
Target = Literal["for_processing", "noise_free", "scatter_free", "bone_suppressed"]


class Strict(BaseModel):
    """Frozen, finite, no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Positioning(Strict):
    """How far the person stands from where the view wants them.

    Attributes
    ----------
    severity : times the spread that is usual for the view: rotation, tilt, centring, collimation; 0 is a perfect stand.
        What was drawn stands in the annotations.
    """

    severity: Annotated[float, Field(ge=0, le=4)] = 1.0


class Pairs(Strict):
    """Further images of the same exposure, on the same pixels.

    Attributes
    ----------
    looks : the same readings, processed otherwise.
    targets : "for_processing" the readings themselves, linear in the exposure; "noise_free"; "scatter_free" without
        scattered radiation and noise; "bone_suppressed" with bone replaced by soft tissue, the noise kept. All but the
        first are processed as the image is.
    """

    looks: tuple[LookName, ...] = ()
    targets: tuple[Target, ...] = ()


class FreeGeometry(Strict):
    """A geometry in numbers, for `view: free`.

    Attributes
    ----------
    aim : a landmark of the body, or an LPS point in mm, that the central ray runs through.
    turn_deg : direction of the ray about the body's long axis: 0 from front to back, 90 from the right to the left,
        180 from back to front.
    tilt_deg : how far the ray rises to the head.
    roll_deg : turn of the image in its own plane, clockwise.
    sid_mm : source to detector.
    source_to_aim_mm : source to the aim.
    field_mm : height and width of the detector.
    """

    aim: str | Point
    turn_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    tilt_deg: Annotated[float, Field(ge=-89, le=89)] = 0.0
    roll_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    sid_mm: Annotated[float, Field(ge=200, le=5000)] = 1150.0
    source_to_aim_mm: Annotated[float, Field(ge=100, le=4900)] = 900.0
    field_mm: tuple[Annotated[float, Field(ge=10, le=600)], Annotated[float, Field(ge=10, le=600)]] = (350.0, 350.0)

    @model_validator(mode="after")
    def _before_detector(self) -> Self:
        if self.source_to_aim_mm >= self.sid_mm:
            raise ValueError(f"source_to_aim_mm must be < sid_mm ({self.sid_mm:g}), got {self.source_to_aim_mm:g}")
        return self


# The technique of a free view where nothing is said is that of a table bucky; what it shows is not known.
FREE = "abdomen_ap"
UNKNOWN = {"words": "free view", "body_part": "WHOLEBODY", "region": ("38266002", "SCT", "Entire body"),
           "projection": ("399182000", "SCT", "oblique"), "view_position": ""}


class XrayProtocol(Strict):
    """A radiograph. What is left out is what the view usually gets (`data/views.yaml`).

    Attributes
    ----------
    view : how the body stands between source and detector; `free` takes `free`.
    kvp : tube voltage in kV.
    mas : tube current-time product in mAs; left out, automatic exposure finds it.
    dose_uGy : what automatic exposure wants at the detector, as air kerma behind the grid.
    filter_mm : filters added to the tube's own, material -> mm, e.g. `{"copper": 0.1}`.
    sid_mm : source to detector.
    grid, tube, detector : presets, see `medsynth list protocols`.
    pixel_mm : pixel of the image; the detector's own when left out. Larger ones are binned.
    field_mm : height and width of the collimated field on the detector; left out, what the view must hold.
    look : how readings become an image to read.
    positioning : how far off the person stands.
    marker : "side" puts a lead letter, R or L, into the beam.
    pairs : further images of the same exposure.
    voxel_mm : voxels of the body, across the ray and along it.
    thickness : whether files also hold how long every ray runs in each structure, beside its mask.
    """

    modality: Literal["xray"] = "xray"
    view: ViewName = "chest_pa"
    kvp: Annotated[float, Field(ge=20, le=150)] | None = None
    mas: Annotated[float, Field(gt=0, le=1000)] | None = None
    dose_uGy: Annotated[float, Field(gt=0, le=1000)] | None = None
    filter_mm: dict[str, Annotated[float, Field(ge=0, le=50)]] | None = None
    sid_mm: Annotated[float, Field(ge=400, le=5000)] | None = None
    grid: Annotated[str, Field(min_length=1)] | None = None
    tube: Annotated[str, Field(min_length=1)] | None = None
    detector: Annotated[str, Field(min_length=1)] | None = None
    pixel_mm: Annotated[float, Field(ge=0.05, le=5)] | None = None
    field_mm: tuple[Annotated[float, Field(ge=20, le=600)], Annotated[float, Field(ge=20, le=600)]] | None = None
    look: LookName = "standard"
    positioning: Positioning = Positioning()
    marker: Literal["none", "side"] = "side"
    pairs: Pairs = Pairs()
    voxel_mm: tuple[Annotated[float, Field(ge=0.1, le=10)], Annotated[float, Field(ge=0.1, le=10)]] | None = None
    free: FreeGeometry | None = None
    thickness: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.view == "free") != (self.free is not None):
            raise ValueError(f"free must be given for view 'free', and for no other, got view {self.view!r}")
        if self.free is not None and (self.sid_mm is not None or self.field_mm is not None):
            raise ValueError("sid_mm and field_mm of a free view stand in free, got them beside it")
        if self.mas is not None and self.dose_uGy is not None:
            raise ValueError("mas and dose_uGy: at most one of them must be given, got both")
        if self.look in self.pairs.looks:
            raise ValueError(f"pairs.looks must name other looks than the image's own, got {self.look!r}")
        return self

    @property
    def preset(self) -> View:
        """The view's numbers; a free view takes the technique of a table bucky."""
        return view(FREE).model_copy(update=UNKNOWN) if self.view == "free" else view(self.view)
