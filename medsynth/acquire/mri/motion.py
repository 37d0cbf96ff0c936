"""Where the body is while each line of k-space is measured.

A trajectory is drawn in continuous time, lines are sorted into few positions, and each position's object is the resting
one turned and shifted about the body's own centre, or bent by the breath. Positions are relative to that in which most
of the energy of k-space is measured, so that image and labels lie on each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from medsynth.acquire.mri import _kernels as kernels
from medsynth.acquire.mri.clock import Clock
from medsynth.acquire.mri.options import Motion, Respiration
from medsynth.acquire.mri.trajectory import breath_path, eased, rigid_path
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed

Floats = NDArray[np.float64]
LEVER_MM = 80.0  # a rotation counts as the way of a point this far from the centre
SAME_MM = 0.02  # positions closer than this are one
BEND_MM = 8.0  # lattice of the breath's displacement
SKIN_MM = 25.0  # over this depth the body wall takes part in the slide of the organs
BLOCK = 8  # voxels along the side of blocks that are known to be empty


@dataclass(frozen=True, eq=False)
class Pose:
    """One position: x -> rotation (x - centre) + centre + shift, and `breath` of the breath's displacement.

    Attributes
    ----------
    rotation : (3, 3).
    shift_mm : (3,) LPS.
    breath : 0 at the reference.
    """

    rotation: Floats
    shift_mm: Floats
    breath: float = 0.0

    @property
    def identity(self) -> bool:
        """Whether the object stays as it is."""
        return self.breath == 0 and not self.shift_mm.any() and bool((self.rotation == np.eye(3)).all())

    @property
    def shift_only(self) -> bool:
        """Whether the object is merely shifted."""
        return self.breath == 0 and bool((self.rotation == np.eye(3)).all())


@dataclass(frozen=True, eq=False)
class MotionPlan:
    """All positions of a scan.

    Attributes
    ----------
    poses : of the scan; the first is the reference.
    index : (slices, lines) int64, the pose of each line.
    centre_mm : LPS, the centre of rotation.
    bend_mm : (3, k, j, i) float32 displacement along the grid's axes at breath 1; (3, 1, 1, 1) for none.
    """

    poses: tuple[Pose, ...]
    index: NDArray[np.int64]
    centre_mm: Floats
    bend_mm: NDArray[np.float32] = field(default_factory=lambda: np.zeros((3, 1, 1, 1), np.float32))

    def log(self, clock: Clock) -> dict[str, object]:
        """Return the motion as JSON values: each pose, its share of the lines and when it was first and last taken."""
        rows = []
        for number, pose in enumerate(self.poses):
            at = self.index == number
            times = clock.time_s[at]
            rows.append({"rotation_deg": Rotation.from_matrix(pose.rotation).as_rotvec(degrees=True).round(4).tolist(),
                         "shift_mm": pose.shift_mm.round(4).tolist(), "breath": round(pose.breath, 4),
                         "share": round(float(at.mean()), 5),
                         "first_s": round(float(times.min()), 4) if times.size else None,
                         "last_s": round(float(times.max()), 4) if times.size else None})
        return {"centre_mm": self.centre_mm.round(3).tolist(), "poses": rows}


def plan_motion(options: Motion, clock: Clock, middle_row: int, body: NDArray[np.bool_], grid: Grid, *,
                seed: Seed) -> MotionPlan:
    """Return the positions of all lines.

    Parameters
    ----------
    middle_row : phase-encoded row of the middle of k-space; the reference is when it is measured.
    body : (k, j, i) on `grid`; its centre of mass is the centre of rotation.
    seed : of the motion; rigid movement and breath have streams of their own.
    """
    centre = centre_of(body, grid)
    if options.still:
        return MotionPlan((_rest(),), np.zeros(clock.time_s.shape, np.int64), centre)
    times = clock.time_s.ravel()
    turn, shift = rigid_path(options, clock.duration_s, seed=seed.child("rigid"))(times)
    breath = np.zeros_like(times)
    if not options.respiration.still:
        breath = breath_path(options.respiration, clock.duration_s, seed=seed.child("breath"))(times)
    excursion = np.hypot(options.respiration.superior_inferior_mm, options.respiration.anterior_posterior_mm)
    values = np.concatenate([turn * LEVER_MM, shift, (breath * excursion)[:, None]], axis=1)
    reference = _reference(clock, middle_row)
    index, means = grouped(values, options.poses, reference)
    # The image lies where most of the energy of k-space, which falls with the square of the frequency, is measured:
    # a jump that happens to cover the middle row alone does not move it.
    energy = np.tile(1 / (1 + (clock.phase - float(middle_row)) ** 2), len(clock.time_s))
    main = int(np.bincount(index, energy, len(means)).argmax())
    order = [main, *(number for number in range(len(means)) if number != main)]
    index, means = np.argsort(order)[index], means[order]
    poses = _relative(means, float(excursion), options)
    bend = np.zeros((3, 1, 1, 1), np.float32)
    if not options.respiration.still:
        bend = breath_field_mm(options.respiration, body, grid)
    return MotionPlan(poses, index.reshape(clock.time_s.shape), centre, bend)


def centre_of(body: NDArray[np.bool_], grid: Grid) -> Floats:
    """Return the LPS centre of mass of the body, of the grid where there is none."""
    counts = [body.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.float64) for axis in range(3)]
    total = counts[0].sum()
    if total == 0:
        return grid.centre_mm
    return grid.world_mm([float((np.arange(len(c)) * c).sum() / total) for c in counts])


def grouped(values: Floats, count: int, reference: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the group of each row of `values` and the groups' means, at most `count`, the reference's group first.

    Farthest points first: every row is within the smallest reach that this greedy choice finds.
    """
    chosen = [reference]
    distance = np.linalg.norm(values - values[reference], axis=1)
    group = np.zeros(len(values), np.int64)
    while len(chosen) < count and float(distance.max()) > SAME_MM:
        chosen.append(int(distance.argmax()))
        other = np.linalg.norm(values - values[chosen[-1]], axis=1)
        closer = other < distance
        group[closer] = len(chosen) - 1
        distance = np.minimum(distance, other)
    means = np.stack([values[group == number].mean(axis=0) for number in range(len(chosen))])
    return group, means


def moved(image: NDArray[np.complex64], plan: MotionPlan, pose: Pose, grid: Grid) -> NDArray[np.complex64]:
    """Return the image at a pose; `image` itself where nothing moves.

    Interpolation is by cubic B-splines from `spline_nodes`; callers with several poses compute those once.
    """
    return image if pose.identity else moved_nodes(spline_nodes(image), occupied(image), plan, pose, grid)


def spline_nodes(image: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return the B-spline coefficients (k, j, i) of an image."""
    nodes = image.copy()
    kernels.spline_last(nodes)
    kernels.spline_middle(nodes)
    kernels.spline_first(nodes)
    return nodes


def occupied(image: NDArray[np.complex64]) -> NDArray[np.bool_]:
    """Return which blocks of the image hold signal, or lie next to one that does."""
    shape = [-(-n // BLOCK) for n in image.shape]
    full = np.zeros(shape, bool)
    kernels.full_blocks(image, BLOCK, full)
    return np.asarray(ndimage.binary_dilation(full, np.ones((3, 3, 3), bool)))


def moved_nodes(nodes: NDArray[np.complex64], full: NDArray[np.bool_], plan: MotionPlan, pose: Pose,
                grid: Grid) -> NDArray[np.complex64]:
    """Return the image of B-spline coefficients at a pose."""
    steps, inverse = grid.steps_mm, np.linalg.inv(grid.steps_mm)
    matrix = inverse @ pose.rotation.T @ steps
    origin, centre = np.asarray(grid.origin_mm), plan.centre_mm
    offset = inverse @ (pose.rotation.T @ (origin - centre - pose.shift_mm) + centre - origin)
    bend = plan.bend_mm
    if bend.shape[3] > 1:
        bend = bend / np.asarray(grid.spacing_mm, np.float32)[:, None, None, None]
    out = np.empty_like(nodes)
    kernels.warp(nodes, full, BLOCK, np.ascontiguousarray(matrix), offset, bend, pose.breath, out)
    return out


def breath_field_mm(options: Respiration, body: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Return the displacement (3, k, j, i) in mm along the grid's axes at full inspiration: down and forwards.

    Elastic: the front wall moves forwards, the back half of the body does not; organs slide down, the back and the
    wall do not. Otherwise the whole body moves as one.
    """
    direction = np.asarray(grid.direction)
    down, forwards = np.array([0.0, 0.0, -1.0]) @ direction, np.array([0.0, -1.0, 0.0]) @ direction
    field_mm = np.empty((3, *grid.shape_kji), np.float32)
    organs, front = np.ones(grid.shape_kji, np.float32), np.ones(grid.shape_kji, np.float32)
    if options.elastic and body.any():
        organs, front = _elastic_weights(body, grid)
    for axis in range(3):
        field_mm[axis] = (np.float32(down[axis] * options.superior_inferior_mm) * organs
                          + np.float32(forwards[axis] * options.anterior_posterior_mm) * front)
    return field_mm


def _elastic_weights(body: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    step = [max(1, round(BEND_MM / mm)) for mm in grid.spacing_mm]
    coarse = body[:: step[0], :: step[1], :: step[2]]
    spacing = [mm * n for mm, n in zip(grid.spacing_mm, step, strict=True)]
    index = np.stack(np.meshgrid(*(np.arange(0, n, s) for n, s in zip(body.shape, step, strict=True)), indexing="ij"),
                     axis=-1)
    y = grid.world_mm(index)[..., 1]
    inside = y[coarse] if coarse.any() else y.ravel()
    share = (inside.max() - y) / max(float(np.ptp(inside)), 1.0)  # 0 at the back, 1 at the front
    depth = ndimage.distance_transform_edt(np.pad(coarse, 1, mode="edge"), sampling=spacing)[1:-1, 1:-1, 1:-1]
    front = eased((share - 0.45) / 0.45)
    organs = eased((share - 0.2) / 0.25) * eased(depth / SKIN_MM)
    smooth = [ndimage.gaussian_filter(w, [10.0 / mm for mm in spacing], mode="nearest") for w in (organs, front)]
    ratio = 1 / np.asarray(step, float)
    out = []
    for weight in smooth:
        fine = np.empty(body.shape, np.float32)
        ndimage.affine_transform(weight, ratio, 0.0, body.shape, output=fine, order=1, mode="nearest")
        out.append(fine)
    return out[0], out[1]


def _relative(means: Floats, excursion: float, options: Motion) -> tuple[Pose, ...]:
    """Return poses from groups' means, relative to the first group's."""
    rotations = Rotation.from_rotvec(means[:, :3] / LEVER_MM).as_matrix()
    shifts = means[:, 3:6].copy()
    if options.pattern == "nod":
        neck = np.array([0.0, 0.0, -options.neck_mm])
        shifts += neck - rotations @ neck
    breaths = means[:, 6] / excursion if excursion else np.zeros(len(means))
    back = rotations[0].T
    poses = [_rest()]
    for rotation, shift, breath in zip(rotations[1:], shifts[1:], breaths[1:], strict=True):
        turned = rotation @ back
        # a path without rotation gives exactly none, and shifts are then exact phase ramps
        turned = np.eye(3) if np.allclose(turned, np.eye(3), atol=1e-12) else turned
        poses.append(Pose(turned, shift - turned @ shifts[0], float(breath - breaths[0])))
    return tuple(poses)


def _reference(clock: Clock, middle_row: int) -> int:
    """Return the flat index of the line at the median of the times at which the middle row is measured."""
    at = np.flatnonzero(clock.phase == middle_row)
    at = at if at.size else np.arange(clock.lines)
    times = clock.time_s[:, at]
    nearest = int(np.abs(times - np.median(times)).argmin())
    row, column = divmod(nearest, len(at))
    return row * clock.lines + int(at[column])


def _rest() -> Pose:
    return Pose(np.eye(3), np.zeros(3))
