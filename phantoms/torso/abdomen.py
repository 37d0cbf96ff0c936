"""The organs under the diaphragm: liver with veins, stomach, spleen, kidneys, adrenals and the colon's flexures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Ellipsoid, rotation
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from medsynth.shapes.tree import TreeSpec, grow_tree
from medsynth.shapes.tubes import Tubes
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels
from phantoms.torso.trunk import Trunk

Field = NDArray[np.floating[Any]]

Course = tuple[Sequence[Sequence[float]], Sequence[float]]  # reference points and radii in mm

STOMACH: Course = (
    [
        [19, 9, -52],
        [34, 20, -44],
        [56, 12, -52],
        [66, -12, -78],
        [58, -42, -104],
        [34, -58, -122],
        [8, -56, -130],
        [-16, -46, -122],
        [-30, -38, -118],
    ],
    [8, 18, 31, 32, 27, 22, 17, 12, 9],
)
COLON_RIGHT: Course = (
    [[-92, 20, -262], [-98, 12, -220], [-96, 0, -190], [-80, -28, -178], [-52, -68, -184], [-20, -82, -180]],
    [23, 24, 23, 21, 19, 18],
)
COLON_LEFT: Course = (
    [
        [10, -84, -176],
        [40, -78, -166],
        [70, -60, -140],
        [92, -26, -112],
        [106, 8, -104],
        [110, 26, -140],
        [112, 28, -190],
        [106, 20, -262],
    ],
    [17, 17, 18, 18, 17, 15, 13, 13],
)


PANCREAS: Course = (
    [[-32, -22, -150], [-26, -27, -132], [-6, -33, -120], [18, -26, -110], [44, -6, -98], [74, 16, -86]],
    [14, 13, 10, 8.5, 9, 7.5],
)


def build_abdomen(
    frame: Frame,
    lattice: Lattice,
    trunk: Trunk,
    above: Field,
    spine: SampledShape,
    tubes: Mapping[str, Sweep],
    liver_ml: float,
    spleen_ml: float,
    gas: float,
    seed: Seed,
) -> tuple[dict[str, SampledShape], dict[str, Tubes], list[Paint]]:
    """Return shapes, vessel trees and paints; liver and spleen are inflated until they have their volumes."""
    names = labels()
    inside = np.maximum(trunk.cavity, above).astype(np.float32)  # the abdominal cavity
    noise = {w: lattice.noise(frame.noise_seed(60 + n), w) for n, w in enumerate((46.0, 30.0, 15.0, 9.0))}
    raw, arc = _organs(frame, lattice, noise)
    hard = np.minimum(lattice.sample(spine), 60.0) - 2.0
    for name in ("descending_aorta", "inferior_vena_cava"):
        hard = np.minimum(
            hard, sweep_distance(tubes[name], lattice, 12.0)[0] - (1.5 if name == "descending_aorta" else 0.2)
        )
    psoas = _psoas(frame, lattice, noise)
    gap = np.clip(1.1 + 0.9 * noise[15.0], 0, 3).astype(np.float32)
    settled, growth, border = {}, {"spleen": 5.0, "stomach": 3.0, "colon": 1.0}, 0.0
    for _ in range(4):
        # A large liver dents the right kidney by 6 mm at most; it never swallows it.
        bulk = smooth_max(_liver(frame, lattice, noise, border), -(raw["kidney_right"] + 6.0), 4.0)
        grown = {"liver": bulk.astype(np.float32)}
        grown |= {n: (f - growth.get(n, 0.0)).astype(np.float32) for n, f in raw.items()}
        settled = compete(
            grown,
            {
                "kidney_right": 3.0,
                "kidney_left": 3.0,
                "colon": 2.0,
                "stomach": 1.0,
                "small_bowel": 2.5,
                "pancreas": -0.5,
            },
            gap,
        )
        for name in settled:
            wall = inside + (0.2 if name == "liver" else 1.2) + 0.8 * noise[30.0]
            clear = smooth_max(-(hard - (0.0 if name == "liver" else 1.5)), -(psoas - 1.5), 3.0)
            settled[name] = smooth_max(smooth_max(settled[name], wall, 3.0), clear, 10.0 if "kidney" in name else 5.0)
        have = max(lattice.volume_ml(settled["spleen"]), 20.0)
        area = 6.5 * have ** (2 / 3) * 100  # mm^2 of a body of this volume; a spleen is less compact than a sphere
        growth["spleen"] += float(np.clip((spleen_ml - have) * 1000 / area, -12, 12))
        lower_surface = 17000.0 * frame.width * frame.depth  # mm^2
        border -= float(np.clip((liver_ml - lattice.volume_ml(settled["liver"])) * 1000 / lower_surface, -45, 45))
    fields = {name: lattice.shape_of(field) for name, field in settled.items()}
    paints = [
        Paint(lattice.shape_of(inside), (Layer(names["abdominal_fat"]),)),
        Paint(
            lattice.shape_of(
                np.maximum(psoas, lattice.z + 112 * frame.height),
                (np.broadcast_to(lattice.x, lattice.shape) > 0).astype(np.uint8),
            ),
            (Layer((names["psoas_right"], names["psoas_left"])),),
        ),
    ]
    paints += _paint_organs(frame, lattice, settled, arc, noise, gas)
    trees = _liver_trees(frame, fields["liver"], tubes, seed)
    liver = (names["liver"],)
    paints.append(Paint(trees["portal_vein"], (Layer(names["portal_vein"]),), over=liver))
    paints.append(Paint(trees["hepatic_veins"], (Layer(names["hepatic_vein"]),), over=liver))
    return fields, trees, paints


def _organs(frame: Frame, lattice: Lattice, noise: Mapping[float, Field]) -> tuple[dict[str, Field], dict[str, Field]]:
    """Return the organs before they meet; arc holds the distance along the colon."""
    spleen = smooth_max(
        lattice.sample(Ellipsoid(tuple(frame.at([98, 36, -86]).tolist()), (46, 44, 56), rotation(10, 0, -25))),
        -lattice.sample(Ellipsoid(tuple(frame.at([38, -4, -78]).tolist()), (46, 44, 72))),
        9.0,
    )
    spleen = spleen + 2.0 * noise[46.0] + 1.2 * noise[30.0]
    organs: dict[str, Field] = {"spleen": spleen}
    arc: dict[str, Field] = {}
    for name, (points, radii) in (("stomach", STOMACH), ("colon", COLON_LEFT), ("colon_right", COLON_RIGHT)):
        field, along = sweep_distance(_tube(frame, points, radii), lattice, 12.0)
        arc[name] = along
        if name == "stomach":
            organs[name] = field + 3.0 * noise[46.0] + 1.6 * noise[30.0]
        else:
            sacs = (
                4.6
                * np.abs(np.cos(np.pi * along / 27 + 1.2 * noise[46.0])) ** 5
                * np.clip(0.7 + 0.5 * noise[30.0], 0, 1.2)
            )
            organs[name] = field + sacs + 0.8 * noise[15.0]
    organs["colon"] = np.minimum(organs.pop("colon_right"), organs["colon"])
    gland, _ = sweep_distance(_tube(frame, *PANCREAS), lattice, 12.0)
    organs["pancreas"] = gland + 1.6 * noise[9.0] + 1.0 * noise[15.0]
    loops, _ = sweep_distance(_jejunum(frame), lattice, 12.0)
    organs["small_bowel"] = loops + 1.2 * noise[15.0] + 1.0 * noise[30.0]
    for side, sign, centre, turn in (
        ("right", -1, [-68, 24, -151], (8, -12, -30)),
        ("left", 1, [66, 26, -131], (6, 10, 30)),
    ):
        frame_turn = rotation(*turn)
        warp = 3.0 * noise[46.0]
        warped = lattice.points_mm + np.stack([warp, -warp, warp], axis=-1)
        kidney = Ellipsoid(tuple(frame.at(centre).tolist()), (29, 31, 57), frame_turn).distance_mm(warped)
        inward = np.asarray(frame_turn) @ np.array([-sign * 1.0, -0.45, 0])
        hilum = frame.at(centre) + inward / np.linalg.norm(inward) * 33
        notch = lattice.sample(Ellipsoid(tuple(hilum.tolist()), (11, 9, 14), frame_turn))
        organs[f"kidney_{side}"] = smooth_max(kidney, -notch, 7.0) + 1.0 * noise[30.0]
    return {name: field.astype(np.float32) for name, field in organs.items()}, arc


def _tube(frame: Frame, points: Sequence[Sequence[float]], radii: Sequence[float]) -> Sweep:
    axis = spline_mm(frame.at(points), 8.0)
    return Sweep.round(axis, np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(radii)), radii))


def _jejunum(frame: Frame) -> Sweep:
    """Return loops of small bowel below stomach and liver, each layer to and fro, the next one lower."""
    rng = Seed(frame.seed).child("jejunum").rng()
    rows = []
    for layer in range(7):
        xs = np.linspace(-62, 84, 5) if layer % 2 else np.linspace(84, -62, 5)
        for n, x in enumerate(xs):
            rows.append(
                [
                    x + rng.normal(0, 6),
                    -46 + 26 * (-1) ** (n + layer) + rng.normal(0, 6),
                    -142 - 17 * layer + rng.normal(0, 4),
                ]
            )
    axis = spline_mm(frame.at(rows), 8.0)
    wave = np.sin(np.arange(len(axis)) * 0.9) + np.sin(np.arange(len(axis)) * 0.37 + 1.0)
    return Sweep.round(axis, 11.0 + 1.5 * wave)


def _liver(frame: Frame, lattice: Lattice, noise: Mapping[float, Field], border_mm: float) -> Field:
    """Return the liver as what the cavity leaves: a right set above a slanting plane, a left wedge in front of another.

    border_mm raises the lower border (reference mm); the chest wall and the diaphragm cut it to size elsewhere.
    """
    x, y, z = lattice.x / frame.width, lattice.y / frame.depth, lattice.z / frame.height
    rumple = 3.0 * noise[46.0] + 0.6 * noise[15.0]
    below = -197 + border_mm + 0.70 * (x + 120) + 0.35 * np.maximum(y + 20, -40)
    right = smooth_max(
        smooth_max(x + 8 - 0.10 * (z + 75) + 0.25 * y + rumple, below - z + rumple, 14.0), y - 92 - 0.1 * x, 10.0
    )
    left = smooth_max(
        smooth_max(y + 20 + 0.42 * x + rumple, (-112 + 0.35 * border_mm + 0.22 * (x + 10)) - z + rumple, 12.0),
        x - 74 + 0.2 * np.abs(y + 60),
        12.0,
    )
    liver = smooth_min(right, left, 16.0)
    caudate = Ellipsoid(tuple(frame.at([-12, 4, -69]).tolist()), (17, 17, 30), rotation(0, 0, -20))
    liver = smooth_min(liver, lattice.sample(caudate).astype(liver.dtype), 8.0)
    ligament = np.maximum(
        np.abs(x - 6 - 0.25 * (y + 70) + 0.7 * noise[15.0]) - 0.9 - 0.03 * np.maximum(-75 - z, 0),
        np.maximum(z + 63, y + 38),
    )
    return smooth_max(liver, -ligament, 3.0).astype(np.float32)


def _psoas(frame: Frame, lattice: Lattice, noise: Mapping[float, Field]) -> Field:
    """Psoas and quadratus beside the lumbar spine, crura in front of it."""
    z = lattice.z.ravel() / frame.height
    radius = (
        np.interp(z, [-255, -195, -155, -120, -95], [21, 17.5, 11, 5, 1.0])[:, None, None].astype(np.float32)
        * frame.muscle
    )
    middle = np.interp(z, [-255, -195, -135, -95], [44, 38, 30, 24])[:, None, None].astype(np.float32) * frame.width
    y = frame.spine_y_mm(lattice.z.ravel())[:, None, None].astype(np.float32)
    x = np.abs(lattice.x)
    psoas = (
        np.sqrt(((x - middle) / radius) ** 2 + ((lattice.y - y - 6 - 0.25 * (x - middle)) / (radius * 1.15)) ** 2) - 1
    ) * radius
    quadratus = (
        np.sqrt(((x - 54 * frame.width) / 24) ** 2 + ((lattice.y - y - 47 + 0.3 * (x - 54)) / 8.5) ** 2) - 1
    ) * 9.0
    quadratus = np.maximum(quadratus, lattice.z + 110 * frame.height)
    around = (np.sqrt((lattice.x / 26.5) ** 2 + ((lattice.y - y) / 22.5) ** 2) - 1) * 23.0
    crus = np.maximum(
        np.abs(around - 4.0 - 1.2 * noise[15.0]) - 3.0 - 1.2 * (lattice.x < 0),
        np.maximum(np.abs(lattice.z / frame.height + 128) - 52, lattice.y - y - 4),
    )
    crus = np.maximum(crus, 5.5 - np.abs(lattice.x - 8))
    return np.minimum(np.minimum(psoas + noise[30.0], quadratus + noise[15.0]), crus).astype(np.float32)


def _paint_organs(
    frame: Frame,
    lattice: Lattice,
    organs: Mapping[str, Field],
    arc: Mapping[str, Field],
    noise: Mapping[float, Field],
    gas: float,
) -> list[Paint]:
    names = labels()
    paints = [Paint(lattice.shape_of(organs[name]), (Layer(names[name]),)) for name in ("liver", "spleen")]
    for side, sign in (("right", -1), ("left", 1)):
        kidney = organs[f"kidney_{side}"]
        centre = frame.at([-68 if sign < 0 else 66, 24, -151 if sign < 0 else -131]) + [-sign * 7.0, -3.0, 0.0]
        sinus = lattice.sample(Ellipsoid(tuple(centre.tolist()), (13, 12, 29))) + 2.6 * noise[15.0]
        paints.append(Paint(lattice.shape_of(kidney), (Layer(names[f"kidney_{side}"]),)))
        paints.append(Paint(lattice.shape_of(np.maximum(sinus, kidney + 9.0)), (Layer(names[f"kidney_{side}_sinus"]),)))
        adrenal = _adrenal(frame, lattice, sign)
        paints.append(Paint(lattice.shape_of(adrenal), (Layer(names[f"adrenal_{side}"]),)))
    # Gas lies flat on the content: a supine body's front is up.
    stomach = organs["stomach"]
    folds = (
        2.2 * np.maximum(np.sin(arc["stomach"] / 3.5 + 2.0 * noise[30.0]), 0) * np.clip(0.6 + 0.5 * noise[15.0], 0, 1.2)
    )
    lumen = stomach + 3.6 + folds
    level = np.quantile(np.broadcast_to(lattice.y, lattice.shape)[lumen < 0], gas) if np.any(lumen < 0) else -50.0
    bowel = organs["colon"] + 2.2
    reach = np.broadcast_to(lattice.y, lattice.shape)[bowel < 0]
    bowel_level = np.quantile(reach, 0.45) if reach.size else -50.0
    paints.append(Paint(lattice.shape_of(stomach), (Layer(names["stomach"]),)))
    paints.append(Paint(lattice.shape_of(lumen), (Layer(names["stomach_content"]),)))
    paints.append(
        Paint(
            lattice.shape_of(smooth_max(lumen + 0.3, lattice.y - np.float32(level), 0.5)),
            (Layer(names["stomach_gas"]),),
        )
    )
    paints.append(Paint(lattice.shape_of(organs["pancreas"]), (Layer(names["pancreas"]),)))
    slack = 2.4 + 2.0 * np.clip(noise[46.0] + 0.3, 0, 2.5)  # some loops lie collapsed
    paints.append(Paint(lattice.shape_of(organs["small_bowel"]), (Layer(names["small_bowel"]),)))
    paints.append(Paint(lattice.shape_of(organs["small_bowel"] + slack), (Layer(names["small_bowel_content"]),)))
    paints.append(Paint(lattice.shape_of(organs["colon"]), (Layer(names["colon"]),)))
    paints.append(Paint(lattice.shape_of(bowel), (Layer(names["colon_content"]),)))
    bubbles = np.minimum(lattice.y - np.float32(bowel_level), 3.0 * (0.9 - noise[9.0] - 0.7 * noise[15.0]))
    paints.append(Paint(lattice.shape_of(np.maximum(bowel + 0.4, bubbles)), (Layer(names["colon_gas"]),)))
    return paints


def _adrenal(frame: Frame, lattice: Lattice, sign: int) -> Field:
    """Two thin limbs above and in front of the kidney."""
    c = frame.at([-30, 12, -97] if sign < 0 else [33, 14, -99])
    field = np.full(lattice.shape, 40.0, np.float32)
    for path, radius in (
        ([[0, -12, 0], [sign, 0, 0], [sign * 4, 14, -6]], 2.4),
        ([[0, -4, 0], [sign * 8, 8, -4], [sign * 10, 14, -8]], 2.1),
    ):
        axis = spline_mm(c + np.array(path, float), 2.0)
        field = np.minimum(field, sweep_distance(Sweep.round(axis, radius), lattice, 8.0)[0])
    return field


def _liver_trees(frame: Frame, liver: SampledShape, tubes: Mapping[str, Sweep], seed: Seed) -> dict[str, Tubes]:
    """Grow the portal vein from the hilum and the hepatic veins from the vena cava; they keep clear of each other."""
    del tubes
    porta, cava = frame.at([-26, -26, -92]), frame.at([-24, -8, -46])
    portal = grow_tree(
        liver,
        TreeSpec(
            tuple(porta.tolist()),
            (-0.8, -0.2, 0.4),
            260,
            0.75,
            root_radius_mm=6.0 * frame.vessel,
            murray_exponent=2.6,
            backbone_tips=24,
            margin_mm=6.0,
        ),
        rng=seed.child("portal").rng(),
    )
    hepatic = grow_tree(
        liver,
        TreeSpec(
            tuple(cava.tolist()),
            (-0.5, -0.3, -0.5),
            200,
            0.85,
            root_radius_mm=6.5 * frame.vessel,
            murray_exponent=2.6,
            backbone_tips=20,
            margin_mm=6.0,
        ),
        rng=seed.child("hepatic").rng(),
        avoid=portal,
    )
    return {"portal_vein": portal, "hepatic_veins": hepatic}
