"""Keeping a tree clear of other trees: tubes sorted into cells, and pushes away from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.capsule_kernels import CELL_MM, distance_to_capsules, push_off_capsules, sort_into_cells
from medsynth.shapes.tubes import Tubes


@dataclass(frozen=True, eq=False)
class CapsuleGrid:
    """Tubes sorted into cubic cells, so that those near a point are found without asking all of them.

    Attributes
    ----------
    tubes : what was sorted.
    origin_mm, cells : low corner and number of cells per axis.
    first, members : CSR lists, per cell the tubes whose box overlaps it.
    """

    tubes: Tubes
    origin_mm: NDArray[np.float64]
    cells: NDArray[np.int64]
    first: NDArray[np.int64]
    members: NDArray[np.int64]

    @classmethod
    def of(cls, tubes: Tubes) -> CapsuleGrid:
        """Sort `tubes`."""
        if len(tubes.parents) == 0:
            return cls(tubes, np.zeros(3), np.zeros(3, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64))
        radius = np.maximum(tubes.start_radii_mm, tubes.end_radii_mm)[:, None]
        low = np.minimum(tubes.starts_mm, tubes.ends_mm) - radius
        high = np.maximum(tubes.starts_mm, tubes.ends_mm) + radius
        origin = low.min(axis=0)
        first_cell = ((low - origin) / CELL_MM).astype(np.int64)
        last_cell = ((high - origin) / CELL_MM).astype(np.int64)
        cells = last_cell.max(axis=0) + 1
        middle = (0.5 * (tubes.starts_mm + tubes.ends_mm) - origin) / CELL_MM
        ball = (0.5 * tubes.lengths_mm + radius[:, 0]) / CELL_MM
        first, members = sort_into_cells(first_cell, last_cell, cells, middle, ball)
        return cls(tubes, origin, cells, first, members)

    def distance_mm(self, points_mm: NDArray[np.float64], reach_mm: float) -> NDArray[np.float64]:
        """Return the signed distance (n,) to the nearest surface at points (n, 3), `reach_mm` where it is farther."""
        t = self.tubes
        out: NDArray[np.float64] = distance_to_capsules(points_mm, reach_mm, t.starts_mm, t.ends_mm, t.start_radii_mm,
                                             t.end_radii_mm, self.origin_mm, self.cells, self.first, self.members)
        return out

    def push_away(self, points_mm: NDArray[np.float64], parents: NDArray[np.int64], radii_mm: NDArray[np.float64],
                  gap_mm: float) -> NDArray[np.bool_]:
        """Move the nodes (m, 3) of a tree IN PLACE until its edges stay `gap_mm` clear; return which edges did not.

        Node 0 (the root) stays. Edge i runs from node parents[i] to node i with radius radii_mm[i].
        """
        t = self.tubes
        out: NDArray[np.bool_] = push_off_capsules(points_mm, parents, radii_mm, gap_mm, t.starts_mm, t.ends_mm,
                                            t.start_radii_mm, t.end_radii_mm, self.origin_mm, self.cells, self.first,
                                            self.members)
        return out
