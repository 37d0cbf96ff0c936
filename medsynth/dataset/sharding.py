"""Which images each rank and each worker makes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as count_up


def shard_numbers(block: int, *, rank: int, ranks: int, worker: int, workers: int, count: int | None
                  ) -> Iterator[int]:
    """Yield the numbers that one worker of one rank makes, block by block; neither shares a number or a block.

    Rank r of R has blocks r, r + R, ...; of the rank's blocks, worker w of W has w, w + W, ...

    Parameters
    ----------
    block : neighbouring numbers that share bodies.
    count : numbers of the whole rank; endless when None.

    Examples
    --------
    >>> list(shard_numbers(2, rank=1, ranks=2, worker=0, workers=1, count=5))
    [2, 3, 6, 7, 10]
    """
    for own in count_up(worker, workers):
        for within in range(block):
            if count is not None and own * block + within >= count:
                return
            yield (rank + ranks * own) * block + within
