"""Heart, great vessels, trachea, oesophagus and what lies between the lungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.grid import Matrix3, as_direction
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Ellipsoid, rotation
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from medsynth.shapes.tubes import Tubes
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]

STEP_MM = 2.0
FILL_MM = 11.0  # half width of the clefts of the mediastinum that fat fills
REACH_MM = 11.0  # how far the distance to a vessel is known
LV_WALL_MM, RV_WALL_MM, ATRIAL_WALL_MM = 9.0, 2.8, 2.0
AORTIC_WALL_MM = 1.2
# Chamber -> middle (reference mm), half-axes (mm at reference heart size), and turn.
HEART_MIDDLE_MM = np.array([14.0, -34.0, -14.0])
HEART_ROOT_MM = (4.0, -30.0, 14.0)  # what it hangs from

# Vessel -> reference control points and radii along them (mm). Calibres: facts in docs/anatomy-thorax.md.
VESSELS: Mapping[str, tuple[list[list[float]], list[float]]] = {
    "ascending_aorta": (
        [[10, -27, 4], [4, -34, 20], [-5, -36, 38], [-8, -31, 58], [-5, -24, 76]],
        [15, 17, 16.2, 15.8, 15],
    ),
    "aortic_arch": (
        [[-7, -29, 66], [-4, -22, 82], [4, -11, 93], [14, 2, 93], [21, 14, 82], [24, 21, 68]],
        [15.2, 14.8, 14, 13.2, 12.8, 12.4],
    ),
    "descending_aorta": (
        [
            [23, 18, 78],
            [25, 23, 60],
            [25, 24, 25],
            [24, 21, -10],
            [18, 10, -45],
            [12, -5, -95],
            [8, -16, -140],
            [6, -20, -190],
            [5, -18, -236],
        ],
        [12.6, 12.4, 12, 11.8, 11.5, 11, 10, 9.2, 8.6],
    ),
    "brachiocephalic_trunk": ([[-3, -21, 88], [-10, -19, 104], [-18, -14, 120], [-25, -8, 136]], [6.6, 6.3, 6, 5.4]),
    "common_carotid_artery_right": (
        [[-25, -8, 136], [-25, -10, 150], [-23, -10, 172], [-23, -8, 198]],
        [3.9, 3.6, 3.5, 3.4],
    ),
    "subclavian_artery_right": (
        [[-24, -8, 134], [-34, -3, 146], [-52, 0, 150], [-80, 2, 148], [-118, 2, 152], [-150, 6, 176]],
        [4.9, 4.7, 4.5, 4.2, 3.8, 3.5],
    ),
    "common_carotid_artery_left": (
        [[5, -11, 92], [11, -11, 110], [17, -10, 130], [22, -10, 155], [23, -8, 198]],
        [4.2, 3.9, 3.7, 3.6, 3.4],
    ),
    "subclavian_artery_left": (
        [
            [15, 2, 92],
            [21, 6, 112],
            [27, 8, 132],
            [38, 4, 146],
            [56, 2, 150],
            [84, 2, 148],
            [120, 2, 152],
            [152, 6, 176],
        ],
        [5.2, 5, 4.8, 4.7, 4.5, 4.2, 3.8, 3.5],
    ),
    "superior_vena_cava": (
        [[-26, -28, 2], [-29, -27, 22], [-29, -26, 50], [-27, -25, 76], [-25, -25, 90]],
        [10.5, 10, 9.6, 9.4, 9],
    ),
    "brachiocephalic_vein_right": (
        [[-25, -25, 86], [-27, -22, 104], [-30, -18, 122], [-35, -14, 136]],
        [7.6, 7.2, 6.9, 6.6],
    ),
    "brachiocephalic_vein_left": (
        [[-25, -26, 88], [-10, -38, 97], [8, -38, 107], [24, -28, 119], [34, -18, 134]],
        [7, 6.2, 6.2, 6.5, 6.6],
    ),
    "jugular_vein_right": ([[-35, -14, 134], [-34, -14, 152], [-32, -13, 172], [-32, -12, 198]], [6.2, 5.8, 5.4, 5.2]),
    "jugular_vein_left": ([[34, -18, 132], [33, -15, 152], [32, -13, 172], [32, -12, 198]], [5.8, 5.2, 5, 4.8]),
    "subclavian_vein_right": (
        [[-35, -14, 135], [-50, -16, 143], [-82, -12, 143], [-118, -8, 148], [-150, -2, 172]],
        [5.6, 5.2, 5, 4.6, 4.2],
    ),
    "subclavian_vein_left": (
        [[34, -18, 133], [50, -17, 142], [84, -12, 143], [120, -8, 148], [152, -2, 172]],
        [5.6, 5.2, 5, 4.6, 4.2],
    ),
    "inferior_vena_cava": (
        [
            [-14, -12, -262],
            [-19, -16, -230],
            [-21, -19, -195],
            [-23, -16, -140],
            [-24, -8, -90],
            [-24, -3, -50],
            [-22, -13, -32],
            [-20, -20, -14],
        ],
        [10, 10.2, 10.5, 11, 11.5, 12.5, 13, 13],
    ),
    "azygos_vein": (
        [
            [-4, 13, -120],
            [-5, 19, -60],
            [-5, 21, 0],
            [-6, 22, 45],
            [-11, 19, 66],
            [-19, 6, 73],
            [-24, -12, 72],
            [-26, -23, 66],
        ],
        [2.2, 2.6, 3.1, 3.6, 3.9, 4, 4, 4],
    ),
    "pulmonary_trunk": ([[20, -56, 10], [25, -48, 27], [24, -34, 43], [20, -20, 49]], [14, 13.6, 13, 12.2]),
    "pulmonary_artery_right": (
        [[22, -26, 47], [10, -15, 47], [-10, -10, 43], [-30, -6, 38], [-44, -3, 32]],
        [12, 11, 10.6, 10, 8.6],
    ),
    "pulmonary_artery_left": (
        [[21, -26, 47], [30, -12, 53], [40, 2, 54], [46, 12, 44], [48, 15, 32]],
        [12, 11, 10.6, 9.8, 8.6],
    ),
}
PULMONARY_VEINS: Mapping[str, tuple[list[list[float]], list[float]]] = {
    "right_upper": ([[-14, -6, 18], [-26, -9, 24], [-38, -11, 30]], [7.2, 6.6, 5.4]),
    "right_lower": ([[-12, 8, 2], [-24, 12, 0], [-36, 16, -3]], [7.2, 6.6, 5.6]),
    "left_upper": ([[24, -6, 20], [34, -10, 27], [42, -12, 33]], [7, 6.2, 5.2]),
    "left_lower": ([[22, 8, 6], [33, 12, 3], [44, 17, 0]], [7, 6.4, 5.4]),
}
TRACHEA = [[0, -25, 205], [0, -20, 170], [0, -12, 135], [-1, -3, 100], [-2, 4, 66]]
BRONCHUS_RIGHT = [[-2, 4, 68], [-8, 5, 57], [-19, 5, 47], [-31, 4, 39]]
BRONCHUS_LEFT = [[-2, 4, 68], [5, 6, 57], [18, 6, 47], [32, 9, 38], [42, 12, 32]]
# Above it the larynx, narrow at the vocal folds (C5), and the throat; drawn with the neck, i.e. with hanging arms.
LARYNX = [[0, -20, 250], [0, -23, 232], [0, -25.5, 216]]
LARYNX_MM = [11.0, 9.0, 4.6, 7.6, 8.8, 9.0, 9.0, 9.2]
OESOPHAGUS = [
    [1, -4, 205],
    [2, 0, 170],
    [3, 8, 135],
    [5, 13, 100],
    [3, 16, 66],
    [2, 17, 30],
    [2, 16, 5],
    [4, 11, -15],
    [9, 1, -34],
    [18, -7, -52],
]


@dataclass(frozen=True, eq=False)
class Mediastinum:
    """What the lungs and the abdomen need to know of the middle of the chest."""

    hull: SampledShape
    outline: SampledShape
    tubes: Mapping[str, Sweep]
    paints: list[Paint]
    lymph_nodes: list[tuple[float, float, float]]


def heart_axes(turn_deg: float) -> Matrix3:
    """Return the left ventricle's axes: long axis to the left, front and feet, turned about the body's axis."""
    long = np.array(rotation(0, 0, turn_deg)) @ np.array([0.74, -0.5, -0.45])
    long /= np.linalg.norm(long)
    across = np.cross(long, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    return as_direction(np.stack([long, across, np.cross(long, across)], axis=1))


def chamber_shapes(frame: Frame, scale: float, turn_deg: float) -> dict[str, Ellipsoid]:
    """Return the outer surfaces of the four chambers."""

    def make(centre: list[float], radii: list[float], turn: Matrix3) -> Ellipsoid:
        middle = HEART_MIDDLE_MM + (np.array(centre) - HEART_MIDDLE_MM) * scale / np.array(
            [frame.width, frame.depth, frame.height]
        )
        own = Ellipsoid(tuple(frame.at(middle).tolist()), tuple((np.array(radii) * scale).tolist()), turn)
        return own if frame.heart_narrow == 1.0 and frame.heart_lift_mm == 0.0 else _hung(frame, own)

    return {
        "left_ventricle": make([38, -33, -18], [47, 29, 29], heart_axes(turn_deg)),
        "right_ventricle": make([11, -54, -16], [41, 25, 35], rotation(0, 20, -25 + turn_deg)),
        "right_atrium": make([-21, -30, -6], [23, 25, 31], rotation(0, 0, 0)),
        "left_atrium": make([7, -9, 12], [32, 15.5, 21], rotation(0, 0, 8)),
    }


def _hung(frame: Frame, own: Ellipsoid) -> Ellipsoid:
    """Return a chamber of a heart that hangs from its vessels or is lifted by the diaphragm; it keeps its volume."""
    narrow = frame.heart_narrow
    change = np.array([narrow, narrow**-0.35, narrow**-0.65])
    root = frame.at(HEART_ROOT_MM)
    middle = root + change * (np.asarray(own.centre_mm) - root) + [0.0, 0.0, frame.heart_lift_mm]
    turn, radii, _ = np.linalg.svd(change[:, None] * np.asarray(own.turn) * np.asarray(own.radii_mm))
    turn[:, 2] *= np.sign(np.linalg.det(turn))
    return Ellipsoid(tuple(middle.tolist()), tuple(radii.tolist()), as_direction(turn))


def heart_volume_ml(frame: Frame, scale: float, turn_deg: float) -> float:
    """Return the volume of the four chambers with their walls, on a coarse lattice."""
    lattice = Lattice((-80.0, -115.0, -95.0), (120.0, 50.0, 60.0), 5.0)
    return lattice.volume_ml(_union(chamber_shapes(frame, scale, turn_deg), lattice))


def _union(chambers: Mapping[str, Ellipsoid], lattice: Lattice) -> Field:
    f = {name: lattice.sample(shape) for name, shape in chambers.items()}
    return smooth_min(
        smooth_min(f["left_ventricle"], f["right_ventricle"], 6.0),
        smooth_min(f["right_atrium"], f["left_atrium"], 6.0),
        6.0,
    )


def _tube(frame: Frame, points: Sequence[Sequence[float]], radii: Sequence[float], scale: float) -> Sweep:
    axis = spline_mm(frame.at(points), 5.0)
    chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(frame.at(points), axis=0), axis=1))])
    return Sweep.round(axis, np.interp(np.linspace(0, chord[-1], len(axis)), chord, radii) * scale)


def tubes(frame: Frame, aorta: float) -> dict[str, Sweep]:
    """Return trachea, main bronchi, oesophagus and every great vessel."""
    courses = dict(VESSELS) if not frame.arms_down else {**VESSELS, **hanging_vessels()}
    made = {
        name: _tube(frame, points, radii, aorta if "aort" in name else frame.vessel)
        for name, (points, radii) in courses.items()
    }
    made |= {
        f"vein_{name}": _tube(frame, points, radii, frame.vessel) for name, (points, radii) in PULMONARY_VEINS.items()
    }
    wind = (TRACHEA, [8.6, 8.8, 9.0, 9.0, 9.2]) if not frame.arms_down else (LARYNX + TRACHEA, LARYNX_MM)
    for name, points, radii in (
        ("trachea", *wind),
        ("bronchus_right", BRONCHUS_RIGHT, [8.2, 7.4, 7.0, 6.4]),
        ("bronchus_left", BRONCHUS_LEFT, [7.6, 6.8, 6.2, 6.0, 5.6]),
    ):
        made[name] = _tube(frame, points, radii, frame.vessel)
    made["oesophagus"] = _tube(frame, OESOPHAGUS, [7.5, 7.5, 7, 7, 7, 6.8, 7.2, 8, 9, 10], 1.0)
    return made


def hanging_vessels() -> dict[str, tuple[list[list[float]], list[float]]]:
    """Return the vessels that run otherwise with hanging arms: out under the collar bones, and up the longer neck."""
    made: dict[str, tuple[list[list[float]], list[float]]] = {}
    for side, sign in (("right", -1.0), ("left", 1.0)):
        for kind, (y, r) in {"artery": (0, 3.6), "vein": (-8, 4.4)}.items():
            points, radii = VESSELS[f"subclavian_{kind}_{side}"]
            end: list[list[float]] = [[sign * 116, y + 2, 138], [sign * 142, y + 10, 108], [sign * 152, y + 14, 70]]
            made[f"subclavian_{kind}_{side}"] = (points[:-2] + end, [*radii[:-2], r, r, r - 0.3])
        for name in (f"common_carotid_artery_{side}", f"jugular_vein_{side}"):
            points, radii = VESSELS[name]
            made[name] = ([*points, [points[-1][0], points[-1][1], 246.0]], [*radii, radii[-1]])
    return made


def build_mediastinum(
    frame: Frame,
    spine_back: SampledShape,
    diaphragm: SampledShape,
    scale: float,
    turn_deg: float,
    aorta: float,
    fat: float,
) -> Mediastinum:
    """Return the mediastinum: fields on a 2 mm lattice, painted from the pericardium to the blood."""
    low, high = frame.at([-82, -112, -118]), frame.at([112, 52, 240.0 if frame.arms_down else 190.0])
    low[2] -= 10
    # Where the range ends above the belly or below the arch, so does the lattice.
    low[2], high[2] = max(low[2], frame.low_z_mm * frame.height), min(high[2], frame.high_z_mm * frame.height + 4)
    back = frame.cavity.point_mm(180.0, np.linspace(low[2], high[2], 20))[:, 1].max()
    high[1] = max(float(back) + 5.0, high[1])  # the spine keeps the lungs apart as far back as the cavity reaches
    lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), STEP_MM)
    seeds = frame.noise_seed
    n30, n8, n15 = lattice.noise(seeds(40), 34.0), lattice.noise(seeds(41), 9.0), lattice.noise(seeds(42), 15.0)
    above = lattice.sample(diaphragm)  # positive above the diaphragm
    all_tubes = tubes(frame, aorta)
    fields = {name: sweep_distance(sweep, lattice, REACH_MM)[0] for name, sweep in all_tubes.items()}
    outside = chamber_shapes(frame, scale, turn_deg)
    chambers = {name: lattice.sample(shape) + 1.6 * n30 for name, shape in outside.items()}
    muscle = smooth_min(
        smooth_min(chambers["left_ventricle"], chambers["right_ventricle"], 6.0),
        smooth_min(chambers["right_atrium"], chambers["left_atrium"], 6.0),
        6.0,
    )
    muscle = smooth_max(muscle, 3.5 - above, 4.0)
    hull = _pericardium(frame, lattice, muscle, fields, fat) + 0.8 * n30
    hull = smooth_max(hull, 1.5 - above, 5.0)
    # A large heart rests against aorta, gullet and spine; it never swallows them.
    behind = np.minimum(fields["descending_aorta"] - 1.2, fields["oesophagus"] - 0.5)
    behind = np.minimum(behind, lattice.sample(spine_back) - 2.0)
    hull = smooth_max(hull, -behind, 3.0)
    outline = _outline(frame, lattice, hull, fields, spine_back, n15, n30)
    if frame.heart_narrow != 1.0:
        outline = _filled(frame, lattice, outline, fat)
    paints = _paint_gullet(frame, lattice, fields["oesophagus"], n8, above)
    paints += _paint_heart(lattice, chambers, muscle, hull, above, fields, n8)
    paints += _paint_tubes(frame, lattice, fields, n8)
    nodes = [
        tuple(p.tolist())
        for p in frame.at([[-14, -12, 76], [10, 2, 72], [2, 12, 40], [-30, 8, 30], [36, 4, 40], [-12, -20, 92]])
    ]
    return Mediastinum(lattice.shape_near(hull), lattice.shape_of(outline), all_tubes, paints, nodes)


def _pericardium(frame: Frame, lattice: Lattice, muscle: Field, fields: Mapping[str, Field], fat: float) -> Field:
    """Close the gaps between chambers and great vessels with fat: bare chambers would show four separate lobes."""
    roots = np.minimum(
        np.maximum(fields["ascending_aorta"], lattice.z - 50 * frame.height),
        np.maximum(fields["pulmonary_trunk"], lattice.z - 50 * frame.height),
    )
    solid = (np.minimum(muscle, roots) < 0).astype(np.float32)
    closed = ndimage.gaussian_filter(solid, 10.0 / STEP_MM, truncate=3.0, mode="constant")
    level = 0.30 - 0.10 * np.clip(fat, 0.3, 1.6)
    if frame.heart_narrow != 1.0:  # in a projection the fat counts to the heart: 3-8 mm of it at the border, no more
        level += 0.14
    # A blurred solid's level set has a slope of about one over 2.5 sigma at its edge.
    return np.minimum((level - closed) * 26.0, muscle - 1.5)


def _outline(
    frame: Frame,
    lattice: Lattice,
    hull: Field,
    fields: Mapping[str, Field],
    spine: SampledShape,
    n15: Field,
    n30: Field,
) -> Field:
    """Return the surface that the lungs rest on: heart, vessels, airways, spine and the fat between them."""
    grow = {
        "descending_aorta": 2.2,
        "ascending_aorta": 3.0,
        "aortic_arch": 3.0,
        "superior_vena_cava": 2.0,
        "trachea": 3.5,
        "azygos_vein": 1.0,
        "oesophagus": 2.0,
        "pulmonary_trunk": 2.5,
        "inferior_vena_cava": 1.5,
        "bronchus_left": 2.5,
        "bronchus_right": 2.5,
        "brachiocephalic_vein_left": 3.0,
        "brachiocephalic_vein_right": 2.0,
        "brachiocephalic_trunk": 3.0,
        "common_carotid_artery_left": 4.0,
        "subclavian_artery_left": 2.0,
        "subclavian_artery_right": 2.0,
    }
    # A field stops at its margin; what lies there must not pull on the smooth union.
    far = {name: np.where(field > REACH_MM - 0.5, 60.0, field).astype(np.float32) for name, field in fields.items()}
    joined = hull
    for name, growth in grow.items():
        joined = smooth_min(joined, far[name] - growth, 9.0)
    for name in (
        "pulmonary_artery_right",
        "pulmonary_artery_left",
        "vein_right_upper",
        "vein_right_lower",
        "vein_left_upper",
        "vein_left_lower",
    ):
        joined = smooth_min(joined, far[name] - 1.2, 4.0)
    y_spine = frame.spine_y_mm(lattice.z.ravel())[:, None, None].astype(np.float32)
    column = (
        np.sqrt(
            (lattice.x / (19.5 * frame.bone)) ** 2 + (np.minimum(lattice.y - y_spine - 5, 0) / (21 * frame.bone)) ** 2
        )
        - 1
    ) * 19
    joined = smooth_min(joined, np.maximum(column, np.minimum(lattice.sample(spine), 40) - 14.0), 8.0)
    front = frame.cavity.point_mm(0.0, lattice.z.ravel())[:, 1][:, None, None].astype(np.float32)
    middle = 3.0 + 0.05 * lattice.z / frame.height + 2.5 * n30
    wedge = np.abs(lattice.x - middle) - (2.2 + 0.30 * np.maximum(0, 14 - (lattice.y - front)))
    wedge = np.maximum(wedge, lattice.y + 24)  # pleurae meet behind the breastbone
    joined = smooth_min(joined, np.maximum(wedge, 100 * frame.height - lattice.z - 250), 7.0)
    inlet = lattice.sample(
        Ellipsoid(tuple(frame.at([0, -10, 128]).tolist()), tuple((np.array([31, 30, 46]) * frame.width).tolist()))
    )
    return smooth_min(joined, inlet, 10.0) + 0.7 * n15


def _filled(frame: Frame, lattice: Lattice, outline: Field, fat: float) -> Field:
    """Fill the clefts between vessels, airways and spine above the heart with fat, as pleura bridges them.

    Without it lung would reach between cava, aorta and spine, and a radiograph would show the spine alone where it
    shows a mediastinum of 50-80 mm.
    """
    closed = ndimage.gaussian_filter((outline < 0).astype(np.float32), FILL_MM / STEP_MM, truncate=2.5, mode="nearest")
    # Half at the level of the pulmonary arteries; from there down the lungs keep their recesses behind the heart.
    share = np.clip((lattice.z / frame.height - 15.0) / 40.0, 0.0, 1.0)
    level = 0.5 - share * (0.14 + 0.08 * np.clip(fat, 0.3, 1.6))
    return np.minimum(outline, (level - closed) * 2.5 * FILL_MM).astype(np.float32)


def _paint_heart(
    lattice: Lattice,
    chambers: Mapping[str, Field],
    muscle: Field,
    hull: Field,
    above: Field,
    fields: Mapping[str, Field],
    n8: Field,
) -> list[Paint]:
    """Paint pericardium, fat and muscle, then all walls, then all blood: else rings appear where vessels enter."""
    names = labels()
    lv, rv = chambers["left_ventricle"], chambers["right_ventricle"]
    ra, la = chambers["right_atrium"], chambers["left_atrium"]
    keep = 3.5 - above
    blood = {
        "left_ventricle": lv + LV_WALL_MM + 1.8 * n8,
        "right_ventricle": np.maximum(np.maximum(rv + RV_WALL_MM + 0.9 * n8, (rv - ra) / 2 + 1.2), 1.0 - lv),
        "right_atrium": np.maximum(
            np.maximum(ra + ATRIAL_WALL_MM, (ra - rv) / 2 + 1.2), np.maximum((ra - la) / 2 + 1.2, 1.0 - lv)
        ),
        "left_atrium": np.maximum(np.maximum(la + ATRIAL_WALL_MM, (la - ra) / 2 + 1.2), 1.0 - lv),
    }
    pulmonary = [
        fields[name] for name in ("vein_right_upper", "vein_right_lower", "vein_left_upper", "vein_left_lower")
    ]
    paints = [
        Paint(lattice.shape_near(hull), (Layer(names["pericardium"]), Layer(names["pericardial_fat"], 1.3))),
        Paint(lattice.shape_near(np.maximum(muscle, hull + 1.6)), (Layer(names["myocardium"]),)),
        Paint(lattice.shape_near(np.minimum.reduce(pulmonary)), (Layer(names["pulmonary_vein"]),)),
    ]
    for pair in (("left_ventricle", "right_atrium"), ("right_ventricle", "left_atrium")):  # which do not touch
        inner = {name: np.maximum(np.maximum(blood[name], keep + 3.0), hull + 3.0) for name in pair}
        paints.append(_together(lattice, inner))
    return paints


def _together(lattice: Lattice, fields: Mapping[str, Field]) -> Paint:
    """Paint several structures in one step, each node owned by the nearest."""
    field = np.minimum.reduce(list(fields.values()))
    owner = np.zeros(lattice.shape, np.uint8)
    for number, own in enumerate(fields.values()):
        owner[own == field] = number
    return Paint(lattice.shape_near(field, owner), (Layer(tuple(labels()[name] for name in fields)),))


def _paint_gullet(frame: Frame, lattice: Lattice, tube: Field, n8: Field, above: Field) -> list[Paint]:
    """Paint the oesophagus: mostly collapsed, with a little air here and there."""
    names = labels()
    gullet = np.maximum(tube + 1.0 * n8, -12.0 - above)
    air = np.maximum(gullet + 5.6 + 1.5 * lattice.noise(frame.noise_seed(44), 26.0), 2.0 - above)
    return [
        Paint(lattice.shape_near(gullet), (Layer(names["esophagus"]),)),
        Paint(lattice.shape_near(air), (Layer(names["esophagus_air"]),)),
    ]


def _paint_tubes(frame: Frame, lattice: Lattice, fields: Mapping[str, Field], n8: Field) -> list[Paint]:
    """Paint the vessels, veins before arteries, then the airways."""
    names = labels()
    rough = 0.25 * n8
    veins = ("azygos_vein", "jugular_vein_left", "jugular_vein_right", "brachiocephalic_vein_left",
             "brachiocephalic_vein_right", "superior_vena_cava")  # fmt: skip
    arteries = ("common_carotid_artery_left", "common_carotid_artery_right", "brachiocephalic_trunk")
    pulmonary = smooth_min(
        smooth_min(fields["pulmonary_trunk"], fields["pulmonary_artery_right"], 5.0),
        fields["pulmonary_artery_left"],
        5.0,
    )
    # The vena cava and the descending aorta run below this lattice: they are painted on one of their own. The wall of
    # the whole aorta comes first, so that no wall lies across the lumen.
    wall = np.minimum(fields["ascending_aorta"], fields["aortic_arch"]) + rough
    red = {name: fields[name] + rough for name in arteries}
    red |= {name: fields[name] + rough + AORTIC_WALL_MM for name in ("ascending_aorta", "aortic_arch")}
    red["descending_aorta"] = fields["descending_aorta"] + rough + AORTIC_WALL_MM
    paints = [
        _together(lattice, {name: fields[name] + rough for name in veins}),
        Paint(lattice.shape_near(pulmonary + rough), (Layer(names["pulmonary_artery"]),)),
        Paint(lattice.shape_near(wall), (Layer(names["aortic_wall"]),)),
        _together(lattice, red),
    ]
    airway = smooth_min(smooth_min(fields["trachea"], fields["bronchus_right"], 4.0), fields["bronchus_left"], 4.0)
    upper = np.maximum(fields["trachea"], 66 * frame.height - lattice.z)
    main = np.minimum(fields["bronchus_right"], fields["bronchus_left"])
    # The trachea's back wall is flat: rings end there.
    wind = frame.at(TRACHEA)[::-1]
    centre_y = np.interp(lattice.z.ravel(), wind[:, 2], wind[:, 1])[:, None, None]
    back = lattice.y - centre_y.astype(np.float32) - 6.2 * frame.vessel
    lumen = smooth_max(airway, np.where(lattice.z > 72 * frame.height, back, -20.0), 3.0)
    paints.append(Paint(lattice.shape_near(lumen - 1.8), (Layer(names["trachea_wall"]),)))
    is_main = (main < upper).astype(np.uint8)
    paints.append(Paint(lattice.shape_near(lumen, is_main), (Layer((names["trachea"], names["bronchi"])),)))
    return paints


def paint_shoulder_vessels(sweeps: Mapping[str, Sweep]) -> list[Paint]:
    """Return the subclavian vessels, which leave the mediastinum for the raised arms, as capsules in soft tissue."""
    names = labels()
    soft = tuple(
        label
        for name, label in names.items()
        if "muscle" in name
        or "fat" in name
        or name.startswith(("deltoid", "pectoralis", "subscapularis", "teres", "serratus", "infraspinatus"))
    )
    paints = []
    for name in ("subclavian_vein_left", "subclavian_vein_right", "subclavian_artery_left", "subclavian_artery_right"):
        axis, radius = sweeps[name].points_mm, sweeps[name].first_mm
        tube = Tubes(axis[:-1], axis[1:], radius[:-1], radius[1:], np.arange(-1, len(axis) - 2))
        paints.append(Paint(tube, (Layer(names[name]),), over=soft))
    return paints
