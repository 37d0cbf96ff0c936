"""The cerebrum's surface and the cortical ribbon under it: hulls, folds and fissures put together, volumes matched."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.seed import Seed
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.head.brain_space import BrainSpace
from phantoms.head.cortex_depths import second_order, smoothstep, sulcal_depths
from phantoms.head.cortex_folds import grow_folds, named_sulci, surface_of
from phantoms.head.cortex_hull import Outline, fitted_gap_mm, outline, side_lattice
from phantoms.head.cortex_kernels import carve_sulci, redistance
from phantoms.head.fissures import fissures
from phantoms.head.meninges import Tentorium
from phantoms.head.ventricles import offset_for

CORTEX_STEP_MM, TRIAL_STEP_MM = 0.8, 2.0
SPACING_MM = 11.6  # between neighbouring sulci of a brain of usual size: gyri are 10-14 mm wide
SPACING_EXPONENT = 0.5  # larger brains have more folds, not only larger ones (Germanaud 2012)
SECOND_MM = 8.0  # between the short sulci of the second kind
USUAL_SCALE = 0.925  # of a brain of usual size against the reference
DRIFT = 0.42  # how far a sulcus leans aside per mm of depth (standard deviation): walls are not radial
CROWN_MM = 3.6  # radius that rounds a gyrus's crown into the sulcus
# What sulci take from the hull of a brain of reference size: their mouths, and per mm of their width; measured.
SULCI_ML = (37.0, 96.0)
# Cortex on crowns over that in the depth of sulci: 2.7 and 2.2 mm (Fischl & Dale 2000); thinner at the back (recalled).
CROWN_THICKER, BACK_THINNER = 0.20, 0.15
RIBBON_MM = 2.5  # level of the white matter's surface in the ribbon's own measure
REACH_MM = 8.0  # distances are known this far from the surface

Array = NDArray[np.float32]


def spacing_mm(space: BrainSpace) -> float:
    """Return the distance of neighbouring sulci in a brain of this size."""
    return float(SPACING_MM * (space.scale / USUAL_SCALE) ** SPACING_EXPONENT)


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
    level = np.asarray(ndimage.gaussian_filter(level, 1.4 / lattice.step_mm, mode="nearest"), np.float32)
    gz, gy, gx = np.gradient(level, lattice.step_mm)
    hull = np.stack([level, gx, gy, gz], axis=-1).astype(np.float32)
    surface = surface_of(lattice, hull)
    spacing = spacing_mm(space)
    named = named_sulci(space, lattice, hull, surface, spacing, own)
    first = grow_folds(lattice, surface, spacing, 0.2, 9, named.pull, seed.child(side, "first"))
    second = grow_folds(lattice, surface, SECOND_MM, 0.3, 3, 0 * named.pull, seed.child(side, "second"))
    deepest, window = sulcal_depths(space, lattice, surface, named, float(spec["depth_scale"]), seeds[1])
    short = second_order(lattice, surface, first, spacing, seeds[2]) * (1 - window)
    width = np.clip(1 + 0.3 * lattice.noise(seeds[3], 28.0)[surface.near], 0.5, 1.9)
    depths = np.zeros((*lattice.shape, 3), np.float32)
    depths[surface.near] = np.stack([deepest, short, width], axis=1)
    drift = np.stack([DRIFT * lattice.noise(s, 30.0) for s in seeds[5:8]], axis=-1)
    sheets = fissures(space, lattice, level, own, float(spec["width_mm"]), seeds[8:])
    return Hemisphere(
        np.ascontiguousarray(np.concatenate([hull, sheets], axis=-1), np.float32),
        np.ascontiguousarray(drift, np.float32),
        np.concatenate([first, second], axis=-1),
        depths,
    )


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

    def bare(side: str) -> Outline:
        sign = 1 if side == "left" else -1
        return outline(space, coarse, inside, tent, sign, seed.child("hull", side).integer(31))

    def folded(side: str, level: Array) -> Hemisphere:
        return build_hemisphere(space, coarse, level, side, spec, seed)

    with ThreadPoolExecutor(max_workers=2) as pool:
        outlines = list(pool.map(bare, sides))
        sulci_ml = (SULCI_ML[0] + SULCI_ML[1] * float(spec["width_mm"])) * space.scale**2
        gap = fitted_gap_mm(coarse, outlines, brain_ml + sulci_ml)
        halves = list(pool.map(folded, sides, [o.hull(gap) for o in outlines]))
    hull, drift, folds, depths = (
        np.stack([getattr(h, name) for h in halves]) for name in ("hull", "drift", "folds", "depths")
    )
    wave = np.array([spacing_mm(space), SECOND_MM])

    def carved(step_mm: float) -> tuple[Lattice, Array, Array]:
        lattice = cerebrum_lattice(space, step_mm)
        level, under = np.empty(lattice.shape, np.float32), np.empty(lattice.shape, np.float32)
        carve_sulci(
            hull, drift, folds, depths, np.asarray(coarse.origin_mm), coarse.step_mm, np.asarray(lattice.origin_mm),
            lattice.step_mm, wave, float(spec["width_mm"]), CROWN_MM, level, under,
        )
        return lattice, level, under

    for _ in range(2):  # the hull, not the sulci, makes up for what the estimate of their volume missed
        lattice, level, _ = carved(TRIAL_STEP_MM)
        area_mm2 = np.count_nonzero(np.abs(hull[..., 0]) < 1.0) * coarse.step_mm**3 / 2.0
        hull[..., 0] -= np.float32(1000 * (brain_ml - lattice.volume_ml(level)) / area_mm2)
    lattice, level, under = carved(CORTEX_STEP_MM)
    _tidy(level)
    redistance(level, lattice.step_mm, REACH_MM)
    thick = 1 + CROWN_THICKER * (smoothstep(8.0, 1.0, under) - 0.5)
    thick *= 1 - BACK_THINNER * np.clip((space.axes(lattice)[1] - 45.0) / 40.0, 0, 1)
    return Cerebrum(lattice, level, (level / thick).astype(np.float32))


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
    move = np.float32(offset_for(lattice, surface, brain_ml, -3.0, 3.0))
    surface, ribbon = surface - move, cerebrum.ribbon_mm - move
    step = lattice.step_mm
    inner = -ribbon[surface < step / 2]
    part = np.clip(0.5 + inner / step, 0, 1).sum(dtype=np.float64)
    low, high = 1.2, 5.0
    for _ in range(20):
        middle = np.float32((low + high) / 2)
        white = np.clip(0.5 + (inner - middle) / step, 0, 1).sum(dtype=np.float64)
        if (part - white) * step**3 / 1000 > cortex_ml:
            high = float(middle)
        else:
            low = float(middle)
    return Cerebrum(lattice, surface, ribbon * np.float32(2 * RIBBON_MM / (low + high)))
