"""What spreads through a medium: the shortest ways from a source, and the front behind which a given volume lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.shapes.sampled import SampledShape

Array = NDArray[np.float64]

EDGES = [(k, j, i) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) > (0, 0, 0)]
BEYOND_MM = 4.5  # the front's shape reaches so far out of the medium, whose own border counts
FAR_MM = 12.0


def near_box(shape: Sequence[int], centre_kji: Array, reach: float) -> tuple[slice, ...]:
    """Return the slices of an array's box within `reach` voxels of a place."""
    low = np.clip(np.floor(centre_kji - reach), 0, np.subtract(shape, 1)).astype(int)
    high = np.clip(np.ceil(centre_kji + reach) + 1, low + 1, shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def shortest_ways(open_: NDArray[np.bool_], slow: Array, source: NDArray[np.bool_], step_mm: float,
                  limit_mm: float = np.inf) -> Array:
    """Return the length (k, j, i) of the shortest way from a source through a medium; inf where there is none.

    Parameters
    ----------
    open_ : (k, j, i) voxels that may be passed; others are walls.
    slow : (k, j, i) factor on the length of the way in each.
    source : (k, j, i) where ways begin; only its open voxels count.
    """
    number = np.full(open_.shape, -1, np.int64)
    number[open_] = np.arange(int(open_.sum()))
    sources = number[source & open_]
    ways = np.full(open_.shape, np.inf)
    if not sources.size:
        return ways
    pace = slow[open_]
    starts, ends, costs = [], [], []
    for move in EDGES:
        a = tuple(slice(max(0, -m), n - max(0, m)) for m, n in zip(move, open_.shape, strict=True))
        b = tuple(slice(max(0, m), n - max(0, -m)) for m, n in zip(move, open_.shape, strict=True))
        first, second = number[a].ravel(), number[b].ravel()
        both = (first >= 0) & (second >= 0)
        first, second = first[both], second[both]
        starts.append(first)
        ends.append(second)
        costs.append(0.5 * (pace[first] + pace[second]) * step_mm * np.linalg.norm(move))
    size = int(open_.sum())
    graph = sparse.coo_matrix((np.concatenate(costs), (np.concatenate(starts), np.concatenate(ends))),
                              shape=(size, size)).tocsr()
    ways[open_] = dijkstra(graph, directed=False, indices=sources, limit=limit_mm, min_only=True)
    return ways


def front(ways: Array, share: NDArray[np.floating], volume_mm3: float, grid: Grid) -> SampledShape:
    """Return what lies behind the front that encloses a volume, as a shape (negative behind it).

    Parameters
    ----------
    ways : (k, j, i) mm; inf where nothing gets.
    share : (k, j, i) how much of each voxel the medium fills and may count.
    grid : axis-parallel with equal steps.

    Raises
    ------
    PlacementError
        If the medium within reach holds less.
    """
    step = grid.spacing_mm[0]
    away, nearest = ndimage.distance_transform_edt(~np.isfinite(ways), return_indices=True)
    ways = ways[tuple(nearest)]
    known = np.isfinite(ways) & (away * step <= BEYOND_MM)  # the medium's thin margins fill with what lies beside them
    way, filled = ways[known], np.asarray(share[known], float)

    def volume(reach: float) -> float:
        return float((np.clip(0.5 - (way - reach) / step, 0, 1) * filled).sum()) * grid.voxel_volume_mm3

    low, high = 0.0, float(way.max()) if way.size else 0.0
    if not way.size or volume(high) < volume_mm3:
        raise PlacementError(f"{volume_mm3 / 1000:.3g} ml do not fit within reach here")
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if volume(middle) > volume_mm3 else (middle, high)
    values = np.where(known, np.minimum(ways - high, FAR_MM), FAR_MM)
    return SampledShape(np.ascontiguousarray(values, np.float32), grid.origin_mm, step)
