"""How well an observer can see a lesion: the detectability index of a non-prewhitening matched filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.acquired import Probe
from medsynth.scene.extent import Index

LARGEST_VOXELS = 4_000_000  # beyond that a template says nothing about detection: whole organs


def npw_dprime(probe: Probe, share: NDArray[np.floating], low: Index) -> float | None:
    """Return d' of the non-prewhitening observer who knows what the lesion adds to the image, in three dimensions.

    d' = sum(s^2) / sd(sum(s n)): s is what the lesion adds without noise, n the noise at its place, in the image's own
    correlation. The lesion's own voxels and the blur around them count, not what other lesions add.

    Parameters
    ----------
    probe : of the acquisition.
    share : (k, j, i), how much of each voxel the lesion fills: where it is above 0 the signal counts.
    low : index of its first voxel in the image.

    Returns
    -------
    None where the lesion adds nothing, or where it is too large for a template.

    References
    ----------
    Burgess 1994, doi:10.1364/JOSAA.11.001237; ICRU Report 54 (1996).
    """
    mask = np.asarray(share) > 0
    if not mask.any():
        return None
    reach, shape = probe.reach_kji, probe.shape_kji
    first = tuple(max(0, a - r) for a, r in zip(low, reach, strict=True))
    last = tuple(min(n, a + m + r) for a, m, r, n in zip(low, mask.shape, reach, shape, strict=True))
    size = [b - a for a, b in zip(first, last, strict=True)]
    if np.prod(size) > LARGEST_VOXELS:
        return None
    wide = np.zeros(size, bool)
    start = [a - f for a, f in zip(low, first, strict=True)]
    wide[tuple(slice(s, s + m) for s, m in zip(start, mask.shape, strict=True))] = mask
    for axis, count in enumerate(reach):  # a box around each voxel, axis by axis
        grown = wide.copy()
        for step in range(1, count + 1):
            ahead, behind = [slice(None)] * 3, [slice(None)] * 3
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            grown[tuple(ahead)] |= wide[tuple(behind)]
            grown[tuple(behind)] |= wide[tuple(ahead)]
        wide = grown
    signal = np.where(wide, probe.difference(first, last), 0.0)  # type: ignore[arg-type]
    energy = float(np.square(signal, dtype=np.float64).sum())
    if energy == 0:
        return None
    return energy / probe.template_sd(signal, first)  # type: ignore[arg-type]


def noise_cnr(probe: Probe, share: NDArray[np.floating], low: Index) -> float | None:
    """Return the mean of what the lesion adds where it fills at least half of a voxel, over a voxel's noise there.

    Parameters
    ----------
    share, low : as for `npw_dprime`.
    """
    share = np.asarray(share)
    full = share >= min(0.5, float(share.max(initial=0.0)))
    if not share.any():
        return None
    high = tuple(a + n for a, n in zip(low, share.shape, strict=True))
    signal = probe.difference(low, high)[full]
    middle = np.argwhere(full)[int(full.sum()) // 2]
    one = np.ones((1, 1, 1), np.float32)
    sd = probe.template_sd(one, tuple(int(a + m) for a, m in zip(low, middle, strict=True)))  # type: ignore[arg-type]
    return float(abs(signal.mean()) / sd)
