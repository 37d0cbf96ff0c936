"""Words of liver lesions: Couinaud segments, LI-RADS features, size gate and category."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from medsynth.scene.structure import Measured

ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")


def segment_word(structure: str) -> str:
    """Return the Couinaud segment of a structure's name; empty where it is none.

    Examples
    --------
    >>> segment_word("liver_segment_4")
    'IV'
    """
    last = structure.rpartition("_")[2]
    return ROMAN[int(last) - 1] if structure.startswith("liver_segment_") else ""


def size_gate(diameter_mm: float) -> str:
    """Return the LI-RADS size gate (10 and 20 mm).

    Examples
    --------
    >>> size_gate(9.9), size_gate(10.0), size_gate(20.0)
    ('< 10 mm', '10-19 mm', '>= 20 mm')
    """
    return "< 10 mm" if diameter_mm < 10 else "10-19 mm" if diameter_mm < 20 else ">= 20 mm"


def li_rads(diameter_mm: float, *, aphe: bool, washout: bool, capsule: bool) -> str:
    """Return the CT/MRI LI-RADS v2018 category of a lesion from its major features at one examination.

    Parameters
    ----------
    aphe : nonrim arterial phase hyperenhancement.

    References
    ----------
    LI-RADS v2018 core, diagnostic table (recalled; unverified). Threshold growth needs a second examination.
    """
    more = washout + capsule
    if not aphe:
        if more == 0:
            return "LR-3"
        return "LR-4" if more == 2 or diameter_mm >= 20 else "LR-3"
    if diameter_mm < 10:
        return "LR-4" if more else "LR-3"
    if diameter_mm < 20:
        return "LR-5" if washout else "LR-4" if capsule else "LR-3"
    return "LR-5" if more else "LR-4"


def words_of(kind: str, aphe: bool, washout: bool, capsule: bool) -> Callable[[Measured], Mapping[str, Any]]:
    """Return what tells a reader's words for a lesion from its measurements."""
    def words(measured: Measured) -> dict[str, Any]:
        size = measured.long_axis_mm
        found: dict[str, Any] = {"size_gate": size_gate(size), "recist_measurable": kind != "cyst" and size >= 10}
        if kind == "hcc":
            found |= {"arterial_hyperenhancement": aphe, "washout": washout, "capsule": capsule,
                      "li_rads": li_rads(size, aphe=aphe, washout=washout, capsule=capsule)}
        elif kind == "cyst":
            found["li_rads"] = "LR-1"
        return found

    return words
