"""Masks as detection formats have them: boxes, run lengths, and polygons along the edges of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Polygon = list[float]  # x, y, x, y ...; 0, 0 is the corner of the first pixel


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
    pieces, _ = ndimage.label(mask)
    found: list[Polygon] = []
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
        piece = ndimage.binary_fill_holes(pieces[place] == number)
        found.append(_outline(piece, place[1].start, place[0].start))
    return found


def _outline(piece: NDArray[np.bool_], left: int, top: int) -> Polygon:
    """Follow the border of one filled piece clockwise from its first pixel; only corners are kept.

    A place is the index, in the padded piece, of the pixel above and left of a corner between four pixels.
    """
    width = piece.shape[1] + 2
    inside = np.pad(piece, 1).tobytes()
    steps = (1, width, -1, -width)  # right, down, left, up
    ahead_left, ahead_right = (1, width + 1, width, 0), (width + 1, width, 0, 1)
    begin = int(np.flatnonzero(piece[0])[0])
    place, step, turns = begin, 0, []
    while True:
        place += steps[step]
        if not inside[place + ahead_right[step]]:
            turned = (step + 1) % 4
        elif inside[place + ahead_left[step]]:
            turned = (step - 1) % 4
        else:
            continue
        turns.append(place)
        step = turned
        if place == begin and step == 0:
            rows, columns = np.divmod(np.array(turns), width)
            corners: Polygon = np.stack((columns + left, rows + top), axis=1).astype(float).ravel().tolist()
            return corners
