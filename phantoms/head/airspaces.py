"""Air in the skull: paranasal sinuses, nasal cavity with septum and turbinates, mastoid cells and ear canals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from phantoms.head.assembly import SIDES, Assembly, ellipsoid
from phantoms.head.frame import Frame, Space
from phantoms.head.table import labels

Field = NDArray[np.floating[Any]]

FAR_MM = 9.0
SINUSES = tuple(f"{kind}_sinus_{side}" for kind in ("maxillary", "frontal", "sphenoid") for side, _ in SIDES)
WALL_MM = 1.1  # bone around a sinus: 0.5-2 mm (unverified)
MUCOSA_MM = 0.6


@dataclass(frozen=True, eq=False)
class Cavities:
    """Signed distances (nz, ny, nx) on the face's lattice, mm; `sinus_owner` numbers `SINUSES`."""

    sinus: NDArray[np.float32]
    sinus_owner: NDArray[np.uint8]
    ethmoid: NDArray[np.float32]
    nose: NDArray[np.float32]
    orbit: NDArray[np.float32]


def build_cavities(frame: Frame, space: Space, inner: Field, spec: Mapping[str, Any]) -> Cavities:
    """Return orbits, nasal cavity and sinuses; each sinus is inflated to its drawn volume."""
    orbit = orbit_mm(space) * np.float32(frame.size)
    nose = _nasal_cavity(space) * np.float32(frame.size)
    sinus = np.full(space.lattice.shape, FAR_MM, np.float32)
    owner = np.zeros(space.lattice.shape, np.uint8)
    rough = space.lattice.noise(frame.noise_seed(50), 12.0)
    rough += np.float32(0.8) * space.lattice.noise(frame.noise_seed(52), 26.0)
    for number, name in enumerate(SINUSES):
        sign = -1.0 if name.endswith("right") else 1.0
        kind = name.split("_")[0]
        box, field = {"maxillary": _maxillary, "frontal": _frontal, "sphenoid": _sphenoid}[kind](space, sign, spec)
        field = field * frame.size + rough[box]
        keep = np.maximum(2.2 - inner[box], 1.2 - orbit[box])
        if kind == "frontal":  # it stays between the tables, and behind the glabella
            z = space.z[box]
            room = frame.vault_mm + frame.frontal_mm - 2.6 + 4.5 * np.clip((-8 - z) / 10, 0, 1)
            keep = np.maximum(keep, inner[box] - room)
        if kind == "maxillary":
            keep = np.maximum(keep, 1.0 - nose[box])
        field = smooth_max(field, keep, 1.5)
        field = _inflated(field, keep, float(spec["sinus_ml"][name]), space.lattice.step_mm)
        closer = field < sinus[box]
        sinus[box][closer], owner[box][closer] = field[closer], number
    box, s = space.part((-16, -82, -52), (16, -36, -24))
    ethmoid = np.full(space.lattice.shape, FAR_MM, np.float32)
    u, v, w = (s.side - 7.8) / (5.2 + 0.05 * (s.y + 80)), (s.y + 59.0) / 21.5, (s.z + 37.5) / 12.5
    level = (np.abs(u) ** 3 + np.abs(v) ** 3 + np.abs(w) ** 3) ** np.float32(1 / 3)
    cells = np.maximum((level - 1) * 6.0 * frame.size, 1.0 - inner[box])
    ethmoid[box] = np.maximum(np.maximum(cells, 0.5 - orbit[box]), 0.8 - sinus[box])
    return Cavities(sinus, owner, ethmoid, nose, orbit)


def orbit_mm(space: Space) -> NDArray[np.float32]:
    """Return about the distance to both orbits: pyramids 40 x 35 mm wide in front and 45 mm deep, reference mm."""
    t = np.clip((-35.0 - space.y) / 47.0, 0.02, 1.12)
    half = 19.8 * t**0.85 - 5.0 * np.maximum(t - 0.88, 0)
    tall = 17.5 * np.minimum(t / 0.8, 1) ** 0.65 - 7.0 * np.maximum(t - 0.9, 0)
    u = (space.side - 12.8 - half) / half
    v = (space.z + 25.5 + 13.5 * t**1.5) / tall
    level = (np.abs(u) ** 2.4 + np.abs(v) ** 2.4) ** np.float32(1 / 2.4)
    behind = space.y + 36.0
    return np.asarray(smooth_max((level - 1) * np.minimum(half, tall) * 0.9, behind, 3.0), np.float32)


def _inflated(field: Field, keep: Field, target_ml: float, step_mm: float) -> Field:
    """Move a surface outwards until it holds the target volume, as far as what it must keep off lets it."""
    if target_ml <= 0:
        return np.full_like(field, FAR_MM)
    count = int(target_ml * 1000 / step_mm**3)
    free = np.sort(field[keep < 0])
    shift = float(free[min(count, free.size - 1)]) if free.size else 0.0
    out: Field = np.maximum(field - min(shift, 6.0), keep)
    return out


def _maxillary(space: Space, sign: float, spec: Mapping[str, Any]) -> tuple[Any, Field]:
    del spec
    low, high = sorted((sign * 14.0, sign * 50.0))
    box, s = space.part((low, -84, -90), (high, -36, -54))
    x = s.x * sign
    walls = [16.5 - x, 0.34 * (x - 18) - 0.94 * (s.y + 78), 0.74 * (x - 44) + 0.67 * (s.y + 66),
             (-84.5 + 0.20 * (x - 20) + 0.12 * (s.y + 60)) - s.z, s.z + 56.0 + 0.25 * (x - 20)]
    field = walls[0]
    for wall in walls[1:]:
        field = smooth_max(field, wall, 7.0)
    return box, field


def _frontal(space: Space, sign: float, spec: Mapping[str, Any]) -> tuple[Any, Field]:
    low, high = sorted((-sign * 6.0, sign * 30.0))
    box, s = space.part((low, -94, -32), (high, -74, 6))
    x = s.x * sign
    bent = float(spec["septum_mm"][1]) * sign
    body = ellipsoid(s, (sign * 11.0, -86.5, -16.0), (12.0, 4.2, 12.5), (0.12 * sign, -0.28))
    return box, smooth_max(body, 0.7 + bent * np.clip((s.z + 20) / 10, -0.5, 1.5) - x, 2.0)


def _sphenoid(space: Space, sign: float, spec: Mapping[str, Any]) -> tuple[Any, Field]:
    low, high = sorted((-sign * 8.0, sign * 20.0))
    box, s = space.part((low, -42, -54), (high, -8, -26))
    bent = float(spec["septum_mm"][2]) * sign
    body = ellipsoid(s, (sign * 8.0, -26.5, -40.5), (9.5, 11.5, 9.0))
    return box, smooth_max(body, 0.6 + bent * np.clip((s.y + 34) / 10, -0.4, 1.5) - s.x * sign, 2.5)


def _nasal_cavity(space: Space) -> NDArray[np.float32]:
    """Return about the distance to the nasal cavity from the piriform aperture to the choanae, reference mm."""
    field = np.full(space.lattice.shape, FAR_MM, np.float32)
    box, s = space.part((-18, -90, -84), (18, -26, -22))
    half = np.interp(s.z, (-80, -74, -62, -52, -42, -26), (9.0, 13.5, 13.5, 8.0, 3.6, 3.0)).astype(np.float32)
    floor = (-80.5 + 0.18 * (s.y + 80)) - s.z
    roof = np.interp(s.y, (-92, -84, -76, -66, -44, -38, -28), (-62, -46, -31, -24.5, -25.5, -46, -51))
    field[box] = smooth_max(
        smooth_max(s.side - half, floor, 3.0),
        np.maximum(s.z - roof.astype(np.float32), np.maximum(-88 - s.y, s.y + 29)), 2.0)
    return field


def carve(bones: Assembly, cavities: Cavities, inner: Field) -> None:
    """Give every cavity a bony wall, and cut the cavities out of the bones."""
    frame, space = bones.frame, bones.space
    x, y, z = space.x, space.y, space.z
    box = (slice(None),) * 3
    owner_of = np.array([bones.number("maxilla")] * 2 + [bones.number("frontal_bone")] * 2
                        + [bones.number("sphenoid_bone")] * 2, np.uint8)
    wall = cavities.sinus - WALL_MM * frame.size
    closer = wall < bones.values
    bones.values[closer] = wall[closer]
    bones.owner[closer] = owner_of[cavities.sinus_owner[closer]]
    rim = y + 83.0 - 0.33 * np.maximum(np.abs(x) - 14.0, 0)  # the orbits open in front of this plane
    shell = np.maximum(cavities.orbit - 1.2, -rim)
    bones.field("frontal_bone", box, np.where(z > -27.0, shell, FAR_MM))
    bones.field("maxilla", box, np.where((z < -27.0) & (np.abs(x) < 42) & (y < -44), shell, FAR_MM))
    bones.field("sphenoid_bone", box, np.where((z <= -27.0) & ((np.abs(x) >= 30) | (y >= -44)), shell, FAR_MM))
    wing = smooth_max(cavities.orbit - 7.0, inner - 7.5, 4.0)  # the sphenoid fills the corner behind the orbit
    bones.field("sphenoid_bone", box, np.where((np.abs(x) > 20) & (y < -34) & (z < -12), wing, FAR_MM))
    side = np.maximum(cavities.nose - 1.0, np.maximum(-(y + 81.0) + 0.12 * (z + 60.0), z + 46.0))
    bones.field("maxilla", box, np.maximum(side, y + 30.0))
    hollow = np.minimum(np.minimum(cavities.sinus, cavities.orbit), np.minimum(cavities.ethmoid, cavities.nose))
    bones.values = np.maximum(bones.values, -hollow).astype(np.float32)


def paint_cavities(frame: Frame, space: Space, cavities: Cavities, spec: Mapping[str, Any]) -> list[Paint]:
    """Return the paints of ethmoid, sinuses and nose."""
    names, lattice = labels(), space.lattice
    left = space.left
    box, s = space.part((-18, -86, -54), (18, -34, -22))
    fine = np.full(lattice.shape, FAR_MM, np.float32)
    small = s.lattice.noise(frame.noise_seed(53), 11.0)
    fine[box] = np.maximum(cavities.ethmoid[box] + 0.5, 0.9 - 5.0 * np.abs(small + 0.2))
    sides = tuple(names[n] for n in SINUSES)
    return [
        Paint(lattice.shape_of(cavities.ethmoid), (Layer(names["ethmoid_bone"]),)),
        Paint(lattice.shape_of(fine, left), (Layer(tuple(names[f"ethmoid_cells_{side}"] for side, _ in SIDES)),)),
        Paint(lattice.shape_of(cavities.sinus, cavities.sinus_owner),
              (Layer(names["sinus_mucosa"]), Layer(sides, MUCOSA_MM * float(spec["mucosa"])))),
        *_paint_nose(frame, space, cavities, spec),
    ]


def _paint_nose(frame: Frame, space: Space, cavities: Cavities, spec: Mapping[str, Any]) -> list[Paint]:
    """Return mucosa, air, the bent septum and three pairs of turbinates, one swollen more than the other."""
    names, lattice = labels(), space.lattice
    box, s = space.part((-20, -114, -90), (20, -24, -22))
    warp = 1.1 * s.lattice.noise(frame.noise_seed(56), 15.0)
    s = Space(s.lattice, s.x + warp, s.y, s.z + 1.2 * s.lattice.noise(frame.noise_seed(57), 18.0))
    bend = float(spec["septum_mm"][0]) * np.exp(-(((s.y + 60) / 20) ** 2) - ((s.z + 56) / 14) ** 2)
    across = np.abs(s.x - bend.astype(np.float32))
    nose = cavities.nose[box]
    swollen = np.where(s.x > 0, spec["turbinate_mm"][1], spec["turbinate_mm"][0]).astype(np.float32)
    shelf = np.full(nose.shape, FAR_MM, np.float32)
    for out, down, front, back, reach in ((10.0, -69.5, -76, -34, 4.8), (5.6, -55.5, -70, -38, 4.2),
                                          (3.8, -43.0, -60, -38, 3.0)):
        curl = np.hypot(s.side - out + 0.5, (s.z - down - 0.14 * (s.y + 56)) * 0.75) - reach
        scroll = np.abs(curl + 0.3) - 0.2  # a thin scroll of bone that hangs from the side wall
        open_below = (s.side > out + 0.6) & (s.z < down + 0.14 * (s.y + 56) + 1.0)
        scroll = np.where(open_below, 2.0, scroll)
        shelf = np.minimum(shelf, np.maximum(scroll, np.maximum(front - s.y, s.y - back)))
    vestibule = np.hypot((s.side - 6.3 + 0.08 * (s.y + 90)) / 3.6, (s.z + 78.0 + 0.30 * (s.y + 92)) / 6.5) - 1
    vestibule = np.maximum(vestibule * 3.6, np.maximum(-106 - s.y, s.y + 80))
    nostril = np.maximum((np.hypot((s.side - 6.6) / 3.3, (s.y + 95.0 + 0.5 * (s.z + 83.0)) / 4.6) - 1) * 3.3,
                         np.maximum(s.z + 77.0, -92.0 - s.z))
    passage = np.minimum(vestibule, nostril)
    inside = np.minimum(nose, passage + 0.2)
    wall = np.where(nose < passage, 0.9, 0.0)
    air = np.maximum(np.maximum(inside + wall, 1.5 - across), swollen - shelf)
    size = np.float32(frame.size)
    lining, breath = (np.full(lattice.shape, FAR_MM, np.float32) for _ in range(2))
    lining[box], breath[box] = inside * size, air * size
    plate, scrolls = (np.full(lattice.shape, FAR_MM, np.float32) for _ in range(2))
    plate[box] = np.maximum(across - 0.4, np.maximum(nose + 0.2, -s.y - 66.0 - 0.3 * (s.z + 60))) * size
    scrolls[box] = np.maximum(shelf, nose + 0.2) * size
    return [
        Paint(lattice.shape_of(lining), (Layer(names["nasal_mucosa"]),)),
        Paint(lattice.shape_of(breath), (Layer(names["airway"]),)),
        Paint(lattice.shape_of(plate), (Layer(names["nasal_septum"]),)),
        Paint(lattice.shape_of(scrolls), (Layer(names["turbinates"]),)),
    ]


def paint_ears(frame: Frame, space: Space, bones: Assembly, inner: Field, spec: Mapping[str, Any]) -> list[Paint]:
    """Return mastoid air cells, ear canals, middle and inner ears."""
    names, lattice = labels(), space.lattice
    left = space.left
    cells, ears = (np.full(lattice.shape, FAR_MM, np.float32) for _ in range(2))
    for number, (_, sign) in enumerate(SIDES):
        low, high = sorted((sign * 22.0, sign * 70.0))
        box, s = space.part((low, 2, -72), (high, 46, -22))
        x = s.x * sign
        near = np.hypot(np.hypot((x - 52) / 12.0, (s.y - 24) / 14.0), (s.z + 46) / 21.0) - 1
        near = np.minimum(near, np.hypot(np.hypot((x - 36) / 12.0, (s.y - 17) / 7.0), (s.z + 35) / 6.0) - 1)
        spread = (near + 1 - float(spec["mastoid"][number])) * 9.0
        pattern = s.lattice.noise(frame.noise_seed(54), 6.5) + 0.6 * s.lattice.noise(frame.noise_seed(55), 14.0)
        bubbles = np.maximum(spread, 1.9 * (0.05 - pattern)) * frame.size
        keep = np.maximum(bones.values[box] + 1.4, 2.4 - inner[box])
        antrum = ellipsoid(s, (sign * 44.0, 18.0, -35.5), (5.0, 4.5, 4.5))
        cells[box] = np.minimum(np.maximum(bubbles, keep), antrum * frame.size)
        canal = np.full(x.shape, FAR_MM, np.float32)
        for a, b, r in (((78, 10, -44.5), (62, 9.5, -43.5), 3.9), ((62, 9.5, -43.5), (50, 7, -44.0), 3.3),
                        ((50, 7, -44), (38.5, 4.5, -42.0), 3.6)):
            d = np.subtract(b, a)
            t = np.clip(((x - a[0]) * d[0] + (s.y - a[1]) * d[1] + (s.z - a[2]) * d[2]) / float(d @ d), 0, 1)
            reach = np.sqrt((x - a[0] - t * d[0]) ** 2 + (s.y - a[1] - t * d[1]) ** 2 + (s.z - a[2] - t * d[2]) ** 2)
            canal = np.minimum(canal, reach - r)
        ears[box] = canal * frame.size
    middle, deep = (np.full(lattice.shape, FAR_MM, np.float32) for _ in range(2))
    for _, sign in SIDES:
        near_x, far_x = sorted((sign * 12.0, sign * 42.0))
        box, s = space.part((near_x, -4, -48), (far_x, 28, -24))
        middle[box] = np.minimum(middle[box], ellipsoid(s, (sign * 35.5, 5.0, -39.5), (2.2, 5.0, 7.0)) * frame.size)
        x = s.x * sign
        hall = ellipsoid(s, (sign * 29.0, 9.0, -37.0), (2.6, 2.6, 3.2))
        snail = np.abs(np.hypot(x - 23.5, s.z + 38.0) - 2.6) - 1.1
        snail = np.maximum(snail, np.abs(s.y - 4.5 + 0.4 * (x - 23.5)) - 2.0)
        ring = np.hypot(np.hypot(x - 32.5, s.y - 12.5) - 3.6, s.z + 36.0) - 0.75
        arch = np.hypot(np.hypot(x - 31.5, s.z + 32.5) - 3.4, s.y - 10.0 - 0.5 * (x - 31.5)) - 0.75
        meatus = np.hypot(s.y - 8.5 - 0.1 * (x - 12), s.z + 36.5) - 2.6
        meatus = np.maximum(meatus, np.maximum(x - 22.5, 6.0 - x))
        deep[box] = np.minimum(deep[box], smooth_min(np.minimum(np.minimum(hall, snail), np.minimum(ring, arch)),
                                                     meatus, 0.5) * frame.size)
    pairs = {kind: tuple(names[f"{kind}_{side}"] for side, _ in SIDES)
             for kind in ("mastoid_cells", "ear_canal", "middle_ear", "inner_ear")}
    return [
        Paint(lattice.shape_of(cells, left), (Layer(pairs["mastoid_cells"]),)),
        Paint(lattice.shape_of(middle, left), (Layer(pairs["middle_ear"]),)),
        Paint(lattice.shape_of(ears, left), (Layer(pairs["ear_canal"]),)),
        Paint(lattice.shape_of(deep, left), (Layer(pairs["inner_ear"]),)),
    ]
