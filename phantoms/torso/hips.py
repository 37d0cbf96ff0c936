"""Muscles of hip, pelvic wall and thigh: ropes and sheets that share the room inside the fascia."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sheet import Sheet, rope_distance, sheet_distance
from medsynth.shapes.sweep import spline_mm
from phantoms.torso.frame import Frame
from phantoms.torso.pelvis_bones import place

Field = NDArray[np.floating[Any]]
Points = Sequence[Sequence[float]]

REACH_MM = 30.0  # how far a muscle may swell to fill the room
TOP_MM = -215.0  # no muscle of this file reaches higher

# Left side, reference mm: axis and radii. Courses after the bony landmarks; radii unverified.
ROPES: Mapping[str, tuple[Points, Sequence[float]]] = {
    "tensor_fasciae_latae": (
        [[126, -42, -310], [136, -38, -345], [147, -26, -395], [152, -8, -445], [152, 4, -490]], [6, 11, 12, 9, 4]),
    "sartorius": (
        [[119, -50, -310], [112, -60, -345], [103, -64, -385], [88, -62, -430], [66, -54, -490], [52, -40, -560],
         [44, -24, -650]], [5, 7, 8, 9, 10, 10, 10]),
    "rectus_femoris": (
        [[106, -42, -350], [112, -50, -390], [112, -58, -440], [108, -62, -500], [104, -60, -580], [102, -54, -660]],
        [5, 9, 13, 15, 16, 14]),
    "vastus_lateralis": ([[150, 22, -425], [152, 8, -455], [150, 0, -540], [142, -6, -660]], [9, 17, 21, 23]),
    "vastus_intermedius": ([[128, 2, -450], [122, -8, -520], [115, -14, -660]], [10, 17, 20]),
    "vastus_medialis": ([[112, 4, -480], [96, -18, -550], [86, -26, -660]], [5, 11, 21]),
    "pectineus": ([[34, -42, -384], [58, -34, -405], [88, 0, -440], [106, 22, -466]], [6, 10, 11, 5]),
    "adductor_longus": ([[18, -40, -404], [44, -38, -440], [72, -12, -500], [92, 8, -560]], [5, 12, 13, 7]),
    "adductor_brevis": ([[22, -20, -420], [50, -6, -450], [88, 18, -490]], [5, 12, 9]),
    "adductor_magnus": ([[46, 26, -452], [58, 28, -485], [74, 30, -540], [82, 18, -660]], [8, 21, 25, 15]),
    "gracilis": ([[12, -16, -424], [22, -8, -470], [26, 6, -540], [28, 18, -660]], [4, 6, 8, 8]),
    "hamstring_medial": ([[56, 54, -450], [70, 66, -485], [78, 68, -530], [76, 60, -600], [76, 56, -660]],
                         [6, 11, 18, 21, 21]),
    "biceps_femoris": ([[62, 56, -454], [100, 64, -520], [110, 54, -600], [112, 48, -660]], [4, 11, 17, 17]),
    "obturator_externus": ([[40, -16, -406], [66, 6, -416], [100, 32, -410], [128, 42, -402]], [10, 11, 7, 4]),
    "quadratus_femoris": ([[64, 46, -430], [96, 52, -432], [128, 48, -436]], [8, 9, 8]),
    "obturator_tendon": ([[50, 54, -398], [80, 64, -396], [128, 46, -396]], [6, 7, 4]),
    "piriformis": ([[24, 74, -345], [54, 80, -358], [92, 68, -374], [134, 46, -388]], [8, 12, 9, 4]),
    # What stays fat: around the femoral vessels, the sciatic nerve and the anal canal.
    "femoral_sheath": ([[68, -50, -388], [74, -44, -430], [80, -26, -490], [79, -8, -560], [77, 0, -660]],
                       [12, 11, 8, 7, 6]),
    "sciatic_nerve": ([[72, 74, -380], [80, 60, -430], [90, 46, -520], [92, 36, -660]], [5, 5, 5, 5]),
    "ischioanal_fossa": ([[26, 40, -436], [32, 56, -446], [34, 72, -452]], [10, 16, 14]),
    "inner_thigh_fat": ([[4, -4, -452], [4, 26, -460]], [12, 12]),
}  # fmt: skip
# Rows from origin to insertion, half thickness likewise.
SHEETS: Mapping[str, tuple[Sequence[Points], Sequence[Sequence[float]]]] = {
    "gluteus_maximus": (
        [[[56, 102, -288], [40, 108, -328], [26, 104, -368], [24, 92, -404]],
         [[102, 94, -314], [88, 114, -352], [72, 122, -394], [58, 110, -434]],
         [[142, 60, -368], [148, 64, -402], [144, 66, -445], [136, 60, -495]]],
        [[6, 8, 8, 7], [11, 17, 19, 17], [5, 7, 10, 7]]),
    "gluteus_medius": (
        [[[128, -18, -272], [134, 24, -246], [106, 74, -262]],
         [[130, -24, -312], [130, 22, -305], [106, 68, -312]],
         [[138, -2, -352], [138, 30, -346], [124, 54, -354]],
         [[149, 30, -386], [149, 41, -390], [146, 50, -393]]],
        [[6, 6, 5], [11, 13, 9], [12, 14, 9], [6, 6, 5]]),
    "gluteus_minimus": (
        [[[113, -18, -318], [111, 20, -316], [96, 57, -322]],
         [[119, -8, -352], [118, 24, -346], [110, 48, -352]],
         [[142, 16, -386], [140, 27, -387], [138, 36, -388]]],
        [[4, 6, 4], [7, 9, 6], [4, 4, 4]]),
    "obturator_internus": (
        [[[60, -8, -370], [62, 20, -362], [60, 46, -370]],
         [[57, -12, -392], [57, 18, -390], [53, 48, -392]],
         [[44, -10, -412], [50, 14, -416], [52, 40, -414]]],
        [[3.5, 4.5, 4], [4.5, 6, 6], [3.5, 5, 5]]),
}  # fmt: skip
FAT = ("femoral_sheath", "sciatic_nerve", "ischioanal_fossa", "inner_thigh_fat")
ALIASES = {
    "rectus_femoris": "quadriceps", "vastus_lateralis": "quadriceps", "vastus_intermedius": "quadriceps",
    "vastus_medialis": "quadriceps", "adductor_longus": "adductors", "adductor_brevis": "adductors",
    "adductor_magnus": "adductors", "hamstring_medial": "hamstrings", "biceps_femoris": "hamstrings",
    "obturator_tendon": "obturator_internus", "quadratus_femoris": "obturator_externus",
}  # fmt: skip
# How far each may swell beyond its drawn size; thin ones keep their shape.
SWELL_MM = {
    "sartorius": 9.0, "tensor_fasciae_latae": 13.0, "gracilis": 10.0, "piriformis": 6.0, "obturator_internus": 3.0,
    "obturator_tendon": 4.0, "quadratus_femoris": 8.0, "obturator_externus": 9.0, "gluteus_minimus": 9.0,
    "gluteus_medius": 14.0, "gluteus_maximus": 15.0, "pectineus": 9.0, "femoral_sheath": 0.0, "sciatic_nerve": 0.0,
    "ischioanal_fossa": 6.0, "inner_thigh_fat": 4.0,
}  # fmt: skip


def hip_regions(frame: Frame, lattice: Lattice) -> dict[str, Field]:
    """Return the rough region of every muscle on a lattice of the left half (x >= 0), fat spaces included."""
    regions: dict[str, Field] = {}
    size = 0.5 + 0.5 * frame.muscle
    for name, (points, radii) in ROPES.items():
        axis = spline_mm(place(frame, points), 8.0)
        radius = np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(radii)), radii)
        radius = radius if name in FAT else radius * size
        regions[name] = rope_distance(axis, radius, lattice, REACH_MM) - np.float32(SWELL_MM.get(name, 16.0))
    for name, (rows, halves) in SHEETS.items():
        sheet = Sheet(place(frame, rows), np.array(halves, float) * size)
        regions[name] = sheet_distance([sheet], lattice, REACH_MM, step_mm=9.0) - np.float32(SWELL_MM.get(name, 6.0))
    return regions
