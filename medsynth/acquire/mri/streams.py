"""Components made ready for k-space: off-resonance applied, and as few images as their weights need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri import _kernels as kernels
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import SLICE, Encoding
from medsynth.acquire.mri.fields import displaced, nonlinearity_mm, precessed
from medsynth.acquire.mri.motion import occupied, spline_nodes
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid, as_direction

Value = TypeVar("Value", bound=np.generic)
TOLERANCE = 1e-4  # of the weights, relative to the largest: far below noise and interpolation


@dataclass(frozen=True, eq=False)
class Stream:
    """An image of the object and its factor on each line.

    Attributes
    ----------
    image : (k, phase, readout) complex64.
    weights : (1 or slices, lines) complex64.
    """

    image: NDArray[np.complex64]
    weights: NDArray[np.complex64]


def turned(array: NDArray[Value], encoding: Encoding) -> NDArray[Value]:
    """Return an array (..., k, j, i) as (..., k, phase, readout), or such a one back as (..., k, j, i)."""
    return array if encoding.phase_axis == 1 else np.ascontiguousarray(array.swapaxes(-1, -2))


def turned_grid(grid: Grid, encoding: Encoding) -> Grid:
    """Return the grid of `turned` arrays: the same places under swapped indices."""
    if encoding.phase_axis == 1:
        return grid
    (k, j, i), (a, b, c) = grid.shape_kji, grid.spacing_mm
    return replace(grid, shape_kji=(k, i, j), spacing_mm=(a, c, b),
                   direction=as_direction(np.asarray(grid.direction)[:, [0, 2, 1]]))


def streams_of(components: Sequence[Component], encoding: Encoding, options: KspaceOptions, grid: Grid, lines: int,
               b0_hz: NDArray[np.float32] | None) -> list[Stream]:
    """Return the streams of components: their spins precessed up to the echo, displaced, and added where weights allow.

    Parameters
    ----------
    grid : of the components' images.
    lines : of the clock.
    b0_hz : (k, j, i) off-resonance, None for a homogeneous field.

    Raises
    ------
    GeometryError, RecipeError
        If images or weights do not belong to the grid and the clock.
    """
    if not components:
        raise RecipeError("a scan needs at least one component, got none")
    for component in components:
        if component.image.shape != grid.shape_kji:
            raise GeometryError(f"image of a component must have the object grid's shape {grid.shape_kji}, got "
                                f"{component.image.shape}")
        if len(component.weights) != lines:
            raise RecipeError(f"weights of a component must number the clock's {lines} lines, got "
                              f"{len(component.weights)}")
    if b0_hz is not None and b0_hz.shape != grid.shape_kji:
        raise GeometryError(f"b0_hz must have the object grid's shape {grid.shape_kji}, got {b0_hz.shape}")
    field = None if b0_hz is None else turned(b0_hz, encoding)
    work = turned_grid(grid, encoding)
    images = []
    for component in components:
        image = precessed(turned(component.image, encoding), field, component.shift_hz, encoding.dephasing_s)
        shift = component.shift_hz if options.fields.chemical_shift else 0.0
        for axis, rate in cells_per_hz(encoding, options, grid):
            image = displaced(image, axis, rate, field, shift)
        images.append(image)
    merged = combined(images, np.stack([component.weights for component in components]))
    if options.fields.nonlinearity:
        centre = encoding.image_grid.centre_mm
        merged = [(bent(image, work, centre, options.fields.nonlinearity), weights) for image, weights in merged]
    return [Stream(image, weights[None, :]) for image, weights in merged]


def cells_per_hz(encoding: Encoding, options: KspaceOptions, grid: Grid) -> list[tuple[int, float]]:
    """Return (axis of turned arrays, cells that 1 Hz displaces by) for each axis along which frequency displaces.

    A frequency f appears f / bandwidth pixels up the readout, f / pulse bandwidth thicknesses up the slice axis, and in
    echo-planar imaging f x line spacing x field of view up the phase axis, down where lines run from + to -.
    """
    readout, phase = encoding.readout, encoding.phase
    rates = [(2, readout.cells / readout.samples / encoding.bandwidth_hz_px)]
    if encoding.epi_spacing_s:
        sign = -1 if options.sampling.order == "reverse" else 1
        rates.append((1, sign * encoding.epi_spacing_s * phase.cells))
    if encoding.dimensions == 2:
        rates.append((0, encoding.slice_thickness_mm / grid.spacing_mm[SLICE] / encoding.slice_bandwidth_hz))
    return rates


def combined(images: Sequence[NDArray[np.complex64]],
             weights: NDArray[np.complex64]) -> list[tuple[NDArray[np.complex64], NDArray[np.complex64]]]:
    """Return few (image, weights) whose sum over k-space is that of many.

    Weights that differ smoothly, as those of many tissues along an echo train do, span a small space: rows are chosen
    one after the other, the one that the others describe worst first, until each is described to `TOLERANCE` of the
    largest (modified Gram-Schmidt with pivoting, summed in a fixed order).
    """
    rest = weights.astype(np.complex128)
    largest = float(np.sqrt((np.abs(rest) ** 2).sum(axis=1)).max())
    if largest == 0:
        return [(np.zeros_like(images[0]), weights[0])]
    basis: list[NDArray[np.complex128]] = []
    shares: list[NDArray[np.complex128]] = []
    while len(basis) < len(images):
        sizes = np.sqrt((np.abs(rest) ** 2).sum(axis=1))
        worst = int(sizes.argmax())
        if sizes[worst] <= TOLERANCE * largest:
            break
        row = rest[worst] / sizes[worst]
        share = (rest * row.conj()).sum(axis=1)
        rest = rest - share[:, None] * row
        basis.append(row)
        shares.append(share)
    out = []
    for row, share in zip(basis, shares, strict=True):
        total: NDArray[np.complex64] | None = None
        for image, factor in zip(images, share, strict=True):
            if factor == 0:
                continue
            part = image * np.complex64(factor)
            total = part if total is None else np.add(total, part, out=total)
        if total is not None:
            out.append((total, row.astype(np.complex64)))
    return out


def bent(image: NDArray[np.complex64], grid: Grid, isocentre_mm: NDArray[np.float64],
         severity: float) -> NDArray[np.complex64]:
    """Return the image that gradients of this nonlinearity give: places displaced, signal kept.

    A place x shows what lies at s with s + d(s) = x, times the change of volume there.
    """
    field = np.empty((3, *grid.shape_kji), np.float32)
    plane = np.moveaxis(np.indices(grid.shape_kji[1:]), 0, -1)
    for k in range(grid.shape_kji[0]):
        points = grid.world_mm(np.concatenate([np.full((*plane.shape[:2], 1), k), plane], axis=-1)) - isocentre_mm
        source = points
        for _ in range(4):  # slopes are a few percent
            source = points - nonlinearity_mm(source, severity)
        field[:, k] = np.moveaxis((points - source) @ np.asarray(grid.direction) / np.asarray(grid.spacing_mm), -1, 0)
    out = np.empty_like(image)
    kernels.warp(spline_nodes(image), occupied(image), 8, np.eye(3), np.zeros(3), field, 1.0, out)
    kernels.times_volume(out, field)
    return out
