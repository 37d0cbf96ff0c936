"""Painting capsules far thinner than a lattice: sub-samples of each voxel, one bit each."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"

from __future__ import annotations

import numba
import numpy as np

from medsynth.core.intrinsic_kernels import borrowed
from medsynth.scene.voxel_kernels import put

TUBE_BLOCK = 16  # voxels per edge of the bit buffers
WORDS = 4  # 64-bit words of sub-samples per voxel, one bit each
SAMPLES = 64 * WORDS
PATTERNS = 8  # shifted copies of the sub-samples; neighbouring voxels take different ones


@numba.njit(nogil=True, inline="always")
def _capsule(px, py, pz, ax, ay, az, dx, dy, dz, inverse):
    along = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy + (pz - az) * dz) * inverse))
    ex, ey, ez = px - ax - along * dx, py - ay - along * dy, pz - az - along * dz
    return ex * ex + ey * ey + ez * ez, along


@numba.njit(nogil=True)
def _sample_capsule(q, d, inverse, radius, change, wall, samples, depth, bits):
    """Set the bits of the sub-samples that lie within a capsule and its wall; plain float32 loops, for SIMD.

    q : voxel's middle from the capsule's start. d : its axis. samples : (3, SAMPLES) mm. depth : scratch (SAMPLES,).
    """
    zero, one = np.float32(0.0), np.float32(1.0)
    qx, qy, qz = np.float32(q[0]), np.float32(q[1]), np.float32(q[2])
    dx, dy, dz = np.float32(d[0]), np.float32(d[1]), np.float32(d[2])
    inverse, radius, change, wall = np.float32(inverse), np.float32(radius), np.float32(change), np.float32(wall)
    for n in range(SAMPLES):
        px, py, pz = qx + samples[0, n], qy + samples[1, n], qz + samples[2, n]
        along = (px * dx + py * dy + pz * dz) * inverse
        along = along if along > zero else zero
        along = along if along < one else one
        ex, ey, ez = px - along * dx, py - along * dy, pz - along * dz
        reach = radius + along * change + wall
        depth[n] = reach * reach - (ex * ex + ey * ey + ez * ez)
    for word in range(WORDS):
        found = np.uint64(0)
        for bit in range(64):
            found |= np.uint64(depth[64 * word + bit] > zero) << np.uint64(bit)
        bits[word] |= found


@numba.njit(nogil=True, inline="always")
def _count_bits(bits):
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(nogil=True)
def _capsule_box(s, starts, ends, largest, origin, inverse_steps, corner, limits, lo, hi):
    """Write the voxels (first, last + 1) of one block that lie within `largest` mm of a capsule's axis."""
    for axis in range(3):
        span = p = q = 0.0
        for c in range(3):
            span += inverse_steps[axis, c] ** 2
            p += inverse_steps[axis, c] * (starts[s, c] - origin[c])
            q += inverse_steps[axis, c] * (ends[s, c] - origin[c])
        span = np.sqrt(span) * largest
        lo[axis] = max(corner[axis], int(np.floor(min(p, q) - span)))
        hi[axis] = min(min(corner[axis] + TUBE_BLOCK, limits[axis]), int(np.ceil(max(p, q) + span)) + 1)


@numba.njit(nogil=True)
def _mark_capsule(
    s,
    starts,
    ends,
    start_radii,
    end_radii,
    walls,
    steps,
    origin,
    half_diagonal,
    samples,
    corner,
    lo,
    hi,
    outer,
    inner,
    touched,
    depth,
):
    """Set one capsule's bits in a block's buffers: outer (wall and lumen) and, where there is a wall, inner."""
    full = ~np.uint64(0)
    ax, ay, az = starts[s, 0], starts[s, 1], starts[s, 2]
    d = (ends[s, 0] - ax, ends[s, 1] - ay, ends[s, 2] - az)
    inverse = 1.0 / max(d[0] * d[0] + d[1] * d[1] + d[2] * d[2], 1e-12)
    ra, change, wall = start_radii[s], end_radii[s] - start_radii[s], walls[s]
    slack = half_diagonal * (1.0 + abs(change) * np.sqrt(inverse))
    for k in range(lo[0], hi[0]):
        for j in range(lo[1], hi[1]):
            for i in range(lo[2], hi[2]):
                px = origin[0] + steps[0, 0] * k + steps[0, 1] * j + steps[0, 2] * i
                py = origin[1] + steps[1, 0] * k + steps[1, 1] * j + steps[1, 2] * i
                pz = origin[2] + steps[2, 0] * k + steps[2, 1] * j + steps[2, 2] * i
                square, along = _capsule(px, py, pz, ax, ay, az, d[0], d[1], d[2], inverse)
                radius = ra + along * change
                if square > (radius + wall + slack) ** 2:
                    continue
                at = ((k - corner[0]) * TUBE_BLOCK + j - corner[1]) * TUBE_BLOCK + i - corner[2]
                out, within = outer[at], inner[at]
                if not touched[at]:
                    touched[at] = True
                    out[:] = np.uint64(0)
                    within[:] = np.uint64(0)
                if radius > slack and square < (radius - slack) ** 2:
                    out[:] = full
                    within[:] = full
                    continue
                left = np.uint64(0)
                for word in range(WORDS):
                    left |= ~within[word] if wall > 0.0 else ~out[word]
                if left == np.uint64(0):
                    continue
                shifted = samples[(k * 73 + j * 31 + i * 17 + (k * j + i) // 5) % PATTERNS]
                q = (px - ax, py - ay, pz - az)
                _sample_capsule(q, d, inverse, ra, change, wall, shifted, depth, out)
                if wall > 0.0:
                    _sample_capsule(q, d, inverse, ra, change, 0.0, shifted, depth, within)
                else:
                    for word in range(WORDS):
                        within[word] |= out[word]


@numba.njit(nogil=True)
def _paint_blocks(
    scratch, labels, neighbour, fraction, starts, ends, start_radii, end_radii, walls, members, offsets, block_ids,
    blocks, steps, origin, inverse_steps, samples, layer_labels, over, organ, material, half_diagonal, first, last,
):  # fmt: skip
    """Paint blocks `first` to `last` - 1, one after the other in the same buffers."""
    labels, neighbour, fraction = borrowed(labels), borrowed(neighbour), borrowed(fraction)
    starts, ends, start_radii, end_radii = borrowed(starts), borrowed(ends), borrowed(start_radii), borrowed(end_radii)
    walls, members, offsets, block_ids = borrowed(walls), borrowed(members), borrowed(offsets), borrowed(block_ids)
    steps, origin, inverse_steps, samples = (
        borrowed(steps),
        borrowed(origin),
        borrowed(inverse_steps),
        borrowed(samples),
    )
    over, organ, material, layer_labels = borrowed(over), borrowed(organ), borrowed(material), borrowed(layer_labels)
    outer, inner, touched = borrowed(scratch[0][0]), borrowed(scratch[0][1]), borrowed(scratch[1])
    depth, lo, hi = borrowed(scratch[2]), borrowed(scratch[3][0]), borrowed(scratch[3][1])
    work_l, work_w = borrowed(scratch[4][0]), borrowed(scratch[4][1])
    new_l, new_p = borrowed(scratch[5][0]), borrowed(scratch[5][1])
    nj, ni, size = labels.shape[1], labels.shape[2], TUBE_BLOCK
    flat_l, flat_n, flat_f = labels.reshape(-1), neighbour.reshape(-1), fraction.reshape(-1)
    for b in range(first, last):
        block = block_ids[b]
        corner = (
            block // (blocks[1] * blocks[2]) * size,
            block // blocks[2] % blocks[1] * size,
            block % blocks[2] * size,
        )
        for position in range(offsets[b], offsets[b + 1]):
            s = members[position]
            largest = max(start_radii[s], end_radii[s]) + walls[s] + half_diagonal
            _capsule_box(s, starts, ends, largest, origin, inverse_steps, corner, labels.shape, lo, hi)
            _mark_capsule(
                s, starts, ends, start_radii, end_radii, walls, steps, origin, half_diagonal, samples, corner, lo, hi,
                outer, inner, touched, depth,
            )  # fmt: skip
        for at in range(size**3):
            if not touched[at]:
                continue
            touched[at] = False
            inside = within = 0
            for word in range(WORDS):
                inside += _count_bits(outer[at, word])
                within += _count_bits(inner[at, word])
            if inside == 0:
                continue
            n = 0
            if inside > within:
                new_l[n], new_p[n] = layer_labels[0], (inside - within) / SAMPLES
                n += 1
            if within > 0:
                new_l[n], new_p[n] = layer_labels[1], within / SAMPLES
                n += 1
            k, j, i = corner[0] + at // size**2, corner[1] + at // size % size, corner[2] + at % size
            index = (k * nj + j) * ni + i
            put(index, flat_l, flat_n, flat_f, over, organ, material, new_l, new_p, n, work_l, work_w)


@numba.njit(cache=True, nogil=True, parallel=True)
def paint_capsules(
    labels, neighbour, fraction, starts, ends, start_radii, end_radii, walls, members, offsets, block_ids, blocks,
    steps, origin, inverse_steps, samples, layer_labels, over, organ, material,
):  # fmt: skip
    """Paint capsules by sub-samples, one bit each, so that overlapping capsules count once.

    members[offsets[b]:offsets[b + 1]] are the capsules that may reach block b. samples : (patterns, 3, samples)
    float32, mm from the voxel's centre. walls : (n,) wall thickness in mm around the lumen radius, zero for solid ones.
    layer_labels : (outer, inner).
    """
    reach = 0.0
    for axis in range(3):
        reach += steps[axis, 0] ** 2 + steps[axis, 1] ** 2 + steps[axis, 2] ** 2
    half_diagonal = 0.5 * np.sqrt(reach)
    size, share = TUBE_BLOCK, 8  # blocks that one thread paints with the same buffers
    for group in numba.prange((block_ids.shape[0] + share - 1) // share):
        scratch = (
            (np.empty((size**3, WORDS), np.uint64), np.empty((size**3, WORDS), np.uint64)),
            np.zeros(size**3, np.bool_),
            np.empty(SAMPLES, np.float32),
            (np.empty(3, np.int64), np.empty(3, np.int64)),
            (np.empty(6, np.int64), np.empty(6, np.float64)),
            (np.empty(3, np.int64), np.empty(3, np.float64)),
        )
        _paint_blocks(
            scratch, labels, neighbour, fraction, starts, ends, start_radii, end_radii, walls, members, offsets,
            block_ids, blocks, steps, origin, inverse_steps, samples, layer_labels, over, organ, material,
            half_diagonal, group * share, min(group * share + share, block_ids.shape[0]),
        )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def bin_capsules(starts, ends, reach_mm, origin, inverse_steps, blocks, size, counts, members, fill):
    """Count (fill False) or list (fill True) the capsules that may reach each block of `size` voxels."""
    lo, hi = np.empty(3, np.int64), np.empty(3, np.int64)
    for s in range(starts.shape[0]):
        empty = False
        for axis in range(3):
            span = 0.0
            p = q = 0.0
            for c in range(3):
                span += inverse_steps[axis, c] ** 2
                p += inverse_steps[axis, c] * (starts[s, c] - origin[c])
                q += inverse_steps[axis, c] * (ends[s, c] - origin[c])
            span = np.sqrt(span) * reach_mm[s]
            lo[axis] = max(0, int(np.floor((min(p, q) - span) / size)))
            hi[axis] = min(blocks[axis] - 1, int(np.floor((max(p, q) + span) / size)))
            empty = empty or hi[axis] < lo[axis]
        if empty:
            continue
        for k in range(lo[0], hi[0] + 1):
            for j in range(lo[1], hi[1] + 1):
                for i in range(lo[2], hi[2] + 1):
                    b = (k * blocks[1] + j) * blocks[2] + i
                    if fill:
                        members[counts[b]] = s
                    counts[b] += 1
