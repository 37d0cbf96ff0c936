"""Named places of the built trunk: found on its shapes, so that they lie where the picture shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.base import Shape
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape, sample
from medsynth.shapes.sweep import Sweep
from phantoms.extremes import extreme, point_of
from phantoms.torso.cage import MANUBRIUM_TOP_Z_MM
from phantoms.torso.frame import VERTEBRAE, Frame
from phantoms.torso.girdle import Shoulder, clavicle_axis, mirrored
from phantoms.torso.spine import NECK, NECK_Z_MM

Field = NDArray[np.floating[Any]]
Points = NDArray[np.float64]
Places = dict[str, tuple[float, float, float]]

SIDES: Final[Mapping[str, float]] = {"right": -1.0, "left": 1.0}
LATERAL_DEG = 6.0  # half width of the sector about the mid-coronal plane that the lateral angle is looked for in


def lung_places(frame: Frame, fields: Mapping[str, Shape], above: Field, cavity: Field) -> Places:
    """Return tips, costophrenic and cardiophrenic angles of the lungs, and the domes of the diaphragm.

    Parameters
    ----------
    fields : `lung_right`, `lung_left`, `heart`.
    above, cavity : height above the diaphragm and distance to the chest's inner wall at the nodes of the body lattice.
    """
    places: Places = {}
    for side, sign in SIDES.items():
        lung = sample(fields[f"lung_{side}"], frame.lattice.step_mm)
        first = np.asarray(lung.origin_mm)
        last = first + (np.array(lung.values_mm.shape[::-1]) - 1) * lung.step_mm
        nodes = Lattice(tuple((first + 0.1).tolist()), tuple((last - 0.1).tolist()), lung.step_mm)
        angle = np.abs(((frame.cavity.angle_deg(nodes.points_mm) + 180) % 360) - 180)
        places[f"lung_apex_{side}"] = point_of(extreme(lung, (0, 0, 1)))
        places[f"costophrenic_angle_{side}"] = point_of(extreme(lung, (0, 0, -1), np.abs(angle - 90) < LATERAL_DEG))
        places[f"costophrenic_angle_posterior_{side}"] = point_of(extreme(lung, (0, 0, -1), angle > 125))
        places |= _cardiophrenic(side, sign, lung, nodes, fields["heart"])
        places |= _dome(frame, side, sign, above, cavity)
    return places


def _cardiophrenic(side: str, sign: float, lung: SampledShape, nodes: Lattice, heart: Shape) -> Places:
    """Return where lung, heart and diaphragm meet in front: the lowest of the lung beside the heart's widest plane."""
    beside = np.asarray(nodes.sample(heart))
    low, high = heart.bounds_mm()
    border = low[0] if sign < 0 else high[0]
    front = np.broadcast_to(nodes.y < 0.5 * (low[1] + high[1]) + 12.0, nodes.shape)
    near = (beside < 9.0) & front & (sign * nodes.x > 0.55 * abs(border))
    held = np.argwhere(near & (lung.values_mm < 0))
    if len(held) == 0:
        return {}
    lowest = held[int(np.argmin(held[:, 0]))][::-1]
    return {f"cardiophrenic_angle_{side}": point_of(np.asarray(lung.origin_mm) + lowest * lung.step_mm)}


def _dome(frame: Frame, side: str, sign: float, above: Field, cavity: Field) -> Places:
    """Return the top of one dome: where the surface under the lung is highest."""
    lattice = frame.lattice
    over = np.broadcast_to(above, lattice.shape) > 0
    inside = np.broadcast_to(cavity, lattice.shape) < -14.0
    apart = np.broadcast_to(sign * lattice.x > 24.0 * frame.width, lattice.shape)
    under = ~over & inside & apart
    k, j, i = np.argwhere(under).T
    top = int(np.argmax(k))
    best = np.flatnonzero(k == k[top])
    # Between two nodes of the column the surface is where the height is none.
    gap = np.array([above[k[n], j[n], i[n]] / (above[k[n], j[n], i[n]] - above[k[n] + 1, j[n], i[n]]) for n in best])
    n = best[int(np.argmax(gap))]
    z = lattice.z.ravel()[k[n]] + float(np.max(gap)) * lattice.step_mm
    return {f"diaphragm_dome_{side}": (float(lattice.x.ravel()[i[n]]), float(lattice.y.ravel()[j[n]]), float(z))}


# Heights, reference mm, down to which these are looked for.
SPINE_FROM_MM, TROCHANTER_FROM_MM = -335.0, -450.0


def heart_places(frame: Frame, sweeps: Mapping[str, Sweep]) -> Places:
    """Return hila and the aortic knob."""
    places: Places = {}
    for side in SIDES:
        ends = [sweeps[name].points_mm[-1] for name in (f"pulmonary_artery_{side}", f"vein_{side}_upper")]
        places[f"hilum_{side}"] = point_of(np.mean(ends, axis=0))
    arch = sweeps["aortic_arch"]
    high = arch.points_mm[:, 2] > arch.points_mm[:, 2].max() - 14.0 * frame.height
    leftmost = int(np.argmax(np.where(high, arch.points_mm[:, 0] + arch.first_mm, -np.inf)))
    places["aortic_knob"] = point_of(arch.points_mm[leftmost] + [arch.first_mm[leftmost] - 0.5, 0.0, 0.0])
    return places


def pelvis_places(frame: Frame, bone: SampledShape) -> Places:
    """Return crests, front upper spines and greater trochanters, as far as the bones (`pelvis_bones`) are built."""
    origin, size = np.asarray(bone.origin_mm), bone.values_mm.shape
    x = (origin[0] + np.arange(size[2]) * bone.step_mm)[None, None, :]
    z = (origin[2] + np.arange(size[0]) * bone.step_mm)[:, None, None]
    width, height = float(frame.scales(-300.0)[0]), frame.height
    places: Places = {}
    for side, sign in SIDES.items():
        own = np.broadcast_to(sign * x > 55.0 * width, size)
        places[f"iliac_crest_{side}"] = point_of(extreme(bone, (0, 0, 1), own))
        if origin[2] <= SPINE_FROM_MM * height:  # a bone cut off above it has its front end at the cut
            spine = own & (sign * x > 90.0 * width) & (z > SPINE_FROM_MM * height)
            places[f"anterior_superior_iliac_spine_{side}"] = point_of(extreme(bone, (0, -1, 0), spine))
        if origin[2] <= TROCHANTER_FROM_MM * height:
            thigh = own & (z < -385.0 * height) & (z > TROCHANTER_FROM_MM * height)
            places[f"greater_trochanter_{side}"] = point_of(extreme(bone, (sign, 0, 0), thigh))
    return places


def bone_places(frame: Frame) -> Places:
    """Return the middles of the vertebral bodies, and the medial ends of the collar bones."""
    z = frame.vertebra_z_mm
    places = {name: (0.0, float(frame.spine_y_mm(z[n])), float(z[n])) for n, name in enumerate(VERTEBRAE)}
    if frame.arms_down:
        for n, name in enumerate(NECK):
            height = float(NECK_Z_MM[n] * frame.height)
            places[name] = (0.0, float(frame.spine_y_mm(height)), height)
    for side, sign in SIDES.items():
        if frame.arms_down:
            end = mirrored(clavicle_axis(frame, Shoulder(frame))[0], sign)
        else:
            top = frame.cavity.point_mm(0.0, MANUBRIUM_TOP_Z_MM * frame.height)
            end = np.array([sign * 21 * frame.width, top[1] - 8, 124 * frame.height])
        places[f"clavicle_medial_end_{side}"] = point_of(end)
    return places
