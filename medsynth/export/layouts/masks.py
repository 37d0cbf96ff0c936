"""Masks as detection formats have them: boxes, run lengths, and polygons along the edges of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Polygon = list[float]  # x, y, x, y ...; 0, 0 is the corner of the first pixel
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right, down, left, up as (x, y)


def box_xywh(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, width and height of a mask in pixels; it must not be empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of 0 and 1 in turn, column after column, a run of 0 (perhaps empty) first."""
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    ends = np.concatenate((changes, [pixels.size]))
    lengths: list[int] = np.diff(ends, prepend=0).tolist()
    return [0, *lengths] if pixels[0] else lengths


def packed(lengths: list[int]) -> str:
    """Return run lengths as the text of COCO: from the third run on differences to the run before last, 5 bits a sign.

    Each number is cut into groups of five bits, the lowest first; a sixth bit says that more follow, and 48 is added.
    """
    letters: list[str] = []
    for place, length in enumerate(lengths):
        rest = length - lengths[place - 2] if place > 2 else length
        more = True
        while more:
            group = rest & 31
            rest >>= 5
            more = rest != (-1 if group & 16 else 0)
            letters.append(chr(48 + (group | 32 if more else group)))
    return "".join(letters)


def polygons(mask: NDArray[np.bool_]) -> list[Polygon]:
    """Return the outlines of the pieces of a mask, along the edges of its pixels; holes are filled.

    Pieces hang together by the sides of pixels. Area and box of an outline are exactly those of its filled piece.
    """
    pieces, count = ndimage.label(mask)
    found: list[Polygon] = []
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
        if place is None or number > count:
            continue
        piece = ndimage.binary_fill_holes(pieces[place] == number)
        found.append(_outline(piece, place[1].start, place[0].start))
    return found


def _outline(piece: NDArray[np.bool_], left: int, top: int) -> Polygon:
    """Follow the border of one filled piece clockwise from its first pixel; only corners are kept."""
    inside = np.pad(piece, 1)
    column = int(np.flatnonzero(piece[0])[0])
    x, y, step = column, 0, 0  # a corner of the pixel grid, and the direction to go
    corners: list[float] = []
    begin = (x, y)
    while True:
        dx, dy = _STEPS[step]
        x, y = x + dx, y + dy
        # Of the two pixels ahead the right one is inside when the border goes on, the left one when it turns left.
        if _ahead(inside, x, y, step, -1) and _ahead(inside, x, y, step, 1):
            turned = step - 1
        elif _ahead(inside, x, y, step, 1):
            turned = step
        else:
            turned = step + 1
        if turned != step:
            corners += [float(x + left), float(y + top)]
        step = turned % 4
        if (x, y) == begin and step == 0:
            return corners


def _ahead(inside: NDArray[np.bool_], x: int, y: int, step: int, side: int) -> bool:
    """Tell whether the pixel ahead of a corner on the left (-1) or right (1) of the direction is inside."""
    dx, dy = _STEPS[step]
    sx, sy = -dy * side, dx * side  # right of (1, 0) is (0, 1): down
    column, row = x + (dx + sx - 1) // 2, y + (dy + sy - 1) // 2
    return bool(inside[row + 1, column + 1])
