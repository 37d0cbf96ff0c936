"""The sulci that have names: courses on the hemisphere's surface, depths, and which of them are usually broken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.sweep import spline_mm


@dataclass(frozen=True, slots=True)
class Sulcus:
    """A named sulcus of one hemisphere.

    Attributes
    ----------
    name : its name.
    course_mm : reference points (|x|, y, z); they need only be near the surface.
    depth_mm : depth of an adult's (facts recalled from atlases, +-15 %).
    gaps : how often it is usually interrupted (Ono's atlas).
    """

    name: str
    course_mm: tuple[tuple[float, float, float], ...]
    depth_mm: float
    gaps: int = 0


_MEDIAL = 1.5  # |x| of the hemisphere's medial wall


def _medial(*points: tuple[float, float]) -> tuple[tuple[float, float, float], ...]:
    return tuple((_MEDIAL, y, z) for y, z in points)


# Rough MNI-like courses, drawn by eye; depths after anatomy texts (unverified).
SULCI = (
    Sulcus(
        "central",
        ((4, 26, 77), (20, 20, 70), (33, 13, 60), (41, 4, 51), (48, 3, 42), (55, -4, 32), (61, -7, 18)),
        18.0,
    ),
    Sulcus("precentral", ((24, 2, 67), (35, -4, 56), (44, -11, 44), (52, -15, 31), (57, -20, 14)), 15.0, 1),
    Sulcus("postcentral", ((18, 36, 68), (34, 31, 60), (47, 23, 48), (57, 13, 34), (63, 8, 20)), 15.0, 1),
    Sulcus("superior_frontal", ((18, -66, 24), (22, -46, 44), (25, -22, 58), (26, -4, 65)), 14.5, 1),
    Sulcus("inferior_frontal", ((42, -58, 8), (48, -40, 24), (50, -18, 34)), 14.5, 1),
    Sulcus("ascending_ramus", ((50, -29, -3), (51, -32, 8), (48, -35, 18)), 13.0),
    Sulcus("superior_temporal", ((46, -30, -28), (59, -6, -15), (62, 18, -2), (61, 36, 12), (50, 50, 27)), 18.0, 1),
    Sulcus("inferior_temporal", ((52, -14, -38), (58, 12, -28), (58, 40, -12)), 12.5, 2),
    Sulcus("intraparietal", ((46, 22, 48), (37, 37, 54), (27, 52, 50), (22, 68, 38)), 18.0, 1),
    Sulcus("collateral", ((29, -10, -42), (30, 18, -34), (27, 44, -22)), 13.0),
    Sulcus("olfactory", ((10, -72, -24), (11, -44, -26), (13, -26, -26)), 9.0),
    Sulcus(
        "cingulate",
        _medial((-52, -12), (-60, 2), (-57, 18), (-40, 34), (-14, 42), (8, 43), (20, 52), (26, 68)),
        13.5,
        1,
    ),
    Sulcus("parieto_occipital", _medial((44, 8), (58, 24), (70, 42)), 18.0),
    Sulcus("calcarine", _medial((35, 3), (52, 6), (70, 3), (90, 0)), 17.0),
)


def courses(jitter_mm: NDArray[np.float64], broken: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], Sulcus]]:
    """Return pieces of one hemisphere's sulci as dense reference points (n, 3).

    Parameters
    ----------
    jitter_mm : (sulci, 3) shift of each whole sulcus.
    broken : (sulci,) in 0..1, where along its length a usually broken sulcus has its gap.
    """
    pieces = []
    for sulcus, shift, where in zip(SULCI, jitter_mm, broken, strict=True):
        points = spline_mm(sulcus.course_mm, 4.0) + shift * (1.0 if sulcus.course_mm[0][0] != _MEDIAL else [0, 1, 1])
        cuts = [0]
        for gap in range(sulcus.gaps):
            middle = int(len(points) * (0.3 + 0.4 * ((where + gap / 2) % 1)))
            cuts += [middle - 1, middle + 1]
        cuts += [len(points)]
        for first, last in zip(cuts[::2], cuts[1::2], strict=True):
            if last - first > 2:
                pieces.append((points[first:last], sulcus))
    return pieces
