"""Inside the breast: duct trees from the nipple, fibroglandular tissue along them, fat lobules and Cooper ligaments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tree import TreeSpec, grow_tree
from medsynth.shapes.tree_edit import concatenate, tip_indices
from medsynth.shapes.tubes import Tubes
from phantoms.breast.frame import SKIN_MM, BreastFrame
from phantoms.breast.mound import Mound, from_point
from phantoms.breast.table import labels

Field = NDArray[np.floating[Any]]

TIPS_PER_LOBE = 26
MARGIN_MM, LEAST_NODES = 0.8, 60
DUCT_STRIDE = 3  # every third node tells the room of a duct tree
TIP_RADIUS_MM, SINUS_RADIUS_MM = 0.30, 1.0  # ducts 1.2-2.5 mm wide behind the nipple (lactating 2.0 +- 0.7 mm)
LOBULE_RADIUS_MM = 2.2  # terminal lobules 1-4 mm
NEAR_MM, FAR_MM = 0.0, 60.0  # range of the sheath's half thickness that is searched
BISECTIONS = 14
RELAX_FROM_MM, RELAX = 5.0, 0.5
LIGAMENT_HALF_MM = 0.42  # Cooper ligaments 0.1-0.6 mm, drawn where they are thick enough to be seen


@dataclass(frozen=True, eq=False)
class Stroma:
    """The glandular tissue as a shape, and the ducts."""

    gland: SampledShape
    ducts: Tubes


def build_stroma(frame: BreastFrame, mound: Mound, *, rng: np.random.Generator) -> tuple[Stroma, list[Paint]]:
    """Return the fibroglandular tissue with the frame's volume fraction, and the paints of all that lies in the fat."""
    lattice, names = mound.lattice, labels()
    envelope = _envelope(frame, mound)
    ducts = _ducts(frame, mound, envelope, rng)
    nodes = np.flatnonzero((mound.inside < 3.0).ravel())
    k, j, i = np.unravel_index(nodes, lattice.shape)
    points = np.stack([lattice.x.ravel()[i], lattice.y.ravel()[j], lattice.z.ravel()[k]], axis=1)
    to_duct, to_tip = _along(ducts, points)
    dense = float(np.clip(frame.glandular / 0.55, 0, 1))
    wall_mm, fatty = _lobules(frame, mound, points, frame.lobule_mm, 0.93 - 0.72 * dense, rng)
    small_mm, specks = _lobules(frame, mound, points, 0.45 * frame.lobule_mm, 0.40 - 0.15 * dense, rng)
    coarse = lattice.noise(frame.noise_seed(10), 26.0).ravel()[nodes]
    mid = lattice.noise(frame.noise_seed(11), 11.0).ravel()[nodes]
    fine = lattice.noise(frame.noise_seed(12), 4.5).ravel()[nodes]
    bound, surface = envelope.ravel()[nodes], mound.inside.ravel()[nodes]
    under_skin = surface + SKIN_MM * frame.skin + 1.5
    # A fat lobule pushes the tissue to its walls; small ones are scattered through it.
    lobule = np.where(fatty, wall_mm - 0.7 - 0.5 * mid, -50.0)
    lobule = np.maximum(lobule, np.where(specks, np.minimum(small_mm - 0.9 - 0.5 * fine, to_duct - 3.0), -50.0))
    behind_nipple = 1.6 * np.exp(-np.linalg.norm(points - mound.nipple_mm.astype(np.float32), axis=1) / 14.0)

    def gland_of(sheath_mm: float) -> NDArray[np.float32]:
        reach = 0.35 + behind_nipple + sheath_mm * np.clip(1 + 0.45 * coarse + 0.30 * mid, 0.08, None)
        more = RELAX * max(sheath_mm - RELAX_FROM_MM, 0.0)  # a dense breast fills its fat lobules and its margins too
        field = np.maximum(to_duct - reach - 0.35 * fine, np.minimum(lobule - more, to_duct - 0.8))
        field = smooth_max(field.astype(np.float32), (bound - more).astype(np.float32), 4.0)
        return np.asarray(np.maximum(field, under_skin), np.float32)

    sheath = _matched(frame, lattice.step_mm, gland_of, np.asarray(surface, np.float32))
    gland, ligament = np.full(lattice.shape, 6.0, np.float32), np.full(lattice.shape, 6.0, np.float32)
    gland.ravel()[nodes] = gland_of(sheath)
    half = LIGAMENT_HALF_MM * np.clip(1 + 0.75 * coarse + 0.35 * mid, 0.0, 2.0) - 0.05
    ligament.ravel()[nodes] = np.maximum(wall_mm - half, surface + SKIN_MM * frame.skin)
    lobules = np.zeros(lattice.shape, np.uint8)
    lobules.ravel()[nodes] = to_tip < LOBULE_RADIUS_MM
    paints = [
        Paint(lattice.shape_of(ligament), (Layer(names["cooper_ligaments"]),)),
        Paint(lattice.shape_of(gland, lobules), (Layer((names["fibroglandular_tissue"], names["lobules"])),)),
        Paint(ducts, (Layer(names["ducts"]),), over=(names["fibroglandular_tissue"], names["breast_fat"],
                                                     names["lobules"], names["nipple"], names["areola"])),
    ]  # fmt: skip
    return Stroma(lattice.shape_of(gland), ducts), paints


def _envelope(frame: BreastFrame, mound: Mound) -> Field:
    """Return the distance to the room of the glandular cone: under the fat, before the muscle, open at the nipple."""
    lattice = mound.lattice
    from_nipple = from_point(lattice, mound.nipple_mm)
    dense = np.clip(frame.glandular / 0.5, 0, 1)
    under_skin = (0.20 - 0.13 * dense) * frame.radius_mm + 2.0
    rise = np.clip(from_nipple / (1.1 * frame.radius_mm), 0.1, 1.0)
    wave = 2.2 * lattice.noise(frame.noise_seed(13), 22.0)
    deep_wave = 4.5 * lattice.noise(frame.noise_seed(15), 30.0) + 2.0 * lattice.noise(frame.noise_seed(16), 12.0)
    behind = 7.0 + (1 - dense) * 0.08 * frame.radius_mm
    front = mound.skin + under_skin * rise + wave
    base = mound.inside + 0.10 * frame.radius_mm
    return smooth_max(smooth_max(front, np.maximum(behind - mound.pectoral + deep_wave, 1.5 - mound.pectoral), 6.0),
                      np.asarray(base + deep_wave, np.float32), 6.0)  # fmt: skip


def _ducts(frame: BreastFrame, mound: Mound, envelope: Field, rng: np.random.Generator) -> Tubes:
    """Grow one tree per lobe, each in its own sector about the nipple; lobes differ much in size."""
    lattice = mound.lattice
    part = (slice(None, None, DUCT_STRIDE),) * 3
    room = np.ascontiguousarray(envelope[part])
    x, z = lattice.x[part] - np.float32(mound.nipple_mm[0]), lattice.z[part] - np.float32(mound.nipple_mm[2])
    angle = np.arctan2(z, x) + 0.35 * lattice.noise(frame.noise_seed(14), 45.0)[part]
    share = rng.dirichlet(np.full(frame.lobes, 3.0)) * 0.7 + 0.3 / frame.lobes
    ends = np.cumsum(share) * 2 * np.pi
    radius = np.maximum(np.hypot(x, z), 4.0)
    trees = []
    for start, end in zip(np.concatenate([[0.0], ends[:-1]]), ends, strict=True):
        middle, half = (start + end) / 2, (end - start) / 2
        off = np.abs((angle - middle + np.pi) % (2 * np.pi) - np.pi) - half
        sector = np.maximum(room, np.minimum(off, 1.2) * radius).astype(np.float32)
        if np.count_nonzero(sector < -2 * MARGIN_MM) < LEAST_NODES:
            continue  # a lobe may be missing where the breast is flat
        side = np.array([np.cos(middle), 0.0, np.sin(middle)])
        root = mound.nipple_mm - 1.0 * mound.towards + 2.0 * side
        tips = max(6, round(TIPS_PER_LOBE * frame.lobes * (end - start) / (2 * np.pi)))
        spec = TreeSpec(tuple(root.tolist()), tuple((side - 1.6 * mound.towards).tolist()), tips, TIP_RADIUS_MM,
                        SINUS_RADIUS_MM, backbone_tips=min(10, tips), margin_mm=MARGIN_MM, step_mm=3.0, tortuosity=0.05,
                        murray_exponent=2.8)  # fmt: skip
        trees.append(grow_tree(SampledShape(sector, lattice.origin_mm, DUCT_STRIDE * lattice.step_mm), spec, rng=rng))
    return concatenate(*trees)


def _along(ducts: Tubes, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each point's distance to the nearest duct and to the nearest end of one, mm."""
    t = np.linspace(0, 1, 4)[:, None, None]
    axis = (ducts.starts_mm * (1 - t) + ducts.ends_mm * t).reshape(-1, 3)
    tips = ducts.ends_mm[tip_indices(ducts)]
    to_duct, to_tip = (np.asarray(cKDTree(cloud).query(points)[0], np.float32) for cloud in (axis, tips))
    return to_duct, to_tip


def _lobules(
    frame: BreastFrame,
    mound: Mound,
    points: NDArray[np.float32],
    size_mm: float,
    fat: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the distance to the nearest wall between fat lobules, and whether the point's own is filled.

    Lobules are cells about scattered seeds, in coordinates that shrink and stretch towards the nipple: their walls, the
    Cooper ligaments, run to it.
    """
    bend = np.stack([CoherentNoise(frame.noise_seed(20 + n), 1.6 * size_mm).at(points) for n in range(3)], axis=1)
    bent = points + np.float32(0.22 * size_mm) * bend
    mapped, scale = _converging(bent, mound.nipple_mm, frame.radius_mm)
    low, high = mapped.min(axis=0), mapped.max(axis=0)
    count = int(np.prod((high - low) / size_mm)) + 8
    seeds = rng.uniform(low, high, (count, 3)).astype(np.float32)
    distance, which = (np.asarray(found) for found in cKDTree(seeds).query(mapped, k=2))
    apart = np.linalg.norm(seeds[which[:, 0]] - seeds[which[:, 1]], axis=1)
    wall = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * np.maximum(apart, 1e-3)) / scale
    filled = rng.random(count) < fat
    return wall.astype(np.float32), filled[which[:, 0]]


def _converging(
    points: NDArray[np.float32], nipple_mm: NDArray[np.float64], radius_mm: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return coordinates in which cells of one size are small and radial near the nipple, and their local scale."""
    from_nipple = points - nipple_mm.astype(np.float32)
    r = np.linalg.norm(from_nipple, axis=1)
    core = 0.45 * radius_mm
    along = 1.25 * core * np.log1p(r / core)
    across = along / np.maximum(r, 1.0)  # sideways scale; along the ray it is 1.25 core / (core + r)
    ray = 1.25 * core / (core + r)
    return from_nipple * across[:, None], np.sqrt(across * ray)


def _matched(frame: BreastFrame, step_mm: float, gland_of: Any, inside: NDArray[np.float32]) -> float:
    """Return the sheath thickness that gives the glandular tissue its share of the breast."""
    room = np.clip(0.5 - inside / step_mm, 0, 1)
    wanted = frame.glandular * float(room.sum())
    low, high = NEAR_MM, FAR_MM
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        held = np.clip(0.5 - gland_of(middle) / step_mm, 0, 1) * room
        low, high = (middle, high) if float(held.sum()) < wanted else (low, middle)
    return (low + high) / 2
