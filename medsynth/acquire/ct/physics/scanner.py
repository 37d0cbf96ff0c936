"""Scanner presets: geometry, tube and detector of a class of machine, as data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medsynth.core.errors import RecipeError, expected

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Scanner(BaseModel):
    """One scanner.

    A third-generation machine: the source turns about the isocentre, the detector's channels lie on an arc about the
    source. In the `parallel` geometry channels lie side by side on a line, rays are parallel, and the views cover half
    a turn; its detector and source then count as if they stood at `sid_mm` and `sdd_mm`.

    Attributes
    ----------
    words, source : what it is, and where its numbers come from.
    detector : "integrating" measures energy, "counting" counts photons above thresholds.
    sid_mm, sdd_mm : source to isocentre, source to detector.
    channels, channel_mm : number of channels and their pitch on the detector.
    offset_channels : how far the central ray lies from the middle of the detector, in channels (quarter offset).
    rows, row_mm : detector rows, and their height at the isocentre.
    views : per turn (half a turn in the parallel geometry).
    rotations_s : the rotation times it can turn at.
    focal_mm : width and length of the focal spot (length along z, projected).
    anode_deg : anode angle; spectra are tabulated for 7 degrees.
    filter_mm : added flat filters, material -> mm, beyond the 6 mm Al of the tabulated spectra.
    bowtie : name of the shaped filter, "none" for none.
    current_mA : what the tube can give, least and most.
    scintillator, scintillator_mm : the sensor, a tissue-table material, and its thickness.
    fill : share of a detector cell that is sensitive.
    gain_e_per_keV, electronic_e : electrons per keV of signal; SD of the electronic noise per reading in electrons.
    thresholds_keV : of a counting detector; bins lie between them and above the last.
    cross_talk : share of a channel's signal that each of its two neighbours gets.
    lag : decay time in ms -> share of the signal that decays so; shares sum to 1; empty for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    words: str
    source: str
    detector: Literal["integrating", "counting"]
    geometry: Literal["fan", "parallel"] = "fan"
    sid_mm: Positive
    sdd_mm: Positive
    channels: Annotated[int, Field(ge=8, le=4096)]
    channel_mm: Positive
    offset_channels: float
    rows: Annotated[int, Field(ge=1, le=512)]
    row_mm: Positive
    views: Annotated[int, Field(ge=8, le=8192)]
    rotations_s: tuple[Positive, ...]
    focal_mm: tuple[NotNegative, NotNegative]
    anode_deg: Annotated[float, Field(ge=5, le=20)]
    filter_mm: dict[str, NotNegative]
    bowtie: str
    current_mA: tuple[Positive, Positive]
    scintillator: str
    scintillator_mm: Positive
    fill: Annotated[float, Field(gt=0, le=1)]
    gain_e_per_keV: Positive = 1.0
    electronic_e: NotNegative = 0.0
    thresholds_keV: tuple[Positive, ...] = ()
    cross_talk: Annotated[float, Field(ge=0, lt=0.25)]
    lag: dict[float, NotNegative] = {}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.sdd_mm <= self.sid_mm:
            raise ValueError(f"sdd_mm must be > sid_mm ({self.sid_mm:g}): the detector lies behind the isocentre, "
                             f"got {self.sdd_mm:g}")
        if self.geometry == "fan" and self.fan_rad >= 0.8 * np.pi:
            raise ValueError(f"channels x channel_mm must open less than 144 degrees at sdd_mm, got "
                             f"{np.degrees(self.fan_rad):.0f}")
        if self.detector == "counting" and not self.thresholds_keV:
            raise ValueError("thresholds_keV must name at least one threshold of a counting detector, got none")
        if self.lag and abs(sum(self.lag.values()) - 1) > 1e-6:
            raise ValueError(f"lag: the shares must sum to 1, got {sum(self.lag.values()):g}")
        return self

    @property
    def magnification(self) -> float:
        """Size at the detector over size at the isocentre; 1 in the parallel geometry."""
        return 1.0 if self.geometry == "parallel" else self.sdd_mm / self.sid_mm

    @property
    def pitch_mm(self) -> float:
        """Width of a channel at the isocentre in mm."""
        return self.channel_mm / self.magnification

    @property
    def pitch_rad(self) -> float:
        """Angle between neighbouring channels of a fan."""
        return self.channel_mm / self.sdd_mm

    @property
    def fan_rad(self) -> float:
        """Opening angle of the fan."""
        return self.channels * self.pitch_rad

    @property
    def field_mm(self) -> float:
        """Diameter of the circle that every view sees whole."""
        if self.geometry == "parallel":
            return (self.channels - 2 * abs(self.offset_channels)) * self.channel_mm
        half = (self.channels / 2 - abs(self.offset_channels)) * self.pitch_rad
        return float(2 * self.sid_mm * np.sin(half))

    def edges(self) -> NDArray[np.float64]:
        """Return the (channels + 1,) borders of the channels: angles in rad (fan), mm at the isocentre (parallel)."""
        step = self.pitch_mm if self.geometry == "parallel" else self.pitch_rad
        return np.asarray((np.arange(self.channels + 1) - self.channels / 2 + self.offset_channels) * step, np.float64)

    def centres(self) -> NDArray[np.float64]:
        """Return the (channels,) middles of the channels, as `edges` measures them."""
        edges = self.edges()
        return np.asarray((edges[1:] + edges[:-1]) / 2, np.float64)

    def angles_rad(self) -> NDArray[np.float64]:
        """Return the (views,) source angles: a full turn, half a turn in the parallel geometry."""
        turn = np.pi if self.geometry == "parallel" else 2 * np.pi
        return np.arange(self.views) * turn / self.views


@cache
def scanners() -> dict[str, Scanner]:
    """Return every preset by name."""
    text = files("medsynth.acquire.ct").joinpath("data", "scanners.yaml").read_text(encoding="utf-8")
    return {name: Scanner(**row) for name, row in yaml.safe_load(text).items()}


def scanner(name: str, **changes: object) -> Scanner:
    """Return a preset, with some of its numbers changed.

    Raises
    ------
    RecipeError
        If there is no such preset, or the changes make an impossible machine.
    """
    if name not in scanners():
        raise RecipeError(expected("scanner", name, f"one of {sorted(scanners())}"))
    known = scanners()[name]
    if not changes:
        return known
    try:
        return Scanner(**{**known.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"scanner {name!r}: {where + ': ' if where else ''}"
                          f"{first['msg'].removeprefix('Value error, ')}") from None
