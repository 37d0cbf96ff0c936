"""The same scene at 1 mm and 2 mm: volumes, and labels that can be compared voxel by voxel."""

from __future__ import annotations

import numpy as np

from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene


def at_two_and_one_mm(scene: Scene, scan_range: str) -> tuple[Phantom, Phantom]:
    """Rasterise a scan range at 2 mm, and at 1 mm with eight voxels in each of those."""
    (x0, y0, _), (x1, y1, _) = scene.bounds_mm
    low, high = scene.scan_range_mm[scan_range]
    coarse = Grid.covering((x0, y0, low), (x1, y1, high), (2.0, 2.0, 2.0))
    fine = Grid(
        tuple(2 * n for n in coarse.shape_kji),
        (1.0, 1.0, 1.0),
        tuple(np.asarray(coarse.origin_mm) - 0.5),
        coarse.direction,
    )
    return rasterize(scene, coarse), rasterize(scene, fine)


def volume_changes(coarse: Phantom, fine: Phantom, least_ml: float) -> dict[str, float]:
    """Return how much larger (as a fraction) each organ of at least `least_ml` is on the coarse grid."""
    at_2, at_1 = coarse.volumes_ml(), fine.volumes_ml()
    return {name: at_2[name] / ml - 1 for name, ml in at_1.items() if ml > least_ml}


def equal_labels(coarse: Phantom, fine: Phantom) -> float:
    """Return the part of the body's voxels whose coarse label holds most of the eight fine voxels, by volume."""
    truth = _majority(fine)
    body = (truth > 0) | (coarse.labels > 0)
    return float(np.mean(truth[body] == coarse.labels[body]))


def _majority(phantom: Phantom) -> np.ndarray:
    """Return (k, j, i) the label that holds most of each eight voxels; where all eight name one, it is that one."""
    k, j, i = (n // 2 for n in phantom.grid.shape_kji)
    best = np.empty((k, j, i), np.uint16)
    for n in range(k):  # slice by slice, for memory
        part = slice(2 * n, 2 * n + 2)
        labels = _flat(phantom.labels[part])
        best[n] = labels[..., 0]
        mixed = (labels != labels[..., :1]).any(axis=-1)
        f = _flat(phantom.fraction[part])[mixed].astype(np.float32) / 255
        names = np.concatenate([labels[mixed], _flat(phantom.neighbour[part])[mixed]], axis=-1)
        share = np.concatenate([1 - f, f], axis=-1)
        votes = np.einsum("ac,acd->ad", share, names[:, :, None] == names[:, None, :])
        best[n][mixed] = np.take_along_axis(names, votes.argmax(axis=-1)[:, None], axis=-1)[:, 0]
    return best


def _flat(pair: np.ndarray) -> np.ndarray:
    """Turn two slices (2, 2j, 2i) into (j, i, 8)."""
    _, j, i = pair.shape
    return pair.reshape(2, j // 2, 2, i // 2, 2).transpose(1, 3, 0, 2, 4).reshape(j // 2, i // 2, 8)
