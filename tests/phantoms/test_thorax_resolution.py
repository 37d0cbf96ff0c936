"""The same subject is the same body at every voxel size."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from tests.phantoms.people import Person


def _pair(person: Person) -> tuple[Phantom, Phantom]:
    """Rasterise the scan range at 2 mm, and at 1 mm with eight voxels in each of those."""
    (x0, y0, _), (x1, y1, _) = person.scene.bounds_mm
    low, high = person.scene.scan_range_mm["chest"]
    coarse = Grid.covering((x0, y0, low), (x1, y1, high), (2.0, 2.0, 2.0))
    fine = Grid(
        tuple(2 * n for n in coarse.shape_kji),
        (1.0, 1.0, 1.0),
        tuple(np.asarray(coarse.origin_mm) - 0.5),
        coarse.direction,
    )
    return rasterize(person.scene, coarse), rasterize(person.scene, fine)


def _majority(phantom: Phantom) -> np.ndarray:
    """Label that holds most of each block of eight voxels, by volume."""
    k, j, i = (n // 2 for n in phantom.grid.shape_kji)

    best = np.empty((k, j, i), np.uint16)
    for n in range(k):  # slice by slice, for memory
        part = slice(2 * n, 2 * n + 2)
        f = phantom.fraction[part].astype(np.float32) / 255
        names = np.concatenate([_flat(phantom.labels[part]), _flat(phantom.neighbour[part])], axis=-1)
        share = np.concatenate([_flat(1 - f), _flat(f)], axis=-1)
        votes = np.einsum("abc,abcd->abd", share, names[..., :, None] == names[..., None, :])
        best[n] = np.take_along_axis(names, votes.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return best


def _flat(pair: np.ndarray) -> np.ndarray:
    """Turn two slices (2, 2j, 2i) into (j, i, 8)."""
    _, j, i = pair.shape
    return pair.reshape(2, j // 2, 2, i // 2, 2).transpose(1, 3, 0, 2, 4).reshape(j // 2, i // 2, 8)
# What fills the rest, or is thinner than a voxel: a voxel names two structures, and here three meet.
FILM = ("mediastinal_fat", "pleural_line", "fissure_right", "fissure_left")
SOLID = ("lobe_", "liver", "spleen", "kidney", "stomach", "left_", "right_", "myocardium", "subcutaneous_fat",
         "erector_spinae", "aortic_arch", "superior_vena_cava", "inferior_vena_cava")


@pytest.mark.slow
def test_one_and_two_millimetres_hold_the_same_volumes_and_labels(person: Person):
    coarse, fine = _pair(person)
    at_2, at_1 = coarse.volumes_ml(), fine.volumes_ml()
    off = {name: at_2[name] / ml - 1 for name, ml in at_1.items() if ml > 5 and name not in FILM}
    assert {n: d for n, d in off.items() if n.startswith(SOLID) and abs(d) > 0.01} == {}
    # Ribs, vertebrae, discs and thin muscles: cortex, marrow and muscle meet in one voxel.
    assert {n: d for n, d in off.items() if abs(d) > 0.05} == {}
    truth = _majority(fine)
    body = (truth > 0) | (coarse.labels > 0)
    assert np.mean(truth[body] == coarse.labels[body]) > 0.97
