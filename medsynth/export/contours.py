"""Outlines of masks in the plane of a slice, as radiotherapy has them: closed, holes joined to the outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.measure import find_contours

Outline = NDArray[np.float64]  # (points, 2) row and column; pixel centres are whole numbers; not closed twice

HALF = 0.5
_SURE = 0.01  # fractions of mask pixels stay this far above half, those of others below: ties have a side
_STRAIGHT = 1e-6  # twice the area in pixels between a corner and its neighbours; less is a straight line


def outlines(mask: NDArray[np.bool_], fraction: NDArray[np.float32] | None = None) -> Iterator[Outline]:
    """Give one outline for each piece of a mask (rows, columns); pieces hang together by the sides of pixels.

    Parameters
    ----------
    fraction : (rows, columns) share of each pixel, which places the outline between the pixels; halfway without it.
    """
    pieces, _ = ndimage.label(mask)
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
        around = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in place)
        own = pieces[around] == number
        values = own.astype(np.float64)
        if fraction is not None:
            outside = np.where(pieces[around] == 0, np.minimum(fraction[around], HALF - _SURE), 0.0)
            values = np.where(own, np.maximum(fraction[around], HALF + _SURE), outside)
        # A frame of nothing closes every outline, also at the edge of the image.
        found = find_contours(np.pad(values, 1), HALF, fully_connected="low")  # type: ignore[no-untyped-call]
        origin = np.array([around[0].start - 1.0, around[1].start - 1.0])
        joined = _joined([_simple(one) for one in found if len(one) > 3])
        if joined is not None:
            yield joined + origin


def _simple(outline: NDArray[Any]) -> Outline:
    """Return a closed outline without its last point, which is the first again, and without points on lines."""
    points = np.asarray(outline[:-1], np.float64)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    bend = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > _STRAIGHT
    return points[bend] if np.count_nonzero(bend) > 2 else points


def _joined(parts: list[Outline]) -> Outline | None:
    """Return the outside of a piece with its holes: to each leads a channel of no width from the nearest point."""
    if not parts:
        return None
    ordered = sorted(parts, key=lambda part: -np.ptp(part, axis=0).prod())
    whole, holes = ordered[0], ordered[1:]
    if not holes:
        return whole
    tree = cKDTree(whole)
    detours: dict[int, list[Outline]] = {}
    for hole in holes:
        distances, nearest = tree.query(hole)
        there = int(np.argmin(distances))
        turned = np.roll(hole, -there, axis=0)
        here = int(np.asarray(nearest)[there])
        detours.setdefault(here, []).append(np.concatenate((turned, turned[:1], whole[here:here + 1])))
    pieces, begin = [], 0
    for here in sorted(detours):
        pieces += [whole[begin:here + 1], *detours[here]]
        begin = here + 1
    return np.concatenate((*pieces, whole[begin:]))
