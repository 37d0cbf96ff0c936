"""What a file format needs to know of a scanner, as a plain record: no scanner code travels to the writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Modality = Literal["CT", "MR", "DX", "MG"]
AttributeValue = str | int | float | tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScannerRecord:
    """One acquisition as its files describe it.

    Attributes
    ----------
    modality : DICOM modality.
    description : series description in words.
    attributes : DICOM keyword -> value of the acquisition, e.g. `{"KVP": 120.0, "ConvolutionKernel": "STANDARD"}`.
    window : (centre, width) a viewer should start with.
    by_slice : DICOM keyword -> one value per slice, over those of `attributes`.
    codes : DICOM keyword of a code sequence -> (value, scheme, meaning).
    processing : what was done to the images after they were made, in words; empty: nothing.
    sidecar : what DICOM has no keyword for, in names and units of BIDS, for the JSON file beside an MR image.
    """

    modality: Modality
    description: str
    attributes: Mapping[str, AttributeValue]
    window: tuple[float, float]
    by_slice: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    codes: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    sidecar: Mapping[str, AttributeValue] = field(default_factory=dict)
    processing: str = ""
