"""Looks: the settings of the processing, as data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self, get_args

import numpy as np
import yaml
from pydantic import Field, model_validator

from medsynth.acquire.xray.views import Preset

LookName = Literal["standard", "soft", "bone"]
LOOKS: tuple[LookName, ...] = get_args(LookName)

Positive = Annotated[float, Field(gt=0)]


class Look(Preset):
    """One look; the keys are explained at the head of `data/looks.yaml`."""

    words: str
    gains: tuple[tuple[Positive, Positive], ...]
    rest: Positive
    exponent: Annotated[float, Field(gt=0, le=1)]
    at: Positive
    floor: Positive
    noise: Annotated[float, Field(ge=0)]
    latitude: Positive
    middle: float
    shoulder: Positive

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a[0] >= b[0] for a, b in zip(self.gains, self.gains[1:], strict=False)):
            raise ValueError(f"gains must be listed from the finest band on, got {self.gains}")
        return self

    def gain(self, width_mm: float) -> float:
        """Return the factor of the band of this width on the detector."""
        widths, factors = np.array(self.gains).T
        return float(np.interp(np.log(width_mm), np.log(widths), factors))


@cache
def looks() -> dict[str, Look]:
    """Return the looks by name."""
    text = files("medsynth.acquire.xray").joinpath("data", "looks.yaml").read_text(encoding="utf-8")
    return {name: Look.model_validate(entry) for name, entry in yaml.safe_load(text).items()}
