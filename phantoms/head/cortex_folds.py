"""The pattern of folds: a field on the hemisphere's surface whose valleys are sulci, grown from noise.

A band-limited field is sharpened and kept constant along the hull's normals (the closest-point method) until stripes
of one width have grown, as Swift-Hohenberg patterns do. Named sulci pull valleys to their courses, and their
neighbours run parallel to them. Phase and depth follow from the field and its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medsynth.core.seed import Seed
from medsynth.shapes.lattice import Lattice
from phantoms.head.brain_space import BrainSpace
from phantoms.head.cortex_kernels import gather, polyline_distance
from phantoms.head.cortex_sulci import courses

REACH_MM = 12.0  # the field is known this far from the hull
GROWTH_STEPS = 9
PULL = 2.2  # of a named sulcus on the pattern, in standard deviations of the field
PARALLEL_MM = 13.0  # how far a named sulcus makes its neighbours run parallel

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Surface:
    """Nodes near one hemisphere's hull and where on the hull they belong.

    Attributes
    ----------
    near : (z, y, x) bool, nodes within `REACH_MM`.
    foot_mm : (n, 3) the hull's nearest point of each such node (x is the distance from the midline).
    cell : (n, 3) the same in lattice coordinates.
    half_thickness_mm : (n,) how deep the hemisphere is under that point, at most 26.
    """

    near: NDArray[np.bool_]
    foot_mm: Array
    cell: Array
    half_thickness_mm: Array


def surface_of(lattice: Lattice, hull: Array) -> Surface:
    """Return the nodes near a hull (z, y, x, 4: distance and its gradient) and their feet on it."""
    near = np.abs(hull[..., 0]) < REACH_MM
    points = lattice.points_mm[near]
    origin = np.asarray(lattice.origin_mm, np.float32)
    place = points
    sampled = hull[near].copy()
    for _ in range(3):  # Newton steps onto the hull
        slope = np.maximum(np.linalg.norm(sampled[:, 1:4], axis=1, keepdims=True), 0.3)
        place = place - sampled[:, :1] * sampled[:, 1:4] / slope**2
        gather(hull, (place - origin) / lattice.step_mm, sampled)
    normal = sampled[:, 1:4] / np.maximum(np.linalg.norm(sampled[:, 1:4], axis=1, keepdims=True), 0.3)
    deep = np.zeros(len(place), np.float32)
    below = np.empty_like(sampled)
    for depth in (10.0, 18.0, 26.0):
        gather(hull, (place - depth * normal - origin) / lattice.step_mm, below)
        deep = np.maximum(deep, -below[:, 0])
    return Surface(near, place, (place - origin) / lattice.step_mm, deep)


def _band(field: Array, wavelength_mm: float, width: float, step_mm: float) -> Array:
    """Return the part of a field with wavelengths around one, of unit variance."""
    shape = tuple(fft.next_fast_len(n, real=True) for n in field.shape)
    kz, ky, kx = (
        fft.fftfreq(shape[0], step_mm), fft.fftfreq(shape[1], step_mm), fft.rfftfreq(shape[2], step_mm)
    )
    k = np.sqrt(kz[:, None, None] ** 2 + ky[None, :, None] ** 2 + kx[None, None, :] ** 2)
    gain = np.exp(-0.5 * ((k * wavelength_mm - 1) / width) ** 2).astype(np.float32)
    out = fft.irfftn(fft.rfftn(field, shape) * gain, shape)[tuple(slice(n) for n in field.shape)]
    return np.asarray(out / out.std(), np.float32)


def grow_folds(
    lattice: Lattice, surface: Surface, wavelength_mm: float, width: float, steps: int, pull: Array, seed: Seed
) -> Array:
    """Return the fold field and its gradient along x, y, z, (z, y, x, 4): valleys are sulci.

    pull : (n,) what draws the field at the surface's nodes, in standard deviations.
    """
    white = seed.rng().standard_normal(lattice.shape, np.float32)
    field = _band(white, wavelength_mm, width, lattice.step_mm)
    at_foot = np.empty((len(surface.cell), 1), np.float32)
    for _ in range(steps):
        gather(np.tanh(2.0 * field)[..., None], surface.cell, at_foot)
        field = np.zeros_like(field)
        field[surface.near] = np.tanh(at_foot[:, 0] * 1.3 + pull)
        field = _band(field, wavelength_mm, width, lattice.step_mm)
    gather(field[..., None], surface.cell, at_foot)
    level = np.sqrt(2.0) * at_foot[:, 0] / at_foot.std()  # a cosine's amplitude is sqrt 2 of its deviation
    field = np.zeros_like(field)
    field[surface.near] = level
    gz, gy, gx = np.gradient(field, lattice.step_mm)
    return np.ascontiguousarray(np.stack([field, gx, gy, gz], axis=-1), np.float32)


@dataclass(frozen=True, eq=False)
class Named:
    """What the named sulci ask for at the surface's nodes: a pull on the pattern, nearness, and a depth."""

    pull: Array
    near: Array
    depth_mm: Array


def named_sulci(
    space: BrainSpace, lattice: Lattice, hull: Array, surface: Surface, spacing_mm: float, spec: Mapping[str, Any]
) -> Named:
    """Return the named sulci of one side as seen from the surface's nodes."""
    pieces = courses(np.asarray(spec["jitter_mm"]), np.asarray(spec["broken"]))
    origin = np.asarray(lattice.origin_mm, np.float32)
    starts, ends, number = [], [], []
    sampled: Array
    for n, (points, _) in enumerate(pieces):
        place = space.at(points).astype(np.float32)
        sampled = np.empty((len(place), hull.shape[-1]), np.float32)
        for _ in range(6):
            gather(hull, (place - origin) / lattice.step_mm, sampled)
            slope = np.maximum(np.linalg.norm(sampled[:, 1:4], axis=1, keepdims=True), 0.4)
            place = place - sampled[:, :1] * sampled[:, 1:4] / slope**2
        starts.append(place[:-1])
        ends.append(place[1:])
        number.append(np.full(len(place) - 1, n))
    distance = np.empty(len(surface.foot_mm), np.float32)
    which = np.empty(len(surface.foot_mm), np.int64)
    wander = np.stack([lattice.noise(int(s), 30.0)[surface.near] for s in spec["wander_seeds"]], axis=1)
    polyline_distance(
        surface.foot_mm + 2.6 * wander, np.concatenate(starts), np.concatenate(ends) + 1e-3, np.concatenate(number),
        distance, which,
    )
    fade = np.exp(-((distance / PARALLEL_MM) ** 2))
    pull = -PULL * np.cos(2 * np.pi * distance / spacing_mm) * fade
    depths = np.array([sulcus.depth_mm for _, sulcus in pieces], np.float32) * np.float32(space.scale)
    return Named(pull.astype(np.float32), np.exp(-((distance / 5.0) ** 2)).astype(np.float32), depths[which])
