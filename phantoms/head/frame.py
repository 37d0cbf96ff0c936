"""The head's own coordinates and its cranial cavity: reference millimetres of an average man, bent to the individual.

Origin: midway between the anterior and the posterior commissure, whose line runs along y: x to the left, y to the
back, z up. Reference positions are those of a large man, read off the published electrode
positions on the MNI head (nasion, preauricular points, inion; scaled by 0.93) and textbook skull measures (unverified).
The orbitomeatal line falls forward by 10 degrees against the commissures' line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice, unit_slope
from medsynth.shapes.noise import CoherentNoise

Field = NDArray[np.floating[Any]]
Axes = tuple[Field, Field, Field]

LOW_MM, HIGH_MM = (-98.0, -124.0, -156.0), (98.0, 112.0, 100.0)  # reference box of head and upper neck
CAVITY_LOW_MM, CAVITY_HIGH_MM = (-74.0, -88.0, -72.0), (74.0, 98.0, 82.0)
REFERENCE_CAVITY_ML = 1670.0  # of `cavity_mm` at reference size, as `tests/phantoms/test_head_skull.py` measures it
FACE_TOP_Z_MM = -66.0  # below it, and so below the cavity, the face has a length of its own
BEND_MM, BEND_WAVELENGTH_MM = (1.3, 0.6, 0.6), 85.0  # what makes the two sides of a head differ
STEP_MM = 2.0
NEAR_MM = 26.0  # farther from the cavity's box its distance is only said to be this or more

# Commissures: 25.7 mm (21-29) apart.
COMMISSURE_Y_MM = 12.9
# Midsagittal bony landmarks as (y, z), and paired ones as (x, y, z).
BASION, OPISTHION = (12.0, -57.0), (47.0, -63.0)
DORSUM, SELLA = (-4.0, -18.0), (-14.0, -21.5)
PETROUS_RIDGE = ((9.0, -1.0, -27.0), (32.0, 17.0, -23.0), (58.0, 38.0, -25.0))
# Axis of medulla and spinal cord from above the foramen magnum to the lower end of the body.
CORD_MM = ((0, 24, -50), (0, 26.5, -60), (0, 29, -70), (0, 31, -80), (0, 32.5, -92), (0, 34, -105), (0, 36.5, -120),
           (0, 40, -138), (0, 44, -158))


@dataclass(frozen=True, eq=False)
class Space:
    """A lattice of the body and the reference coordinates (nz, ny, nx) of its nodes, mm."""

    lattice: Lattice
    x: Field
    y: Field
    z: Field

    @cached_property
    def side(self) -> Field:
        """Distance to the midsagittal plane."""
        return np.abs(self.x)

    @cached_property
    def left(self) -> NDArray[np.uint8]:
        """1 on the left, 0 on the right: the owner of paired structures."""
        return (self.x > 0).astype(np.uint8)

    def part(self, low: ArrayLike, high: ArrayLike) -> tuple[tuple[slice, slice, slice], Space]:
        """Return the nodes within some 8 mm of a box of reference positions: slices of the arrays, and their space."""
        middle = [n // 2 for n in self.x.shape]
        slices = []
        lines = (self.z[:, middle[1], middle[2]], self.y[middle[0], :, middle[2]], self.x[middle[0], middle[1]])
        for axis, line in zip((2, 1, 0), lines, strict=True):  # the bend moves other lines by a few millimetres at most
            near = (line > np.asarray(low)[axis] - 8) & (line < np.asarray(high)[axis] + 8)
            hit = np.flatnonzero(near)
            slices.append(slice(int(hit[0]), int(hit[-1]) + 1) if hit.size > 1 else slice(0, 2))
        k, j, i = slices
        whole = self.lattice
        return (k, j, i), Space(whole.part((k, j, i)), self.x[k, j, i], self.y[k, j, i], self.z[k, j, i])


@dataclass(frozen=True, eq=False)
class Frame:
    """Scales and individual numbers that every part of the head is placed by.

    Attributes
    ----------
    width, depth, height : scales of x, y and z against the reference; their product sets the intracranial volume.
    face : length of the face against the cranium's.
    vault_mm : mean thickness of the parietal vault.
    frontal_mm : what the frontal bone is thicker than that.
    fat : thickness of the fat under the skin of face, scalp and neck against the reference at a BMI of 25.
    muscle : size of the muscles against the reference.
    jaw : breadth and strength of the jaws and cheek bones against the reference.
    neck : girth of the neck against the reference.
    seed : chooses the noise.
    """

    width: float
    depth: float
    height: float
    face: float
    vault_mm: float
    frontal_mm: float
    fat: float
    muscle: float
    jaw: float
    neck: float
    seed: int

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Frame:
        """Return the frame of a head's spec: its cranial index and relative height share out the drawn volume."""
        size = (float(spec["intracranial_ml"]) / REFERENCE_CAVITY_ML) ** (1 / 3)
        broad, tall = float(spec["breadth"]), float(spec["tallness"])
        width, height = size * (1 + broad), size * (1 + tall)
        return cls(
            width,
            size**3 / (width * height),
            height,
            seed=int(spec["seed"]),
            **{name: float(spec[name]) for name in ("face", "vault_mm", "frontal_mm", "fat", "muscle", "jaw", "neck")},
        )

    @property
    def size(self) -> float:
        """Mean linear scale against the reference."""
        return float((self.width * self.depth * self.height) ** (1 / 3))

    def noise_seed(self, number: int) -> int:
        """Return the seed of a noise field of this head."""
        return (self.seed * 1009 + number) % (1 << 31)

    def at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return reference points (..., 3) in this head, mm."""
        reference = np.array(points, float)
        z = reference[..., 2]
        reference[..., 2] = np.where(z < FACE_TOP_Z_MM, FACE_TOP_Z_MM + (z - FACE_TOP_Z_MM) * self.face, z)
        straight = reference * (self.width, self.depth, self.height)
        bent = straight.copy()
        for _ in range(3):  # the bend is small and slow: this converges to well below 0.1 mm
            bend = [CoherentNoise(self.noise_seed(n), BEND_WAVELENGTH_MM).at(bent) for n in range(3)]
            bent = straight - np.asarray(BEND_MM) * np.stack(bend, axis=-1)
        return bent

    def reference(self, lattice: Lattice) -> Axes:
        """Return the reference x, y, z (nz, ny, nx) of a lattice's nodes: the inverse of `at`."""
        x, y, z = (
            (axis + np.float32(BEND_MM[n]) * lattice.noise(self.noise_seed(n), BEND_WAVELENGTH_MM)) / np.float32(scale)
            for n, (axis, scale) in enumerate(
                ((lattice.x, self.width), (lattice.y, self.depth), (lattice.z, self.height))
            )
        )
        below = np.minimum(z - np.float32(FACE_TOP_Z_MM), 0)
        return x, y, z - below * np.float32(1 - 1 / self.face)

    def inner_table(self, lattice: Lattice) -> NDArray[np.float32]:
        """Return the signed distance (nz, ny, nx) in mm to the skull's inner surface, negative inside the cavity.

        The cavity ends at the foramen magnum, whose plane runs through `BASION` and `OPISTHION`.
        """
        around = self.box(np.subtract(CAVITY_LOW_MM, NEAR_MM), np.add(CAVITY_HIGH_MM, NEAR_MM), lattice.step_mm)
        low, high = np.asarray(around.low_mm), np.asarray(around.high_mm)
        k, j, i = (
            slice(*np.searchsorted(axis.ravel(), (low[n], high[n])).tolist())
            for n, axis in ((2, lattice.z), (1, lattice.y), (0, lattice.x))
        )
        box = k, j, i
        distance = np.full(lattice.shape, NEAR_MM, np.float32)
        if min(distance[box].shape) > 1:
            bent = cavity_mm(*self.reference(lattice.part(box)))
            distance[box] = unit_slope(bent, lattice.step_mm / self.size) * self.size
        return distance

    def space(self, lattice: Lattice) -> Space:
        """Return a lattice with the reference coordinates of its nodes."""
        return Space(lattice, *self.reference(lattice))

    def box(self, low: ArrayLike, high: ArrayLike, step_mm: float) -> Lattice:
        """Return a lattice over a reference box."""
        bottom, top = (np.array(end, float) for end in (low, high))
        for end in (bottom, top):
            end[2] += min(end[2] - FACE_TOP_Z_MM, 0.0) * (self.face - 1)
            end *= (self.width, self.depth, self.height)
        return Lattice(tuple(bottom.tolist()), tuple(top.tolist()), step_mm)

    @cached_property
    def lattice(self) -> Lattice:
        """The 2 mm lattice of the whole body."""
        return self.box(LOW_MM, HIGH_MM, STEP_MM)


def cavity_mm(x: Field, y: Field, z: Field) -> Field:
    """Return about the signed distance to the cranial cavity at reference coordinates, negative inside.

    A vault whose floor has three steps: the anterior fossa on the orbital roofs, the middle fossae with the temporal
    poles under the sphenoid wings, and the posterior fossa behind the petrous ridges and the clivus.
    """
    side = np.sqrt(x * x + 1.0)  # |x|, rounded at the midline
    vault = _vault(x, y, z)
    floors = smooth_min(_anterior_floor(side, y) - z, _middle_fossa(side, y, z), 5.0)
    floors = smooth_min(floors, _posterior_fossa(side, y, z), 3.0)
    sella = (np.sqrt((x / 7.5) ** 2 + ((y - SELLA[0]) / 6.0) ** 2 + ((z - SELLA[1]) / 7.5) ** 2) - 1) * 6.2
    return smooth_min(smooth_max(vault, floors, 4.0), sella, 2.0)


def _vault(x: Field, y: Field, z: Field) -> Field:
    """Return the distance to the vault: widest over the ears, a steep forehead, a rounder occiput."""
    widest = 10.0 + 0.12 * np.clip(z, -30, 60)
    v = (y - widest) / np.where(y < widest, 90.0 + 0.12 * np.clip(z, -30, 60), 79.0 - 0.12 * np.clip(z, -30, 60))
    w = (z - 4.0) / np.where(z < 4.0, 78.0, 70.5)
    pterion = 5.5 * np.exp(-(((y + 34.0) / 26.0) ** 2)) * np.clip((14.0 - z) / 30.0, 0, 1)  # narrow at the temples
    u = np.abs(x) / (67.0 - pterion)
    around = np.where(v < 0, (u**2.4 + np.abs(v) ** 2.4), (u**2.1 + np.abs(v) ** 2.1) ** np.float32(2.4 / 2.1))
    level = (around + np.abs(w) ** 2.4) ** np.float32(1 / 2.4)
    keel = 0.8 * np.exp(-((x / 9.0) ** 2))  # the groove of the sagittal sinus is a little higher than the sides
    vault: Field = (level - 1) * 72.0 - keel
    return vault


def _anterior_floor(side: Field, y: Field) -> Field:
    """Return the height of the floor under the frontal lobes; behind the sphenoid wings it leaves the rest open."""
    roof = -14.0 - 0.008 * (side - 27.0) ** 2 - 0.006 * (y + 58.0) ** 2  # domed over the orbits
    groove = 5.5 * np.exp(-((side / 6.5) ** 2))  # the cribriform plate lies deeper between them
    groove = groove * np.clip((-40.0 - y) / 6.0, 0, 1) * np.clip((y + 76.0) / 6.0, 0, 1)
    crest = 9.0 * np.exp(-((side / 2.0) ** 2)) * np.exp(-(((y + 66.0) / 5.0) ** 2))  # crista galli
    wing = -14.0 + 0.08 * np.clip(side - 10.0, 0, 60)  # the lesser wings rise to the side
    behind = -15.5 + 0 * side
    front = np.maximum(roof, -17.5) - groove + crest
    share = np.clip((y + 44.0) / 10.0, 0, 1)
    floor = front + (wing - front) * share
    share = np.clip((y + 25.0) / 4.0, 0, 1)
    height: Field = floor + (behind - floor) * share
    return height


def _middle_fossa(side: Field, y: Field, z: Field) -> Field:
    """Return the distance to the hollow of a temporal lobe, bounded behind by the slope of the petrous pyramid."""
    u, v = (side - 43.0) / np.where(side < 43.0, 28.0, 44.0), (y + 4.0) / 40.0
    w = (z + 18.0) / np.where(z < -18.0, 25.0, 40.0)
    level = (np.abs(u) ** 2.6 + np.abs(v) ** 2.4 + np.abs(w) ** 2.4) ** np.float32(1 / 2.5)
    along = (side - 9.0) * 0.78 + (y + 1.0) * 0.62  # from the petrous apex to the side
    ahead = (side - 9.0) * 0.62 - (y + 1.0) * 0.78  # in front of the ridge
    slope = -24.5 + 2.5 * np.exp(-(((along - 30.0) / 9.0) ** 2)) - 0.85 * np.maximum(ahead, 0.0)
    return smooth_max((level - 1) * 27.0, (slope - z) * 0.76, 6.0)


def _posterior_fossa(side: Field, y: Field, z: Field) -> Field:
    """Return the distance to the bowl of cerebellum and stem, down to the foramen magnum."""
    u, v, w = side / 64.0, (y - 35.0) / 58.0, (z + 20.0) / np.where(z < -20.0, 42.0, 26.0)
    bowl = (np.abs(u) ** 2.3 + np.abs(v) ** 2.3 + np.abs(w) ** 2.3) ** np.float32(1 / 2.3)
    bowl = smooth_max((bowl - 1) * 44.0, (np.abs(z + 2.0) - 62.0), 4.0)
    clivus = (-(y - DORSUM[0]) * 0.92 - (z - DORSUM[1]) * 0.39) + 0.4  # in front of the line from dorsum to basion
    ridge = -(side - 9.0) * -0.60 - (y + 1.0) * 0.74 - (z + 26.0) * 0.32  # in front of the petrous pyramid's back
    squama = smooth_max(bowl, smooth_max(clivus, ridge, 8.0), 5.0)
    t = np.clip((-46.0 - z) / 18.0, 0, 1)
    hole = np.sqrt((side / 15.5) ** 2 + ((y - 29.5 + 2.0 * (1 - t)) / 17.5) ** 2) - 1  # foramen magnum
    plane = (-61.0 - 0.17 * (y - 30.0)) - z
    return smooth_min(squama, smooth_max(hole * 16.0, np.maximum(plane, z + 40.0), 2.0), 5.0)
