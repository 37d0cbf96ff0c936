"""Branching trees that fill a shape: airways, arteries, veins, ducts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Vector
from medsynth.shapes.base import Shape
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.tree_clear import CapsuleGrid
from medsynth.shapes.tree_edit import concatenate, outer, thickened, tip_indices, truncate
from medsynth.shapes.tree_growth import (
    Array,
    Companion,
    Nodes,
    grow_twigs,
    interior_points,
    scatter,
    split_backbone,
)
from medsynth.shapes.tree_kernels import gather
from medsynth.shapes.tree_relax import fitting, outside_mm, pruned, relaxed
from medsynth.shapes.tubes import Tubes

_WANDER_WAVELENGTH_MM = 25.0
_SMOOTHINGS = 8
_TARGETS_PER_TIP = 1.45  # about every third target lengthens a twig instead of making a new end
_REACHED_MM = 5.0
_REGROWTHS = 3
_GIVEN_UP = 0.05  # a branch that carries more of the tree stays even where it touches
_NOTHING = Tubes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class TreeSpec:
    """What a tree must be like; the numbers alone, so that it can be saved beside the image.

    Attributes
    ----------
    root_mm, direction : LPS point and direction (any length) of the first branch.
    tips : number of ends aimed at; a few may be given up where there is no room.
    tip_radius_mm : mean radius of the ends.
    root_radius_mm : radius at the root. None leaves it to Murray's law. A larger one stands for side branches too
        small to be drawn, which leave evenly along the whole tree, so that every branch tapers; a smaller one makes
        all branches thinner.
    murray_exponent : g of r^g = sum of daughters' r^g, 2.8 airways, 2.9 vessels (2.92 +- 1.07: Dong et al. 2020).
    backbone_tips : how many ends the large branches have; all further ends are twigs grown onto them.
    margin_mm : distance the tree keeps from the shape's surface, except near the root.
    step_mm : length of the pieces.
    tortuosity : mean (path length / chord - 1); 0.026 in pulmonary arteries (Dong et al. 2020).
    path_weight : 0 lets twigs wind, 1 makes them leave the large branches early.
    flow_gradient_per_mm : relative change of the flow to the ends per mm along x, y, z, e.g. to make dependent
        vessels larger.
    gap_mm : free distance to the trees it must not touch.
    repel_ratio, repel_mm : the large branches seek to stay clear of the large branches of those trees, thickened to
        (1 + ratio) r + mm.
    """

    root_mm: Vector
    direction: Vector
    tips: int
    tip_radius_mm: float
    root_radius_mm: float | None = None
    murray_exponent: float = 2.9
    backbone_tips: int = 30
    margin_mm: float = 4.0
    step_mm: float = 2.5
    tortuosity: float = 0.026
    path_weight: float = 0.2
    flow_gradient_per_mm: Vector = (0.0, 0.0, 0.0)
    gap_mm: float = 0.4
    repel_ratio: float = 0.5
    repel_mm: float = 2.0

    def __post_init__(self) -> None:
        for name in ("tip_radius_mm", "murray_exponent", "step_mm"):
            if not 0 < getattr(self, name) < np.inf:
                raise GeometryError(expected(name, getattr(self, name), "finite and > 0"))
        for name in ("margin_mm", "tortuosity", "path_weight", "gap_mm", "repel_ratio", "repel_mm"):
            if not 0 <= getattr(self, name) < np.inf:
                raise GeometryError(expected(name, getattr(self, name), "finite and >= 0"))
        for name in ("tips", "backbone_tips"):
            if getattr(self, name) < 1:
                raise GeometryError(expected(name, getattr(self, name), ">= 1"))
        if self.root_radius_mm is not None and not 0 < self.root_radius_mm < np.inf:
            raise GeometryError(expected("root_radius_mm", self.root_radius_mm, "finite and > 0, or None"))
        if not (np.isfinite(self.root_mm).all() and np.isfinite(self.direction).all() and np.any(self.direction)):
            raise GeometryError(expected("root_mm and direction", (self.root_mm, self.direction), "finite, not zero"))


def grow_tree(domain: Shape, spec: TreeSpec, *, rng: np.random.Generator, avoid: Tubes | None = None,
              follow: Tubes | None = None) -> Tubes:
    """Grow a tree that fills `domain`.

    Parameters
    ----------
    domain : the shape to fill, e.g. one lobe; the tree stays in it except near its root.
    spec : the tree's numbers.
    rng : draws the shape's inner points, the splits and the twigs.
    avoid : tubes to keep clear of; walls included (see `walled` for airways). Twigs that cannot are given up and
        others grow into their place; a branch that carries more than 5 % of the tree stays even where it touches.
    follow : a tree with one root whose branches this one accompanies side by side (it is avoided too). Without it the
        large branches come from recursive splitting of the shape.

    Returns
    -------
    Tubes in order parent before child, one root. At each bifurcation the parent's end radius^g is the sum of the
    daughters' start radii^g.

    Raises
    ------
    GeometryError
        If the shape has no room at that margin, or `follow` has no single root.
    """
    obstacles = concatenate(_NOTHING, *(outer(tubes) for tubes in (avoid, follow) if tubes is not None))
    grid = CapsuleGrid.of(obstacles)
    cloud = interior_points(domain, max(6 * spec.tips, 60 * spec.backbone_tips, 600), spec.margin_mm, rng)
    clearance_mm = _clearance_mm(spec)
    cloud = cloud[grid.distance_mm(cloud, clearance_mm) >= clearance_mm]
    if follow is not None:
        nodes = _companion_nodes(follow, spec)
        twigs = spec.tips
    else:
        root, direction = _start(spec)
        nodes = split_backbone(cloud, root, direction, 1.2 * outside_mm(domain, root),
                               min(spec.tips, spec.backbone_tips), spec.step_mm, rng)
        nodes = _wandered(nodes, spec, rng)
        bundles = thickened(truncate(obstacles, 0.9), fraction=spec.repel_ratio, offset_mm=spec.repel_mm)
        nodes = _relaxed(nodes, domain, spec, CapsuleGrid.of(bundles), _SMOOTHINGS)
        twigs = spec.tips - spec.backbone_tips
    targets = scatter(cloud, round(_TARGETS_PER_TIP * max(twigs, 0)))
    nodes = _twigs(nodes, domain, targets, spec, grid, rng)
    nodes = _relaxed(nodes, domain, spec, grid, _SMOOTHINGS)
    for _ in range(_REGROWTHS):  # where a branch must be given up, others grow into its place
        kept = pruned(nodes, _fitting(nodes, domain, spec, grid), 0.5)
        empty = targets[cKDTree(kept[0]).query(targets.reshape(-1, 3))[0] > _REACHED_MM]
        if len(empty) <= 0.02 * len(targets):
            break
        nodes = _relaxed(_twigs(kept, domain, empty, spec, grid, rng), domain, spec, grid, 3)
    return _tubes(pruned(nodes, _fitting(nodes, domain, spec, grid), _GIVEN_UP), spec)


    return _tubes(nodes, spec)


def bundle(follow: Tubes, spec: TreeSpec) -> Tubes:
    """Return tubes that hold both `follow` and the large branches that `grow_tree(..., follow=follow)` will have.

    Others can keep clear of them before they are grown: first the airways, then the veins with
    `avoid=bundle(airways, arteries)`, then the arteries with `follow=airways, avoid=veins`.
    """
    companion, radii = _companion(follow, spec)
    (points, _), n = companion.joined(companion.beside(radii, spec.gap_mm), *_start(spec), spec.step_mm)
    middle = companion.points + (radii + spec.gap_mm / 2)[:, None] * companion.side
    wide = companion.radii_mm + radii + spec.gap_mm / 2
    return Tubes(np.concatenate([points[:n], middle[companion.parents[1:]]]),
                 np.concatenate([points[1:n + 1], middle[1:]]),
                 np.concatenate([np.full(n, radii[0]), wide[companion.parents[1:]]]),
                 np.concatenate([np.full(n, radii[0]), wide[1:]]),
                 np.concatenate([np.arange(-1, n - 1), np.where(follow.parents >= 0, follow.parents + n, -1)]))


def _without_twigs(follow: Tubes, spec: TreeSpec) -> TreeSpec:
    """Return the spec of the large branches alone: each end is as wide as its share of all tips makes it."""
    share = max(spec.tips / len(tip_indices(follow)), 1.0)
    return replace(spec, tip_radius_mm=spec.tip_radius_mm * share ** (1 / spec.murray_exponent))


def _companion(follow: Tubes, spec: TreeSpec) -> tuple[Companion, Array]:
    if len(follow.parents) == 0 or np.count_nonzero(follow.parents == -1) != 1:
        raise GeometryError(expected("follow", f"{np.count_nonzero(follow.parents == -1)} roots", "a tree of one root"))
    follow = outer(follow)
    companion = Companion.of(follow, np.array(spec.root_mm) - follow.starts_mm[0])
    return companion, murray_radii((companion.points, companion.parents), _without_twigs(follow, spec))[1]


def _companion_nodes(follow: Tubes, spec: TreeSpec) -> Nodes:
    companion, radii = _companion(follow, spec)
    return companion.joined(companion.beside(radii, spec.gap_mm), *_start(spec), spec.step_mm)[0]


def _start(spec: TreeSpec) -> tuple[Array, Array]:
    direction = np.array(spec.direction, np.float64)
    return np.array(spec.root_mm, np.float64), direction / np.linalg.norm(direction)


def _tubes(nodes: Nodes, spec: TreeSpec) -> Tubes:
    start_radii, end_radii = murray_radii(nodes, spec)
    points, parents = nodes
    return Tubes(points[parents[1:]], points[1:], start_radii[1:], end_radii[1:], parents[1:] - 1)


def murray_radii(nodes: Nodes, spec: TreeSpec) -> tuple[Array, Array]:
    """Return the radii (m,) in mm where each edge (parent to node) starts and ends, by Murray's law from the tips."""
    points, parents = nodes
    lengths = np.zeros(len(points))
    lengths[1:] = np.linalg.norm(points[1:] - points[parents[1:]], axis=1)
    is_tip = np.bincount(parents[1:], minlength=len(points)) == 0
    gradient = (points - points[is_tip].mean(axis=0)) @ np.array(spec.flow_gradient_per_mm)
    weight = np.where(is_tip, np.maximum(1 + gradient, 0.2), 0.0)
    flow = spec.tip_radius_mm**spec.murray_exponent * weight / weight[is_tip].mean()
    leak = 0.0
    if spec.root_radius_mm is not None:
        wanted = spec.root_radius_mm**spec.murray_exponent
        leak = max(wanted - flow.sum(), 0.0) / lengths.sum()
        flow *= min(wanted / flow.sum(), 1.0)
    end = gather(parents, flow, leak * lengths)
    return (end + leak * lengths) ** (1 / spec.murray_exponent), end ** (1 / spec.murray_exponent)


def _wandered(nodes: Nodes, spec: TreeSpec, rng: np.random.Generator) -> Nodes:
    """Displace the nodes by coherent noise of the amplitude that gives the wanted tortuosity."""
    # A sine of amplitude A and wavelength L is longer than its chord by (pi A / L)^2; its standard deviation is
    # A / sqrt 2, shared by the two directions across.
    points, parents = nodes
    sigma_mm = _WANDER_WAVELENGTH_MM * np.sqrt(spec.tortuosity) / (2 * np.pi)
    seeds = rng.integers(0, 2**62, 3)
    shift = np.stack([CoherentNoise(int(seed), _WANDER_WAVELENGTH_MM).at(points) for seed in seeds], axis=1)
    fade = np.clip(np.linalg.norm(points - points[0], axis=1) / 20.0, 0, 1)[:, None]
    return points + sigma_mm * fade * shift, parents


def _clearance_mm(spec: TreeSpec) -> float:
    """Return how far the middle of a twig stays from the surfaces of other trees while it grows."""
    return 3 * spec.tip_radius_mm + spec.gap_mm


def _twigs(nodes: Nodes, domain: Shape, targets: Array, spec: TreeSpec, obstacles: CapsuleGrid,
           rng: np.random.Generator) -> Nodes:
    """Grow twigs to the targets from those nodes that lie inside."""
    closed = np.asarray(domain.distance_mm(nodes[0])) > 0
    return grow_twigs(nodes, closed, targets, obstacles, _clearance_mm(spec), spec.step_mm, spec.path_weight, rng)


def _relaxed(nodes: Nodes, domain: Shape, spec: TreeSpec, obstacles: CapsuleGrid, smoothings: int) -> Nodes:
    return relaxed(nodes, murray_radii(nodes, spec)[0], domain, spec.margin_mm, obstacles, spec.gap_mm, smoothings)


def _fitting(nodes: Nodes, domain: Shape, spec: TreeSpec, obstacles: CapsuleGrid) -> NDArray[np.bool_]:
    return fitting(nodes, murray_radii(nodes, spec)[0], domain, spec.margin_mm, obstacles)
