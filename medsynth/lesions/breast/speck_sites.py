"""Where the specks of a group lie: together, along a duct, in a duct's segment, in a region, everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.breast.place import breast_of, gland_weight
from medsynth.lesions.distributions import Distribution, LogNormal, Uniform
from medsynth.scene.structure import Scene
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]
Spread = Literal["grouped", "linear", "segmental", "regional", "diffuse"]

LEAST_DEPTH_MM = 2.0  # below the surface of the breast: nothing lies in the skin
JITTER_MM = 0.5  # about a duct
CLEAR_OF_NIPPLE_MM = 12.0
SEGMENT_RAD = 0.30  # half angle of a segment, seen from the nipple
SEGMENT_FROM = 0.25  # where it begins, of the way from the nipple to its far end


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for a distribution."""

    specks: Distribution
    extent_mm: Distribution


# BI-RADS atlas: grouped = at least 5 within 2 cm; regional = more than 2 cm, not a duct's. All counts unverified.
DISTRIBUTIONS: Final[Mapping[Spread, Usual]] = {
    "grouped": Usual(LogNormal(median=12, sigma=0.5, low=5, high=40), Uniform(low=5, high=18)),
    "linear": Usual(LogNormal(median=14, sigma=0.4, low=6, high=40), Uniform(low=15, high=40)),
    "segmental": Usual(LogNormal(median=40, sigma=0.4, low=15, high=120), Uniform(low=30, high=60)),
    "regional": Usual(LogNormal(median=40, sigma=0.4, low=15, high=120), Uniform(low=25, high=50)),
    "diffuse": Usual(LogNormal(median=70, sigma=0.4, low=30, high=200), Uniform(low=60, high=120))}


def speck_sites(scene: Scene, centre_mm: Vector, spread: Spread, count: int, extent_mm: float, *,
                seed: Seed) -> tuple[Array, Array]:
    """Return `count` LPS points (n, 3), and the direction (n, 3) of the ducts there, as unit vectors.

    Raises
    ------
    PlacementError
        If the breast has not that much room.
    """
    rng = seed.child("sites").rng()
    centre, nipple = np.asarray(centre_mm), np.asarray(scene.landmarks["nipple"])
    if spread == "grouped":
        sites = _grouped(centre, count, extent_mm, rng=rng)
    elif spread == "linear":
        sites = _along_duct(scene.vessels["ducts"], centre, nipple, count, extent_mm, rng=rng)
    else:
        sites = _strewn(scene, spread, centre, nipple, count, extent_mm, rng=rng)
    whole = breast_of(scene)
    sites = sites[whole.depth_at(sites) > LEAST_DEPTH_MM][:count]
    if len(sites) < count:
        raise PlacementError(f"lesions.breast_calcifications found room for {len(sites)} of {count} {spread} specks "
                             f"within {extent_mm:.0f} mm of {tuple(np.round(centre, 1).tolist())}")
    away = sites - nipple
    return sites, away / np.linalg.norm(away, axis=1, keepdims=True)


def _grouped(centre: Array, count: int, extent_mm: float, *, rng: np.random.Generator) -> Array:
    """Return points in an ellipsoid whose longest diameter is the extent, denser in the middle."""
    semi = 0.5 * extent_mm * np.array([1.0, *rng.uniform(0.5, 0.9, 2)])
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    rays = rng.standard_normal((4 * count + 8, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return centre + (rays * semi * rng.uniform(0, 1, (len(rays), 1)) ** 0.45) @ turn.T


def _along_duct(ducts: Tubes, centre: Array, nipple: Array, count: int, extent_mm: float, *,
                rng: np.random.Generator) -> Array:
    """Return points about the duct that runs nearest to the centre, from there towards the nipple."""
    at = int(np.argmin(np.linalg.norm((ducts.starts_mm + ducts.ends_mm) / 2 - centre, axis=1)))
    path = [ducts.ends_mm[at]]
    while at >= 0:
        path.append(ducts.starts_mm[at])
        at = int(ducts.parents[at])
    line = np.array(path)
    line = line + (centre - line[0])  # through the place asked for
    passed = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    room = max(passed[-1] - CLEAR_OF_NIPPLE_MM, 0.0)
    away = (line[0] - nipple) / np.linalg.norm(line[0] - nipple)
    along = rng.uniform(0, extent_mm, 3 * count + 8)
    points = np.stack([np.interp(along, passed, line[:, axis]) for axis in range(3)], axis=1)
    beyond = along > room  # a duct that is too short goes on straight, away from the nipple
    points[beyond] = line[0] + (along[beyond] - room)[:, None] * away
    return points + JITTER_MM * rng.standard_normal(points.shape)


def _strewn(scene: Scene, spread: Spread, centre: Array, nipple: Array, count: int, extent_mm: float, *,
            rng: np.random.Generator) -> Array:
    """Return points of the breast, mostly in glandular tissue: in a segment, in a region, or anywhere."""
    whole = breast_of(scene)
    weight = gland_weight(scene)
    k, j, i = whole.grid.shape_kji
    index = np.stack(np.meshgrid(np.arange(k), np.arange(j), np.arange(i), indexing="ij"), axis=-1)
    places = whole.grid.world_mm(index.reshape(-1, 3)).reshape(*whole.grid.shape_kji, 3)
    if spread == "segmental":
        far = centre - nipple
        reach = float(np.linalg.norm(far)) + 0.5 * extent_mm
        arm = places - nipple
        length = np.linalg.norm(arm, axis=-1)
        cosine = (arm @ far) / np.maximum(length * np.linalg.norm(far), 1e-6)
        first = max(SEGMENT_FROM * reach, reach - extent_mm)
        weight = weight * ((cosine > np.cos(SEGMENT_RAD)) & (length > first) & (length < reach))
    elif spread == "regional":
        weight = weight * (np.linalg.norm(places - centre, axis=-1) < 0.5 * extent_mm)
    return whole.points(2 * count + 8, rng=rng, depth_mm=(LEAST_DEPTH_MM + 1.0, np.inf), weight=weight)
