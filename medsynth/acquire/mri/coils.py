"""Receive coils: circular loops around the body, their patterns and the covariance of their noise; transmit field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ellipe, ellipkm1, jv

from medsynth.acquire.mri import _kernels as kernels
from medsynth.acquire.mri.options import Coils
from medsynth.core.errors import GeometryError, RecipeError, expected
from medsynth.core.grid import Grid

LATTICE_MM = 8.0  # patterns are smooth at the loops' distance
MEAN_POINTS = 5000  # of the body, for the mean of its patterns
WIRE_MM = 8.0  # half width of the conductors; keeps the field finite on them
FREQUENCY_HZ_PER_T = 42.577478518e6  # proton gyromagnetic ratio / 2 pi, CODATA 2018
# Muscle at 128 MHz: relative permittivity and conductivity in S/m (Gabriel, Phys. Med. Biol. 41, 1996, 2271), rounded;
# their course with the frequency between 64 and 300 MHz is left out.
PERMITTIVITY, CONDUCTIVITY_S_M = 63.5, 0.72
LIGHT_M_S, VACUUM_F_M = 299792458.0, 8.8541878128e-12


@dataclass(frozen=True, eq=False)
class Loops:
    """Circular coils.

    Attributes
    ----------
    centres_mm, normals : (coils, 3) LPS.
    radii_mm : (coils,).
    """

    centres_mm: NDArray[np.float64]
    normals: NDArray[np.float64]
    radii_mm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CoilArray:
    """Patterns of receive coils on a grid, as cubic B-splines on a coarse lattice.

    Attributes
    ----------
    nodes : (coils, k, j, i) complex64 coefficients on `lattice`; None for one coil that hears every place alike.
    lattice : grid of the nodes.
    firsts, weights : per axis of the array's grid and index, the first of four nodes, (n,) int32, and weights, (n, 4)
        float32; no weights for the uniform coil.
    covariance : (coils, coils) complex128 of the noise of the coils' samples; 1 on the diagonal.
    """

    nodes: NDArray[np.complex64] | None
    lattice: Grid
    firsts: tuple[NDArray[np.int32], ...]
    weights: tuple[NDArray[np.float32], ...]
    covariance: NDArray[np.complex128]

    @property
    def count(self) -> int:
        """How many coils there are."""
        return len(self.covariance)

    def times(self, image: NDArray[np.complex64], coil: int) -> NDArray[np.complex64]:
        """Return `image` (k, j, i) on the array's grid as this coil hears it."""
        if self.nodes is None:
            return image
        out = np.empty_like(image)
        (k0, j0, i0), (wk, wj, wi) = self.firsts, self.weights
        kernels.coil_times(image, self.nodes[coil], k0, wk, j0, wj, i0, wi, out)
        return out

    def lines(self, image: NDArray[np.complex64], coil: int, basis: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Return (k, line, i): the sums over j of `basis` (line, j) times the image as this coil hears it."""
        out = np.empty((image.shape[0], len(basis), image.shape[2]), np.complex64)
        nodes = np.ones((4, 4, 4), np.complex64) if self.nodes is None else self.nodes[coil]
        weights = self.weights or tuple(np.full((n, 4), 0.25, np.float32) for n in image.shape)
        (k0, j0, i0), (wk, wj, wi) = self.firsts, weights
        kernels.coil_lines(image, nodes, k0, wk, j0, wj, i0, wi, basis, out)
        return out

    def map(self, coil: int) -> NDArray[np.complex64]:
        """Return the coil's pattern (k, j, i)."""
        return self.times(np.ones(tuple(len(first) for first in self.firsts), np.complex64), coil)

    def thinned(self, step: int) -> CoilArray:
        """Return the same coils on every `step`th place along each axis of the array's grid."""
        return CoilArray(self.nodes, self.lattice, tuple(first[::step] for first in self.firsts),
                         tuple(weight[::step] for weight in self.weights), self.covariance)

    def planes(self, first: int, step: int) -> NDArray[np.complex64]:
        """Return all coils' patterns (coils, n, j, i) on planes first, first + step, ... of the grid."""
        at = slice(first, None, step)
        shape = (len(self.firsts[0][at]), len(self.firsts[1]), len(self.firsts[2]))
        if self.nodes is None:
            return np.ones((1, *shape), np.complex64)
        some = CoilArray(self.nodes, self.lattice, (self.firsts[0][at], *self.firsts[1:]),
                         (self.weights[0][at], *self.weights[1:]), self.covariance)
        return np.stack([some.map(coil) for coil in range(self.count)])


def loops_around(body: NDArray[np.bool_], grid: Grid, options: Coils) -> Loops:
    """Return loops on an elliptic cylinder around the body, its axis the patient's, shared out to rings along it.

    Loops of a ring overlap their neighbours a little, as decoupled arrays do; every second ring is turned by half a
    loop.
    """
    low, high = _extent_mm(body, grid)
    middle = (low + high) / 2
    axes = (high - low)[:2] / 2 + options.gap_mm
    length = float((high - low)[2]) / options.rings
    centres, normals, radii = [], [], []
    per_ring = [options.count // options.rings + (ring < options.count % options.rings)
                for ring in range(options.rings)]
    fine = np.linspace(0, 2 * np.pi, 3601)
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(axes[0] * np.cos(fine)), np.diff(axes[1] * np.sin(fine))))])
    for ring, count in enumerate(per_ring):
        places = (np.arange(count) + 0.25 + 0.5 * (ring % 2)) / count % 1.0 * arc[-1]
        angles = np.interp(places, arc, fine)
        pitch = arc[-1] / count
        for angle in angles:
            height = float(low[2] - middle[2]) + (ring + 0.5) * length
            on = np.array([axes[0] * np.cos(angle), axes[1] * np.sin(angle), height])
            outward = np.array([np.cos(angle) / axes[0], np.sin(angle) / axes[1], 0.0])
            centres.append(middle + on)
            normals.append(-outward / np.linalg.norm(outward))
            radii.append(0.6 * np.sqrt(pitch * np.clip(length, 0.6 * pitch, 1.6 * pitch)))
    return Loops(np.array(centres), np.array(normals), np.array(radii))


def loop_field(points_mm: NDArray[np.float64], centre_mm: NDArray[np.float64], normal: NDArray[np.float64],
               radius_mm: float, wire_mm: float = 0.0) -> NDArray[np.float64]:
    """Return the magnetic field (..., 3) of a unit current in a circular loop, in units of mu0 / (2 pi mm), LPS.

    Complete elliptic integrals of the law of Biot and Savart (Smythe, Static and Dynamic Electricity, 3rd ed., 7.10).
    `wire_mm` blunts the distance to the wire.
    """
    offset = points_mm - centre_mm
    z = offset @ normal
    across = offset - z[..., None] * normal
    rho = np.linalg.norm(across, axis=-1)
    a = radius_mm
    far, near = (a + rho) ** 2 + z * z + wire_mm**2, (a - rho) ** 2 + z * z + wire_mm**2
    k, e = ellipkm1(near / far), ellipe(1 - near / far)
    along = (k + (a * a - rho * rho - z * z - wire_mm**2) / near * e) / np.sqrt(far)
    safe = np.where(rho > 1e-9 * a, rho, 1.0)
    outward = z / (safe * np.sqrt(far)) * (-k + (a * a + rho * rho + z * z + wire_mm**2) / near * e)
    outward = np.where(rho > 1e-9 * a, outward, 0.0)
    return along[..., None] * normal + (outward / safe)[..., None] * across


def receive_pattern(points_mm: NDArray[np.float64], loops: Loops, coil: int,
                    wire_mm: float = WIRE_MM) -> NDArray[np.complex128]:
    """Return the complex sensitivity (...) of a loop: the rotating part Bx - i By of its field across B0 (along z).

    By reciprocity (Hoult, Concepts Magn. Reson. 12, 2000, 173).
    """
    field = loop_field(points_mm, loops.centres_mm[coil], loops.normals[coil], float(loops.radii_mm[coil]), wire_mm)
    return np.asarray(field[..., 0] - 1j * field[..., 1])


def coil_array(options: Coils, body: NDArray[np.bool_], grid: Grid) -> CoilArray:
    """Return the coils of `options` on `grid`, the root of their summed squares 1 on average over the body.

    Raises
    ------
    GeometryError
        If there is no body.
    """
    if options.count == 1:
        return CoilArray(None, grid, tuple(np.zeros(n, np.int32) for n in grid.shape_kji), (),
                         np.ones((1, 1), np.complex128))
    loops = loops_around(body, grid, options)
    k, j, i = (max(mm, LATTICE_MM) for mm in grid.spacing_mm)
    reach = np.asarray(grid.shape_kji) * np.asarray(grid.spacing_mm) / (k, j, i)
    counts = np.ceil(reach).astype(int) + 4  # two more nodes on each side
    x, y, z = grid.centre_mm.tolist()
    lattice = Grid.centred((int(counts[0]), int(counts[1]), int(counts[2])), (k, j, i), (x, y, z), grid.direction)
    points = lattice.points_mm()
    values = np.stack([receive_pattern(points, loops, coil) for coil in range(options.count)])
    values /= _mean_sos(loops, body, grid)
    nodes = np.stack([_spline_nodes(value) for value in values]).astype(np.complex64)
    return on_grid(CoilArray(nodes, lattice, (), (), noise_covariance(options)), grid)


def on_grid(array: CoilArray, grid: Grid) -> CoilArray:
    """Return the same coils on another grid of the lattice's direction; places beyond the lattice take its rim."""
    if array.nodes is None:
        return CoilArray(None, grid, tuple(np.zeros(n, np.int32) for n in grid.shape_kji), (), array.covariance)
    firsts, weights = [], []
    origin = array.lattice.index_kji(grid.origin_mm)
    for axis in range(3):
        ratio = grid.spacing_mm[axis] / array.lattice.spacing_mm[axis]
        places = origin[axis] + np.arange(grid.shape_kji[axis]) * ratio
        first, weight = _placed(np.clip(places, 1.0, array.nodes.shape[axis + 1] - 2 - 1e-6))
        firsts.append(first)
        weights.append(weight)
    return CoilArray(array.nodes, array.lattice, tuple(firsts), tuple(weights), array.covariance)


def noise_covariance(options: Coils) -> NDArray[np.complex128]:
    """Return (coils, coils): correlation `coupling`^d of loops d places apart in their ring, none between rings.

    Such a circulant matrix is positive definite for every coupling below 1.
    """
    matrix = np.zeros((options.count, options.count), complex)
    start = 0
    for ring in range(options.rings):
        count = options.count // options.rings + (ring < options.count % options.rings)
        apart = np.abs(np.arange(count)[:, None] - np.arange(count)[None, :])
        apart = np.minimum(apart, count - apart)
        matrix[start : start + count, start : start + count] = options.coupling ** apart.astype(float)
        start += count
    return matrix


def b1_map(body: NDArray[np.bool_], grid: Grid, field_T: float) -> NDArray[np.float32]:
    """Return the factor (k, j, i) by which the flip angle departs from its nominal value, 1 on average over the body.

    The field of a quadrature coil around a long dielectric cylinder of the body's size, |J0(k rho)|, with the complex
    wave number of muscle; an oval body adds the second harmonic in proportion to its ellipticity (a plausible
    pattern, not a solution for that body). The middle brightens in a head at 3 T; the abdomen gets darker bands.

    References
    ----------
    Tropp, J. Magn. Reson. 167, 2004, 12, for the cylinder.
    """
    if not (np.isfinite(field_T) and field_T > 0):
        raise RecipeError(expected("field_T", field_T, "finite and > 0"))
    low, high = _extent_mm(body, grid)
    omega = 2 * np.pi * FREQUENCY_HZ_PER_T * field_T
    wave = omega / LIGHT_M_S * np.sqrt(PERMITTIVITY - 1j * CONDUCTIVITY_S_M / (omega * VACUUM_F_M)) / 1000  # 1/mm
    middle, half = (low + high)[:2] / 2, (high - low)[:2] / 2
    oval = (half[0] - half[1]) / half.sum()
    coarse = grid.with_spacing(_coarse(grid, LATTICE_MM))
    points = coarse.points_mm()[..., :2] - middle
    rho, angle = np.hypot(points[..., 0], points[..., 1]), np.arctan2(points[..., 1], points[..., 0])
    reach = float(np.hypot(*half))
    rho = np.minimum(rho, reach)
    field = np.abs(jv(0, wave * rho) + oval * jv(2, wave * rho) * np.exp(2j * (angle + np.pi / 4)))
    fine = _resampled(field, coarse, grid)
    return np.asarray(fine / fine[body].mean(dtype=np.float64), np.float32)


def _placed(places: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the first of the four nodes around each place, and their cubic B-spline weights."""
    low = np.floor(places)
    u = places - low
    v = 1 - u
    weights = np.stack([v**3, 4 - 6 * u**2 + 3 * u**3, 4 - 6 * v**2 + 3 * v**3, u**3], axis=1) / 6
    return low.astype(np.int32) - 1, weights.astype(np.float32)


def _spline_nodes(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return np.asarray(ndimage.spline_filter(values.real, 3) + 1j * ndimage.spline_filter(values.imag, 3))


def _mean_sos(loops: Loops, body: NDArray[np.bool_], grid: Grid) -> float:
    """Return the mean over the body of the root of the loops' summed squares."""
    inside = np.flatnonzero(body)
    inside = inside[:: max(1, inside.size // MEAN_POINTS)]
    points = grid.world_mm(np.stack(np.unravel_index(inside, body.shape), axis=-1))
    square = sum(np.abs(receive_pattern(points, loops, coil)) ** 2 for coil in range(len(loops.radii_mm)))
    return float(np.sqrt(square).mean())


def _extent_mm(body: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the LPS box around the body."""
    if body.shape != grid.shape_kji:
        raise GeometryError(expected("shape of the body", body.shape, f"the grid's shape {grid.shape_kji}"))
    found = [np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if not all(axis.size for axis in found):
        raise GeometryError("the body must fill some voxels of the object's grid, got none")
    ends = [(axis[0] - 0.5, axis[-1] + 0.5) for axis in found]
    corners = grid.world_mm([[k, j, i] for k in ends[0] for j in ends[1] for i in ends[2]])
    return corners.min(axis=0), corners.max(axis=0)


def _coarse(grid: Grid, step_mm: float) -> tuple[float, float, float]:
    k, j, i = (max(mm, step_mm) for mm in grid.spacing_mm)
    return k, j, i


def _resampled(values: NDArray[np.float64], source: Grid, target: Grid) -> NDArray[np.float32]:
    """Return values of a coarse grid on a finer one of the same direction, by cubic splines."""
    ratio = np.asarray(target.spacing_mm) / np.asarray(source.spacing_mm)
    offset = source.index_kji(target.origin_mm)
    out = np.empty(target.shape_kji, np.float32)
    ndimage.affine_transform(values, ratio, offset, target.shape_kji, output=out, order=3, mode="nearest")
    return out
