"""Teeth: up to 32 in two arches, each with enamel, dentine and pulp; lost and filled ones by age."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from medsynth.scene.structure import Layer, Paint
from phantoms.head.frame import Frame
from phantoms.head.jaws import LOWER_ARCH, UPPER_ARCH
from phantoms.head.table import labels

STEP_MM = 0.7
ENAMEL_MM = 1.1  # 1-2.5 mm at the cusps (unverified)
FAR_MM = 5.0
# From the middle incisor to the wisdom tooth: mesiodistal and buccolingual width of the crown, its height, and the
# length of the root, mm (Ash and Nelson, recalled, unverified).
UPPER_MM: Final = ((8.5, 7.0, 10.5, 13), (6.5, 6.0, 9.0, 13), (7.5, 8.0, 10.0, 17), (7.0, 9.0, 8.5, 14),
                   (7.0, 9.0, 8.5, 14), (10.0, 11.0, 7.5, 12), (9.0, 11.0, 7.0, 11), (8.5, 10.0, 6.5, 10))
LOWER_MM: Final = ((5.0, 6.0, 9.0, 12.5), (5.5, 6.5, 9.5, 14), (7.0, 7.5, 11.0, 16), (7.0, 7.5, 8.5, 14),
                   (7.0, 8.0, 8.0, 14.5), (11.0, 10.5, 7.5, 13), (10.5, 10.0, 7.0, 12), (10.0, 9.5, 7.0, 10))
QUADRANTS: Final = ((1, -1.0, True), (2, 1.0, True), (3, 1.0, False), (4, -1.0, False))  # number, side, upper
TEETH: Final = tuple(f"{q}{n}" for q, _, _ in QUADRANTS for n in range(1, 9))


def build_teeth(frame: Frame, spec: Mapping[str, Any]) -> list[Paint]:
    """Return the paints of the teeth that are there: roots, crowns, pulps, fillings."""
    names = labels()
    lattice = frame.box((-36, -90, -136), (36, -18, -76), STEP_MM)
    root, crown, pulp, filling = (np.full(lattice.shape, FAR_MM, np.float32) for _ in range(4))
    owner = np.zeros(lattice.shape, np.uint8)
    jitter = np.asarray(spec["teeth"]["jitter"], float)
    for number, name in enumerate(TEETH):
        if name in spec["teeth"]["missing"]:
            continue
        neck, along, up, sizes = placed(number, jitter[number])
        box, (a, b, c) = local(lattice, frame.at(neck), along, up, sizes)
        parts = tooth(a, b, c, number % 8, sizes)
        mine = np.minimum(parts[0], parts[1])
        closer = mine < np.minimum(root[box], crown[box])
        owner[box][closer] = number
        for whole, part in zip((root, crown, pulp), parts, strict=True):
            whole[box] = np.minimum(whole[box], part)
        if name in spec["teeth"]["filled"]:
            filling[box] = np.minimum(filling[box], cavity(a, b, c, sizes))
    dentine = tuple(names[f"tooth_{t}"] for t in TEETH)
    enamel = tuple(names[f"tooth_{t}_enamel"] for t in TEETH)
    shape = lattice.shape_of
    return [
        Paint(shape(root, owner), (Layer(dentine),)),
        Paint(shape(crown, owner), (Layer(enamel), Layer(dentine, ENAMEL_MM))),
        Paint(shape(pulp, owner), (Layer(tuple(names[f"tooth_{t}_pulp"] for t in TEETH)),), over=dentine),
        Paint(shape(np.maximum(filling, crown)), (Layer(names["dental_filling"]),)),
    ]


def placed(number: int, jitter: NDArray[np.float64]) -> tuple[Any, ...]:
    """Return the neck of `TEETH[number]`, the direction along the arch, the direction of its crown, and its sizes."""
    _, sign, upper = QUADRANTS[number // 8]
    n = number % 8
    arch, table = (UPPER_ARCH, UPPER_MM) if upper else (LOWER_ARCH, LOWER_MM)
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(arch, axis=0), axis=1))])
    widths = np.array([row[0] for row in table])
    middle = (np.cumsum(widths) - widths / 2) * min(1.0, arc[-1] / widths.sum())
    mirrored = np.concatenate([arch[:0:-1] * (-1, 1, 1), arch])
    curve = CubicSpline(np.concatenate([-arc[:0:-1], arc]), mirrored)
    neck, along = curve(middle[n]), curve(middle[n], 1)
    lean = (0.28 if n < 3 else 0.05) * (1.0 if upper else 0.8)  # incisors lean forward
    outward = np.cross(along, (0, 0, 1.0))
    outward /= np.linalg.norm(outward)
    up = np.array([0, 0.27, 0.96]) * (-1.0 if upper else 1.0) + lean * outward
    flip = np.array([sign, 1.0, 1.0])
    neck = neck * flip + 0.5 * jitter
    up = up * flip + 0.04 * jitter
    return neck, along * flip, up / np.linalg.norm(up), table[n]


def local(lattice: Any, middle: NDArray[np.float64], along: NDArray[np.float64], up: NDArray[np.float64],
          sizes: tuple[float, ...]) -> tuple[Any, tuple[Any, Any, Any]]:
    """Return a box of nodes around a tooth and their coordinates along the arch, across it, and towards the crown."""
    reach = np.array([9.0, 9.0, 4.0]) + np.abs(up) * (sizes[2] + sizes[3])
    slices = []
    for axis, values in ((2, lattice.z.ravel()), (1, lattice.y.ravel()), (0, lattice.x.ravel())):
        hit = np.flatnonzero(np.abs(values - middle[axis]) < reach[axis])
        slices.append(slice(int(hit[0]), int(hit[-1]) + 1))
    k, j, i = slices
    dx, dy, dz = lattice.x[:, :, i] - middle[0], lattice.y[:, j] - middle[1], lattice.z[k] - middle[2]
    along = along - (along @ up) * up
    along = along / np.linalg.norm(along)
    axes = (along, np.cross(up, along), up)
    a, b, c = (dx * v[0] + dy * v[1] + dz * v[2] for v in np.asarray(axes, np.float32))
    return (k, j, i), (a, b, c)


def cavity(a: Any, b: Any, c: Any, sizes: tuple[float, ...]) -> Any:
    """Return the distance to the hollow that a filling takes, from the chewing surface down, mm."""
    return np.maximum(np.hypot(a / sizes[0], b / sizes[1]) * 9.0 - 2.6, np.abs(c - sizes[2] + 0.8) - 1.5)


def tooth(a: Any, b: Any, c: Any, n: int, sizes: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """Return the distances to the root, the crown and the pulp in a tooth's own coordinates, mm."""
    wide, deep, high, long = sizes
    rise = np.clip(c / high, 0, 1)
    half_a = wide / 2 * (0.80 + 0.17 * np.minimum(rise / 0.6, 1)) - 0.15
    half_b = deep / 2 * ((1 - 0.72 * rise**1.3) if n < 3 else (1 - 0.18 * rise**2))  # front teeth end in an edge
    level = (np.abs(a / half_a) ** 2.8 + np.abs(b / half_b) ** 2.8) ** np.float32(1 / 2.8)
    cusps = 0.0 if n < 3 else 1.0 * np.cos(2 * np.pi * b / deep) + (0.5 * np.cos(2 * np.pi * a / wide) if n > 4 else 0)
    ends = np.maximum(-c - 0.5, c - high + 0.6 * cusps + 0.3)
    crown = np.maximum((level - 1) * np.minimum(half_a, half_b), ends)
    fall = np.clip(-c / long, 0, 1)
    taper = np.sqrt(1 - 0.92 * fall)
    if n < 5:
        level = np.sqrt((a / (wide * 0.36 * taper)) ** 2 + (b / (deep * 0.42 * taper)) ** 2)
        root = (level - 1) * wide * 0.36 * taper
        canal = np.hypot(a, b) - (0.75 * taper)
    else:  # molars stand on two or three roots
        spread = wide * 0.27 * np.minimum(fall / 0.35, 1)
        branch = np.minimum(np.hypot((a - spread) * 1.2, b * 0.6), np.hypot((a + spread) * 1.2, b * 0.6))
        root = branch - wide * 0.28 * taper
        canal = np.minimum(np.hypot(a - spread, b), np.hypot(a + spread, b)) - 0.6 * taper
    root = np.maximum(root, np.maximum(-c - long, c - 2.0))
    chamber = np.sqrt((a / (wide * 0.2)) ** 2 + (b / (deep * 0.2)) ** 2 + ((c - 1.0) / (high * 0.35)) ** 2) - 1
    pulp = np.minimum(chamber * wide * 0.2, np.maximum(canal, np.maximum(-c - long * 0.85, c)))
    return root, crown, pulp
