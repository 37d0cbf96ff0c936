"""Numba kernel of the run-length coding of DICOM (PS3.5, annex G)."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numba

LONGEST = 128  # bytes in one run


@numba.njit(cache=True, nogil=True)
def pack_rows(rows, out):
    """Write the coded rows (row, column) of one byte plane to `out`, (>= 2 * rows.size) uint8; return how many bytes.

    Two equal bytes already make a repeated run. No run crosses the end of a row.
    """
    at = 0
    for row in rows:
        literal = 0  # first byte that waits to be written as it is
        start = 0
        while start < len(row):
            stop = start + 1
            while stop < len(row) and row[stop] == row[start]:
                stop += 1
            if stop - start > 1:
                at = _literals(row, literal, start, out, at)
                at = _repeats(row[start], stop - start, out, at)
                literal = stop
            start = stop
        at = _literals(row, literal, len(row), out, at)
    return at


@numba.njit(cache=True, nogil=True)
def _literals(row, start, stop, out, at):
    """Write row[start:stop] as it is; return the place behind it."""
    while start < stop:
        count = min(LONGEST, stop - start)
        out[at] = count - 1
        out[at + 1:at + 1 + count] = row[start:start + count]
        at += 1 + count
        start += count
    return at


@numba.njit(cache=True, nogil=True)
def _repeats(value, count, out, at):
    """Write `count` times the same value; return the place behind it."""
    while count > 0:
        run = min(LONGEST, count)
        out[at] = 257 - run if run > 1 else 0
        out[at + 1] = value
        at += 2
        count -= run
    return at
