"""Bladder and the organs of either sex, in the true pelvis and below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.scene.subject import Sex
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sheet import rope_distance
from medsynth.shapes.sweep import spline_mm
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels
from phantoms.torso.trunk import Trunk

Field = NDArray[np.floating[Any]]

STEP_MM = 2.0
FAR_MM = 40.0
BLADDER_WALL_MM = 2.8  # near empty; 1.6 mm when full (facts)
BOX_MM = ((-74.0, -100.0, -520.0), (74.0, 92.0, -300.0))
# Bladder neck: in men the prostate holds it up.
NECK_MM: Mapping[Sex, tuple[float, float, float]] = {"male": (0.0, 4.0, -402.0), "female": (0.0, 0.0, -414.0)}


@dataclass(frozen=True, eq=False)
class PelvisOrgans:
    """What bowel must keep clear of, shapes by name, and the paints."""

    shape: SampledShape
    fields: Mapping[str, SampledShape]
    paints: list[Paint]


@dataclass(frozen=True, eq=False)
class Pelvis:
    """The place where the organs are built: nodes, the cavity's distance there, and noise."""

    frame: Frame
    lattice: Lattice
    cavity: Field
    bumps: Field

    def rope(self, points: ArrayLike, radii: ArrayLike, margin_mm: float = FAR_MM) -> Field:
        """Return the distance to a thick line through reference points."""
        axis = spline_mm(self.frame.at(points), 3.0)
        given = np.asarray(radii, float)
        radius = np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(given)), given)
        return rope_distance(axis, radius, self.lattice, margin_mm)

    def oval(self, centre: ArrayLike, radii: ArrayLike) -> Field:
        """Return the first-order distance to an upright ellipsoid about an LPS point."""
        c, r = np.asarray(centre, float), np.asarray(radii, float)
        x, y, z = self.lattice.x - c[0], self.lattice.y - c[1], self.lattice.z - c[2]
        level = np.sqrt((x / r[0]) ** 2 + (y / r[1]) ** 2 + (z / r[2]) ** 2)
        slope = np.sqrt((x / r[0] ** 2) ** 2 + (y / r[1] ** 2) ** 2 + (z / r[2] ** 2) ** 2)
        distance = level * (level - 1) / np.maximum(slope, 1e-4)
        return np.clip(distance, -float(r.min()), FAR_MM).astype(np.float32)


def build_pelvis_organs(
    frame: Frame, trunk: Trunk, sex: Sex, spec: Mapping[str, Any], seed: object
) -> PelvisOrgans | None:
    """Return bladder, prostate and seminal vesicles or uterus, vagina and ovaries; None above the pelvis."""
    del seed
    low, high = frame.at(BOX_MM[0]), frame.at(BOX_MM[1])
    low[2] = max(float(low[2]), frame.low_z_mm * frame.height)
    if high[2] - low[2] < 60.0:
        return None
    lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), STEP_MM)
    cavity = lattice.sample(frame.lattice.shape_of(np.clip(trunk.cavity, -60, 60)))
    bumps = 1.1 * lattice.noise(frame.noise_seed(90), 26.0) + 0.5 * lattice.noise(frame.noise_seed(91), 10.0)
    pelvis = Pelvis(frame, lattice, cavity, bumps)
    build = _male if sex == "male" else _female
    return build(pelvis, spec)


def _inflated(lattice: Lattice, field: Field, target_ml: float, limit_mm: float = 14.0) -> Field:
    """Return the field grown or shrunk until its inside has the volume."""
    low, high = -limit_mm, limit_mm
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if lattice.volume_ml(field - middle) < target_ml else (low, middle)
    return field - np.float32((low + high) / 2)


def _bladder(
    pelvis: Pelvis, spec: Mapping[str, Any], neck: NDArray[np.float64], hard: Field, behind: Field | float = -FAR_MM
) -> Field:
    """Return the bladder: flat when little is in it, an egg when much, dented by its neighbours.

    behind : positive behind and above the uterus, where it never reaches.
    """
    volume = float(spec["bladder_ml"])
    size = (volume / 170.0) ** (1 / 3)
    radii = np.array([41.0, 33.0, 26.0]) * size ** np.array([0.75, 0.9, 1.35])
    centre = neck + [0.0, -9.0 - 4.0 * size, 0.82 * radii[2]]
    oval = pelvis.oval(centre, radii)
    spout = np.linspace(neck, neck + [0, -3, 12], 4)
    funnel = rope_distance(spout, np.linspace(4.0, 12.0, 4), pelvis.lattice, FAR_MM)
    field = np.minimum(oval, funnel) + 0.6 * pelvis.bumps
    wall = smooth_max(pelvis.cavity + 2.0, np.float32(1.2) - hard, 4.0)
    wall = smooth_max(wall, np.broadcast_to(np.float32(behind), wall.shape).astype(np.float32), 10.0)
    target = volume + 5.5 * volume ** (2 / 3) * _wall_mm(volume) / 10  # urine and the wall around it
    for _ in range(9):  # what neighbours and walls take is made good elsewhere
        held = smooth_max(field, wall, 6.0)
        lacks = target - pelvis.lattice.volume_ml(held)
        field = field - np.float32(np.clip(lacks * 1000 / (4.5 * volume ** (2 / 3) * 100), -9, 9))
    return smooth_max(field, wall, 6.0)


def _wall_mm(volume_ml: float) -> float:
    return BLADDER_WALL_MM * float(np.clip((170.0 / volume_ml) ** 0.35, 0.6, 1.6))


def _paint_bladder(pelvis: Pelvis, field: Field, spec: Mapping[str, Any]) -> Paint:
    names = labels()
    layers = (Layer(names["bladder"]), Layer(names["bladder_urine"], _wall_mm(float(spec["bladder_ml"]))))
    return Paint(pelvis.lattice.shape_near(field), layers)


def _male(pelvis: Pelvis, spec: Mapping[str, Any]) -> PelvisOrgans:
    """Return bladder, prostate with its zones, seminal vesicles, and the outer genitals."""
    frame, lattice, names = pelvis.frame, pelvis.lattice, labels()
    volume = float(spec["prostate_ml"])
    k = (volume / 25.0) ** (1 / 3)
    base = frame.at(NECK_MM["male"])
    centre = base + [0.0, 5.0, -14.5 - 2.0 * (k - 1)]
    radii = np.array([22.5, 14.5, 18.0]) * k
    apex = np.clip((centre[2] - lattice.z) / radii[2], 0, 1)  # narrow below
    gland = pelvis.oval(centre, radii) + (3.5 * apex**2 * k).astype(np.float32) + 0.5 * pelvis.bumps
    dimple = pelvis.oval(centre + [0, radii[1] + 3.5, 0], [5, 5, 20])  # the furrow on its back
    gland = _inflated(lattice, smooth_max(gland, -dimple, 4.0), volume, 6.0)
    zones = _zones(lattice, gland, centre, radii, volume)
    vesicles = np.minimum(*(
        pelvis.rope([[s * 4, 21, -398], [s * 15, 28, -391], [s * 26, 31, -385], [s * 36, 30, -379]], [3, 5, 5.5, 4])
        for s in (-1, 1)
    )) + 0.8 * lattice.noise(frame.noise_seed(92), 7.0)  # fmt: skip
    hard = np.minimum(gland, vesicles)
    bladder = _bladder(pelvis, spec, base, hard)
    both = np.minimum(gland, np.maximum(vesicles, 0.6 - gland))
    owner = np.where(vesicles < gland, 4 + (lattice.x > 0), zones).astype(np.uint8)
    table = ("prostate_peripheral_zone", "prostate_transition_zone", "prostate_central_zone", "prostate",
             "seminal_vesicle_right", "seminal_vesicle_left")  # fmt: skip
    paints = [
        *_outer_genitals(pelvis, spec),
        _paint_bladder(pelvis, bladder, spec),
        Paint(lattice.shape_near(both, owner), (Layer(tuple(names[n] for n in table)),)),
    ]
    shapes = {"bladder": bladder, "prostate": gland}
    fields = {name: lattice.shape_near(field) for name, field in shapes.items()}
    return PelvisOrgans(lattice.shape_of(np.minimum(hard, bladder)), fields, paints)


def _zones(
    lattice: Lattice, gland: Field, centre: NDArray[np.float64], radii: NDArray[np.float64], volume: float
) -> NDArray[np.uint8]:
    """Return each node's zone: 0 peripheral, 1 transition, 2 central, 3 the fibromuscular front.

    The transition zone is what grows: 5 % of a young gland, half and more of an old one.
    """
    x, y, z = lattice.x - centre[0], lattice.y - centre[1], lattice.z - centre[2]
    share = float(np.clip((volume - 16.0) / volume, 0.12, 0.68))
    lobe = (np.abs(x) - 0.30 * radii[0]) / 0.55, (y + 0.16 * radii[1]) / 0.62, (z - 0.06 * radii[2]) / 0.72
    level = np.sqrt((lobe[0] / radii[0]) ** 2 + (lobe[1] / radii[1]) ** 2 + (lobe[2] / radii[2]) ** 2)
    inside = gland < -1.5
    cut = float(np.quantile(level[inside], share)) if inside.any() else 0.5
    cone = np.sqrt((x / (0.55 * radii[0])) ** 2 + ((y - 0.30 * radii[1]) / (0.42 * radii[1])) ** 2)
    central = (cone + np.maximum(0.25 * radii[2] - z, 0) / (0.5 * radii[2])) < 1.0
    front = (y < -0.55 * radii[1]) & (np.abs(x) < 0.55 * radii[0])
    zones = np.select([(level < cut) & inside, front, central], [1, 3, 2], 0)
    return zones.astype(np.uint8)


def _outer_genitals(pelvis: Pelvis, spec: Mapping[str, Any]) -> list[Paint]:
    """Return scrotum, penis with its root, testes and spermatic cords."""
    lattice, frame, names = pelvis.lattice, pelvis.frame, labels()
    bag = pelvis.oval(frame.at([0, -30, -474]), [35, 26, 32]) + 0.8 * pelvis.bumps
    shaft = pelvis.rope([[0, -34, -430], [1, -60, -440], [4, -60, -462], [6, -52, -486], [7, -44, -508]],
                        [12, 13.5, 13.5, 13.5, 11])
    root = np.minimum(*(pelvis.rope([[s * 27, 18, -446], [s * 18, 4, -438], [s * 5, -20, -431]], [4.5, 6, 7])
                        for s in (-1, 1)))  # fmt: skip
    bulb = pelvis.rope([[0, 24, -450], [0, 6, -447], [0, -18, -436]], [8, 9, 7])
    skin = np.minimum(bag, shaft)
    owner = (shaft < bag).astype(np.uint8)
    inner = (Layer(names["skin"]), Layer((names["scrotum"], names["penis"]), 1.6))
    roots = np.maximum(np.minimum(root, bulb), -skin)
    testes = [_inflated(lattice, pelvis.oval(frame.at([s * 17, -27 + 2 * s, -477]), [11, 13, 19]),
                        float(spec["testis_ml"]), 5.0) for s in (-1, 1)]  # fmt: skip
    cords = [pelvis.rope([[s * 62, -60, -372], [s * 40, -62, -388], [s * 24, -54, -408], [s * 15, -40, -440],
                          [s * 16, -28, -458]], [4, 5.5, 6, 6, 6]) for s in (-1, 1)]  # fmt: skip
    parts = np.stack([*testes, *cords])
    table = ("testis_right", "testis_left", "spermatic_cord_right", "spermatic_cord_left")
    return [
        Paint(lattice.shape_near(skin, owner), inner),
        Paint(lattice.shape_near(roots), (Layer(names["penis"]),), over=_soft()),
        Paint(lattice.shape_near(parts.min(axis=0), parts.argmin(axis=0).astype(np.uint8)),
              (Layer(tuple(names[n] for n in table)),), over=(*_soft(), names["scrotum"])),
    ]  # fmt: skip


def _soft() -> tuple[int, ...]:
    """Return the labels of fat and of what fills the perineum."""
    names = labels()
    return tuple(names[n] for n in ("subcutaneous_fat", "intermuscular_fat", "abdominal_fat"))


def _female(pelvis: Pelvis, spec: Mapping[str, Any]) -> PelvisOrgans:
    """Return bladder, uterus with endometrium and cervix, vagina and ovaries with their largest follicle."""
    frame, lattice, names = pelvis.frame, pelvis.lattice, labels()
    womb, lining, cervix, behind = _uterus(pelvis, spec)
    vagina = _flat(pelvis, [[0, 22, -470], [0, 24, -448], [1, 29, -424], [1, 33, -402], [1, 33, -392]],
                   [5, 10, 13, 14, 11], [3.2, 3.2, 3.6, 4.2, 3.2])  # fmt: skip
    shift = float(spec["uterus_shift_mm"])
    ovaries, follicles = [], []
    for n, sign in enumerate((-1, 1)):
        centre = frame.at([sign * 43 + 0.4 * shift, 22 + 4 * sign, -350 + 4 * sign])
        volume = float(spec["ovary_ml"][n])
        size = (volume / 7.4) ** (1 / 3)
        ovary = smooth_max(pelvis.oval(centre, np.array([9.5, 11.5, 16.0]) * size), pelvis.cavity + 1.5, 3.0)
        ovaries.append(_inflated(lattice, ovary + 0.5 * pelvis.bumps, volume, 4.0))
        radius = min(float(spec["follicle_mm"][n]) / 2, 6.5 * size)
        follicles.append(pelvis.oval(centre + [1.0, -3.0 * size, 3.0], np.full(3, max(radius, 0.1))))
    womb = np.maximum(womb, 1.0 - np.minimum(*ovaries))
    hard = np.minimum(np.minimum(womb, vagina), np.minimum(*ovaries))
    bladder = _bladder(pelvis, spec, frame.at(NECK_MM["female"]), hard, behind)
    parts = np.stack([np.maximum(womb, cervix), np.maximum(womb, -cervix), np.maximum(vagina, 0.4 - womb), *ovaries])
    table = ("uterus", "cervix", "vagina", "ovary_right", "ovary_left")
    inner = np.stack([np.maximum(lining, womb + 4.0), *(np.maximum(f, o + 1.0) for f, o in
                                                         zip(follicles, ovaries, strict=True))])  # fmt: skip
    deep = ("endometrium", "ovarian_follicles_right", "ovarian_follicles_left")
    urethra = pelvis.rope([[0, 0, -414], [0, 0, -430], [0, -4, -448]], [5, 5, 4.5])
    paints = [
        Paint(lattice.shape_near(np.maximum(urethra, -bladder)), (Layer(names["urethra"]),), over=_soft()),
        _paint_bladder(pelvis, bladder, spec),
        *(Paint(lattice.shape_near(stack.min(axis=0), stack.argmin(axis=0).astype(np.uint8)),
                (Layer(tuple(names[n] for n in which)),)) for stack, which in ((parts, table), (inner, deep))),
    ]  # fmt: skip
    shapes = {"bladder": bladder, "uterus": womb, "ovary_right": ovaries[0], "ovary_left": ovaries[1]}
    fields = {name: lattice.shape_near(field) for name, field in shapes.items()}
    return PelvisOrgans(lattice.shape_of(np.minimum(hard, bladder)), fields, paints)


def _flat(pelvis: Pelvis, points: ArrayLike, half_widths: ArrayLike, half_depths: ArrayLike) -> Field:
    """Return a flat tube along midline points: half a width to either side, half a depth to front and back."""
    points, wide, deep = (np.asarray(v, float) for v in (points, half_widths, half_depths))
    across = np.maximum(wide - deep, 0.5)
    strands = [points + [[share * a, 0, 0] for a in across] for share in (-1, -0.33, 0.33, 1)]
    return np.minimum.reduce([pelvis.rope(strand, deep) for strand in strands])


def _uterus(pelvis: Pelvis, spec: Mapping[str, Any]) -> tuple[Field, Field, Field, Field]:
    """Return the uterus, its lining, the body as against the cervix, and the space behind and above the organ.

    It bends forward over the bladder; a full one lifts it.
    """
    target = float(spec["uterus_ml"])
    k = (target / 78.0) ** (1 / 3)
    lift = np.radians(np.clip(24.0 + 0.12 * (float(spec["bladder_ml"]) - 170.0) + spec["uterus_turn_deg"], -20, 66))
    cervix = np.array([0.0, 31.0, -388.0])
    forward = np.array([0.0, -np.cos(lift), np.sin(lift)])
    bend = 0.5 * forward + 0.5 * np.array([0.0, -0.35, 0.94])
    side = float(spec["uterus_shift_mm"])
    waist = cervix + 28 * k * bend
    points = np.array([cervix, cervix + 14 * k * bend, waist, waist + 18 * k * forward, waist + 34 * k * forward])
    points[:, 0] += side * np.linspace(0, 1, 5)
    field = _flat(pelvis, points, np.array([13, 12, 15, 22, 26]) * k, np.array([12, 10.5, 12, 16, 17]) * k)
    field = smooth_max(field + 0.7 * pelvis.bumps, pelvis.cavity + 2.5, 5.0)
    field = _inflated(pelvis.lattice, field, target, 6.0)
    thick = float(spec["endometrium_mm"]) / 2
    lining = _flat(pelvis, points[1:], np.array([2, 4, 9, 12]) * k, np.full(4, thick))
    isthmus = pelvis.frame.at(cervix + 26 * k * bend)
    along = np.asarray(bend) / np.linalg.norm(bend)
    lattice = pelvis.lattice
    above = ((lattice.x - isthmus[0]) * along[0] + (lattice.y - isthmus[1]) * along[1]
             + (lattice.z - isthmus[2]) * along[2])  # fmt: skip
    chord = points[-1] - cervix
    up = np.array([0.0, chord[2], -chord[1]]) / np.hypot(chord[1], chord[2])
    c = pelvis.frame.at(cervix)
    behind = (lattice.y - c[1]) * up[1] + (lattice.z - c[2]) * up[2] + 0 * lattice.x
    lining = np.maximum(lining, -above - 4.0).astype(np.float32)
    return field, lining, -above.astype(np.float32), (behind - 2.0).astype(np.float32)
