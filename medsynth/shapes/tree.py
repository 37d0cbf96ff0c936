"""Branching trees that fill a shape: airways, arteries, veins, ducts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Vector
from medsynth.shapes.base import Shape
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.tree_edit import concatenate, thickened, tip_indices, truncate
from medsynth.shapes.tree_growth import (
    Array,
    Companion,
    Nodes,
    grow_twigs,
    interior_points,
    scatter,
    split_backbone,
)
from medsynth.shapes.tree_relax import CapsuleGrid, push_inside, required_depth_mm, smooth
from medsynth.shapes.tubes import Tubes

_WANDER_WAVELENGTH_MM = 25.0
_RELAX_ROUNDS = 8
_SETTLE_ROUNDS = 12
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
    avoid : tubes that must not be touched; give airways with their walls (`thickened`).
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
    obstacles = [tubes for tubes in (avoid, follow) if tubes is not None and len(tubes.parents)]
    cloud = interior_points(domain, max(6 * spec.tips, 60 * spec.backbone_tips, 600), spec.margin_mm, rng)
    root, direction = _start(spec)
    if follow is not None:
        nodes = _twigs(_companion_nodes(follow, spec), cloud, spec.tips, spec, obstacles, rng)
    else:
        nodes = split_backbone(cloud, root, direction, min(spec.tips, spec.backbone_tips), spec.step_mm, rng)
        nodes = _wandered(nodes, spec, rng)
        bundles = [thickened(truncate(tubes, 0.9), fraction=spec.repel_ratio, offset_mm=spec.repel_mm)
                   for tubes in obstacles]
        nodes = _relaxed(nodes, domain, spec, bundles)
        nodes = _twigs(nodes, cloud, spec.tips - spec.backbone_tips, spec, obstacles, rng)
    nodes = _relaxed(nodes, domain, spec, obstacles)
    nodes = _pruned(nodes, _fits(nodes, domain, spec, obstacles))
    return _tubes(nodes, spec)


def bundle(follow: Tubes, spec: TreeSpec) -> Tubes:
    """Return tubes that hold both `follow` and the large branches that `grow_tree(..., follow=follow)` will have.

    Others can keep clear of them before they are grown: first the airways, then the veins with
    `avoid=bundle(airways, arteries)`, then the arteries with `follow=airways, avoid=veins`.
    """
    companion, radii = _companion(follow, spec)
    root, direction = _start(spec)
    points, parents = companion.joined(companion.beside(radii, spec.gap_mm), root, direction, spec.step_mm)
    link = np.arange(1, len(points) - len(follow.parents) + 1)  # the way from the root onto the path
    link = link[link < len(points)]
    own = np.concatenate([np.full(len(link), radii[0]), radii[1:]])
    middle = companion.points + (radii + spec.gap_mm / 2)[:, None] * companion.side
    starts = np.concatenate([points[parents[link]], middle[companion.parents[1:]]])
    ends = np.concatenate([points[link], middle[1:]])
    wide = companion.radii_mm + radii + spec.gap_mm / 2
    n = len(link)
    return Tubes(starts, ends, np.concatenate([own[:n], wide[companion.parents[1:]]]),
                 np.concatenate([own[:n], wide[1:]]), np.concatenate([np.arange(-1, n - 1), follow.parents + n * (follow.parents >= 0)]))


def _without_twigs(follow: Tubes, spec: TreeSpec) -> TreeSpec:
    """Return the spec of the large branches alone: each end is as wide as its share of all tips makes it."""
    share = max(spec.tips / len(tip_indices(follow)), 1.0)
    return replace(spec, tip_radius_mm=spec.tip_radius_mm * share ** (1 / spec.murray_exponent))


def _companion(follow: Tubes, spec: TreeSpec) -> tuple[Companion, Array]:
    if len(follow.parents) == 0 or np.count_nonzero(follow.parents == -1) != 1:
        raise GeometryError(expected("follow", f"{np.count_nonzero(follow.parents == -1)} roots", "a tree of one root"))
    companion = Companion.of(follow, np.array(spec.root_mm) - follow.starts_mm[0])
    return companion, murray_radii((companion.points, companion.parents), _without_twigs(follow, spec))[1]


def _companion_nodes(follow: Tubes, spec: TreeSpec) -> Nodes:
    companion, radii = _companion(follow, spec)
    return companion.joined(companion.beside(radii, spec.gap_mm), *_start(spec), spec.step_mm)


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
    weight = np.where(is_tip, np.maximum(1 + (points - points[is_tip].mean(axis=0)) @ spec.flow_gradient_per_mm, 0.2), 0)
    flow = spec.tip_radius_mm**spec.murray_exponent * weight / weight[is_tip].mean()
    leak = 0.0
    if spec.root_radius_mm is not None:
        wanted = spec.root_radius_mm**spec.murray_exponent
        leak = max(wanted - flow.sum(), 0.0) / lengths.sum()
        flow *= min(wanted / flow.sum(), 1.0)
    end = _gather(parents, flow, leak * lengths)
    return (end + leak * lengths) ** (1 / spec.murray_exponent), end ** (1 / spec.murray_exponent)


@numba.njit(cache=True, nogil=True)
def _gather(parents, flow, lost):  # type: ignore[no-untyped-def]
    end = flow.copy()
    for i in range(len(parents) - 1, 0, -1):
        end[parents[i]] += end[i] + lost[i]
    return end


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


def _twigs(nodes: Nodes, cloud: Array, tips: int, spec: TreeSpec, obstacles: list[Tubes],
           rng: np.random.Generator) -> Nodes:
    """Grow `tips` more ends; about every third target only lengthens a twig."""
    if tips <= 0:
        return nodes
    targets = scatter(cloud, round(1.45 * tips))
    grid = CapsuleGrid.of(concatenate(*obstacles, _NOTHING))
    return grow_twigs(nodes, targets, grid, 3 * spec.tip_radius_mm + spec.gap_mm, spec.step_mm, spec.path_weight, rng)


def _outside_mm(domain: Shape, root: Array) -> float:
    return max(float(np.asarray(domain.distance_mm(root[None]))[0]), 0.0)


def _relaxed(nodes: Nodes, domain: Shape, spec: TreeSpec, obstacles: list[Tubes]) -> Nodes:
    """Smooth the tree, push it inside and off the obstacles."""
    points, parents = nodes[0].copy(), nodes[1]
    radii = murray_radii(nodes, spec)[0]
    grids = [CapsuleGrid.of(tubes) for tubes in obstacles if len(tubes.parents)]
    outside = _outside_mm(domain, points[0])
    for turn in range(_RELAX_ROUNDS + _SETTLE_ROUNDS):
        if turn < _RELAX_ROUNDS:
            smooth(points, parents, radii**2, 1, 0.5)
        push_inside(points[1:], domain, required_depth_mm(points[1:], points[0], spec.margin_mm, outside))
        bad = [grid.push_away(points, parents, radii, spec.gap_mm).any() for grid in grids]
        if turn >= _RELAX_ROUNDS and not any(bad):
            break
    return points, parents


def _fits(nodes: Nodes, domain: Shape, spec: TreeSpec, obstacles: list[Tubes]) -> NDArray[np.bool_]:
    """Return which nodes are deep enough in the domain and end an edge that touches no obstacle, (m,)."""
    points, parents = nodes
    radii = murray_radii(nodes, spec)[0]
    depth = required_depth_mm(points, points[0], spec.margin_mm, _outside_mm(domain, points[0]))
    fits: NDArray[np.bool_] = np.asarray(domain.distance_mm(points)) + depth <= 0.2
    for tubes in obstacles:
        fits &= ~CapsuleGrid.of(tubes).push_away(points.copy(), parents, radii, 0.0)
    return fits


def _pruned(nodes: Nodes, fits: NDArray[np.bool_]) -> Nodes:
    """Drop the twigs from where they do not fit; a branch that carries more than a tenth of the nodes stays."""
    points, parents = nodes
    carried = _gather(parents, np.ones(len(points)), np.zeros(len(points)))
    keep = fits | (carried > 0.1 * len(points))
    keep[0] = True
    for i in range(1, len(points)):
        keep[i] &= keep[parents[i]]
    new_index = np.cumsum(keep) - 1
    new_parents = np.concatenate([[-1], new_index[parents[1:][keep[1:]]]]).astype(np.int64)
    return points[keep], new_parents
