"""Soft parts of face and neck: muscles that compete for their room, tongue, palate, glands, and the airway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.contact import compete
from phantoms.head.assembly import SIDES, Assembly
from phantoms.head.frame import Frame, Space
from phantoms.head.table import labels

Field = NDArray[np.floating[Any]]
Bar = tuple[list[tuple[float, float, float]], tuple[float, float, float], Any, Any]

REACH_MM = 5.0  # how far a muscle's distance is followed
# Bars of the left side: axis, direction of the first half-axis, half-axes at the axis points; reference mm.
# Thickness after CT and MR atlases (unverified): temporalis 12-15, masseter 12-14, sternomastoid 10-14 mm.
PAIRED: Final[dict[str, tuple[Bar, ...]]] = {
    "masseter_{}": (([(60, -40, -60), (59, -29, -75), (55.5, -17, -95), (52.5, -10, -108)], (1, 0.2, 0),
                     (5.0, 8.0, 8.0, 5.5), (14, 18, 18, 14)),),
    "medial_pterygoid_{}": (([(18, -27, -58), (29, -19, -76), (38, -11, -92), (42, -7, -104)], (0.8, -0.3, 0.3),
                             (4, 5.5, 5, 3), (8, 11, 12, 10)),),
    "lateral_pterygoid_{}": (([(20, -33, -53), (32, -20, -53), (46, -6, -54)], (0, 0, 1), (9, 7, 3.5), (6, 7.5, 4)),),
    "sternomastoid_{}": (([(55, 25, -60), (56.5, 25, -84), (54.5, 17, -110), (49.5, 5, -135), (43, -7, -160)],
                          (1, -0.25, 0), (3.0, 5.2, 6.2, 6.6, 6.5), (9, 14, 16.5, 17, 17)),),
    "splenius_capitis_{}": (([(48, 44, -46), (44, 54, -66), (37, 62, -90), (28, 68, -120), (19, 74, -160)],
                             (0.75, 0.65, 0), (3.5, 5.0, 5.0, 4.5, 4), (12, 15, 16, 16, 14)),),
    "semispinalis_capitis_{}": (([(17, 80, -40), (17, 72, -58), (18, 67, -84), (18, 69, -115), (18, 74, -160)],
                                 (0, 1, 0), (4, 8, 8, 7.5, 7.5), (11, 15, 16, 15, 14)),),
    "suboccipital_muscles_{}": (([(17, 54, -63), (21, 49, -75), (12, 55, -90)], (0, 1, 0), (8, 10, 7), (15, 15, 11)),),
    "multifidus_neck_{}": (([(10, 58, -88), (12, 57, -112), (13, 60, -135), (14, 64, -160)], (0, 1, 0),
                            (6, 9, 9.5, 9.5), (9, 13, 15, 15)),),
    "trapezius_neck_{}": (([(8, 93, -30), (16, 85, -66), (26, 81, -100), (37, 80, -130), (45, 80, -160)],
                           (0.5, 1, 0), (1.2, 1.8, 2.4, 3.2, 4.0), (6, 11, 17, 22, 26)),),
    "levator_scapulae_{}": (([(33, 27, -76), (37, 34, -105), (42, 42, -132), (46, 50, -160)], (1, -0.4, 0),
                             (3.5, 5.5, 6, 6), (6, 9, 11, 12)),),
    "scalene_muscles_{}": (([(26, 18, -98), (31, 17, -122), (37, 19, -142), (42, 22, -160)], (1, 0, 0), (3, 6, 7.5, 8),
                            (5, 8, 9, 10)),),
    "prevertebral_muscles_{}": (([(6, 9.5, -64), (9, 6.5, -84), (11, 8, -108), (12, 12, -132), (13, 18, -160)],
                                 (0, 1, 0), (3.5, 3.6, 3.8, 3.6, 3.6), (6, 8, 7, 6.5, 6.5)),),
    "digastric_{}": (([(50, 22, -66), (43, 4, -92), (31, -13, -119), (20, -20, -132)], (1, 0, 0), (3.5, 4, 3.2, 2),
                      (5, 5, 4, 2.5)),
                     ([(8, -62, -149), (12, -45, -146), (18, -22, -135)], (0, 0, 1), (3.5, 3.6, 2), (6, 5.5, 3))),
    "facial_muscles_{}": (([(41, -36, -99), (37, -55, -103), (28, -72, -105)], (1, -0.5, 0), (1.6, 1.9, 2.4),
                           (11, 10, 6)),
                          ([(49, -75, -66), (41, -80, -83), (29, -80, -102)], (0.5, -1, 0), (1.5, 2.0, 1.8),
                           (3.5, 4, 4)),
                          ([(9, -93, -58), (15, -89, -72), (20, -86, -92)], (0.5, -1, 0), (0.8, 1.4, 1.6), (3, 5, 6)),
                          ([(20, -78, -118), (17, -75, -130), (14, -72, -142)], (0.4, -1, 0), (2.2, 2.6, 2),
                           (6, 7, 6))),
    "parotid_{}": (([(58, 2, -54), (58, 3, -70), (56, 4, -88), (52, 6, -102)], (1, -0.5, 0), (5, 9, 9, 5),
                    (9, 15, 15, 9)),
                   ([(62, -10, -66), (61.5, -18, -74)], (1, 0, 0), (3.5, 2.5), (13, 9))),
    "submandibular_gland_{}": (([(37, -17, -117), (33, -28, -125), (26, -38, -131)], (0.6, 0, 0.8), (6, 8, 5),
                                (8, 10, 7)),),
}
SINGLE: Final[dict[str, tuple[Bar, ...]]] = {
    "tongue": (([(0, -70, -104), (0, -60, -101), (0, -44, -99), (0, -29, -103), (0, -18, -114), (0, -13, -127)],
                (0, 0.3, 1), (4, 10, 15, 17, 13, 7), (12, 17, 20.5, 22, 20, 15)),
               ([(0, -62, -128), (0, -50, -118), (0, -38, -112)], (1, 0, 0), (9, 13, 17), (9, 13, 15))),
    "floor_of_mouth": (([(0, -60, -136), (0, -44, -132), (0, -30, -133), (0, -22, -135)], (0, 0, 1), (7, 6, 5, 3),
                        (14, 21, 20, 12)),),
    "soft_palate": (([(0, -33, -74.5), (0, -22, -77.5), (0, -14, -86), (0, -9.5, -97), (0, -9, -103)], (0, 0.6, 1),
                     (2.0, 4.0, 4.2, 3.0, 2.0), (14, 15, 13, 6, 2.5)),),
    "lips": (([(-27, -78, -105), (-14, -86.5, -102), (0, -89, -101), (14, -86.5, -102), (27, -78, -105)], (0, 1, 0),
              (1.8, 3.5, 3.8, 3.5, 1.8), (3, 5.5, 6.5, 5.5, 3)),
             ([(-26, -78, -107), (-14, -85.0, -112), (0, -87.5, -113), (14, -85.0, -112), (26, -78, -107)], (0, 1, 0),
              (1.8, 3.4, 3.8, 3.4, 1.8), (3, 5, 6, 5, 3))),
}
AIRWAY: Final[Bar] = (
    [(0, -22, -60), (0, -15, -64), (0, -9, -76), (0, -4.0, -88), (0, -2, -102), (0, -1.5, -118), (0, 0, -132),
     (0, -3, -145), (0, -7, -160)],
    (0, 1, 0.2), (7, 9, 7.5, 4.2, 5.5, 6.5, 5.5, 8, 9), (12, 13, 13, 11, 13, 14, 15, 6.5, 8.5))


def build_soft_parts(
    frame: Frame, space: Space, skin: Field, outer: Field, spec: Mapping[str, Any]
) -> list[Paint]:
    """Return the paints of the galea, of everything soft between skin and bone, and of the throat."""
    names, lattice = labels(), space.lattice
    fields = _bars(frame, space)
    fields["temporalis_{}"] = _temporalis(frame, space, outer)
    airway = _airway(frame, space, spec)
    wall = airway - (2.6 + 0.6 * lattice.noise(frame.noise_seed(61), 14.0))
    leaf = Assembly(frame, space, REACH_MM)
    leaf.sweep("larynx", [(0, -6.5, -112), (0, -9.0, -121), (0, -11.5, -131), (0, -10.0, -138)], (0, 1, 0.2),
               (0.9, 1.1, 1.6, 3.0), (6, 8.5, 7, 6))  # epiglottis
    airway = np.maximum(airway, -leaf.values)
    lower = np.clip((-136 - space.z) / 6, 0, 1)
    fields["pharyngeal_wall"] = np.where(space.y < 12, wall - 2.0 * lower, REACH_MM)
    wobble = (0.9 * lattice.noise(frame.noise_seed(62), 22.0) + 0.5 * lattice.noise(frame.noise_seed(63), 9.0))
    gap = np.clip(0.7 + 0.8 * lattice.noise(frame.noise_seed(64), 16.0), 0.1, 2.6).astype(np.float32)
    thick = 2.4 + 4.0 * (frame.muscle - 1)
    firm = {"soft_palate", "pharyngeal_wall", "lips", "facial_muscles_{}"}
    full = {}
    for number, (name, field) in enumerate(fields.items()):
        uneven = np.clip((REACH_MM - field) / 2, 0, 1) * wobble * (1 if number % 2 else -1)
        swollen, share = (0.0, 0.3) if name in firm else (thick, 1.0)
        full[name] = np.asarray(field - swollen + share * uneven, np.float32)
    settled = compete(full, {"pharyngeal_wall": 2.0, "soft_palate": 2.0}, gap)
    cover = skin + np.float32(1.8) + 2.2 * np.float32(frame.fat) * np.where(space.y < -66, 0.4, 1.0)
    values = np.full(lattice.shape, REACH_MM, np.float32)
    owner = np.zeros(lattice.shape, np.uint8)
    table: list[int] = []
    for name, field in settled.items():
        field = np.maximum(field, cover)
        closer = field < values
        values[closer] = field[closer]
        owner[closer] = len(table) + (space.left[closer] if "{}" in name else 0)
        table += [names[name.format(side)] for side, _ in SIDES] if "{}" in name else [names[name]]
    deep = smooth_max(skin + 8.0 * frame.fat, space.z + 24.0, 6.0)
    return [
        Paint(lattice.shape_of(_galea(frame, space, outer)), (Layer(names["galea"]),),
              over=(names["subcutaneous_fat"],)),
        Paint(lattice.shape_of(deep), (Layer(names["deep_fat"]),), over=(names["subcutaneous_fat"],)),
        Paint(lattice.shape_of(values, owner), (Layer(tuple(table)),)),
        Paint(lattice.shape_of(leaf.values), (Layer(names["larynx"]),)),
        Paint(lattice.shape_of(airway), (Layer(names["airway"]),)),
    ]


def _bars(frame: Frame, space: Space) -> dict[str, Field]:
    """Return the distances of the muscles and glands that are bars."""
    fields: dict[str, Field] = {}
    for table, paired in ((PAIRED, True), (SINGLE, False)):
        for name, bars in table.items():
            part = Assembly(frame, space, REACH_MM)
            for points, normal, first, second in bars:
                (part.pair if paired else part.sweep)(name, points, normal, first, second, 2.3)
            fields[name] = part.values
    return fields


def _temporalis(frame: Frame, space: Space, outer: Field) -> Field:
    """Return the fan of the temporalis on the side of the skull, thickest behind the cheek bone, and its tendon."""
    part = Assembly(frame, space, REACH_MM)
    part.pair("temporalis", [(52, -26, -38), (50.5, -25, -54), (48.5, -24, -70)], (1, 0, 0), (7, 6.5, 3), (17, 13, 6))
    thick = temporalis_mm(frame, space)
    field = smooth_max(outer - thick, -36.0 - 0.0 * space.y - space.z - 12.0, 3.0)
    field = np.where((space.z > -52) & (space.side > 30), field, REACH_MM)
    return np.minimum(smooth_min(np.asarray(field, np.float32), part.values, 4.0), np.float32(REACH_MM))


def temporalis_mm(frame: Frame, space: Space) -> Field:
    """Return how thick the temporalis lies on the skull, negative beyond its edge."""
    v, w = (space.y + 14) / 48.0, (space.z + 46) / 78.0
    fan = np.clip(1 - v * v - w * w, -0.3, 1)
    thick: Field = 15.0 * frame.muscle * fan * np.clip((space.side - 34) / 12, 0, 1)
    return thick


def _airway(frame: Frame, space: Space, spec: Mapping[str, Any]) -> Field:
    """Return the distance to the air of the throat, from behind the nose to the larynx."""
    part = Assembly(frame, space, 2 * REACH_MM)
    points, normal, first, second = AIRWAY
    part.sweep("airway", points, normal, np.asarray(first) * float(spec["throat"]), second, 2.4)
    part.pair("airway", [(6.5, -34, -62), (7, -24, -63)], (1, 0, 0), (4.6, 5.0), (8, 8), 2.4)
    part.sweep("airway", [(0, -10, -124), (0, -13, -119)], (0, 1, 0), (2.0, 1.5), (11, 9))  # valleculae
    return part.values + 0.4 * space.lattice.noise(frame.noise_seed(65), 10.0)


def _galea(frame: Frame, space: Space, outer: Field) -> Field:
    """Return the distance to the galea: a thin sheet over the vault, muscular at the forehead and the occiput."""
    muscle = np.clip((-60 - space.y) / 14, 0, 1)
    muscle = muscle + np.clip((space.y - 62) / 14, 0, 1) * np.clip((30 - space.z) / 20, 0, 1)
    thick = 0.5 + 1.3 * muscle * frame.muscle + 0.25 * space.lattice.noise(frame.noise_seed(66), 18.0)
    lower = -18.0 - 10.0 * np.clip((space.y - 50) / 20, 0, 1) + 26.0 * np.clip((space.side - 50) / 14, 0, 1)
    sheet: Field = np.maximum(np.abs(outer - 1.9) - np.maximum(thick, 0.15), lower - space.z)
    return sheet
