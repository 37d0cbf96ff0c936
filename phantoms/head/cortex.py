"""The cerebrum's surface and the cortical ribbon under it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.seed import Seed
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.head.brain_space import BrainSpace
from phantoms.head.cortex_folds import grow_folds, named_sulci, surface_of
from phantoms.head.cortex_hull import HULL_STEP_MM, fitted_gap_mm, joined_mm, outline, side_lattice
from phantoms.head.cortex_kernels import carve_sulci, gather, redistance
from phantoms.head.fissures import fissures
from phantoms.head.meninges import Tentorium
from phantoms.head.ventricles import offset_for

CORTEX_STEP_MM, TRIAL_STEP_MM = 0.8, 2.0
SPACING_MM = 11.8  # between neighbouring sulci: gyri are 10-14 mm wide
SECOND_MM = 8.0  # between the short sulci of the second kind
DEPTH_MM, SECOND_DEPTH_MM = 21.5, 4.5
CROWN_MM = 3.6  # radius that rounds a gyrus's crown into the sulcus
# What sulci take from the hull of a brain of reference size: their mouths, and per mm of their width; measured.
SULCI_ML = (37.0, 96.0)
RIBBON_MM = 2.5  # level of the white matter's surface in the ribbon's own measure
REACH_MM = 8.0  # distances are known this far from the surface

Array = NDArray[np.float32]


def _smoothstep(low: float, high: float, value: Field) -> Field:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True, eq=False)
class Hemisphere:
    """What one side's surface is carved from, on its own coarse lattice (see `carve_sulci`)."""

    hull: Array
    drift: Array
    folds: Array
    depths: Array


def build_hemisphere(
    space: BrainSpace, lattice: Lattice, level: Array, side: str, spec: Mapping[str, Any], seed: Seed
) -> Hemisphere:
    """Return the hull (from its level), the fold pattern and the sulcal depths of one side."""
    own = spec[side]
    seeds = [int(v) for v in seed.child(side).rng().integers(0, 2**31, 12)]
    redistance(level, lattice.step_mm, 34.0)
    level = smoothed(level, 1.4 / lattice.step_mm)
    gz, gy, gx = np.gradient(level, lattice.step_mm)
    hull = np.stack([level, gx, gy, gz], axis=-1).astype(np.float32)
    surface = surface_of(lattice, hull)
    spacing = SPACING_MM * space.scale / 0.925
    named = named_sulci(space, lattice, hull, surface, spacing, own)
    first = grow_folds(lattice, surface, spacing, 0.2, 9, named.pull, seed.child(side, "first"))
    second = grow_folds(lattice, surface, SECOND_MM, 0.3, 3, 0 * named.pull, seed.child(side, "second"))
    folds = np.concatenate([first, second], axis=-1)
    depths = np.zeros((*lattice.shape, 3), np.float32)
    depths[surface.near] = _depths(space, lattice, surface, named, first[surface.near], spacing, spec, seeds)
    drift = np.stack([0.42 * lattice.noise(s, 30.0) for s in seeds[5:8]], axis=-1)
    sheets = fissures(space, lattice, level, own, float(spec["width_mm"]), seeds[8:])
    hull = np.concatenate([hull, sheets], axis=-1)
    return Hemisphere(np.ascontiguousarray(hull, np.float32), np.ascontiguousarray(drift, np.float32), folds, depths)


def smoothed(field: Array, sigma: float) -> Array:
    """Return a field after a Gaussian of `sigma` nodes."""
    return np.asarray(ndimage.gaussian_filter(field, sigma, mode="nearest"), np.float32)


def _depths(space, lattice, surface, named, first, spacing, spec, seeds):
    """Return depth of both kinds of sulci and their relative width at the surface's nodes, (n, 3)."""
    x, y, z = ((surface.foot_mm[:, n] - (0, space.y_shift_mm, 0)[n]) / s for n, s in
               enumerate((space.x_scale, space.y_scale, space.z_scale)))
    m1, m2, m3 = (lattice.noise(s, w)[surface.near] for s, w in zip(seeds[1:4], (36.0, 24.0, 28.0), strict=True))
    wall = _smoothstep(10, 4, x)
    window = wall * _smoothstep(1.15, 0.9, np.hypot((y + 8) / 41, (z - 3) / 22))  # callosum and diencephalon
    window = np.maximum(window, _smoothstep(21, 17, x) * _smoothstep(-4, -9, z) * _smoothstep(-22, -16, y) * _smoothstep(34, 28, y))
    joined = np.empty((len(x), 1), np.float32)
    gather(np.ascontiguousarray(joined_mm(space, lattice)[..., None], np.float32), surface.cell, joined)
    window = np.maximum(window, _smoothstep(4.0, 1.0, joined[:, 0]))
    depth = float(spec["depth_scale"]) * DEPTH_MM * space.scale / 0.925 * np.clip(1 + 0.16 * m1, 0.5, 1.25) * (1 - 0.3 * wall)
    depth = depth + named.near * (named.depth_mm - depth)
    room = 0.8 * surface.half_thickness_mm
    depth = np.minimum(depth, room) * (1 - window)
    number = 2 * np.pi / spacing
    steep = np.sqrt((first[:, 1:] ** 2).sum(1)) / number
    across = np.arctan2(steep, -first[:, 0]) / number
    second = SECOND_DEPTH_MM * np.clip(0.15 + 0.6 * m2, 0, 1.3) * (1 - window) * _smoothstep(2.5, 4.5, across)
    return np.stack([depth, second, np.clip(1 + 0.3 * m3, 0.5, 1.9)], axis=1)


@dataclass(frozen=True, eq=False)
class Cerebrum:
    """The cerebrum on its lattice.

    Attributes
    ----------
    surface_mm : distance to the surface, negative inside, true to `REACH_MM`.
    ribbon_mm : the same in the ribbon's own measure: cortex from 0 to -RIBBON_MM.
    """

    lattice: Lattice
    surface_mm: Array
    ribbon_mm: Array


def cerebrum_lattice(space: BrainSpace, step_mm: float) -> Lattice:
    """Return a lattice of both hemispheres."""
    low, high = space.at([-74.0, -90.0, -50.0]), space.at([74.0, 100.0, 88.0])
    return Lattice(tuple(low.tolist()), tuple(high.tolist()), step_mm)


def build_cerebrum(
    space: BrainSpace, inside: SampledShape, tent: Tentorium, brain_ml: float, spec: Mapping[str, Any], seed: Seed
) -> Cerebrum:
    """Carve both hemispheres from hulls that leave room for `brain_ml` and for the sulci."""
    coarse = side_lattice(space)
    sides = ("right", "left")

    def carve(side: str, level: Array) -> Hemisphere:
        return build_hemisphere(space, coarse, level, side, spec, seed)

    with ThreadPoolExecutor(max_workers=2) as pool:
        outlines = list(pool.map(
            lambda side: outline(space, coarse, inside, tent, 1 if side == "left" else -1, seed.child("hull", side).integer(31)),
            sides,
        ))
        sulci_ml = (SULCI_ML[0] + SULCI_ML[1] * float(spec["width_mm"])) * space.scale**2
        gap = fitted_gap_mm(coarse, outlines, brain_ml + sulci_ml)
        halves = list(pool.map(carve, sides, [o.hull(gap) for o in outlines]))
    hull, drift, folds, depths = (
        np.stack([getattr(h, name) for h in halves]) for name in ("hull", "drift", "folds", "depths")
    )
    wave = np.array([SPACING_MM * space.scale / 0.925, SECOND_MM])

    def carved(step_mm: float) -> tuple[Lattice, Array]:
        lattice = cerebrum_lattice(space, step_mm)
        level = np.empty(lattice.shape, np.float32)
        carve_sulci(
            hull, drift, folds, depths, np.asarray(coarse.origin_mm), coarse.step_mm, np.asarray(lattice.origin_mm),
            lattice.step_mm, wave, float(spec["width_mm"]), CROWN_MM, level,
        )
        return lattice, level

    for _ in range(2):  # the hull, not the sulci, makes up for what the estimate of their volume missed
        lattice, level = carved(TRIAL_STEP_MM)
        area_mm2 = np.count_nonzero(np.abs(hull[..., 0]) < 1.0) * coarse.step_mm**3 / 2.0
        hull[..., 0] -= np.float32(1000 * (brain_ml - lattice.volume_ml(level)) / area_mm2)
    lattice, level = carved(CORTEX_STEP_MM)
    _tidy(level)
    redistance(level, lattice.step_mm, REACH_MM)
    return Cerebrum(lattice, level, level)


def _tidy(level: Array) -> None:
    """Fill pits that no fluid reaches, and drop crumbs of cortex that hang on nothing."""
    for sign, fill in ((1, -0.5), (-1, 0.5)):
        parts, count = ndimage.label(level * sign > 0)
        if count > 1:
            sizes = np.bincount(parts.ravel())
            small = sizes < sizes[1:].max() // 4
            small[0] = False
            level[small[parts]] = fill


def matched(cerebrum: Cerebrum, brain_ml: float, cortex_ml: float) -> Cerebrum:
    """Return the cerebrum with its surface moved, and its ribbon thickened, to these volumes (root finding)."""
    lattice, surface = cerebrum.lattice, cerebrum.surface_mm
    surface = surface - np.float32(offset_for(lattice, surface, brain_ml, -3.0, 3.0))
    cell_ml = lattice.step_mm**3 / 1000
    inner = -surface[surface < 0.5]
    low, high = 1.2, 5.0
    for _ in range(20):
        middle = (low + high) / 2
        # linear occupancy of each node's cell by the surface less by the white matter
        part = np.clip(0.5 + inner / lattice.step_mm, 0, 1) - np.clip(0.5 + (inner - middle) / lattice.step_mm, 0, 1)
        if part.sum(dtype=np.float64) * cell_ml > cortex_ml:
            high = middle
        else:
            low = middle
    return Cerebrum(lattice, surface, surface * np.float32(RIBBON_MM / ((low + high) / 2)))
