"""How a tree's nodes come about: targets, a backbone by recursive splitting, a companion's path, and fine twigs.

A tree in growth is a pair (points_mm (m, 3), parents (m,)): node 0 is the root, parents stand before children.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError
from medsynth.shapes.base import Shape
from medsynth.shapes.tree_clear import CapsuleGrid
from medsynth.shapes.tree_kernels import companion_side, grow_to_targets, thin_out
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]
Nodes = tuple[Array, NDArray[np.int64]]

_SOFT_MARGIN_MM = 5.0  # vessels thin out over this depth below the margin instead of ending on one surface
_TWIG_WANDER = 0.35  # random share of the direction in which a twig leaves
_MAX_TURN = np.cos(np.radians(65.0))  # no daughter of the backbone leaves its parent's direction by more


def interior_points(domain: Shape, count: int, margin_mm: float, rng: np.random.Generator) -> Array:
    """Return `count` random points (count, 3) deeper than `margin_mm`, fewer within 5 mm below that depth.

    Raises
    ------
    GeometryError
        If hardly any part of the shape is that deep.
    """
    low, high = (np.asarray(corner, np.float64) for corner in domain.bounds_mm())
    found: list[Array] = []
    have, drawn = 0, 0
    while have < count:
        points = low + (high - low) * rng.random((3 * count, 3))
        depth = -np.asarray(domain.distance_mm(points), np.float64) - margin_mm
        points = points[depth > _SOFT_MARGIN_MM * rng.random(len(points)) ** 2]
        found.append(points)
        have, drawn = have + len(points), drawn + 3 * count
        if drawn >= 60 * count and have < drawn / 500:
            raise GeometryError(f"domain must have room {margin_mm} mm below its surface for a tree, "
                                f"found {have} of {drawn} points there")
    return np.concatenate(found)[:count]


def scatter(cloud: Array, count: int) -> Array:
    """Return `count` of the points (k, 3), evenly spread (Poisson-disc like), widest spacing first."""
    if count == 0:
        return cloud[:0]
    extent = np.ptp(cloud, axis=0)
    start = float(np.prod(np.maximum(extent, 1.0)) / count) ** (1 / 3)
    return cloud[thin_out(cloud, min(count, len(cloud)), start)]


def split_backbone(cloud: Array, root: Array, direction: Array, stem_mm: float, tips: int, step_mm: float,
                   rng: np.random.Generator) -> Nodes:
    """Grow the large branches: each runs towards the middle of the points it supplies, which are then split in two.

    Parameters
    ----------
    cloud : (k, 3) points of the shape, standing for its volume.
    root, direction : (3,) where and whither the first branch starts.
    stem_mm : least length of the first branch, e.g. to reach the shape.
    tips : number of ends.
    step_mm : length of the pieces that a branch is made of.

    Notes
    -----
    After the volume-filling idea of Tawhai et al. 2000 (Ann Biomed Eng 28:793, doi 10.1114/1.1289457), with unequal
    shares so that some daughters go straight on and others leave as side branches (flow ratios of Kitaoka et al.
    1999, J Appl Physiol 87:2207).
    """
    forks: list[Array] = [root]
    fork_parents, shares = [-1], [tips]
    waiting = deque([(0, cloud, direction, np.zeros(3), tips)])
    while waiting:
        parent, points, heading, last_axis, share = waiting.popleft()
        to_middle = points.mean(axis=0) - forks[parent]
        reach = float(np.linalg.norm(to_middle))
        heading = _turn(heading, to_middle / max(reach, 1e-9))
        part = 0.75 if share == 1 else rng.uniform(0.34, 0.5) if parent else rng.uniform(0.22, 0.3)
        least = 2.0 * step_mm if parent else max(stem_mm, 2.0 * step_mm)
        here = forks[parent] + heading * max(part * reach, least)
        forks.append(here)
        fork_parents.append(parent)
        shares.append(share)
        me = len(forks) - 1
        if share == 1:
            continue
        axis = _split_axis(points, heading, last_axis)
        fraction = rng.uniform(0.28, 0.5) if share > 3 else 0.5
        below = points @ axis < np.quantile(points @ axis, fraction if rng.random() < 0.5 else 1 - fraction)
        first = int(np.clip(round(share * below.mean()), 1, share - 1))
        for side, part_share in ((below, first), (~below, share - first)):
            waiting.append((me, points[side], heading, axis, part_share))
    return _curved(np.array(forks), np.array(fork_parents, np.int64), np.array(shares), direction, step_mm)


@dataclass(frozen=True, eq=False)
class Companion:
    """A followed tree seen as nodes, and on which side of each the companion runs.

    Attributes
    ----------
    points, parents, radii_mm : (m, 3), (m,), (m,) nodes of the followed tree.
    side : (m, 3) unit vector across the tree at each node.
    """

    points: Array
    parents: NDArray[np.int64]
    radii_mm: Array
    side: Array

    @classmethod
    def of(cls, follow: Tubes, towards: Array) -> Companion:
        """Choose the sides along `follow` (one root), starting with that of the vector `towards`."""
        points = np.concatenate([follow.starts_mm[:1], follow.ends_mm])
        parents = np.concatenate([[-1], follow.parents + 1]).astype(np.int64)
        radii = np.concatenate([follow.start_radii_mm[:1], follow.end_radii_mm])
        return cls(points, parents, radii, companion_side(points, parents, towards))

    def beside(self, own_radii_mm: Array, gap_mm: float) -> Array:
        """Return the points (m, 3) of a companion of the given radii that touches the followed tree but for a gap."""
        return self.points + (self.radii_mm + own_radii_mm + gap_mm)[:, None] * self.side

    def joined(self, path: Array, root: Array, direction: Array, step_mm: float) -> tuple[Nodes, int]:
        """Return the tree that joins the `path` (m, 3) within its first 8 mm, and its first node on the path."""
        children = np.bincount(self.parents[1:], minlength=len(path))
        stem = [0]
        while children[stem[-1]] == 1 and np.linalg.norm(self.points[stem[-1]] - self.points[0]) < 8.0:
            stem.append(int(np.flatnonzero(self.parents == stem[-1])[0]))
        entry = stem[-1]
        after = np.flatnonzero(self.parents == entry)
        onward = path[after].mean(axis=0) - path[entry] if len(after) else path[entry] - root
        link = hermite(root, path[entry], direction, onward / max(float(np.linalg.norm(onward)), 1e-9), step_mm)
        keep = np.ones(len(path), bool)
        keep[stem] = False
        new_index = np.full(len(path), -1)
        new_index[entry] = len(link)
        new_index[keep] = len(link) + 1 + np.arange(keep.sum())
        points = np.concatenate([root[None], link, path[keep]])
        parents = np.concatenate([np.arange(-1, len(link)), new_index[self.parents[keep]]])
        return (points, parents.astype(np.int64)), len(link)


def grow_twigs(nodes: Nodes, closed: NDArray[np.bool_], targets: Array, obstacles: CapsuleGrid, clearance_mm: float,
               step_mm: float, path_weight: float, rng: np.random.Generator) -> Nodes:
    """Reach each target (n, 3) from the tree's best node: near, ahead rather than behind, and not far from the root.

    A twig leaves in its parent's direction, bends towards its target and steps around obstacles. Targets near the
    root come first.

    closed : (m,) nodes that no twig may leave, e.g. outside of the shape.
    clearance_mm : how far a twig stays from the surface of obstacles.
    path_weight : 0 makes long winding paths, 1 a star.
    """
    points, parents = nodes
    order = np.argsort(np.linalg.norm(targets - points[0], axis=1) + rng.normal(0, 8.0, len(targets)))
    bends = rng.normal(0, _TWIG_WANDER, (len(targets), 3))
    tubes = obstacles.tubes
    out_points, out_parents = grow_to_targets(
        points, parents, closed, targets[order], bends, step_mm, path_weight, clearance_mm, tubes.starts_mm,
        tubes.ends_mm, tubes.start_radii_mm, tubes.end_radii_mm, obstacles.origin_mm, obstacles.cells,
        obstacles.first, obstacles.members)
    return out_points, out_parents


def hermite(start: Array, end: Array, start_tangent: Array, end_tangent: Array, step_mm: float) -> Array:
    """Return points (k, 3) about `step_mm` apart on the cubic with the given unit end tangents, without the start."""
    chord = float(np.linalg.norm(end - start))
    k = max(int(np.ceil(chord / step_mm)), 1)
    t = (np.arange(1, k + 1) / k)[:, None]
    curve: Array = ((2 * t**3 - 3 * t**2 + 1) * start + (t**3 - 2 * t**2 + t) * chord * start_tangent
                    + (3 * t**2 - 2 * t**3) * end + (t**3 - t**2) * chord * end_tangent)
    return curve


def _turn(heading: Array, wanted: Array) -> Array:
    """Return the unit vector nearest to `wanted` that is within the greatest turn of `heading`."""
    cosine = float(heading @ wanted)
    if cosine >= _MAX_TURN:
        return wanted
    sideways = wanted - cosine * heading
    norm = float(np.linalg.norm(sideways))
    if norm < 1e-6:
        return heading
    return _MAX_TURN * heading + np.sqrt(1 - _MAX_TURN**2) * sideways / norm


def _split_axis(points: Array, heading: Array, last_axis: Array) -> Array:
    """Return the unit axis across `heading` along which the points spread most, rather not the last one again."""
    centred = points - points.mean(axis=0)
    centred = centred - np.outer(centred @ heading, heading)
    centred = centred - 0.4 * np.outer(centred @ last_axis, last_axis)
    axis: Array = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    return axis * np.sign(axis[np.abs(axis).argmax()])  # LAPACK leaves the sign open


def _curved(forks: Array, parents: NDArray[np.int64], shares: NDArray[np.int64], direction: Array,
            step_mm: float) -> Nodes:
    """Replace the straight branches between forks by curves that leave and arrive without kinks."""
    chords = forks[1:] - forks[parents[1:]]
    chords = np.vstack([direction, chords / np.linalg.norm(chords, axis=1, keepdims=True)])
    onward = np.zeros_like(forks)
    np.add.at(onward, parents[1:], chords[1:] * shares[1:, None])
    tangents = chords + onward / np.maximum(shares, 1)[:, None]
    tangents[0] = direction
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    points, out_parents = [forks[:1]], [np.array([-1])]
    index_of_fork = np.zeros(len(forks), np.int64)
    size = 1
    for i in range(1, len(forks)):
        p = parents[i]
        ahead = 0.75 if shares[i] * 2 >= shares[p] else 0.45  # the larger daughter goes on, the other turns off
        leave = ahead * tangents[p] + (1 - ahead) * chords[i]
        piece = hermite(forks[p], forks[i], leave / np.linalg.norm(leave), tangents[i], step_mm)
        points.append(piece)
        out_parents.append(np.concatenate([[index_of_fork[p]], size + np.arange(len(piece) - 1)]))
        size += len(piece)
        index_of_fork[i] = size - 1
    return np.concatenate(points), np.concatenate(out_parents).astype(np.int64)
