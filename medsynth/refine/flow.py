"""Rectified flow: its training pairs, and the Euler steps of a slice from noise, in patches of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from medsynth.core.seed import Seed

Float32 = NDArray[np.float32]

TIME_SCALE = 1000.0  # the network's time runs from 0, the image, to this, noise
BATCH = 4  # patches at a time: bounds the memory
EDGE_WEIGHT = 0.02  # of a patch's rim in the blend


def noise_of(seed: Seed, k: int, shape: tuple[int, int]) -> Float32:
    """Return the noise that slice k starts from: the same for an image and its twin, and for any patches."""
    return seed.child("refine", k).rng().standard_normal(shape).astype(np.float32)


def noised(target: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x_t = (1 - t) target + t noise, and its velocity dx/dt = noise - target (Liu et al. 2022).

    Parameters
    ----------
    target, noise : (n, 1, j, i). time : (n,) in 0..1.

    References
    ----------
    arXiv:2209.03003.
    """
    t = time[:, None, None, None]
    return (1 - t) * target + t * noise, noise - target


def euler(network: torch.nn.Module, planes: Float32, noise: Float32, *, strength: float, steps: int, patch: int,
          overlap: int, multiple: int) -> Float32:
    """Return the residual of a slice in units of the model's scale, (j, i).

    At strength s the flow starts at time s from (1 - s) 0 + s noise: nothing added, under noise. In every step the
    velocities of overlapping patches are blended, not finished patches, so that no seam can grow.

    Parameters
    ----------
    planes : (count, j, i). noise : (j, i).
    """
    rows, columns = noise.shape
    padded_shape = tuple(-(-max(n, multiple) // multiple) * multiple for n in (rows, columns))
    pad = [(0, p - n) for p, n in zip(padded_shape, (rows, columns), strict=True)]
    told = torch.from_numpy(np.pad(planes, [(0, 0), *pad], mode="edge"))
    x = torch.from_numpy(np.pad(noise, pad, mode="edge")) * strength
    side = -(-patch // multiple) * multiple
    boxes = [(slice(a, a + h), slice(b, b + w)) for a, h in starts(padded_shape[0], side, overlap)
             for b, w in starts(padded_shape[1], side, overlap)]
    times = np.linspace(strength, 0.0, steps + 1)
    with torch.inference_mode():
        for now, then in pairwise(times):
            x = x + float(then - now) * _velocity(network, told, x, float(now), boxes)
    return np.asarray(x.numpy()[:rows, :columns])


def _velocity(network: torch.nn.Module, told: torch.Tensor, x: torch.Tensor, time: float,
              boxes: list[tuple[slice, slice]]) -> torch.Tensor:
    """Return the blended velocity of a whole slice."""
    total, weight = torch.zeros_like(x), torch.zeros_like(x)
    for first in range(0, len(boxes), BATCH):
        some = boxes[first:first + BATCH]
        batch = torch.stack([torch.cat([x[box][None], told[(slice(None), *box)]]) for box in some])
        found = network(batch, torch.full((len(some),), time * TIME_SCALE))[:, 0]
        for box, velocity in zip(some, found, strict=True):
            window = _window(*velocity.shape)
            total[box] += velocity * window
            weight[box] += window
    return total / weight


@lru_cache(maxsize=16)
def _window(rows: int, columns: int) -> torch.Tensor:
    """Return the weight of a patch's pixels: a Gaussian that has nearly died out at the rim."""
    sides = [np.exp(-0.5 * np.square(np.linspace(-1, 1, n) * 2.5)) for n in (rows, columns)]
    return torch.from_numpy((np.outer(*sides) + EDGE_WEIGHT).astype(np.float32))


def starts(length: int, side: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Give first index and size of the patches along an axis; the last ends where the axis does.

    Examples
    --------
    >>> list(starts(100, 48, 16))
    [(0, 48), (32, 48), (52, 48)]
    """
    if length <= side:
        yield 0, length
        return
    step = max(1, side - overlap)
    first = 0
    while first + side < length:
        yield first, side
        first += step
    yield length - side, side
