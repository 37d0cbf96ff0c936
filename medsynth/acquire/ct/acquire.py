"""A CT acquisition: the scene on its grid, and then one of the tiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medsynth.acquire.ct.couch import with_couch
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.acquired import Acquired
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import Voxelise, rasterize, with_lesions
from medsynth.scene.structure import Lesion, Scene

if TYPE_CHECKING:
    from medsynth.acquire.ct.probe import CtProbe

FOV_MARGIN_MM = 12.0
FOV_STEP_MM = 5.0
BODY_PIXEL_MM = 0.5  # the least where a small field of view would make the body needlessly fine


def acquire_ct(scene: Scene, lesions: Sequence[Lesion], protocol: CtProtocol, *, seed: Seed, twin: bool = False,
               progress: Callable[[float], None] | None = None, voxelise: Voxelise = rasterize) -> Acquired:
    """Scan a scene.

    Parameters
    ----------
    lesions : inserted before the physics.
    seed : of this acquisition; noise of slice k comes from `seed.child("noise", k)`.
    twin : also give the image of the same scan without the lesions.
    progress : called with the share of the work that is done, where it takes long.
    voxelise : what puts the healthy scene on a grid; it may keep what it made, or lay the body askew in the scanner,
        and the image lies on the grid that it gives.

    Returns
    -------
    The image in int16 HU, axial, with the truth on its grid.

    Raises
    ------
    RecipeError
        If the body has no such scan range.
    """
    grid = scan_grid(scene, protocol)
    whole = with_couch(scene) if protocol.table else scene

    def on(where: Grid) -> tuple[Phantom, Phantom, Phantom]:
        healthy = voxelise(whole, where)
        ill, anatomy = with_lesions(healthy, whole, lesions) if lesions else (healthy, healthy)
        return ill, healthy, anatomy

    ill, healthy, anatomy = on(grid)
    if protocol.fidelity == "fast":
        from medsynth.acquire.ct.fast import image_phantom

        return replace(image_phantom(ill, healthy, protocol, seed=seed, twin=twin), anatomy=anatomy)
    from medsynth.acquire.ct.physics.images import scan_phantom

    wide = body_grid(whole, grid)
    seen, bare, _ = (ill, healthy, anatomy) if wide is grid else on(wide)
    return replace(scan_phantom(ill, healthy, seen, bare, protocol, seed=seed, twin=twin, progress=progress),
                   anatomy=anatomy)


def ct_prober(scene: Scene, protocol: CtProtocol
              ) -> Callable[[Sequence[Lesion], CtProtocol], tuple[CtProbe, Phantom]]:
    """Return what asks the fast tier about lesions before any image is made; the body is voxelised once.

    Parameters
    ----------
    protocol : its geometry holds; its dose may change from question to question.
    """
    from medsynth.acquire.ct.probe import CtProbe

    whole = with_couch(scene) if protocol.table else scene
    healthy = rasterize(whole, scan_grid(scene, protocol))

    def ask(lesions: Sequence[Lesion], asked: CtProtocol) -> tuple[CtProbe, Phantom]:
        ill, _ = with_lesions(healthy, whole, lesions)
        return CtProbe.of(ill, healthy, asked), ill

    return ask


def scan_grid(scene: Scene, protocol: CtProtocol) -> Grid:
    """Return the axial grid that the protocol asks for, centred on the body."""
    if protocol.scan_range not in scene.scan_range_mm:
        raise RecipeError(expected("scan_range", protocol.scan_range, f"one of {sorted(scene.scan_range_mm)}"))
    bottom, top = scene.scan_range_mm[protocol.scan_range]
    low, high = (np.array(corner) for corner in scene.bounds_mm)
    needed = float((high - low)[:2].max()) + 2 * FOV_MARGIN_MM
    pixels, pixel_mm = protocol.in_plane(FOV_STEP_MM * np.ceil(needed / FOV_STEP_MM))
    slices = max(1, round((top - bottom) / protocol.slice_step_mm))
    centre = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, (bottom + top) / 2)
    return Grid.centred((slices, pixels, pixels), (protocol.slice_step_mm, pixel_mm, pixel_mm), centre)


def body_grid(scene: Scene, grid: Grid) -> Grid:
    """Return the grid that rays cross: the image's own, or where that is smaller than the body, one that holds it."""
    low, high = (np.array(corner)[:2] for corner in scene.bounds_mm)
    inner, outer = (np.array(corner)[:2] for corner in (grid.corners_mm().min(axis=0), grid.corners_mm().max(axis=0)))
    if (inner <= low).all() and (high <= outer).all():
        return grid
    pixel_mm = max(grid.spacing_mm[2], BODY_PIXEL_MM)
    middle = (low + high) / 2
    count = 2 * int(np.ceil((high - low).max() / 2 / pixel_mm + 1))
    return Grid.centred((grid.shape_kji[0], count, count), (grid.spacing_mm[0], pixel_mm, pixel_mm),
                        (float(middle[0]), float(middle[1]), float(grid.centre_mm[2])))
