"""Exact shares of a number of cases, dealt by a keyed permutation: a pure function of seed and name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed

Indices = NDArray[np.int64]


def shuffled(size: int, seed: Seed) -> Indices:
    """Return the numbers 0 to `size - 1` in the order that belongs to this seed."""
    return seed.rng().permutation(size).astype(np.int64)


def counts_of(shares: Sequence[float], size: int) -> list[int]:
    """Return whole counts that sum to `size`, each nearest to its share (largest remainders).

    Examples
    --------
    >>> counts_of([0.5, 0.3, 0.2], 7)
    [4, 2, 1]
    """
    exact = np.asarray(shares, float) * size / np.sum(shares)
    counts = np.floor(exact + 1e-9).astype(int)
    behind = np.argsort(-(exact - counts), kind="stable")
    counts[behind[: size - counts.sum()]] += 1
    return [int(count) for count in counts]


def deal(shares: Sequence[float], groups: Indices, seed: Seed) -> Indices:
    """Return (n,) the number of the share that each case gets: exact over all, and within one in every group.

    Parameters
    ----------
    shares : relative.
    groups : (n,) number of the group each case is in, e.g. its class; within a group the order is random.
    """
    size = len(groups)
    counts = counts_of(shares, size)
    # Every share is spread evenly along the line of cases, so that any stretch of it has its part of each.
    along = np.concatenate([(np.arange(count) + 0.5) / count for count in counts if count] or [np.zeros(0)])
    number = np.repeat(np.arange(len(counts)), counts)
    line = number[np.lexsort((number, along))]
    dealt = np.empty(size, np.int64)
    dealt[np.lexsort((shuffled(size, seed), groups))] = line
    return dealt


def joined(*groupings: Indices) -> Indices:
    """Return (n,) one number for each combination of several groupings."""
    _, number = np.unique(np.stack(groupings), axis=1, return_inverse=True)
    return np.asarray(number, np.int64).reshape(-1)
