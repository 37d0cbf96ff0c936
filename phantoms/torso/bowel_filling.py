"""What is in the bowel: walls, chyme, stool and gas, stretch by stretch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from phantoms.torso.bowel import COLON_PARTS, SMALL_PARTS, Gut, appendix
from phantoms.torso.table import labels
from phantoms.torso.viscera_space import FAR_MM, Field, Space

F64 = NDArray[np.float64]

SMALL_WALL_MM, COLON_WALL_MM = 1.9, 1.9  # 1.5 +- 0.5 mm distended, 0.2-3 mm at ordinary widths
SMALL_STRETCH_MM, COLON_STRETCH_MM = 110.0, 112.0  # length of bowel that is equally full


def _stretches(arc: F64, mean_mm: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cut a length into stretches of about `mean_mm`; return the number of the stretch at every point."""
    ends = np.cumsum(rng.gamma(4.0, mean_mm / 4.0, int(arc[-1] / mean_mm * 2) + 4))
    return np.searchsorted(ends, arc)


def _level(bowel: Gut, stretch: NDArray[np.int64], filled: F64) -> F64:
    """Return the y of the gas's lower face at every point: `filled` of the lumen's height is gas, per stretch."""
    front = bowel.points_mm[:, 1] - bowel.radii_mm
    level = np.full(len(stretch), -1e3)
    for n in np.unique(stretch):
        own = stretch == n
        if filled[n] > 0:
            top = float(np.quantile(front[own], 0.1))
            level[own] = top + filled[n] * 2 * float(bowel.radii_mm[own].mean())
    return level


def paint_small_bowel(space: Space, bowel: Gut, field: Field, seed: Seed) -> list[Paint]:
    """Return walls, content and gas of jejunum and ileum; many loops lie collapsed, some are full, few hold gas."""
    names, rng = labels(), seed.child("filling").rng()
    stretch = _stretches(bowel.arc_mm, SMALL_STRETCH_MM, rng)
    count = int(stretch.max()) + 1
    slack = np.where(rng.random(count) < 0.45, rng.uniform(2.5, 6.0, count), rng.uniform(0.0, 1.2, count))
    ease = np.ones(9) / 9
    along = np.convolve(np.pad(slack[stretch], 4, mode="edge"), ease, "valid")
    gas = np.where(rng.random(count) < 0.14, rng.uniform(0.25, 0.7, count), 0.0) * (slack < 1.5)
    level = _level(bowel, stretch, gas)
    near = field < 3.0
    deep = np.full(space.lattice.shape, 8.0, np.float32)
    where = bowel.where[near]
    feathers = np.where(where < bowel.part_ends_mm[0], 1.3, 0.5) * np.maximum(space.noise[9.0][near] + 0.2, 0)
    wall = SMALL_WALL_MM + np.interp(where, bowel.arc_mm, along) + feathers
    deep[near] = field[near] + wall
    air = np.full(space.lattice.shape, 8.0, np.float32)
    y = np.broadcast_to(space.lattice.y, space.lattice.shape)[near]
    air[near] = np.clip(np.maximum(deep[near] + 0.3, y - np.interp(where, bowel.arc_mm, level)), -FAR_MM, 8.0)
    own = bowel.parts()
    return [
        Paint(space.part(field, own), (Layer(tuple(names[n] for n in SMALL_PARTS)),)),
        Paint(space.part(deep, own), (Layer(tuple(names[f"{n}_content"] for n in SMALL_PARTS)),)),
        Paint(space.part(air), (Layer(names["small_bowel_gas"]),)),
    ]


def paint_colon(space: Space, colon: Gut, field: Field, seed: Seed) -> list[Paint]:
    """Return walls, stool and gas of the colon: stool in its first and last parts, gas where the lumen lies high."""
    names, rng = labels(), seed.child("stool").rng()
    stretch = _stretches(colon.arc_mm, COLON_STRETCH_MM, rng)
    count = int(stretch.max()) + 1
    height = np.array([colon.points_mm[stretch == n, 1].mean() if np.any(stretch == n) else 0.0 for n in range(count)])
    high = np.clip((0.0 - height) / 60.0, -0.2, 1.0)
    gas = np.clip(0.10 + 0.65 * high + rng.normal(0, 0.25, count), 0, 0.95)
    slack = np.where(rng.random(count) < 0.22, rng.uniform(3.0, 7.0, count), rng.uniform(0, 0.8, count))
    along = np.convolve(np.pad(slack[stretch], 4, mode="edge"), np.ones(9) / 9, "valid")
    level = _level(colon, stretch, gas)
    near = field < 3.0
    where = colon.where[near]
    lumen, air = (np.full(space.lattice.shape, 8.0, np.float32) for _ in range(2))
    lumen[near] = field[near] + COLON_WALL_MM + np.interp(where, colon.arc_mm, along)
    noise9, noise15 = space.noise[9.0][near], space.noise[15.0][near]
    bubbles = 1.8 * (1.75 - noise9 - 0.5 * noise15)
    y = np.broadcast_to(space.lattice.y, space.lattice.shape)[near]
    flat = y - np.interp(where, colon.arc_mm, level)
    air[near] = np.clip(np.maximum(lumen[near] + 0.3, np.minimum(flat, bubbles)), -FAR_MM, 8.0)
    own = colon.parts()
    return [
        Paint(space.part(field, own), (Layer(tuple(names[n] for n in COLON_PARTS)),)),
        Paint(space.part(lumen, own), (Layer(tuple(names[f"{n}_content"] for n in COLON_PARTS)),)),
        Paint(space.part(air), (Layer(names["colon_gas"]),)),
        Paint(appendix(space, colon, seed), (Layer(names["appendix"]),), over=(names["abdominal_fat"],)),
    ]
