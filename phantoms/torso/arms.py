"""Hanging arms: their outline, joined to the trunk with the folds of the armpit, and their muscles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from phantoms.torso.frame import Frame
from phantoms.torso.girdle import Shoulder

F32 = NDArray[np.float32]
Field = NDArray[np.floating[Any]]

ARMPIT_Z_MM = 62.0  # reference height of its top
BLEND_MM, CREASE_MM = 26.0, 2.0  # how softly arm and trunk join above the armpit, and below it
CAP_MM = 17.0  # thickness of the deltoid over the head
BETWEEN_MM = 3.0  # half the fat between the muscles of the front and of the back of the arm


def add_arms(frame: Frame, muscle: Field, skin: Field, slow: Field, mid: Field) -> tuple[F32, F32, F32]:
    """Return the muscles' surface and the skin with the arms joined on, and the distance to the arms' muscles alone."""
    lattice = frame.lattice
    half = Lattice((-6.0, lattice.low_mm[1], lattice.low_mm[2]), lattice.high_mm, lattice.step_mm)
    shoulder = Shoulder(frame)
    nodes = np.rint(np.abs(lattice.x.ravel()) / lattice.step_mm - half.x.ravel()[0] / lattice.step_mm).astype(int)
    nodes = np.minimum(nodes, half.shape[2] - 1)
    meat, cover = (shoulder.envelope(half, skinned)[:, :, nodes] for skinned in (False, True))
    meat = meat - 1.0 * mid
    cover = np.minimum(cover - 1.0 * slow, meat - 2.2)
    # Arm and trunk are one above the armpit; below it a crease parts them down to where the arm leaves the chest.
    z = lattice.z / frame.height
    soft = (CREASE_MM + (BLEND_MM - CREASE_MM) * np.clip((z - ARMPIT_Z_MM + 26.0) / 52.0, 0, 1)).astype(np.float32)
    joined = _blended(muscle, meat, 0.6 * soft)
    outside = np.minimum(_blended(skin, cover, soft), joined - 2.2)
    return joined.astype(np.float32), outside.astype(np.float32), meat.astype(np.float32)


def _blended(a: Field, b: Field, soft: Field) -> Field:
    """Return the union of two fields, rounded over a length that varies."""
    share = np.maximum(soft - np.abs(a - b), 0.0) / soft
    return np.asarray(np.minimum(a, b) - 0.25 * soft * share * share)


def arm_regions(frame: Frame, lattice: Lattice, arms: F32, outside: F32) -> dict[str, Field]:
    """Return deltoid, the muscles of the arm's front and back, and those that hold the arm to the blade.

    Parameters
    ----------
    arms : distance to the arms' muscles at the nodes.
    outside : distance outwards from the ribs.
    """
    shoulder = Shoulder(frame)
    head, down = shoulder.head, shoulder.down
    x, y, z = np.abs(lattice.x), lattice.y, lattice.z
    # Along the arm from the head's middle, and in front of its axis.
    along = (x - head[0]) * down[0] + (y - head[1]) * down[1] + (z - head[2]) * down[2]
    before = head[1] + along * down[1] - y
    beside = x - head[0] - along * down[0]
    h = frame.height
    cap = np.maximum(-CAP_MM * np.clip((150.0 * h - along) / (70.0 * h), 0.2, 1.0) - arms, along - 150.0 * h)
    cap = smooth_max(cap.astype(np.float32), (-beside - 26.0).astype(np.float32), 6.0)
    inner = np.maximum(arms, 34.0 - outside)
    front = np.maximum(np.maximum(BETWEEN_MM - before, inner), 30.0 * h - along)
    back = np.maximum(np.maximum(BETWEEN_MM + before, inner), 22.0 * h - along)
    over = np.maximum(np.maximum(head[2] + 26.0 * frame.bone - z, 12.0 - outside), z - 215.0 * h)
    beyond = np.maximum(arms - 4.0, 16.0 - outside)  # the cuff about the joint
    made = {
        "deltoid": np.maximum(cap, 20.0 - outside),
        "arm_flexors": front,
        "arm_extensors": back,
        "shoulder_muscles": smooth_min(
            np.maximum(over, x - head[0]).astype(np.float32),
            np.maximum(beyond, along - 24.0 * h).astype(np.float32),
            6.0,
        ),
    }
    return {name: np.broadcast_to(field, lattice.shape).astype(np.float32) for name, field in made.items()}
