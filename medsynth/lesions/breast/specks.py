"""The forms of single microcalcifications, as thin capsules that every voxel keeps by its fraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, LogNormal, Uniform
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]
Morphology = Literal["round", "punctate", "amorphous", "coarse_heterogeneous", "fine_pleomorphic",
                     "fine_linear_branching"]

SPHERE_MM = 1e-3  # length of a capsule that stands for a ball
BRANCH_RAD = (0.45, 0.9)  # between a branch and its stem
CAST_LENGTH = (3.0, 9.0)  # of a fine linear calcification, in diameters


@dataclass(frozen=True, slots=True)
class Kind:
    """What is usual for a morphology.

    Attributes
    ----------
    size_mm : the median size of a group's specks (the thickness of casts).
    spread : standard deviation of the logarithm of the size within a group.
    mineral : volume fraction of hydroxyapatite added to the row `calcification`.
    """

    size_mm: Distribution
    spread: float
    mineral: float
    suspicious: bool


# BI-RADS atlas: punctate < 0.5 mm, coarse heterogeneous 0.5-1 mm, fine pleomorphic < 0.5 mm, fine linear < 0.5 mm wide.
# Cluster specks of VICTRE are 0.17-0.20 mm. Limits within these ranges, spread and mineral are unverified.
MORPHOLOGIES: Final[Mapping[Morphology, Kind]] = {
    "round": Kind(Uniform(low=0.5, high=0.9), 0.22, 0.35, False),
    "punctate": Kind(Uniform(low=0.22, high=0.40), 0.15, 0.3, False),
    "amorphous": Kind(Uniform(low=0.16, high=0.24), 0.20, 0.05, True),
    "coarse_heterogeneous": Kind(Uniform(low=0.55, high=0.8), 0.25, 0.3, True),
    "fine_pleomorphic": Kind(LogNormal(median=0.24, sigma=0.25, low=0.15, high=0.4), 0.35, 0.3, True),
    "fine_linear_branching": Kind(Uniform(low=0.15, high=0.26), 0.25, 0.3, True)}


def draw_specks(morphology: Morphology, sites: Array, along: Array, size_mm: float, *,
                seed: Seed) -> tuple[Tubes, Array]:
    """Return the capsules of specks at sites (n, 3) and the size (n,) of each speck in mm.

    Parameters
    ----------
    along : (n, 3) unit vectors, the direction of the duct at each site.
    """
    rng = seed.rng()
    spread = MORPHOLOGIES[morphology].spread
    sizes = size_mm * np.exp(spread * np.clip(rng.standard_normal(len(sites)), -2, 2))
    # (first end, last end, first radius, last radius) of every capsule
    pieces: list[tuple[Array, Array, float, float]] = []
    for site, direction, size in zip(sites, along, sizes, strict=True):
        if morphology in ("round", "punctate"):
            _grains(pieces, site, size, 1, 0.0, rng)
        elif morphology == "amorphous":
            _grains(pieces, site, size, 7, 1.0, rng)
        elif morphology == "coarse_heterogeneous":
            _grains(pieces, site, 0.62 * size, 6, 0.30, rng)
        elif morphology == "fine_pleomorphic":
            _shards(pieces, site, size, rng)
        else:
            _cast(pieces, site, direction, size, rng)
    starts, ends = (np.array([piece[n] for piece in pieces]) for n in (0, 1))
    first, last = (np.array([piece[n] for piece in pieces], float) for n in (2, 3))
    return Tubes(starts, ends, first, last, np.full(len(pieces), -1)), sizes


def _grains(pieces: list[tuple[Array, Array, float, float]], site: Array, size: float, count: int, apart: float,
            rng: np.random.Generator) -> None:
    """Add balls about a site: one, or several that touch or lie `apart` sizes from each other."""
    for _ in range(count):
        middle = site + apart * size * np.clip(rng.standard_normal(3), -2, 2)
        radius = 0.5 * size * (1.0 if count == 1 else rng.uniform(0.6, 1.15))
        pieces.append((middle, middle + np.array([0, 0, SPHERE_MM]), radius, radius))


def _shards(pieces: list[tuple[Array, Array, float, float]], site: Array, size: float,
            rng: np.random.Generator) -> None:
    """Add an angular fleck: one to three tapering capsules of random directions."""
    for _ in range(int(rng.integers(1, 4))):
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        half = 0.5 * size * rng.uniform(0.3, 1.0)
        first, last = size * rng.uniform(0.12, 0.36, 2)
        middle = site + 0.25 * size * np.clip(rng.standard_normal(3), -2, 2)
        pieces.append((middle - half * direction, middle + half * direction, first, last))


def _cast(pieces: list[tuple[Array, Array, float, float]], site: Array, direction: Array, width: float,
          rng: np.random.Generator) -> None:
    """Add a cast of a duct: a bent, uneven line, sometimes with a branch."""
    at, heading = site, direction + 0.25 * rng.standard_normal(3)
    heading /= np.linalg.norm(heading)
    length = width * rng.uniform(*CAST_LENGTH)
    for _ in range(3):
        end = at + heading * length / 3
        first, last = 0.5 * width * rng.uniform(0.7, 1.15, 2)
        if rng.uniform() < 0.85:  # casts are broken
            pieces.append((at, end, first, last))
        at, heading = end, heading + 0.3 * rng.standard_normal(3)
        heading = heading / np.linalg.norm(heading)
    if rng.uniform() < 0.35:
        side = np.cross(heading, rng.standard_normal(3))
        side /= np.linalg.norm(side)
        turn = rng.uniform(*BRANCH_RAD)
        branch = np.cos(turn) * heading + np.sin(turn) * side
        start = site + (at - site) * rng.uniform(0.3, 0.7)
        pieces.append((start, start + branch * length * rng.uniform(0.3, 0.6), 0.4 * width, 0.3 * width))
    if not pieces:
        pieces.append((site, site + heading * width, 0.5 * width, 0.4 * width))
