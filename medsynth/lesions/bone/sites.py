"""Where in the skeleton: bones by region, places in them, and the words for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid, Vector
from medsynth.lesions.distributions import choose
from medsynth.lesions.host import Host, host, labels_of, names_of
from medsynth.lesions.placement import Ball, keeps_apart
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene

Array = NDArray[np.float64]
Region = Literal["spine", "pelvis", "ribs", "sternum", "femur", "humerus", "knee"]

PATTERNS: Mapping[Region, tuple[str, ...]] = {
    "spine": ("vertebra_T*", "vertebra_L*", "sacrum"), "pelvis": ("hip_bone_*",), "ribs": ("rib_*",),
    "sternum": ("manubrium", "sternum_*"), "femur": ("femur_left", "femur_right"), "humerus": ("humerus_*",),
    "knee": ("femur", "tibia")}
TRIES, SITES = 40, 25  # bones, and places in each
BODY_SHARE = 0.78  # of vertebral metastases lie in the body (36 of 46, doi:10.1371/journal.pone.0170309)
BODY_BEHIND_MM = 15.0  # a vertebral body ends this far behind its middle, at most
FILL = 0.45  # a lesion leaves more than this share of its bone
ROOM = 1.25  # times the volume asked for must lie within reach of the centre
FINE_NODES, FINE_MM = 36, (0.3, 0.9)  # of the fine map of a bone about a lesion
REACH = 2.0  # in radii of the sphere


def bones_of(scene: Scene, region: Region) -> list[str]:
    """Return the whole bones of a region that this body has."""
    return [s.name for s in scene.structures if not s.part_of and not s.tissue.startswith(("titanium", "stainless"))
            and any(fnmatchcase(s.name, pattern) for pattern in PATTERNS[region])]


def find_place(scene: Scene, regions: Mapping[Region, float], diameter_mm: float, taken: Sequence[Ball], *,
               reach_mm: float, depth_mm: tuple[float, float] = (0.0, np.inf), kind: str,
               rng: np.random.Generator) -> tuple[Array, str]:
    """Return a place for a lesion of this volume and the bone that it lies in.

    Raises
    ------
    PlacementError
        If no bone of the regions has room.
    """
    weights = {name: weight / len(bones) for region, weight in regions.items() if (bones := bones_of(scene, region))
               for name in bones}
    if not sum(weights.values()) > 0:
        raise PlacementError(f"lesions.{kind} found no bone of {sorted(regions)} in body {scene.body!r}")
    volume = np.pi / 6 * diameter_mm**3
    for _ in range(TRIES):
        name = choose(weights, rng=rng)
        try:
            bone = host(scene, name)
        except PlacementError:  # outside this body's range
            continue
        if volume > FILL * 1000 * bone.volume_ml:
            continue
        weight = _body_weight(scene, bone, name) * _scanned(scene, bone, diameter_mm / 2)
        for centre in bone.points(SITES, rng=rng, depth_mm=depth_mm, weight=weight):
            room = _room_mm3(bone, centre, REACH * diameter_mm / 2)
            if keeps_apart(centre, reach_mm, taken) and room > ROOM * volume:
                return centre, name
    raise PlacementError(f"lesions.{kind} found no place for one of diameter_mm {diameter_mm:.1f} in {sorted(regions)} "
                         f"of body {scene.body!r}")


def bone_near(scene: Scene, name: str, centre_mm: Vector, reach_mm: float) -> Host:
    """Return the part of a bone around a point as a fine host: volumes need its border better than `host` knows it."""
    step = float(np.clip(reach_mm / FINE_NODES, *FINE_MM))
    centre = np.asarray(centre_mm)
    labels = labels_of(scene, name)
    phantom = rasterize(scene, Grid.covering(centre - reach_mm, centre + reach_mm, (step,) * 3))
    return Host(names_of(scene, name), labels, phantom, phantom.occupancy(*labels))


def bone_words(scene: Scene, bone: str, centre_mm: tuple[float, float, float]) -> dict[str, str]:
    """Return the bone, its level where it is a vertebra, and the part of it."""
    words = {"bone": bone}
    level = _level(scene, bone)
    if level:
        middle = np.asarray(scene.landmarks[level])
        behind = centre_mm[1] - middle[1] > BODY_BEHIND_MM
        words |= {"level": level, "bone_part": "posterior_elements" if behind else "vertebral_body"}
    return words


def _level(scene: Scene, bone: str) -> str:
    level = bone.removeprefix("vertebra_")
    return level if bone.startswith("vertebra_") and level in scene.landmarks else ""


def _places(bone: Host) -> Array:
    k, j, i = bone.share.shape
    index = np.stack(np.meshgrid(np.arange(k), np.arange(j), np.arange(i), indexing="ij"), axis=-1)
    return bone.grid.world_mm(index.reshape(-1, 3).astype(float)).reshape(k, j, i, 3)


def _scanned(scene: Scene, bone: Host, margin_mm: float) -> NDArray[np.float64]:
    """Return 1 for voxels within the body's scan ranges, 0 for what is only there to end the body."""
    ranges = np.array([*scene.scan_range_mm.values()])
    z = _places(bone)[..., 2]
    return ((z > ranges[:, 0].min() + margin_mm) & (z < ranges[:, 1].max() - margin_mm)).astype(float)


def _body_weight(scene: Scene, bone: Host, name: str) -> NDArray[np.float64]:
    """Return the weights that put most lesions of a vertebra into its body."""
    level = _level(scene, name)
    if not level:
        return np.ones(bone.share.shape)
    before = _places(bone)[..., 1] - scene.landmarks[level][1] <= BODY_BEHIND_MM
    share = bone.share.astype(float)
    body, rest = float(share[before].sum()), float(share[~before].sum())
    return np.where(before, BODY_SHARE / max(body, 1e-9), (1 - BODY_SHARE) / max(rest, 1e-9))


def _room_mm3(bone: Host, centre: Array, reach_mm: float) -> float:
    near = np.linalg.norm(_places(bone) - centre, axis=-1) < reach_mm
    return float(bone.share[near].sum()) * bone.grid.voxel_volume_mm3
