"""A helical scan: where the source goes, and the paths its cone of rays takes through basis material maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.physics._helix import cumulate, project
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import AXIAL, Grid

Array = NDArray[np.floating[Any]]
Floats = NDArray[np.float32]
Slab = Callable[[int, int], Floats]
Progress = Callable[[int, int], None]

# A block of lines is cut by the rows' edges at its middle; at its ends these lie this share of a row or slice off
# for the outermost rows, which blurs z less than a quarter of a row does.
BLOCK_SHARE = 0.2
LONGEST_BLOCK = 8
VIEWS_AT_ONCE = 123


@dataclass(frozen=True, slots=True)
class Helix:
    """The way of the source about and along the patient.

    View v has the source at angle beta = first_rad + 2 pi v / scanner.views, where `Scanner` tells directions, and at
    height z = start_mm + feed_mm v / scanner.views. Detector row r sees, over the isocentre, the height
    z + (r - (rows - 1) / 2) row_mm; away from it, heights grow with the in-plane distance from the source.

    Attributes
    ----------
    scanner : a fan with at least two rows and an even number of views per turn.
    pitch : feed per turn over the height of all rows.
    start_mm : height of the source in view 0.
    views : number of views of the whole scan.
    direction : 1 if the source moves towards +z, -1 towards -z.
    first_rad : angle of the source in view 0.
    isocentre_mm : LPS x and y of the axis.

    Raises
    ------
    RecipeError
        If the scanner cannot do it.
    """

    scanner: Scanner
    pitch: float
    start_mm: float
    views: int
    direction: Literal[1, -1] = 1
    first_rad: float = 0.0
    isocentre_mm: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.scanner.geometry != "fan":
            raise RecipeError(expected("scanner", self.scanner.geometry, "a fan for a helical scan"))
        if self.scanner.rows < 2 or self.scanner.views % 2:
            raise RecipeError(expected("scanner", (self.scanner.rows, self.scanner.views),
                                       ">= 2 rows and an even number of views per turn for a helical scan"))
        if not (np.isfinite(self.pitch) and self.pitch > 0):
            raise RecipeError(expected("pitch", self.pitch, "> 0"))
        if self.views < 1:
            raise RecipeError(expected("views", self.views, ">= 1"))

    @classmethod
    def covering(cls, scanner: Scanner, pitch: float, z_range_mm: tuple[float, float], *,
                 direction: Literal[1, -1] = 1, first_rad: float = 0.0,
                 isocentre_mm: tuple[float, float] = (0.0, 0.0)) -> Helix:
        """Return the scan that sees every point of a z range within `scanner.field_mm` from all its rays.

        Raises
        ------
        RecipeError
            If the range is empty or the pitch is too high for the whole field (`widest_pitch`).
        """
        low, high = z_range_mm
        if not (np.isfinite(high - low) and high > low):
            raise RecipeError(expected("z_range_mm", tuple(z_range_mm), "finite and its end above its start"))
        fan_pitch = widest_pitch(scanner, 0.0)
        if not 0 < pitch <= fan_pitch:
            raise RecipeError(expected("pitch", pitch, f"> 0 and <= {fan_pitch:.2f}, above which rays are missing"))
        feed = pitch * scanner.rows * scanner.row_mm
        over = overscan_mm(scanner, pitch)
        start = low - over if direction == 1 else high + over
        views = int(np.ceil((high - low + 2 * over) / feed * scanner.views)) + 1
        return cls(scanner, pitch, start, views, direction, first_rad, isocentre_mm)

    @property
    def feed_mm(self) -> float:
        """Way along z per turn, signed."""
        return self.direction * self.pitch * self.scanner.rows * self.scanner.row_mm

    def angles_rad(self) -> Array:
        """Return the (views,) angles of the source, which go on over the turns."""
        return self.first_rad + np.arange(self.views) * (2 * np.pi / self.scanner.views)

    def z_mm(self) -> Array:
        """Return the (views,) heights of the source."""
        return self.start_mm + np.arange(self.views) * (self.feed_mm / self.scanner.views)

    def row_heights_mm(self) -> Array:
        """Return the (rows + 1,) heights of the rows' borders over the isocentre, from the source's plane."""
        return (np.arange(self.scanner.rows + 1) - self.scanner.rows / 2) * self.scanner.row_mm


def widest_pitch(scanner: Scanner, radius_mm: float) -> float:
    """Return the highest pitch at which every ray direction, or its opposite, meets each point within `radius_mm`.

    A point on a ray at angle gamma of the fan is seen by it and by the opposite ray over 2 SID cos(gamma) of their
    summed distances; the source climbs feed (1/2 + gamma / pi) between the two, hence
    pitch <= cos(gamma) / (1/2 + gamma / pi) with sin(gamma) = radius / SID.
    """
    gamma = float(np.arcsin(min(radius_mm / scanner.sid_mm, 1.0)))
    return float(np.cos(gamma) / (0.5 + gamma / np.pi))


def overscan_mm(scanner: Scanner, pitch: float) -> float:
    """Return how far the source travels before and after a z range, so that its ends miss no ray that could see them.

    Half of what the rows see at the far rim of the field, and the way during the turn by half the fan.
    """
    feed = pitch * scanner.rows * scanner.row_mm
    seen = scanner.rows * scanner.row_mm / 2 * (1 + scanner.field_mm / 2 / scanner.sid_mm)
    return seen + feed * (scanner.fan_rad / 2 / (2 * np.pi) + 4 / scanner.views)


def project_helix(maps: Floats | Slab, grid: Grid, helix: Helix, views: slice | None = None, *,
                  beyond: Literal["edge", "air"] = "edge", progress: Progress | None = None) -> Floats:
    """Give the path lengths of the cone's rays through maps of basis materials.

    Distance-driven in all three directions: a reading is the mean over its channel's and its row's width of the
    voxels as boxes. Where the cone leaves the maps at their first and last slices these go on, or air follows.

    Parameters
    ----------
    maps : (j, i, k, B) float32, cm of each basis material per cm; or a function of (first, last) that gives the slices
        from `first` up to `last` so, within those of the grid.
    grid : where the voxels are; axial, and so large that the source stays outside.
    helix : the scan.
    views : which of its views; all if None. Memory grows with their number.
    beyond : "edge" or "air".
    progress : called with (views done, views asked for).

    Returns
    -------
    (view, row, channel, B) float32 in cm.

    Raises
    ------
    RecipeError
        If the grid is oblique or reaches the source's circle, or no view is asked for.

    References
    ----------
    De Man and Basu 2004, doi:10.1088/0031-9155/49/11/024.
    """
    wanted = range(helix.views)[views if views is not None else slice(None)]
    if not len(wanted) or wanted.step != 1:
        raise RecipeError(expected("views", views, f"a slice of neighbouring views out of {helix.views}"))
    _check(grid, helix)
    slab: Slab = maps if callable(maps) else (lambda first, last: maps[:, :, first:last])
    parts = []
    for begin in range(wanted.start, wanted.stop, VIEWS_AT_ONCE):
        end = min(begin + VIEWS_AT_ONCE, wanted.stop)
        parts.append(_project(slab, grid, helix, np.arange(begin, end), beyond))
        if progress is not None:
            progress(end - wanted.start, len(wanted))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _check(grid: Grid, helix: Helix) -> None:
    """Refuse a grid this projector cannot use."""
    if not np.allclose(grid.direction, AXIAL, atol=1e-6):
        raise RecipeError(expected("grid.direction", grid.direction, "axial"))
    if _reach_mm(grid, helix) >= helix.scanner.sid_mm:
        raise RecipeError(f"grid must lie within the source's circle of {helix.scanner.sid_mm:g} mm, got a corner at "
                          f"{_reach_mm(grid, helix):.0f} mm from the isocentre")


def _reach_mm(grid: Grid, helix: Helix) -> float:
    """Return the in-plane distance of the farthest corner from the axis."""
    centre = grid.centre_mm[:2] - np.asarray(helix.isocentre_mm)
    half = np.array([grid.shape_kji[2] * grid.spacing_mm[2], grid.shape_kji[1] * grid.spacing_mm[1]]) / 2
    return float(np.hypot(*(np.abs(centre) + half)))


def _project(slab: Slab, grid: Grid, helix: Helix, views: NDArray[np.int64], beyond: str) -> Floats:
    """Return the paths of a batch of views, from no more slices than they see."""
    scanner = helix.scanner
    slices, rows, columns = grid.shape_kji
    dz, dy, dx = grid.spacing_mm
    z = (helix.z_mm()[views] - (grid.origin_mm[2] - dz / 2)) / dz
    heights = helix.row_heights_mm() / scanner.sid_mm / dz
    seen = heights[-1] * (scanner.sid_mm + _reach_mm(grid, helix))
    first = int(np.clip(np.floor(z.min() - seen), 0, slices - 1))
    last = int(np.clip(np.ceil(z.max() + seen), first + 1, slices))
    maps = np.ascontiguousarray(slab(first, last), np.float32)
    if maps.ndim != 4 or maps.shape[:3] != (rows, columns, last - first):
        raise RecipeError(expected("maps", maps.shape, f"({rows}, {columns}, {last - first}, B) for these slices"))
    bases = maps.shape[3]
    sums = np.empty((bases, rows, columns, last - first + 1), np.float32)
    occupied = np.empty((bases, rows, columns), np.bool_)
    cumulate(maps, sums, occupied)
    out = np.zeros((len(views), scanner.rows, scanner.channels, bases), np.float32)
    if not occupied.any():
        return out
    (j0, j1), (i0, i1) = _span(occupied, 1), _span(occupied, 2)
    x0, y0 = helix.isocentre_mm
    beta = helix.angles_rad()[views]
    sources = np.stack([scanner.sid_mm * np.sin(beta), -scanner.sid_mm * np.cos(beta), beta], axis=1)
    places = np.array([rows, columns, grid.origin_mm[1] - y0, dy, j0, j1, grid.origin_mm[0] - x0, dx, i0, i1], float)
    limits = (0.0, float(last - first)) if beyond == "air" else (-1e6, 1e6)
    slope = helix.row_heights_mm()[:-1] / scanner.sid_mm + scanner.row_mm / 2 / scanner.sid_mm
    lengths = (0.1 * np.sqrt(1 + slope**2)).astype(np.float32)  # mm to cm
    project(sums.reshape(-1), occupied.reshape(-1), last - first + 1, places, _block(grid, helix), sources,
            scanner.edges(), heights, z - first, np.array(limits), lengths, out)
    return out


def _block(grid: Grid, helix: Helix) -> int:
    """Return how many lines of voxels are cut by the rows together."""
    off = BLOCK_SHARE * min(helix.scanner.row_mm, grid.spacing_mm[0])
    steepest = helix.row_heights_mm()[-1] / helix.scanner.sid_mm * np.sqrt(2)
    return int(np.clip(2 * off / (steepest * max(grid.spacing_mm[1:])), 1, LONGEST_BLOCK))


def _span(occupied: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """Return the first place along an axis where anything is, and one past the last."""
    places = np.unique(np.nonzero(occupied)[axis])
    return int(places[0]), int(places[-1]) + 1
