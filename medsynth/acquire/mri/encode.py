"""How object, k-space and image lie to each other along each axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.acquire.mri.options import KspaceOptions
from medsynth.core.errors import GeometryError, RecipeError, expected
from medsynth.core.grid import Grid, centred_mm

SLICE = 0  # index of the axis of slices or partitions
MIN_SAMPLES = 4  # fewer lines are no image
PROFILE_REACH = 1.25  # slice thicknesses from the middle of a slice to where its profile has vanished


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the scan.

    Attributes
    ----------
    pixels : of the image.
    encoded : pixels of the image's size that the encoded field of view holds; more than `pixels` with oversampling.
    samples : measured along this axis of k-space, -(samples // 2) cycles per field of view upwards.
    fov_mm : encoded field of view, in the middle of the image's.
    cells : voxels of the object that the encoded field of view holds.
    receive : readout oversampling.
    fourier : whether this axis is Fourier-encoded; slices of a 2D scan are not.
    """

    pixels: int
    encoded: int
    samples: int
    fov_mm: float
    cells: int
    receive: int = 1
    fourier: bool = True

    @property
    def cell_mm(self) -> float:
        """Size of the object's voxels along this axis."""
        return self.fov_mm / self.cells


@dataclass(frozen=True, slots=True)
class Encoding:
    """The geometry of a scan and what of its sequence acts on k-space.

    Attributes
    ----------
    image_grid : voxels of the image; its k axis is that of slices or partitions.
    dimensions : 2 for slices excited one by one, 3 for partitions of one slab.
    axes : k, j and i.
    phase_axis : 1 or 2, the in-plane axis along which lines are phase-encoded; the other is read out.
    thickness_mm : full width at half maximum of a slice (2D) or of the slab (3D); None for a 3D scan without selection.
    field_T, bandwidth_hz_px : main field; receive bandwidth over measured samples.
    slice_bandwidth_hz : of the excitation pulse.
    dephasing_s : how long spins have precessed freely at the echo: TE of a gradient echo, 0 of a spin echo.
    epi_spacing_s : time between neighbouring lines of k-space within one echo-planar train (echo spacing over shots and
        acceleration); 0 for lines that are excited or refocused one by one.
    """

    image_grid: Grid
    dimensions: Literal[2, 3]
    axes: tuple[Axis, Axis, Axis]
    phase_axis: Literal[1, 2]
    thickness_mm: float | None
    field_T: float
    bandwidth_hz_px: float
    slice_bandwidth_hz: float
    dephasing_s: float
    epi_spacing_s: float

    @property
    def readout_axis(self) -> int:
        """1 or 2."""
        return 3 - self.phase_axis

    @property
    def phase(self) -> Axis:
        """The phase-encoded in-plane axis."""
        return self.axes[self.phase_axis]

    @property
    def readout(self) -> Axis:
        """The axis that is read out."""
        return self.axes[self.readout_axis]

    @property
    def slice(self) -> Axis:
        """The axis of slices or partitions."""
        return self.axes[SLICE]

    @property
    def matrix_kji(self) -> tuple[int, int, int]:
        """Measured samples along k, j, i."""
        k, j, i = (axis.samples for axis in self.axes)
        return k, j, i

    @property
    def measured_grid(self) -> Grid:
        """The voxels that the measured matrix resolves over the encoded field of view."""
        k, j, i = (axis.fov_mm / axis.samples for axis in self.axes)
        x, y, z = self.image_grid.centre_mm.tolist()
        return Grid.centred(self.matrix_kji, (k, j, i), (x, y, z), self.image_grid.direction)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a measured voxel."""
        in_plane = self.phase.fov_mm / self.phase.samples * self.readout.fov_mm / self.readout.samples
        if self.dimensions == 2:
            return in_plane * self.slice_thickness_mm
        return in_plane * self.slice.fov_mm / self.slice.samples

    @property
    def slice_thickness_mm(self) -> float:
        """Thickness of a slice of a 2D scan."""
        return self.image_grid.spacing_mm[SLICE] if self.thickness_mm is None else self.thickness_mm


def plan(image_grid: Grid, options: KspaceOptions, *, dimensions: Literal[2, 3], field_T: float,
         bandwidth_hz_px: float, thickness_mm: float | None = None, slice_bandwidth_hz: float = 1500.0,
         dephasing_s: float = 0.0, epi_spacing_s: float = 0.0) -> Encoding:
    """Return the encoding that makes `image_grid` with these options; see `Encoding` for the values.

    Raises
    ------
    RecipeError
        If a value is out of range, or the matrix is too small for what is asked of it.
    """
    for name, value in (("field_T", field_T), ("bandwidth_hz_px", bandwidth_hz_px),
                        ("slice_bandwidth_hz", slice_bandwidth_hz)):
        if not (np.isfinite(value) and value > 0):
            raise RecipeError(expected(name, value, "finite and > 0"))
    for name, value in (("dephasing_s", dephasing_s), ("epi_spacing_s", epi_spacing_s)):
        if not (np.isfinite(value) and value >= 0):
            raise RecipeError(expected(name, value, "finite and >= 0"))
    if thickness_mm is not None and not (np.isfinite(thickness_mm) and thickness_mm > 0):
        raise RecipeError(expected("thickness_mm", thickness_mm, "finite and > 0"))
    sampling, acceleration = options.sampling, options.acceleration
    phase_axis: Literal[1, 2] = 1 if sampling.phase_axis == "j" else 2
    axes = []
    for index, (pixels, pixel_mm) in enumerate(zip(image_grid.shape_kji, image_grid.spacing_mm, strict=True)):
        if index == SLICE and dimensions == 2:
            axes.append(Axis(pixels, pixels, pixels, pixels * pixel_mm, pixels, fourier=False))
        elif index == SLICE:
            axes.append(_axis("partitions", pixels, pixel_mm, sampling.slice_oversampling_percent,
                              sampling.slice_resolution_percent, acceleration.slice, sampling.object_oversampling))
        elif index == phase_axis:
            axes.append(_axis("phase-encoded lines", pixels, pixel_mm, sampling.phase_oversampling_percent,
                              sampling.phase_resolution_percent, acceleration.phase, sampling.object_oversampling))
        else:
            axes.append(_axis("samples of the readout", pixels, pixel_mm, 0.0, sampling.readout_resolution_percent, 1,
                              sampling.object_oversampling, sampling.readout_oversampling))
    if dimensions == 2 and acceleration.slice > 1:
        raise RecipeError(expected("acceleration.slice of a 2D scan", acceleration.slice, "1"))
    return Encoding(image_grid, dimensions, (axes[0], axes[1], axes[2]), phase_axis, thickness_mm, field_T,
                    bandwidth_hz_px, slice_bandwidth_hz, dephasing_s, epi_spacing_s)


def _axis(name: str, pixels: int, pixel_mm: float, oversampling_percent: float, resolution_percent: float,
          acceleration: int, object_oversampling: int, receive: int = 1) -> Axis:
    encoded = acceleration * ceil(pixels * (1 + oversampling_percent / 100) / acceleration - 1e-9)
    samples = encoded
    if resolution_percent < 100:
        samples = acceleration * max(1, round(encoded * resolution_percent / 100 / acceleration))
    if samples < MIN_SAMPLES:
        raise RecipeError(f"the image must give at least {MIN_SAMPLES} {name}, got {samples} from {pixels} pixels at "
                          f"a resolution of {resolution_percent:g} percent")
    return Axis(pixels, encoded, samples, encoded * pixel_mm, object_oversampling * samples, receive)


def object_grid(encoding: Encoding, options: KspaceOptions, low_mm: ArrayLike, high_mm: ArrayLike) -> Grid:
    """Return the grid to rasterise the object on: it holds the LPS box, as far as this scan hears of it.

    Its faces lie on those of the encoded field of view, so that what lies outside folds back onto whole voxels. Along
    slices it reaches from the first profile to the last, and along the readout to the edge of the receive band.
    """
    low, high = np.asarray(low_mm, float), np.asarray(high_mm, float)
    if not (low.shape == high.shape == (3,) and np.all(np.isfinite(high - low)) and np.all(high > low)):
        raise GeometryError(f"high_mm must lie above low_mm on every axis, got {low.tolist()} to {high.tolist()}")
    margin = margin_mm(options)
    grid = encoding.image_grid
    corners = np.array([[(low, high)[a][0], (low, high)[b][1], (low, high)[c][2]]
                        for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    along = (corners - grid.centre_mm) @ np.asarray(grid.direction)  # mm along k, j, i from the middle
    starts, counts, cells = [], [], []
    for index, axis in enumerate(encoding.axes):
        first, last = float(along[:, index].min()) - margin, float(along[:, index].max()) + margin
        half = axis.fov_mm / 2
        if axis.fourier:
            cell, edge = axis.cell_mm, -half
            reach = half * axis.receive if index == encoding.readout_axis else np.inf
            if index == SLICE and encoding.thickness_mm is not None:
                reach = PROFILE_REACH * encoding.thickness_mm / 2 + margin
        else:
            thickness = encoding.slice_thickness_mm
            cell = thickness / options.sampling.slice_samples
            edge = -cell / 2 if options.sampling.slice_samples % 2 else 0.0
            edge += -half + grid.spacing_mm[SLICE] / 2
            reach = half - grid.spacing_mm[SLICE] / 2 + PROFILE_REACH * thickness + margin
        first, last = max(first, -reach), min(last, reach)
        if last <= first:
            raise GeometryError(f"the object must reach into the scan, got {low.tolist()} to {high.tolist()} mm")
        start, end = floor((first - edge) / cell + 1e-6), ceil((last - edge) / cell - 1e-6)
        starts.append(edge + start * cell)
        counts.append(max(end - start, 1))
        cells.append(cell)
    middle = grid.centre_mm + np.asarray(grid.direction) @ (np.array(starts) + np.array(counts) * cells / 2)
    return Grid.centred((counts[0], counts[1], counts[2]), (cells[0], cells[1], cells[2]),
                        (float(middle[0]), float(middle[1]), float(middle[2])), grid.direction)


def margin_mm(options: KspaceOptions) -> float:
    """Return how far around the resting body the object's grid must reach for all of its movements."""
    motion = options.motion
    if motion.still:
        return 0.0
    turned = 150.0 * np.sin(np.deg2rad(motion.rotation_deg)) + motion.translation_mm  # rim of a head-sized body
    rigid = 0.0 if motion.pattern == "none" else turned
    breath = max(motion.respiration.superior_inferior_mm, motion.respiration.anterior_posterior_mm)
    return float(rigid + breath)


def offsets(encoding: Encoding, grid: Grid) -> tuple[int, int, int]:
    """Return at which cell of the encoded field of view `grid` starts along each axis; 0 along unencoded slices.

    Raises
    ------
    GeometryError
        If `grid` is not one of `object_grid`: turned, or with cells that do not fall on the encoding's.
    """
    if not np.allclose(grid.direction, encoding.image_grid.direction, atol=1e-6):
        raise GeometryError(expected("direction of the object's grid", grid.direction, "that of the image"))
    shift = (np.asarray(grid.origin_mm) - encoding.image_grid.centre_mm) @ np.asarray(grid.direction)
    found = []
    for axis, centre, cell in zip(encoding.axes, shift, grid.spacing_mm, strict=True):
        if not axis.fourier:
            found.append(0)
            continue
        start = (centre + axis.fov_mm / 2) / axis.cell_mm - 0.5
        if abs(cell / axis.cell_mm - 1) > 1e-6 or abs(start - round(start)) > 1e-3:
            raise GeometryError(f"cells of the object's grid must be {axis.cell_mm:g} mm and lie on those of the "
                                f"encoded field of view, got {cell:g} mm, {start:g} cells from its edge")
        found.append(round(start))
    return found[0], found[1], found[2]


def slice_weights(encoding: Encoding, grid: Grid) -> NDArray[np.float32]:
    """Return (slices, planes of the object): what each plane gives to each slice of a 2D scan; a slab's row for 3D.

    The profile is flat with soft edges: a box of the slice's thickness smoothed to rise from 10 to 90 % within 18 % of
    it, as a pulse of time-bandwidth product 4 leaves it (unverified). A uniform object keeps its value.
    """
    from scipy.special import erf

    step = grid.spacing_mm[SLICE]
    middle = (grid.centre_mm - encoding.image_grid.centre_mm) @ np.asarray(grid.direction)[:, SLICE]
    planes = centred_mm(grid.shape_kji[SLICE], step) + middle
    places: NDArray[np.float64]
    if encoding.dimensions == 3:
        if encoding.thickness_mm is None:
            return np.ones((1, len(planes)), np.float32)
        places, width = np.zeros(1, np.float64), encoding.thickness_mm
    else:
        count = encoding.slice.pixels
        places = centred_mm(count, encoding.image_grid.spacing_mm[SLICE])
        width = encoding.slice_thickness_mm
    soft = 0.18 * width / 1.812  # erf(z / soft) rises from -0.8 to 0.8 over 1.812 soft
    distance = planes[None, :] - places[:, None]

    def primitive(z: NDArray[np.float64]) -> NDArray[np.float64]:
        u = z / soft
        return soft * (u * erf(u) + np.exp(-u * u) / np.sqrt(np.pi))

    # the profile's integral over each plane of the object, 1 for the whole of it in the middle of a slice
    ends = [primitive(distance + side * step / 2 + edge * width / 2) for edge in (1, -1) for side in (1, -1)]
    integral = (ends[0] - ends[1] - ends[2] + ends[3]) / 2
    if encoding.dimensions == 3:
        return np.asarray(integral / step, np.float32)
    return np.asarray(integral / width, np.float32)
