"""The breast between paddle and support: a closed map of space that keeps every volume.

The map works one axis after the other (f forwards from the chest, s along the plates, c across them): f' follows from f
alone, s' from f and s, and c is scaled by one over the two other stretches. Its volume factor is therefore one
everywhere, and its inverse needs no iteration but where the chest holds the breast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.base import Points

F64 = NDArray[np.float64]

EDGE_POWER, FRONT_POWER = 10.0, 8.0  # how flat the plates' contact is before the free edge rounds off
SPREAD, SPREAD_TIP = 1.14, 0.86  # sideways growth at the base and at the tip; the rest goes forwards
HOLD_MM = 15.0  # over which the chest lets go of the breast
LEAST_WIDTH_MM = 12.0
TABLE = 4001
REACH = 2.5  # tables go this many depths forwards
INVERSE_ROUNDS = 40


@dataclass(frozen=True, eq=False)
class Mounded:
    """The smooth mound that is flattened: a blunt half ellipsoid (see `phantoms.breast.mound`).

    Attributes
    ----------
    back_mm : y of its base; it reaches `depth_mm` forwards from there.
    half_x_mm, half_z_mm : half width and height of the base.
    blunt : exponent of its outline from the side.
    lean_mm, droop_mm : how far its tip lies to the side (x) and below the middle.
    """

    back_mm: float
    depth_mm: float
    half_x_mm: float
    half_z_mm: float
    blunt: float
    lean_mm: float
    droop_mm: float

    def section(self, f: F64) -> F64:
        """Return the section's size at distances forwards of the base, as a share of the base's."""
        phi = np.clip(f / self.depth_mm, 0, 1)
        waist = 1 - 0.05 * np.sin(np.pi * phi)
        return np.asarray(waist * (1 - phi**self.blunt) ** (1 / self.blunt))


@dataclass(frozen=True, eq=False)
class Compression:
    """Flattens a mound across `axis` to `thickness_mm` (a `Warp`).

    Attributes
    ----------
    axis : (3,) LPS unit vector in the x-z plane, from the paddle to the support.
    """

    mound: Mounded
    axis: tuple[float, float, float]
    thickness_mm: float

    @property
    def reach_mm(self) -> float:
        """No point of the breast moves farther than this."""
        m = self.mound
        return float(1.5 * m.depth_mm + max(m.half_x_mm, m.half_z_mm))

    @property
    def along(self) -> F64:
        """The plates' other direction, along the chest wall: upwards and to the side in an oblique view."""
        x, _, z = self.axis
        return np.array([-z, 0.0, x])

    @property
    def middle_mm(self) -> float:
        """Where the plane half-way between the plates lies along `axis`."""
        x, _, z = self.axis
        return float(0.5 * self.mound.lean_mm * x - 0.5**1.5 * self.mound.droop_mm * z)

    @property
    def lowest_mm(self) -> float:
        """Where the flattened base ends along `along`: below, or in the middle of the chest."""
        return float(-SPREAD * self._ellipse[1] * self._flattening[1][-1])

    @cached_property
    def _ellipse(self) -> tuple[float, float, float]:
        """Half thickness across the plates, half width along them, and the tilt of the ridge between, of the base."""
        across, along = np.asarray(self.axis), self.along
        inverse = np.array([self.mound.half_x_mm**-2, 0.0, self.mound.half_z_mm**-2])
        cc, ss, sc = (float(np.sum(inverse * a * b)) for a, b in ((across, across), (along, along), (along, across)))
        return cc**-0.5, float(np.sqrt(cc / (cc * ss - sc * sc))), -sc / cc

    @cached_property
    def _flattening(self) -> tuple[F64, F64, F64]:
        """Places t on an ellipse, where they go on a slab with rounded edges of equal area, and the slope of that."""
        t = 1 - (1 - np.linspace(0, 1, TABLE)) ** 2  # dense towards the edge

        def share(height: F64) -> F64:
            area = np.concatenate([[0.0], np.cumsum(0.5 * (height[1:] + height[:-1]) * np.diff(t))])
            return area / area[-1]

        round_, slab = np.sqrt(1 - t**2), np.sqrt(1 - t**EDGE_POWER)
        moved = np.interp(share(round_), share(slab), t)
        kept = t < 0.98  # beyond, both heights vanish and the quotient is noise: its slope goes on as it is
        slope = np.gradient(moved, t)
        slope[~kept] = slope[kept][-1]
        moved = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(t))])
        return t, moved, slope

    @cached_property
    def _forward(self) -> tuple[F64, F64]:
        """Distances f from the base forwards, and f' that they become."""
        f = np.linspace(0.0, REACH * self.mound.depth_mm, TABLE)
        slope = self._stretch(f)
        return f, np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(f))])

    def _hold(self, f: F64) -> F64:
        """Return 0 behind the breast's base, 1 where the plates hold it."""
        t = np.clip(f / HOLD_MM, 0, 1)
        return t * t * (3 - 2 * t)

    def _stretch(self, f: F64) -> F64:
        """Return df'/df: what makes the middle of each section as thick as the plates are apart."""
        hold = self._hold(f)
        inner = np.minimum(f, 0.985 * self.mound.depth_mm)
        height = 2 * self._ellipse[0] * self.mound.section(inner)
        wanted = self.thickness_mm * np.sqrt(1 - (inner / self.mound.depth_mm) ** FRONT_POWER)
        slope = self._flattening[2][0]
        return np.asarray(height / ((1 - hold) * height + hold * wanted)
                          / (self._spread(f) * (1 + hold * (slope - 1))))  # fmt: skip

    def _spread(self, f: F64) -> F64:
        phi = np.clip(f / self.mound.depth_mm, 0, 1)
        return 1 + (SPREAD + (SPREAD_TIP - SPREAD) * phi * phi - 1) * self._hold(f)

    def _width(self, f: F64) -> F64:
        return np.maximum(self._ellipse[1] * self.mound.section(f), LEAST_WIDTH_MM)

    def _axis_at(self, f: F64) -> tuple[F64, F64]:
        """Return s and c of the mound's middle line."""
        phi = np.clip(f / self.mound.depth_mm, 0, 1.0)
        x, z = self.mound.lean_mm * phi, -self.mound.droop_mm * phi**1.5
        (ax, _, az), (sx, _, sz) = self.axis, self.along.tolist()
        return x * sx + z * sz, x * ax + z * az

    def _flat(self, t: F64) -> tuple[F64, F64]:
        """Return t' and dt'/dt of the fully flattened section."""
        table, moved, slope = self._flattening
        a = np.abs(t)
        inside = np.minimum(a, 1.0)
        value = np.interp(inside, table, moved) + slope[-1] * (a - inside)
        return np.sign(t) * value, np.interp(inside, table, slope)

    def displacement_mm(self, points_mm: Points) -> F64:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        s, f, c = self._split(np.asarray(points_mm, np.float64))
        ahead = f > 0
        out = np.zeros(np.shape(points_mm))
        out[ahead] = self._moves(s[ahead], f[ahead], c[ahead])
        return out

    def _moves(self, s: F64, f: F64, c: F64) -> F64:
        hold, width, spread = self._hold(f), self._width(f), self._spread(f)
        s0, c0 = self._axis_at(f)
        t = (s - s0) / width
        flat, slope = self._flat(t)
        moved, slope = (1 - hold) * t + hold * flat, 1 + hold * (slope - 1)
        ridge = c0 + self._ellipse[2] * (s - s0)
        scale = 1 / (self._stretch(f) * spread * slope)
        new_c = (1 - hold) * ridge + hold * self.middle_mm + scale * (c - ridge)
        return self._joined(s0 + spread * width * moved - s, np.interp(f, *self._forward) - f, new_c - c)

    def inverse_displacement_mm(self, points_mm: Points) -> F64:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        s, f, c = self._split(np.asarray(points_mm, np.float64))
        ahead = f > 0
        out = np.zeros(np.shape(points_mm))
        out[ahead] = self._back(s[ahead], f[ahead], c[ahead])
        return out

    def _back(self, s: F64, f: F64, c: F64) -> F64:
        table, moved = self._forward
        old_f = np.interp(f, moved, table)
        hold, width, spread = self._hold(old_f), self._width(old_f), self._spread(old_f)
        s0, c0 = self._axis_at(old_f)
        t = self._unflattened((s - s0) / (spread * width), hold)
        _, slope = self._flat(t)
        old_s = s0 + t * width
        ridge = c0 + self._ellipse[2] * (old_s - s0)
        scale = 1 / (self._stretch(old_f) * spread * (1 + hold * (slope - 1)))
        old_c = ridge + (c - (1 - hold) * ridge - hold * self.middle_mm) / scale
        return self._joined(old_s - s, old_f - f, old_c - c)

    def _unflattened(self, moved: F64, hold: F64) -> F64:
        """Return t whose blend of itself and the flattened one is `moved`."""
        table, flat, slope = self._flattening
        a = np.abs(moved)
        t = np.where(a < flat[-1], np.interp(a, flat, table), 1 + (a - flat[-1]) / slope[-1])
        part = np.flatnonzero(hold < 1)
        if part.size:
            h, wanted = hold[part], a[part]
            low, high = np.zeros_like(wanted), 2.0 * wanted + 1e-6
            for _ in range(INVERSE_ROUNDS):
                middle = 0.5 * (low + high)
                short = (1 - h) * middle + h * self._flat(middle)[0] < wanted
                low, high = np.where(short, middle, low), np.where(short, high, middle)
            t[part] = 0.5 * (low + high)
        return np.asarray(np.sign(moved) * t)

    def _split(self, points: F64) -> tuple[F64, F64, F64]:
        (ax, _, az), (sx, _, sz) = self.axis, self.along.tolist()
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        return x * sx + z * sz, self.mound.back_mm - y, x * ax + z * az

    def _joined(self, s: F64, f: F64, c: F64) -> F64:
        forwards = np.array([0.0, -1.0, 0.0])
        return s[..., None] * self.along + f[..., None] * forwards + c[..., None] * np.asarray(self.axis)


@dataclass(frozen=True, eq=False)
class MusclePull:
    """Draws the pectoral muscle forwards into an oblique view (a `Warp`): breast and all before it move as one.

    Attributes
    ----------
    along : (3,) LPS unit vector along the chest wall edge of the image; the pull grows along it.
    from_mm, over_mm : where along it the pull begins, and how far on it is full.
    pull_mm : the full pull.
    muscle_mm : thickness that is stretched, in front of the ribs.
    cage : half width and half depth of the rib cage's ellipse, and x, y of its middle (see `phantoms.breast.frame`).
    """

    along: tuple[float, float, float]
    from_mm: float
    over_mm: float
    pull_mm: float
    muscle_mm: float
    cage: tuple[float, float, float, float]

    @property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        return self.pull_mm

    def _pull(self, points: F64) -> tuple[F64, F64]:
        """Return the pull of each point's column, and how far before the ribs the point lies."""
        s = points @ np.asarray(self.along)
        pull = self.pull_mm * _eased((s - self.from_mm) / self.over_mm)
        a, b, x0, y0 = self.cage
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        surface = y0 + 0.0013 * (z + 20.0) * np.abs(z + 20.0) - b * np.sqrt(np.clip(1 - ((x - x0) / a) ** 2, 0.02, 1))
        return pull, surface - y

    def displacement_mm(self, points_mm: Points) -> F64:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        points = np.asarray(points_mm, np.float64)
        pull, before = self._pull(points)
        return _forwards(pull * _smooth(before / self.muscle_mm))

    def inverse_displacement_mm(self, points_mm: Points) -> F64:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        points = np.asarray(points_mm, np.float64)
        pull, before = self._pull(points)
        back = np.where(before >= self.muscle_mm + pull, pull, 0.0)
        between = (before > 0) & (before < self.muscle_mm + pull) & (pull > 0)
        wanted, strength = before[between] / self.muscle_mm, pull[between] / self.muscle_mm
        low, high = np.zeros_like(wanted), np.ones_like(wanted)
        for _ in range(INVERSE_ROUNDS):
            middle = 0.5 * (low + high)
            short = middle + strength * _smooth(middle) < wanted
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        back[between] = before[between] - 0.5 * (low + high) * self.muscle_mm
        return -_forwards(back)


@dataclass(frozen=True, eq=False)
class TurnedChest:
    """Lays the chest along the plates' edge (a `Warp`): moves every point back or forwards by its place along the edge.

    Attributes
    ----------
    along : (3,) LPS unit vector along the edge.
    slope : how much a point is moved forwards per mm along it.
    lower_mm : below this place along it, the body falls back behind the edge.
    fall_mm, over_mm : by how much, and within which distance.
    """

    along: tuple[float, float, float]
    slope: float
    lower_mm: float
    fall_mm: float = 70.0
    over_mm: float = 45.0

    @property
    def reach_mm(self) -> float:
        """No point of the breast moves farther than this."""
        return abs(self.slope) * 150.0 + self.fall_mm

    def displacement_mm(self, points_mm: Points) -> F64:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        s = np.asarray(points_mm, np.float64) @ np.asarray(self.along)
        t = np.clip((self.lower_mm - s) / self.over_mm, 0, None)
        return _forwards(self.slope * s - self.fall_mm * np.where(t < 1, t * t, 2 * t - 1))

    def inverse_displacement_mm(self, points_mm: Points) -> F64:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        return -self.displacement_mm(points_mm)  # a shear does not change the place along the edge


def _smooth(t: F64) -> F64:
    u = np.clip(t, 0, 1)
    return np.asarray(u * u * (3 - 2 * u))


def _eased(t: F64) -> F64:
    """Return a line from 0 to 1 that starts softly."""
    u = np.clip(t, 0, 1)
    return np.asarray(np.where(u < 0.3, u * u / 0.6, u - 0.15) / 0.85)


def _forwards(distance: F64) -> F64:
    out: NDArray[Any] = np.zeros((*np.shape(distance), 3))
    out[..., 1] = -distance
    return out
