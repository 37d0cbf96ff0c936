"""Vertebrae C7-L5 with bodies, pedicles, laminae, processes and canal; discs, cord and dural sac."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.torso.frame import VERTEBRA_HALF_DEPTH_MM, VERTEBRA_HALF_WIDTH_MM, VERTEBRA_HEIGHT_MM, VERTEBRAE, Frame
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]

STEP_MM = 1.5
# Vertebrae above C7, shown with the neck of hanging arms: reference heights, half widths, half depths and heights of
# the bodies (Panjabi 1991, recalled, unverified).
NECK = ("C6", "C5", "C4")
NECK_Z_MM = np.array([187.0, 204.0, 220.5])
NECK_SIZE_MM = np.array([[10.0, 8.6, 12.0], [9.2, 8.2, 11.8], [8.7, 7.9, 12.0]])
SHELL_MM = 0.8  # cortex of the bodies: 0.3-0.6 mm plus endplates 0.5-1.0 mm (unverified); a little more at the arch
FAR_MM = 30.0


@dataclass(frozen=True, eq=False)
class Spine:
    """The bones as one shape (owner: index in VERTEBRAE), and the front profile that organs keep clear of."""

    bone: SampledShape
    lattice: Lattice


def _capsule(
    u: Field, v: Field, w: Field, a: tuple[float, float, float], b: tuple[float, float, float], radius: float
) -> Field:
    """Distance to a capsule in a vertebra's own coordinates: left, back, up."""
    d = np.subtract(b, a)
    t = np.clip(((u - a[0]) * d[0] + (v - a[1]) * d[1] + (w - a[2]) * d[2]) / float(d @ d), 0, 1)
    return np.sqrt((u - a[0] - t * d[0]) ** 2 + (v - a[1] - t * d[1]) ** 2 + (w - a[2] - t * d[2]) ** 2) - radius


def build_spine(frame: Frame, sway_rad: NDArray[np.float64]) -> tuple[Spine, list[Paint]]:
    """Return the spine and its paints: discs, canal, cord, then bones with cortex and marrow."""
    z = frame.vertebra_z_mm
    # What reaches into the built range; the disc below L5 rests on the sacrum.
    shown = np.flatnonzero((z > frame.low_z_mm * frame.height - 34) & (z < frame.high_z_mm * frame.height + 40))
    low = max(float(z[shown[-1]]) - 34, frame.low_z_mm * frame.height - 6)
    high = min(float(z[shown[0]]) + 22, frame.high_z_mm * frame.height + 6)
    if frame.arms_down:
        high = frame.high_z_mm * frame.height + 6
    y = frame.spine_y_mm(np.linspace(low, high, 50))
    lattice = Lattice((-58.0, float(y.min()) - 26, low), (58.0, float(y.max()) + 74, high), STEP_MM)
    rough = 0.5 * lattice.noise(frame.noise_seed(20), 15.0) + 0.25 * lattice.noise(frame.noise_seed(21), 6.0)
    body = np.full(lattice.shape, FAR_MM, np.float32)
    arch, disc = body.copy(), body.copy()
    body_owner, disc_owner = np.zeros(lattice.shape, np.uint8), np.zeros(lattice.shape, np.uint8)
    arch_owner = body_owner.copy()
    for n in shown.tolist():
        middle = z[n]
        ks = np.flatnonzero(np.abs(lattice.z.ravel() - middle) < 48 * frame.height)
        if not ks.size:
            continue
        part = slice(int(ks[0]), int(ks[-1]) + 1)
        b, p, d = _vertebra(frame, lattice, n, part, float(sway_rad[n]))
        for target, owner, new in ((body, body_owner, b), (arch, arch_owner, p), (disc, disc_owner, d)):
            closer = new < target[part]
            target[part][closer], owner[part][closer] = np.broadcast_to(new, closer.shape)[closer], n
    if frame.arms_down:
        for n in range(len(NECK)):
            ks = np.flatnonzero(np.abs(lattice.z.ravel() - NECK_Z_MM[n] * frame.height) < 24 * frame.height)
            if ks.size:
                part = slice(int(ks[0]), int(ks[-1]) + 1)
                b, p, d = _neck_vertebra(frame, lattice, n, part)
                for target, owner, new in ((body, body_owner, b), (arch, arch_owner, p), (disc, disc_owner, d)):
                    closer = new < target[part]
                    target[part][closer] = np.broadcast_to(new, closer.shape)[closer]
                    owner[part][closer] = len(VERTEBRAE) + n
    body += rough
    arch += 0.7 * rough
    names = labels()
    bones = [names[f"vertebra_{v}"] for v in (*VERTEBRAE, *NECK)]
    marrow = [names[f"vertebra_{v}_marrow"] for v in (*VERTEBRAE, *NECK)]
    discs = [names[f"disc_{a}_{b}"] for a, b in (*pairwise((*VERTEBRAE, "S1")), *pairwise((*reversed(NECK), "C7")))]
    discs[len(VERTEBRAE):] = discs[:len(VERTEBRAE) - 1:-1]  # as NECK: each the one below its vertebra
    canal, cord = _canal(frame, lattice)
    paints = [
        Paint(lattice.shape_near(disc, disc_owner), (Layer(tuple(discs)),)),
        Paint(lattice.shape_near(canal), (Layer(names["epidural_fat"]), Layer(names["spinal_canal"], 1.6))),
        Paint(lattice.shape_near(cord), (Layer(names["spinal_cord"]),)),
        Paint(
            lattice.shape_near(np.minimum(arch, body), np.where(body < arch, body_owner, arch_owner)),
            (Layer(tuple(bones)), Layer(tuple(marrow), SHELL_MM)),
        ),
    ]
    whole = smooth_min(smooth_min(body, arch, 2.0), disc - 0.5, 1.0)
    return Spine(lattice.shape_of(whole), lattice), paints


def _vertebra(frame: Frame, lattice: Lattice, n: int, part: slice, sway: float) -> tuple[Field, Field, Field]:
    """Return body, arch and the disc below, of vertebra n, in a slab of the lattice."""
    middle = frame.vertebra_z_mm[n]
    a = VERTEBRA_HALF_WIDTH_MM[n] * frame.bone
    b = VERTEBRA_HALF_DEPTH_MM[n] * frame.bone
    h = VERTEBRA_HEIGHT_MM[n] * frame.height / 2
    below = (middle - frame.vertebra_z_mm[n + 1]) if n + 1 < len(VERTEBRAE) else 32.0 * frame.height
    y0 = frame.spine_y_mm(middle + np.array([-h, 0.0, h]))
    # The body follows the curve of the spine: the endplates stand across it.
    lean = (y0[2] - y0[0]) / (2 * h)
    cosine = float(1 / np.hypot(1, lean))
    below /= cosine
    rise = (lattice.z[part] - np.float32(middle)) + np.float32(sway) * lattice.x
    w = (rise + np.float32(lean) * (lattice.y - np.float32(y0[1]))) * np.float32(cosine)
    v = (lattice.y - np.float32(y0[1]) - np.float32(lean) * rise) * np.float32(cosine)
    u = lattice.x + 0 * v
    au = np.abs(u)
    waist = 1 - 0.12 * np.clip(1 - (w / h) ** 2, 0, 1)
    heart_shaped = v + 0.10 * np.maximum(v, 0) * (1 - (u / a) ** 2)  # the back of the body is flat to hollow
    level = ((au / (a * waist)) ** 2.2 + (np.abs(heart_shaped) / (b * waist)) ** 2.2) ** (1 / 2.2)
    radial = (level - 1) * min(a, b)
    canal = 1 - np.sqrt((u / 10.5) ** 2 + ((v - b - 7.2) / 8.2) ** 2)
    endplate = np.abs(w) - (h - 1.4 + 1.6 * np.minimum(level, 1.0) ** 2)
    body = smooth_max(smooth_max(radial, endplate, 2.0), 8.0 * canal, 2.0)
    into = 1.8 if n < 12 else 3.4  # lumbar discs are wedges: they reach into the next, tilted body, which covers them
    disc = np.maximum(np.maximum(radial + 0.4, np.abs(w + below / 2) - (below / 2 - h + into)), 8.0 * canal)
    lumbar = n >= VERTEBRAE.index("L1")
    neck = n == 0
    pedicle = _capsule(au, v, w, (a * 0.62, b * 0.55, h * 0.35), (12.2, b + 8.5, h * 0.3), 3.4 + 0.12 * n)
    lamina = _capsule(au, v, w, (12.0, b + 11.0, 1.0), (0.5, b + 18.5, -h * 0.55), 3.0)
    if lumbar:
        process = _capsule(au, v, w, (13.0, b + 9.0, 3.0), (35.0, b + 14.0, 4.0), 3.1)
    else:
        reach = 30.0 if not neck else 27.0
        process = _capsule(au, v, w, (13.0, b + 9.5, 3.0), (reach - 0.35 * max(n - 7, 0) * 2, b + 19.5, 6.0), 3.8)
    drop = 4.0 if lumbar else (8.0 if neck else 10.0 + 9.0 * np.exp(-(((n - 6) / 3.5) ** 2)))
    spinous = _capsule(
        u * 1.35, v, w * 0.62, (0.0, b + 18.0, -h * 0.3), (0.0, b + 42.0 - 0.3 * drop, -h * 0.3 - drop * 0.75), 3.0
    )
    upper = np.sqrt(((au - 13.5) / 5.0) ** 2 + ((v - b - 12.5) / 5.0) ** 2 + ((w - h * 0.9) / 8.5) ** 2)
    lower = np.sqrt(((au - 13.0) / 5.0) ** 2 + ((v - b - 15.0) / 4.6) ** 2 + ((w + h * 0.95) / 9.0) ** 2)
    arch = smooth_min(smooth_min(pedicle, lamina, 3.0), smooth_min(process, spinous, 3.0), 3.0)
    arch = smooth_min(arch, (np.minimum(upper, lower) - 1) * 4.8, 2.0)
    return body, np.maximum(arch, 8.0 * canal + 0.3), disc


def _neck_vertebra(frame: Frame, lattice: Lattice, n: int, part: slice) -> tuple[Field, Field, Field]:
    """Return body with its raised edges, arch with the articular pillars, and the disc below, of vertebra NECK[n]."""
    a, b, h = NECK_SIZE_MM[n] * (frame.bone, frame.bone, frame.height / 2)
    middle = NECK_Z_MM[n] * frame.height
    below = middle - (NECK_Z_MM[n - 1] * frame.height if n else frame.vertebra_z_mm[0])
    w = lattice.z[part] - np.float32(middle)
    v = lattice.y - np.float32(frame.spine_y_mm(middle)) + 0 * w
    u = lattice.x + 0 * v
    au = np.abs(u)
    level = ((au / a) ** 2.4 + (np.abs(v) / b) ** 2.4) ** (1 / 2.4)
    radial = (level - 1) * min(a, b)
    canal = 1 - np.sqrt((u / 12.0) ** 2 + ((v - b - 7.6) / 7.8) ** 2)
    # Uncinate processes: the upper edge rises at the sides, the lower one falls to meet the next vertebra's.
    rim = 3.2 * np.clip((au / a - 0.62) / 0.38, 0, 1) ** 2
    endplate = np.maximum(w - (h - 1.0 + rim), -w - (h - 0.6 + 0.4 * rim))
    body = smooth_max(smooth_max(radial, endplate, 1.5), 8.0 * canal, 2.0)
    disc = np.maximum(np.maximum(radial + 0.5, np.abs(w + below / 2) - (below / 2 - h + 1.6)), 8.0 * canal)
    # Lateral masses one above the other make the wavy border of a frontal view.
    mass = ((au - a - 11.0) / 6.2) ** 2 + ((v - b - 3.0) / 7.0) ** 2 + ((w + 0.25 * v) / (0.62 * below)) ** 2
    pillar = (np.sqrt(mass) - 1) * 6.0
    pedicle = _capsule(au, v, w, (a * 0.8, b * 0.4, 0.5), (a + 9.0, b + 2.0, 0.5), 3.2)
    root = _capsule(au, v, w, (a * 0.9, -b * 0.2, -1.0), (a + 13.0, b * 0.1 + 2.0, -4.0), 2.4)
    lamina = _capsule(au, v, w, (a + 8.0, b + 8.0, -1.0), (1.0, b + 17.5, -4.0), 2.6)
    spinous = _capsule(au, v, w * 0.8, (0.0, b + 17.0, -4.0), (3.0, b + 27.0 + 3.0 * (n == 0), -8.0), 2.4)
    arch = smooth_min(smooth_min(pedicle, lamina, 3.0), smooth_min(pillar, root, 2.5), 3.0)
    return body, np.maximum(smooth_min(arch, spinous, 2.5), 8.0 * canal + 0.3), disc


def _canal(frame: Frame, lattice: Lattice) -> tuple[Field, Field]:
    """Return the canal's content and the cord."""
    z = lattice.z.ravel()
    half = np.interp(z, frame.vertebra_z_mm[::-1], VERTEBRA_HALF_DEPTH_MM[::-1]) * frame.bone
    middle = (frame.spine_y_mm(z) + half + 7.2)[:, None, None].astype(np.float32)
    canal = (np.sqrt((lattice.x / 9.8) ** 2 + ((lattice.y - middle) / 7.6) ** 2) - 1) * 8.0
    ends = frame.vertebra_z_mm[VERTEBRAE.index("L1")]  # the conus lies at L1-L2
    taper = np.clip((z - ends + 12) / 30, 0.05, 1)[:, None, None].astype(np.float32)
    cord = (
        (np.sqrt((lattice.x / (4.9 * taper)) ** 2 + ((lattice.y - middle + 0.8) / (3.6 * taper)) ** 2) - 1)
        * 4.0
        * taper
    )
    return canal, cord
