"""Vessels of the abdomen from the aorta and to the portal vein and vena cava, with the mesentery's fans and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.sweep import Sweep
from medsynth.shapes.tree_edit import concatenate
from medsynth.shapes.tubes import Tubes
from phantoms.torso.bowel import Gut
from phantoms.torso.kidneys import SIDES, kidney_axes
from phantoms.torso.liver import PORTA
from phantoms.torso.pancreas import PANCREAS
from phantoms.torso.table import labels
from phantoms.torso.viscera_space import Field, Space, at_height, capsules, tube_along

F64 = NDArray[np.float64]

# Levels, reference z: coeliac T12/L1, superior mesenteric mid L1 (18 mm lower), renal L1-L2, inferior mesenteric L3.
COELIAC_Z, SMA_Z, RENAL_Z, IMA_Z = -117.0, -136.0, -147.0, -206.0
CONFLUENCE = (-2.0, -33.0, -126.0)  # splenic and superior mesenteric vein join behind the pancreas's neck
SMA = [[4, -44, -152], [2, -52, -172], [1, -56, -195], [-8, -54, -222], [-28, -44, -250], [-52, -34, -276]]
SMV = [[-54, -32, -270], [-36, -43, -245], [-18, -54, -220], [-9, -55, -195], [-8, -51, -172], [-5, -42, -148]]
# Calibres (radius): coeliac 6.6, SMA 7, splenic 5.5, hepatic 4.5, IMA 4, renal 6.3 / 5.4 wide; portal vein 13, splenic
# vein 7.4, SMV 10.5, IMV 3.9, renal veins 10-12 wide.
FAN_EXPONENT = 2.5


def _from_front(sweep: Sweep, z_mm: float) -> F64:
    """Return the point just inside the front wall of a vessel at a height."""
    n = int(np.argmin(np.abs(sweep.points_mm[:, 2] - z_mm)))
    return np.asarray(sweep.points_mm[n] - [0.0, 0.75 * sweep.first_mm[n], 0.0], float)


def build_arteries(space: Space, vessels: Mapping[str, Sweep], seed: Seed) -> dict[str, Sweep]:
    """Return the aorta's branches to the organs, by name."""
    f, aorta = space.frame, vessels["descending_aorta"]
    v = f.vessel
    coeliac = _from_front(aorta, COELIAC_Z * f.height)
    fork = coeliac + [1.0, -15.0 * f.depth, -2.0]
    made = {"coeliac_trunk": tube_along(np.stack([coeliac, 0.5 * (coeliac + fork) + [0, 0, 2.0], fork]),
                                        np.array([3.4, 3.2, 3.0]) * v, 2.5)}  # fmt: skip
    gland = f.at(PANCREAS[0])[3:]
    wave = seed.child("splenic artery").rng().uniform(0, 2 * np.pi, 2)
    course = _between(fork, gland[-1] + [12.0, 6.0, 6.0], gland[1:-1] + [0.0, 6.0, 11.0])
    s = np.linspace(0, 1, len(course))
    coil = 4.5 * np.sin(np.pi * s) ** 0.5  # it is the most winding artery of the body
    course[:, 2] += coil * np.sin(9 * np.pi * s + wave[0])
    course[:, 1] += 0.6 * coil * np.sin(7 * np.pi * s + wave[1])
    made["splenic_artery"] = tube_along(course, np.linspace(2.7, 2.0, len(course)) * v, 2.5)
    porta = f.at(PORTA)
    turn = f.at([-16, -40, -113])
    made["hepatic_artery"] = tube_along(
        np.stack([fork, 0.5 * (fork + turn) + [0, 2.0, -2.0], turn, porta + [5.0, -6.0, -4.0], porta + [-6.0, -5, 4]]),
        np.array([2.4, 2.3, 2.2, 1.7, 1.4]) * v, 2.5,
    )  # fmt: skip
    made["gastric_artery"] = tube_along(
        np.stack([fork, fork + [5, -4, 16], f.at([20, -18, -78]), f.at([30, -34, -98]), f.at([20, -46, -116])]),
        np.array([1.8, 1.7, 1.5, 1.2, 0.9]) * v, 2.5,
    )  # fmt: skip
    sma = np.concatenate([_from_front(aorta, SMA_Z * f.height)[None], f.at(SMA)])
    made["superior_mesenteric_artery"] = tube_along(sma, np.array([3.8, 3.6, 3.4, 3.1, 2.7, 2.2, 1.6]) * v, 2.5)
    low = float(aorta.points_mm[:, 2].min())
    if low < (IMA_Z + 4) * f.height:
        ima = np.concatenate([_from_front(aorta, IMA_Z * f.height)[None],
                              f.at([[14, -33, -224], [26, -26, -252], [26, -18, -280], [10, 8, -306]])])  # fmt: skip
        made["inferior_mesenteric_artery"] = tube_along(ima, np.array([2.1, 2.0, 1.8, 1.6, 1.2]) * v, 2.5)
    for side, sign in SIDES:
        start = at_height(aorta, RENAL_Z * f.height)
        gate = _hilum(space, side, [33.0, 0.0, 4.0])
        if sign < 0:  # behind the vena cava, before the crus
            way = np.stack([start + [-13.0, 8.0, 1.0], start + [-27.0, 13.0, 1.0]])
        else:
            way = (0.5 * (start + gate) + [0.0, 2.0, 2.0])[None]
        course = np.concatenate([start[None], way, gate[None]])
        made[f"renal_artery_{side}"] = tube_along(course, np.linspace(3.1, 2.5, len(course)) * v, 2.5)
    return made


def build_veins(space: Space, vessels: Mapping[str, Sweep]) -> dict[str, Sweep]:
    """Return the veins that make up the portal vein, and the renal veins, by name."""
    f, cava, aorta = space.frame, vessels["inferior_vena_cava"], vessels["descending_aorta"]
    v = f.vessel
    join, porta = f.at(CONFLUENCE), f.at(PORTA)
    made = {"portal_vein_trunk": tube_along(
        np.stack([join, f.at([-12, -34, -115]), f.at([-21, -30, -102]), porta]), np.array([6.6, 6.6, 6.4, 6.0]) * v, 2.5
    )}  # fmt: skip
    behind = f.at(PANCREAS[0])[3:] + [0.0, 9.0, -1.0]
    course = _between(behind[-1] + [14.0, 4.0, 4.0], join, behind[::-1][:-1])
    made["splenic_vein"] = tube_along(course, np.linspace(3.2, 4.4, len(course)) * v, 2.5)
    smv = np.concatenate([f.at(SMV), join[None]])
    made["superior_mesenteric_vein"] = tube_along(smv, np.array([2.2, 3.2, 4.2, 4.8, 5.2, 5.4, 5.6]) * v, 2.5)
    imv = np.concatenate([f.at([[36, -8, -286], [40, -16, -250], [38, -24, -205], [36, -28, -165], [32, -24, -128]]),
                          f.at([[24, -26, -112]])])  # fmt: skip
    made["inferior_mesenteric_vein"] = tube_along(imv, np.array([1.4, 1.7, 1.9, 2.0, 2.0, 2.0]) * v, 2.5)
    for side, sign in SIDES:
        gate = _hilum(space, side, [33.0, 0.0, -2.0])
        goal = at_height(cava, (RENAL_Z - (1 if sign < 0 else -1)) * f.height)
        if sign < 0:
            path = np.stack([gate, 0.5 * (gate + goal) + [0, -2, 0], goal])
        else:  # before the aorta, under the superior mesenteric artery
            over = _from_front(aorta, RENAL_Z * f.height) + [0.0, -6.0, 0.0]
            path = np.stack([gate, 0.5 * (gate + over) + [4, 4, 0], over + [12, 3, 1], over, goal])
        made[f"renal_vein_{side}"] = tube_along(path, np.linspace(4.6, 5.2, len(path)) * v, 2.5)
    return made


def _hilum(space: Space, side: str, local: list[float]) -> F64:
    centre, axes = kidney_axes(space, side)
    return np.asarray(centre + axes @ np.array(local), float)


def _between(start: F64, end: F64, middle: F64) -> F64:
    """Return 40 points along the polyline from start over the middle points to the end."""
    path = np.concatenate([start[None], middle, end[None]])
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0, chord[-1], 40)
    return np.stack([np.interp(at, chord, path[:, k]) for k in range(3)], axis=1)


def hilar_branches(space: Space, side: str, seed: Seed, radius: float) -> Tubes:
    """Return the branches of a renal vessel in the sinus, from the hilum to between the pyramids."""
    rng = seed.child("renal", side).rng()
    gate = _hilum(space, side, [33.0, 0.0, 4.0 if radius < 2 else -2.0])
    parts = []
    for z in (-19.0, -6.0, 8.0, 20.0):
        for across in (-1.0, 1.0):
            tip = _hilum(space, side, [2.0 + rng.normal(0, 2), across * 6.5, z + rng.normal(0, 2)])
            bend = _hilum(space, side, [17.0, across * 3.5, 0.5 * z])
            parts.append(capsules(tube_along(np.stack([gate, bend, tip]), [radius, 0.7 * radius, 0.45 * radius], 3.0)))
    return concatenate(*parts)


def fan(trunk: F64, targets: F64, tip_mm: float, *, groups: int, rng: np.random.Generator) -> Tubes:
    """Return branches from a trunk (its first point first) to targets that are ordered along the bowel.

    The targets are cut into groups that leave the trunk one after the other; each halves again and again on its way.
    Radii follow Murray's law from the tips.
    """
    starts: list[F64] = []
    ends: list[F64] = []
    radii: list[float] = []
    parents: list[int] = []

    def lay(start: F64, end: F64, radius: float, parent: int) -> int:
        bend = 0.5 * (start + end) + rng.normal(0, 0.09 * float(np.linalg.norm(end - start)), 3)
        for a, b in ((start, bend), (bend, end)):
            starts.append(a)
            ends.append(b)
            radii.append(radius)
            parents.append(parent)
            parent = len(parents) - 1
        return parent

    def grow(origin: F64, parent: int, own: F64, anchor: F64, level: int) -> None:
        middle = own.mean(axis=0)
        share = 1.0 if len(own) == 1 else 1 - 0.58**level
        stray = 2.0 + 0.06 * float(np.linalg.norm(middle - anchor))
        node = anchor + share * (middle - anchor) + (rng.normal(0, stray, 3) if len(own) > 1 else 0.0)
        here = lay(origin, node, tip_mm * len(own) ** (1 / FAN_EXPONENT), parent)
        if len(own) > 1:
            half = len(own) // 2
            grow(node, here, own[:half], anchor, level + 1)
            grow(node, here, own[half:], anchor, level + 1)

    leave = np.sort(rng.uniform(0.12, 0.97, groups)) * (len(trunk) - 1)
    for group, at in zip(np.array_split(targets, groups), leave, strict=True):
        if len(group):
            anchor = trunk[int(at)]
            grow(anchor, -1, group, anchor, 1)
    r = np.array(radii)
    return Tubes(np.array(starts), np.array(ends), r, 0.92 * r, np.array(parents, np.int64))


def _edge(bowel: Gut, trunk: F64, every_mm: float, low_mm: float = -1.0, high_mm: float = 1e9) -> F64:
    """Return points of the bowel on the side of its mesentery, in order."""
    keep = (bowel.arc_mm >= low_mm) & (bowel.arc_mm <= high_mm)
    points, radii, arc = bowel.points_mm[keep], bowel.radii_mm[keep], bowel.arc_mm[keep]
    if len(points) == 0:
        return np.zeros((0, 3))
    step = max(int(every_mm / max(float(np.diff(arc).mean()) if len(arc) > 1 else 1.0, 1e-6)), 1)
    points, radii = points[::step], radii[::step]
    inward = trunk[np.linspace(0, len(trunk) - 1, len(points)).astype(int)] - points
    inward /= np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-6)
    return np.asarray(points + inward * (0.9 * radii)[:, None], float)


def build_fans(
    space: Space, arteries: Mapping[str, Sweep], veins: Mapping[str, Sweep], small: Gut | None, colon: Gut | None,
    seed: Seed,
) -> dict[str, Tubes]:  # fmt: skip
    """Return the mesenteric trees: arteries and veins to the loops of small bowel and colon."""
    rng = seed.child("fans").rng()
    sma = arteries["superior_mesenteric_artery"].points_mm
    smv = veins["superior_mesenteric_vein"].points_mm[::-1]
    v = space.frame.vessel
    red, blue = [], []
    if small is not None:
        red.append(fan(sma, _edge(small, sma, 15.0), 0.66 * v, groups=16, rng=rng))
        blue.append(fan(smv, _edge(small, smv, 15.0) + [2.0, 1.5, -2.5], 0.80 * v, groups=16, rng=rng))
    if colon is not None:
        middle = 0.5 * (colon.part_ends_mm[1] + colon.part_ends_mm[2])
        reach = _edge(colon, sma[::-1], 30.0, 0.0, middle + 60.0)[::-1]
        red.append(fan(sma[len(sma) // 4 :], reach, 0.55 * v, groups=3, rng=rng))
        blue.append(fan(smv[len(smv) // 4 :], reach + [2.0, 1.0, -2.0], 0.68 * v, groups=3, rng=rng))
        if "inferior_mesenteric_artery" in arteries:
            ima = arteries["inferior_mesenteric_artery"].points_mm
            imv = veins["inferior_mesenteric_vein"].points_mm[::-1]
            rest = _edge(colon, ima, 30.0, middle + 60.0)
            red.append(fan(ima, rest, 0.5 * v, groups=4, rng=rng))
            blue.append(fan(imv[len(imv) // 3 :], rest + [2.0, 1.0, -2.0], 0.6 * v, groups=4, rng=rng))
    made = {}
    if red:
        made = {"mesenteric_arteries": concatenate(*red), "mesenteric_veins": concatenate(*blue)}
    return made


def fat_vessels(space: Space, taken: Field, rng: np.random.Generator, count: int = 320) -> Tubes:
    """Return thin vessels of the greater omentum and of the retroperitoneal fat, where there is fat to hold them."""
    open_fat = (taken[::2, ::2, ::2] > 3.0) & (space.inside[::2, ::2, ::2] < -2.5)
    nodes = np.argwhere(open_fat)
    if len(nodes) == 0:
        nodes = np.argwhere(space.inside[::2, ::2, ::2] < 0)[:1]
    step = 2 * space.lattice.step_mm
    start = np.asarray(space.lattice.origin_mm) + nodes[rng.integers(0, len(nodes), count), ::-1] * step
    way = rng.standard_normal((count, 3)) * [0.8, 0.35, 1.0]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    bend = rng.standard_normal((2, count, 3)) * 2.5
    first = start + way * 9.0 + bend[0]
    second = first + way * 9.0 + bend[1]
    radius = rng.uniform(0.4, 0.75, count)
    parents = np.concatenate([np.full(count, -1), np.arange(count)]).astype(np.int64)
    return Tubes(
        np.concatenate([start, first]), np.concatenate([first, second]), np.concatenate([radius, 0.8 * radius]),
        np.concatenate([0.8 * radius, 0.55 * radius]), parents,
    )  # fmt: skip


def lymph_nodes(space: Space, vessels: Mapping[str, Sweep], trees: Mapping[str, Tubes], seed: Seed) -> Tubes:
    """Return abdominal nodes: para-aortic ones (short axis below 10 mm) and mesenteric ones (4-5 mm)."""
    rng = seed.child("abdominal nodes").rng()
    aorta, cava = vessels["descending_aorta"], vessels["inferior_vena_cava"]
    low = max(float(aorta.points_mm[:, 2].min()), float(space.lattice.z[0, 0, 0]))
    places, size = [], []
    for n in range(14):
        z = rng.uniform(low, -120.0 * space.frame.height)
        beside = at_height(aorta if n % 2 else cava, z)
        places.append(beside + [(1 if n % 2 else -1) * rng.uniform(12, 16), rng.uniform(-6, 7), 0.0])
        size.append(rng.uniform(1.3, 2.6))
    if "mesenteric_arteries" in trees:
        hosts = trees["mesenteric_arteries"]
        for n in rng.choice(len(hosts.parents), 24):
            places.append(hosts.ends_mm[n] + rng.normal(0, 3.0, 3))
            size.append(rng.uniform(1.0, 2.0))
    centre, radius = np.array(places), np.array(size)
    way = rng.standard_normal(centre.shape)
    way *= (0.7 * radius / np.linalg.norm(way, axis=1))[:, None]
    return Tubes(centre - way, centre + way, radius, 0.9 * radius, np.full(len(radius), -1, np.int64))


def paint_vessels(
    arteries: Mapping[str, Sweep], veins: Mapping[str, Sweep], trees: Mapping[str, Tubes], ureters: Mapping[str, Tubes]
) -> list[Paint]:
    """Return the paints of all vessels, nodes and ureters: thin ones only in fat, veins through the pancreas too."""
    names = labels()
    fat = (names["abdominal_fat"],)
    gland = tuple(names[n] for n in ("pancreas_head", "pancreas_neck", "pancreas_body", "pancreas_tail"))
    sinus = tuple(names[f"kidney_{side}_sinus"] for side, _ in SIDES)
    paints = [
        Paint(trees["fat_vessels"], (Layer(names["mesenteric_veins"]),), over=fat),
        Paint(trees["lymph_nodes"], (Layer(names["abdominal_lymph_nodes"]),), over=fat),
    ]
    for name in ("mesenteric_veins", "mesenteric_arteries"):
        if name in trees:
            paints.append(Paint(trees[name], (Layer(names[name]),), over=fat))
    for name, sweep in (*veins.items(), *arteries.items()):
        label = "portal_vein" if name == "portal_vein_trunk" else name
        parts = concatenate(capsules(sweep), trees[name]) if name in trees else capsules(sweep)
        crus = (names["diaphragm"],) if "renal" in name else ()  # they lie on it
        paints.append(Paint(parts, (Layer(names[label]),), over=(*fat, *gland, *sinus, *crus)))
    for side, _ in SIDES:
        tubes: Any = ureters[f"ureter_{side}"]
        paints.append(Paint(tubes, (Layer(names[f"ureter_{side}"]),), over=(*fat, *sinus)))
    return paints
