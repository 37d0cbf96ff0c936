"""Ways along the pulmonary arteries: through the main ones, and down the tree of their branches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from medsynth.core.errors import PlacementError
from medsynth.lesions.host import host
from medsynth.scene.structure import Scene
from medsynth.shapes.tubes import Tubes

STEP_MM = 2.0
TREES = ("pulmonary_arteries",)


@dataclass(frozen=True, eq=False)
class Path:
    """Points (n, 3) LPS mm along an artery's axis, and its radius (n,) in mm at each."""

    points_mm: NDArray[np.float64]
    radii_mm: NDArray[np.float64]

    def part(self, length_mm: float, middle_share: float) -> Path:
        """Return a part of at most this length; its middle lies at this share of the whole."""
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1))])
        kept = np.abs(along - middle_share * along[-1]) <= length_mm / 2
        return Path(self.points_mm[kept], self.radii_mm[kept])


def pulmonary_tree(scene: Scene) -> Tubes:
    """Return the branches of the pulmonary artery.

    Raises
    ------
    PlacementError
        If the body has none.
    """
    for name in TREES:
        if name in scene.vessels and len(scene.vessels[name].starts_mm):
            return scene.vessels[name]
    raise PlacementError(f"lesions.pulmonary_embolism needs pulmonary arteries, body {scene.body!r} has none")


def roots(tree: Tubes) -> NDArray[np.intp]:
    """Return the numbers of the capsules that begin a lobe's tree."""
    return np.flatnonzero(tree.parents < 0)


def path_from(tree: Tubes, start: int, branches: tuple[int, ...], length_mm: float) -> Path:
    """Return the way down the tree from a capsule; at divisions the wider branch, or the next one."""
    points, radii = [tree.starts_mm[start]], [tree.start_radii_mm[start]]
    at, run, division = start, 0.0, 0
    children = _children(tree)
    while True:
        points.append(tree.ends_mm[at])
        radii.append(tree.end_radii_mm[at])
        run += float(tree.lengths_mm[at])
        below = children.get(at, [])
        if run >= length_mm or not below:
            break
        below = sorted(below, key=lambda n: -float(tree.start_radii_mm[n]))
        wish = branches[division % len(branches)] if branches and len(below) > 1 else 0
        division += len(below) > 1
        at = below[min(wish, len(below) - 1)]
    return Path(np.array(points), np.array(radii))


@lru_cache(maxsize=4)
def _children(tree: Tubes) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for number, parent in enumerate(tree.parents.tolist()):
        if parent >= 0:
            children.setdefault(parent, []).append(number)
    return children


@lru_cache(maxsize=8)
def main_path(scene: Scene, side: str) -> Path:
    """Return the way through the main arteries: from lung to lung (`"both"`), or from the trunk to a side.

    Raises
    ------
    PlacementError
        If the body has no main pulmonary artery.
    """
    tree = pulmonary_tree(scene)
    starts = tree.starts_mm[roots(tree)]
    right, left = (starts[starts[:, 0] * sign < 0].mean(0) for sign in (1, -1))
    artery = host(scene, "pulmonary_artery")
    inside = artery.share >= 0.5
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=artery.grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    nodes = np.argwhere(inside)
    places = artery.grid.world_mm(nodes)
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(len(nodes))
    graph = _graph(number, depth, artery.grid.spacing_mm[0])

    def nearest(target: NDArray[np.float64]) -> int:
        return int(np.argmin(np.linalg.norm(places - target, axis=1)))

    first = nearest(right if side != "left" else left)
    # The trunk is the lowest and foremost part of the artery, where it leaves the heart.
    last = nearest(left) if side == "both" else int(np.argmin(places[:, 2] + 0.5 * places[:, 1]))
    _, before = dijkstra(graph, indices=np.array([first]), return_predecessors=True)
    way = [last]
    while way[-1] != first:
        step = int(before[0, way[-1]])
        if step < 0:
            raise PlacementError("the main pulmonary artery of this person is not in one piece")
        way.append(step)
    points = places[way[::-1]]
    smooth = ndimage.gaussian_filter1d(points, 3.0, axis=0, mode="nearest")
    radius = ndimage.map_coordinates(depth, artery.grid.index_kji(smooth).T, order=1)
    return Path(smooth, ndimage.gaussian_filter1d(np.maximum(radius, 2.0), 2.0, mode="nearest"))


def _graph(number: NDArray[np.intp], depth: NDArray[np.float64], step_mm: float) -> sparse.csr_matrix:
    """Return the graph of neighbouring voxels; steps near the wall cost more, so that ways keep to the middle."""
    rows, columns, costs = [], [], []
    for move in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1), (1, -1, 0), (1, 0, -1),
                 (0, 1, -1)):
        a = tuple(slice(max(0, -m), n - max(0, m)) for m, n in zip(move, number.shape, strict=True))
        b = tuple(slice(max(0, m), n - max(0, -m)) for m, n in zip(move, number.shape, strict=True))
        both = (number[a] >= 0) & (number[b] >= 0)
        length = step_mm * float(np.linalg.norm(move))
        rows.append(number[a][both])
        columns.append(number[b][both])
        costs.append(length / np.minimum(depth[a][both], depth[b][both]) ** 2)
    n = int(number.max()) + 1
    return sparse.csr_matrix((np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), (n, n)).maximum(
        sparse.csr_matrix((np.concatenate(costs), (np.concatenate(columns), np.concatenate(rows))), (n, n)))
