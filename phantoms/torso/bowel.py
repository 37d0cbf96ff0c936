"""Small bowel and colon: strings of beads that find room in the peritoneal space, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from medsynth.core.seed import Seed
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.tubes import Tubes
from phantoms.torso.bowel_kernels import relax_string, splat_string
from phantoms.torso.frame import RECTUM_MM
from phantoms.torso.viscera_space import FAR_MM, Field, Space, capsules, pushed_inside, tube_along

F64 = NDArray[np.float64]

# The colon's course, reference mm, and its radius there; segments by the index of their first point. The calibre of
# CT: ascending 46 (26-63) mm, descending 29 (16-48) mm; caecum below 90, transverse below 60.
COLON: tuple[tuple[str, tuple[float, float, float], float], ...] = (
    ("caecum", (-78, -24, -308), 20.0),
    ("caecum", (-86, -18, -290), 26.0),
    ("colon_ascending", (-98, -4, -262), 25.0),
    ("colon_ascending", (-103, 8, -228), 23.5),
    ("colon_ascending", (-100, 10, -198), 22.0),
    ("colon_ascending", (-90, -8, -180), 21.0),
    ("colon_transverse", (-74, -44, -186), 20.0),
    ("colon_transverse", (-52, -70, -200), 19.5),
    ("colon_transverse", (-18, -82, -212), 18.0),
    ("colon_transverse", (20, -84, -206), 17.5),
    ("colon_transverse", (54, -78, -180), 17.5),
    ("colon_transverse", (82, -52, -142), 18.0),
    ("colon_transverse", (100, -16, -116), 18.0),
    ("colon_descending", (112, 14, -116), 17.0),
    ("colon_descending", (114, 28, -146), 15.0),
    ("colon_descending", (112, 30, -190), 13.5),
    ("colon_descending", (106, 24, -232), 13.0),
    ("colon_descending", (97, 6, -270), 13.0),
    ("colon_sigmoid", (86, -12, -300), 13.5),
    ("colon_sigmoid", (62, -24, -326), 14.5),
    ("colon_sigmoid", (28, -30, -322), 15.5),
    ("colon_sigmoid", (-6, -24, -306), 15.5),
    ("colon_sigmoid", (-24, -2, -314), 15.0),
    ("colon_sigmoid", (-12, 26, -326), 14.5),
    ("rectum", RECTUM_MM[0], 15.0),
    ("rectum", RECTUM_MM[1], 17.0),
    ("rectum", RECTUM_MM[2], 18.0),
    ("rectum", RECTUM_MM[3], 15.0),
    ("rectum", RECTUM_MM[4], 9.0),
)
COLON_PARTS = ("caecum", "colon_ascending", "colon_transverse", "colon_descending", "colon_sigmoid", "rectum")
SMALL_PARTS = ("jejunum", "ileum")
JEJUNUM_SHARE = 0.4  # of the small bowel below the duodenum
LOOSE_MM = {"colon_transverse": 11.0, "colon_sigmoid": 13.0, "rectum": 0.0}  # by how much its course wanders, else 5
STEP_MM = 6.2  # between the beads of the small bowel
FILL = 0.65  # of the free space that loops can take
COLON_STEP_MM = 9.0
HAUSTRUM_MM = 27.0  # between two semilunar folds
FOLD_MM = 4.6


@dataclass(frozen=True, eq=False)
class Gut:
    """A stretch of bowel.

    Attributes
    ----------
    points_mm : (n, 3) its centreline.
    radii_mm : (n,) outer radius before it presses on its neighbours.
    arc_mm : (n,) arc length.
    part_ends_mm : arc lengths where one part ends and the next begins.
    first, second, where : at the nodes, the distance to it and to its next loop, and the arc length of the nearest
        point.
    """

    points_mm: F64
    radii_mm: F64
    arc_mm: F64
    part_ends_mm: tuple[float, ...]
    first: Field
    second: Field
    where: Field

    @property
    def centreline(self) -> Tubes:
        """The centreline as capsules of the bowel's radius."""
        n = len(self.points_mm)
        return Tubes(
            self.points_mm[:-1], self.points_mm[1:], self.radii_mm[:-1], self.radii_mm[1:],
            np.arange(-1, n - 2, dtype=np.int64),
        )  # fmt: skip

    def parts(self) -> NDArray[np.uint8]:
        """Return the number of the part at every node."""
        return np.digitize(self.where, np.array(self.part_ends_mm)).astype(np.uint8)


def _gut(space: Space, beads: F64, radii: F64, parts: tuple[float, ...], apart_mm: float, margin_mm: float) -> Gut:
    """Return the bowel through beads, drawn on the lattice; `parts` as shares of the beads."""
    index = np.arange(len(beads))
    fine = np.linspace(0, len(beads) - 1, 2 * len(beads) - 1)
    points = CubicSpline(index, beads)(fine)
    thick = np.interp(fine, index, radii)
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    first, second = (np.full(space.lattice.shape, margin_mm, np.float32) for _ in range(2))
    where = np.full(space.lattice.shape, -1e6, np.float32)
    splat_string(
        points, thick, arc, apart_mm, margin_mm, np.asarray(space.lattice.origin_mm), space.lattice.step_mm,
        first, second, where,
    )  # fmt: skip
    where[where < 0] = 0.0
    for field in (first, second):
        field[field >= margin_mm] = FAR_MM
    ends = tuple(float(np.interp(share * (len(beads) - 1), fine, arc)) for share in parts)
    return Gut(points, thick, arc, ends, first, second, where)


def _relaxed(
    space: Space, beads: F64, radii: F64, held: NDArray[np.bool_], free: Field, rest: float, rounds: int,
    bending: float, start: float,
) -> F64:  # fmt: skip
    points = np.ascontiguousarray(beads, np.float64)
    relax_string(
        points, radii, held, rest, np.ascontiguousarray(free, np.float32), np.asarray(space.lattice.origin_mm),
        space.lattice.step_mm, rounds, bending, start, 2.5,
    )  # fmt: skip
    return points


def build_colon(space: Space, soft: Field, spec: Mapping[str, Any], seed: Seed) -> Gut:
    """Return the colon from caecum to rectum, laid between the walls and the organs that do not give way to it.

    soft : distance to liver, kidneys, spleen and stomach at the nodes.
    """
    rng = seed.child("colon").rng()
    low = float(space.lattice.z[0, 0, 0])
    rows = [row for row in COLON if row[1][2] * space.frame.height > low - 30.0]
    points = np.array([row[1] for row in rows], float)
    part = np.array([COLON_PARTS.index(row[0]) for row in rows])
    droop = np.array([row[0] == "colon_transverse" for row in rows]) * np.exp(-((points[:, 0] / 50) ** 2))
    points[:, 2] -= float(spec["colon_droop_mm"]) * droop
    loose = np.array([LOOSE_MM.get(row[0], 5.0) for row in rows])
    points += loose[:, None] * np.clip(rng.standard_normal(points.shape), -1.8, 1.8) * [1.0, 0.6, 1.0]
    bodies = space.frame.at(points)
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(bodies, axis=0), axis=1))])
    count = max(int(chord[-1] / COLON_STEP_MM), 8)
    at = np.linspace(0, chord[-1], count)
    beads = CubicSpline(chord, bodies)(at)
    wander = np.convolve(rng.standard_normal(count + 8), np.ones(9) / 3, "valid")
    calibre = float(spec["colon_calibre"]) * np.exp(0.10 * wander)
    radii = np.interp(at, chord, [row[2] for row in rows]) * calibre
    held = np.zeros(count, bool)
    held[-1] = rows[-1][0] == "rectum"
    walls = np.maximum(space.inside + 1.0, 1.5 - space.hard)
    free = np.maximum(walls, -soft)
    beads = _relaxed(space, beads, radii * 0.9, held, free, chord[-1] / (count - 1) * 1.03, 160, 0.25, 0.5)
    before = np.array([np.searchsorted(part, k) for k in range(1, len(COLON_PARTS))]) - 0.5
    border = np.interp(before, np.arange(len(chord)), chord) / chord[-1]
    return _gut(space, beads, radii, tuple(border.tolist()), 3.2 * float(radii.max()), 14.0)


def colon_field(space: Space, colon: Gut) -> Field:
    """Return the colon before it meets its neighbours: sacs between narrow folds, flattened where loops touch."""
    noise = space.noise
    phase = np.pi * colon.where / HAUSTRUM_MM + 1.2 * noise[46.0]
    depth = FOLD_MM * np.where(colon.where > colon.part_ends_mm[4], 0.3, 1.0)  # the rectum has hardly any
    folds = depth * np.abs(np.cos(phase)) ** 5 * np.clip(0.7 + 0.5 * noise[30.0], 0, 1.2)
    touching = 0.5 * (colon.first - colon.second) + 0.6
    return np.asarray(np.maximum(colon.first + folds + 0.8 * noise[15.0] - 1.0, touching), np.float32)


def peritoneum(space: Space) -> Field:
    """Return the distance in front of the posterior peritoneum (negative in front): over kidneys, psoas and vessels.

    Heights relative to the vertebral bodies' middles, by the distance from the midline.
    """
    x, _, z = space.reference
    behind = space.lattice.y - space.frame.spine_y_mm(space.lattice.z.ravel())[:, None, None].astype(np.float32)
    high = np.interp(np.abs(x), [0, 25, 45, 70, 95, 125], [-46, -42, -30, -20, -6, 24])
    low = np.interp(np.abs(x), [0, 25, 45, 65, 90, 125], [-34, -34, -26, -12, 8, 24])
    share = np.clip((-185 - z) / 40, 0, 1)
    surface = high * (1 - share) + low * share + 200.0 * np.clip((-278 - z) / 60, 0, 1)
    return np.asarray(0.8 * (behind - surface), np.float32)


def build_small_bowel(
    space: Space, taken: Field, colon: Gut, start_mm: F64, spec: Mapping[str, Any], seed: Seed
) -> tuple[Gut, Field] | None:
    """Return jejunum and ileum in the free space, and that space's distance; None where there is none.

    taken : distance to everything that is in place already. The string starts at the duodenum's end as a random walk
    from upper left to lower right, swells to its calibre and settles between the walls.
    """
    rng = seed.child("small bowel").rng()
    cover = float(spec["omentum_mm"]) * np.clip((-40 - space.reference[1]) / 30, 0, 1)
    free = np.maximum(np.maximum(space.inside + 1.5 + cover, peritoneum(space)), 1.2 - np.minimum(taken, space.hard))
    free = np.ascontiguousarray(np.broadcast_to(free, space.lattice.shape), np.float32)
    coarse = free[::2, ::2, ::2]
    room_ml = np.count_nonzero(coarse < 0) * (2 * space.lattice.step_mm) ** 3 / 1000
    wanted = float(spec["small_bowel_m"]) * 1000
    radius = float(np.clip(np.sqrt(1050.0 * float(spec["small_bowel_ml"]) / (np.pi * wanted)), 8.5, 13.0))
    nodes = np.argwhere(coarse < -0.5 * radius)
    count = int(min(wanted, FILL * room_ml * 1000 / (np.pi * radius**2)) / STEP_MM)
    if count < 12 or len(nodes) < 12:
        return None
    places = np.asarray(space.lattice.origin_mm) + nodes[:, ::-1] * 2 * space.lattice.step_mm
    beads = _walk(space, places, start_mm, _valve(colon), count, rng)
    held = np.zeros(count, bool)
    held[0] = True
    held[-1] = bool(colon.points_mm[0, 2] > space.lattice.z[0, 0, 0])
    swell = np.convolve(rng.standard_normal(count + 10), np.ones(11) / np.sqrt(11), "valid")
    radii = np.clip(radius * np.linspace(1.08, 0.93, count) + 1.7 * swell, 0.66 * radius, 1.38 * radius)
    beads = _relaxed(space, beads, radii * 0.95, held, free, STEP_MM, 420, 0.12, 0.25)
    return _gut(space, beads, radii, (JEJUNUM_SHARE,), 42.0, 12.0), free


def _valve(colon: Gut) -> F64:
    """Return where the ileum enters: the inner side of the caecum's upper end."""
    n = int(np.argmin(np.abs(colon.arc_mm - colon.part_ends_mm[0])))
    return np.asarray(colon.points_mm[n] + [colon.radii_mm[n] + 4.0, -4.0, 0.0], float)


def _walk(space: Space, places: F64, start: F64, end: F64, count: int, rng: np.random.Generator) -> F64:
    """Return beads along a walk through random free places, from upper left to lower right."""
    scaled = places / (space.frame.width, space.frame.depth, space.frame.height)
    order = 0.5 * scaled[:, 2] + 0.45 * scaled[:, 0] + rng.normal(0, 16, len(places))
    stops = max(12, count // 10)
    picked = rng.choice(len(places), min(stops, len(places)), replace=False)
    picked = picked[np.argsort(-order[picked])]
    path = np.concatenate([start[None], places[picked], end[None]])
    path += rng.normal(0, 1.0, path.shape) * (np.arange(len(path))[:, None] > 0)
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    return np.stack([np.interp(np.linspace(0, chord[-1], count), chord, path[:, k]) for k in range(3)], axis=1)


def appendix(space: Space, colon: Gut, seed: Seed) -> Tubes:
    """Return the appendix: 6-9 cm long and 6 mm wide, from the caecum's blind end, wherever it turns."""
    rng = seed.child("appendix").rng()
    way = np.array([0.8, rng.normal(0, 0.5), rng.normal(-0.3, 0.6)])
    end = colon.points_mm[0] + [0.5 * colon.radii_mm[0], 0.0, -0.5 * colon.radii_mm[0]]
    turn = rng.normal(0, 0.35, (6, 3)).cumsum(axis=0)
    steps = way / np.linalg.norm(way) + turn
    steps *= rng.uniform(10.0, 15.0) / np.linalg.norm(steps, axis=1, keepdims=True)
    course = np.concatenate([end[None], end + steps.cumsum(axis=0)])
    course[1:] = pushed_inside(space, course[1:], np.full(6, 5.0))
    return capsules(tube_along(course, np.linspace(3.2, 2.6, 7), 3.0))


def small_bowel_field(space: Space, bowel: Gut, free: Field, target_ml: float) -> Field:
    """Return jejunum and ileum: inflated to their volume, loops flat where they touch, inside the free space."""
    touching = 0.5 * (bowel.first - bowel.second) + 0.5 * np.clip(1.3 + 1.3 * space.noise[15.0], 0, 3.5)
    limit = np.maximum(touching, free)
    cell_ml = space.lattice.step_mm**3 / 1000
    near = np.sort((bowel.first + 0.8 * space.noise[15.0])[limit < 0])
    wanted = int(target_ml / cell_ml)
    grow = float(near[min(wanted, len(near) - 1)]) if len(near) else 0.0
    grow = float(np.clip(grow, -2.0, 2.5))
    wide = bowel.first + 0.8 * space.noise[15.0] - grow
    return np.asarray(np.maximum(wide, smooth_max(touching, free, 2.0)), np.float32)
