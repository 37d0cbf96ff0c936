"""Deep grey matter, and the white matter between the hemispheres and below them: nuclei, callosum, fornix, stem."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import sweep_distance
from phantoms.head.brain_space import BrainSpace
from phantoms.head.callosum import callosum_distance
from phantoms.head.ventricles import Rows, offset_for, tube

Array = NDArray[np.float32]

# Axis (x, y, z) and half-axes (across, upright) of the left nuclei, reference mm; rough MNI-like places.
NUCLEI: dict[str, Rows] = {
    "caudate": (
        (10.5, -33.5, 0.0, 4.2, 6.0), (12.0, -28.0, 6.0, 5.0, 7.4), (13.8, -18.0, 12.5, 3.8, 6.0),
        (15.5, -6.0, 18.0, 2.8, 4.0), (18.5, 6.0, 20.5, 2.2, 3.0), (24.0, 19.0, 17.0, 1.8, 2.4),
        (31.0, 26.0, 6.0, 1.5, 1.9), (34.0, 20.0, -5.0, 1.3, 1.3), (34.0, 8.0, -11.0, 1.2, 1.1),
    ),
    "putamen": (
        (20.0, -33.0, 0.0, 3.2, 5.5), (23.0, -27.0, 1.5, 5.4, 9.5), (26.0, -17.0, 2.5, 6.4, 11.5),
        (28.5, -7.0, 3.0, 5.2, 11.0), (30.5, 2.0, 3.0, 3.4, 8.5), (31.5, 8.0, 2.0, 1.8, 4.0),
    ),
    "pallidum": (
        (16.5, -19.5, -1.0, 2.4, 3.6), (19.0, -14.0, 0.0, 4.0, 6.2), (21.8, -7.0, 1.0, 4.2, 6.8),
        (24.2, 0.5, 1.5, 2.8, 5.0), (25.6, 5.0, 1.5, 1.4, 2.5),
    ),
    "thalamus": (
        (6.4, -7.5, 6.5, 3.2, 4.6), (9.2, -1.0, 7.6, 6.2, 7.2), (11.5, 7.0, 7.2, 8.2, 8.4),
        (14.0, 14.0, 6.0, 8.2, 8.0), (16.6, 19.5, 3.8, 6.0, 5.6),
    ),
    "hippocampus": (
        (23.0, -6.0, -21.5, 4.0, 4.4), (26.5, -1.0, -19.5, 6.0, 4.4), (28.5, 8.0, -15.5, 4.8, 3.6),
        (28.5, 17.0, -9.0, 4.0, 3.2), (26.0, 24.5, -2.0, 3.2, 3.0), (21.0, 28.0, 4.0, 2.0, 2.2),
    ),
    "amygdala": ((19.5, -13.5, -17.0, 5.0, 5.5), (23.0, -10.5, -18.0, 6.8, 6.6), (26.0, -8.0, -17.5, 4.5, 5.0)),
    "accumbens": ((9.0, -27.5, -6.5, 3.4, 3.2), (11.5, -23.0, -7.0, 4.4, 3.8), (13.0, -18.0, -7.0, 2.6, 2.6)),
}
# What keeps its place where two nuclei meet: an earlier one cuts a later one.
ORDER = ("caudate", "thalamus", "pallidum", "putamen", "accumbens", "amygdala", "hippocampus")
# Painted one group after the other: neighbours lie in different ones, so that each is drawn at its own border.
LAYERS = (("thalamus", "putamen", "amygdala"), ("caudate", "pallidum", "hippocampus", "accumbens"))
NOISE_MM = 0.7

FORNIX: Rows = (
    (2.4, -9.0, -7.0, 1.3, 1.3), (2.2, -13.0, 2.0, 1.5, 1.5), (2.0, -11.5, 11.0, 1.6, 2.0), (2.4, -3.0, 16.5, 1.9, 1.9),
    (4.5, 8.0, 18.0, 2.6, 1.5), (11.0, 19.0, 14.5, 2.8, 1.3), (19.0, 26.0, 6.5, 1.6, 1.6), (24.0, 22.0, -3.0, 1.3, 1.3),
)
ANTERIOR_COMMISSURE: Rows = (
    (0.0, -13.0, -0.5, 1.5, 1.8), (8.0, -14.5, -2.5, 1.6, 1.8), (17.0, -12.5, -6.0, 1.5, 1.6),
    (25.0, -7.0, -9.0, 1.3, 1.3),
)


def deep_lattice(space: BrainSpace) -> Lattice:
    """Return the lattice of nuclei and ventricles."""
    low, high = space.at([-41.0, -56.0, -57.0]), space.at([41.0, 76.0, 36.0])
    return Lattice(tuple(low.tolist()), tuple(high.tolist()), 1.0)


@dataclass(frozen=True, eq=False)
class Nuclei:
    """The nuclei of both sides.

    Attributes
    ----------
    layers : one shape for each group of `LAYERS`; its owners are right and left in turn, in the group's order.
    bulging_mm : distance to what bulges into the lateral ventricles.
    """

    layers: tuple[SampledShape, ...]
    bulging_mm: Array


def build_nuclei(
    space: BrainSpace, lattice: Lattice, volumes_ml: Mapping[str, Mapping[str, float]], seed: int
) -> Nuclei:
    """Return the nuclei with the drawn volumes of each side."""
    noise = NOISE_MM * lattice.noise(seed, 14.0) + 0.5 * lattice.noise(seed + 1, 30.0)

    def one(side: str) -> list[Array]:
        sign = 1 if side == "left" else -1
        own: list[Array] = []
        for name in ORDER:
            field = (sweep_distance(tube(space, NUCLEI[name], sign), lattice, 9.0)[0] + noise).astype(np.float32)
            if name == "thalamus":
                field = smooth_max(field, ((2.0 - sign * lattice.x) + 0 * field).astype(np.float32), 1.5)
            for earlier in own:  # half a millimetre of white matter parts neighbours
                field = np.maximum(field, 0.5 - earlier)
            field -= np.float32(offset_for(lattice, field, volumes_ml[name][side], -3.0, 4.0))
            for earlier in own:
                field = np.maximum(field, 0.3 - earlier)
            own.append(field)
        return own

    with ThreadPoolExecutor(max_workers=2) as pool:
        right, left = pool.map(one, ("right", "left"))
    layers = []
    for group in LAYERS:
        best, owner = np.full(lattice.shape, 9.0, np.float32), np.zeros(lattice.shape, np.uint8)
        for n, field in enumerate(side[ORDER.index(name)] for name in group for side in (right, left)):
            owner[field < best] = n
            best = np.minimum(best, field)
        layers.append(lattice.shape_of(best, owner))
    bulging = np.full(lattice.shape, 9.0, np.float32)
    for name in ("caudate", "thalamus", "hippocampus"):
        n = ORDER.index(name)
        for sign, field in ((-1, right[n]), (1, left[n])):
            bulging = np.minimum(bulging, field)
            if name == "caudate":  # however wide the ventricle, it does not open beside the caudate's head and body
                beside = np.minimum.reduce([_moved(field, sign * shift) for shift in (4, 8, 12)])
                bulging = np.minimum(bulging, np.where(space.axes(lattice)[1] < 8.0, beside, 9.0))
    return Nuclei(tuple(layers), bulging)


def _moved(field: Array, nodes: int) -> Array:
    """Return a field moved along x by a number of nodes; what comes in from the edge is far."""
    moved = np.full_like(field, 9.0)
    if nodes >= 0:
        moved[:, :, nodes:] = field[:, :, : field.shape[2] - nodes]
    else:
        moved[:, :, :nodes] = field[:, :, -nodes:]
    return moved


def build_midline(space: BrainSpace, lattice: Lattice) -> SampledShape:
    """Return callosum (owner 0) and fornix with septum pellucidum and anterior commissure (owner 1)."""
    x, y, z = space.axes(lattice)
    scale = np.float32(space.scale)
    distance = callosum_distance(x, y, z)[0] + 0.03 * np.maximum(np.abs(x) - 6.0, 0.0) ** 2
    beside = np.broadcast_to((np.abs(x) - 14.0) * scale, lattice.shape).astype(np.float32)
    callosum = smooth_max((distance * scale).astype(np.float32), beside, 4.0)
    tubes = [
        sweep_distance(tube(space, rows, sign), lattice, 6.0)[0]
        for rows in (FORNIX, ANTERIOR_COMMISSURE)
        for sign in (-1, 1)
    ]
    septum = np.maximum(np.abs(x) - 0.7, np.hypot((y + 22.0) / 20.0, (z - 13.0 + 0.35 * (y + 22)) / 8.5) * 8.5 - 8.5)
    fornix = np.minimum.reduce([*tubes, ((septum + 0 * distance) * scale).astype(np.float32)])
    both = np.minimum(callosum, fornix)
    return lattice.shape_of(both, (fornix < callosum).astype(np.uint8))


STEM: dict[str, tuple[Rows, ...]] = {
    "midbrain": (
        ((15.0, 3.5, -1.0, 5.0, 4.5), (11.5, 8.0, -10.0, 5.5, 5.0), (9.0, 10.0, -21.0, 6.0, 6.0)),  # cerebral peduncle
        ((4.5, 14.5, -3.0, 7.5, 4.5), (4.5, 17.5, -11.0, 9.5, 6.0), (4.0, 20.0, -21.0, 8.5, 6.0)),  # tegmentum
        ((5.2, 22.5, -4.5, 4.4, 3.8), (5.4, 26.0, -11.5, 4.4, 3.4)),  # colliculi
    ),
    "pons": (  # belly, tegmentum, middle cerebellar peduncle
        ((4.5, 11.5, -22.5, 10.0, 7.5), (5.5, 12.0, -30.0, 12.5, 10.6), (5.0, 13.5, -38.0, 11.0, 8.6)),
        ((4.0, 20.0, -20.0, 8.5, 5.5), (4.0, 20.5, -33.0, 9.0, 6.5), (3.5, 23.0, -44.0, 7.5, 5.0)),
        ((13.0, 13.5, -33.0, 8.0, 8.0), (19.0, 21.0, -35.0, 6.5, 7.5), (21.0, 30.0, -36.5, 4.0, 5.5)),
    ),
    "medulla": (
        ((3.2, 22.5, -44.0, 7.0, 5.6), (2.6, 24.0, -52.0, 6.8, 6.2), (1.4, 26.8, -60.0, 5.6, 5.0),
         (0.2, 29.2, -66.0, 5.8, 4.4), (0.1, 31.0, -73.0, 5.8, 4.4)),
    ),
}
STEM_ORDER = tuple(STEM)


def build_stem(space: BrainSpace, cavity: SampledShape, target_ml: float) -> SampledShape:
    """Return the brain stem (owners by `STEM_ORDER`), behind clivus and dorsum sellae by a cistern of 2 mm."""
    low, high = space.at([-31.0, -8.0, -76.0]), space.at([31.0, 46.0, 8.0])
    lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), 1.0)
    inside = cavity.distance_mm(lattice.points_mm)
    x, y, z = space.axes(lattice)
    parts = []
    for pieces in STEM.values():
        fields = [sweep_distance(tube(space, rows, sign), lattice, 8.0)[0] for rows in pieces for sign in (-1, 1)]
        whole = fields[0]
        for field in fields[1:]:
            whole = smooth_min(whole, field, 2.5)
        parts.append(whole)
    whole = smooth_min(smooth_min(parts[0], parts[1], 2.5), parts[2], 3.0)
    whole = (whole - np.float32(offset_for(lattice, whole, target_ml, -3.0, 3.0))).astype(np.float32)
    whole = smooth_max(whole, (inside + 2.0).astype(np.float32), 2.0)
    along = z - 0.26 * (y - 15.0) + 0 * x  # borders stand square on the axis, which falls backwards
    owner = np.where(along > -20.5, 0, np.where(along > -45.5, 1, 2)).astype(np.uint8)
    return lattice.shape_of(whole, owner)
