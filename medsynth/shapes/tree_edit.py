"""Reading and editing trees of tubes: generations, orders, cutting, joining."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.shapes.tree_kernels import generations, strahler_orders, with_ancestors_kept
from medsynth.shapes.tubes import Tubes


def generation(tubes: Tubes) -> NDArray[np.int64]:
    """Return the number of bifurcations between the root and each tube, (n,); a root has 0.

    A tube that only continues its parent (one child) keeps the parent's generation.
    """
    _check_order(tubes.parents)
    return generations(tubes.parents)


def strahler_order(tubes: Tubes) -> NDArray[np.int64]:
    """Return the Strahler order of each tube, (n,): 1 at the tips, one more where two equal highest orders meet.

    References
    ----------
    Strahler 1957, Trans Am Geophys Union 38:913, doi 10.1029/TR038i006p00913.
    """
    _check_order(tubes.parents)
    return strahler_orders(tubes.parents)


def tip_indices(tubes: Tubes) -> NDArray[np.int64]:
    """Return the indices of the tubes that nothing continues."""
    continued = np.zeros(len(tubes.parents), bool)
    continued[tubes.parents[tubes.parents >= 0]] = True
    return np.flatnonzero(~continued)


def select(tubes: Tubes, keep: NDArray[np.bool_]) -> Tubes:
    """Return the tubes marked in `keep` (n,); what hung on a removed tube is removed too."""
    _check_order(tubes.parents)
    kept = with_ancestors_kept(tubes.parents, np.asarray(keep, np.bool_))
    new_index = np.cumsum(kept) - 1
    parents = tubes.parents[kept]
    parents = np.where(parents >= 0, new_index[parents], -1)
    return Tubes(tubes.starts_mm[kept], tubes.ends_mm[kept], tubes.start_radii_mm[kept], tubes.end_radii_mm[kept],
                 parents.astype(np.int64), None if tubes.walls_mm is None else tubes.walls_mm[kept])


def truncate(tubes: Tubes, min_radius_mm: float) -> Tubes:
    """Return the tree without tubes that end thinner than `min_radius_mm`, and without what hangs on them."""
    return select(tubes, tubes.end_radii_mm >= min_radius_mm)


def concatenate(*tubes: Tubes) -> Tubes:
    """Return all tubes in one set; trees stay apart, each with its own root. Those without walls get 0 mm of it."""
    if not tubes:
        raise GeometryError(expected("tubes", tubes, "at least one set of tubes"))
    shifts = np.cumsum([0, *(len(part.parents) for part in tubes[:-1])])
    parents = [np.where(part.parents >= 0, part.parents + shift, -1)
               for part, shift in zip(tubes, shifts, strict=True)]
    walls = None
    if any(part.walls_mm is not None for part in tubes):
        walls = np.concatenate([np.zeros(len(part.parents)) if part.walls_mm is None else part.walls_mm
                                for part in tubes])
    return Tubes(np.concatenate([part.starts_mm for part in tubes]), np.concatenate([part.ends_mm for part in tubes]),
                 np.concatenate([part.start_radii_mm for part in tubes]),
                 np.concatenate([part.end_radii_mm for part in tubes]), np.concatenate(parents), walls)


def attach(trunk: Tubes, *branches: Tubes, tolerance_mm: float = 0.5) -> Tubes:
    """Return one tree: every root of `branches` becomes a child of the trunk's tube that ends where it starts.

    Raises
    ------
    GeometryError
        If a branch starts farther than `tolerance_mm` from every end of the trunk.
    """
    whole = concatenate(trunk, *branches)
    n = len(trunk.parents)
    roots = np.flatnonzero(whole.parents == -1)
    roots = roots[roots >= n]
    gaps = np.linalg.norm(whole.starts_mm[roots, None] - trunk.ends_mm[None], axis=2)
    nearest = gaps.argmin(axis=1)
    for root, gap in zip(roots, gaps.min(axis=1), strict=True):
        if gap > tolerance_mm:
            raise GeometryError(f"branches must start within {tolerance_mm} mm of an end of the trunk, the one at "
                                f"{tuple(whole.starts_mm[root].round(1).tolist())} starts {gap:.1f} mm away")
    parents = whole.parents.copy()
    parents[roots] = nearest
    return replace(whole, parents=parents)


def walled(tubes: Tubes, *, fraction: float = 0.2, offset_mm: float = 0.3) -> Tubes:
    """Return the tubes as lumens with a wall of `fraction` times the radius + `offset_mm`.

    The default suits bronchi: 0.4 mm at 1 mm lumen diameter, 0.7 mm at 4 mm, 1.1 mm at 8 mm.
    """
    return replace(tubes, walls_mm=fraction * 0.5 * (tubes.start_radii_mm + tubes.end_radii_mm) + offset_mm)


def outer(tubes: Tubes) -> Tubes:
    """Return solid tubes as wide as these with their walls."""
    if tubes.walls_mm is None:
        return tubes
    return replace(tubes, start_radii_mm=tubes.start_radii_mm + tubes.walls_mm,
                   end_radii_mm=tubes.end_radii_mm + tubes.walls_mm, walls_mm=None)


def thickened(tubes: Tubes, *, fraction: float, offset_mm: float) -> Tubes:
    """Return solid tubes with radius r (1 + `fraction`) + `offset_mm`."""
    solid = outer(tubes)
    return replace(solid, start_radii_mm=solid.start_radii_mm * (1 + fraction) + offset_mm,
                   end_radii_mm=solid.end_radii_mm * (1 + fraction) + offset_mm)


def _check_order(parents: NDArray[np.int64]) -> None:
    late = np.flatnonzero(parents >= np.arange(len(parents)))
    if len(late):
        raise GeometryError(f"tubes must be ordered parent before child, tube {late[0]} has parent {parents[late[0]]}")
