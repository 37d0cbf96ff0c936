"""Metal that a recipe may ask for: artificial hip joints, and a pacemaker with its lead.

Nobody has any unless the numbers `hip_implant` or `pacemaker` of the spec say so. Sizes are those of usual products
(54 mm cup, 32 mm head, 150 mm stem; case of 45 x 45 x 7 mm and 25 g, lead of 2 mm; unverified).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Layer, Paint, Structure
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from medsynth.shapes.tubes import Tubes
from phantoms.torso import devices
from phantoms.torso.fitting import Fit
from phantoms.torso.frame import HIP_CENTRE_MM, Frame
from phantoms.torso.heart import chamber_shapes
from phantoms.torso.pelvis_bones import SOCKET_MM, place
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]
Points = NDArray[np.float64]

HIP_SIDES: Final = {0: (), 1: ("right",), 2: ("left",), 3: ("right", "left")}

SHELL_MM = 4.0  # titanium shell of the cup; its outside fills the reamed socket
HEAD_MM = (16.0, 14.0)  # radius of the ball in a large and in a small cup
SMALL_CUP_MM = 25.0
# The cup opens to the side and down (inclination 42 degrees) and 15 degrees to the front: inside Lewinnek's safe zone
# of 40 +- 10 and 15 +- 10 degrees (doi:10.2106/00004623-197860020-00014).
CUP_OPENING = np.array([0.646, -0.259, -0.718])
NECK_AXIS = np.array([36.0, 9.0, -24.0])  # of the thigh bone, from the middle of its head, reference mm
RESECTION_MM = 29.0  # along it, where the bone is cut
NECK_MM = 6.0  # radius of the stem's neck
# The stem's body in the thigh bone's canal, left side: axis, half-axes across the body and from front to back.
STEM_AXIS_MM: Final = ((121.0, 31.0, -403.0), (127.0, 32.0, -416.0), (129.0, 31.0, -440.0), (126.5, 28.0, -470.0),
                       (124.0, 25.0, -500.0), (120.5, 21.5, -540.0))
STEM_MM: Final = ([9.5, 11.0, 9.0, 7.0, 6.0, 4.5], [6.0, 7.0, 6.5, 6.0, 5.5, 4.5])

CASE_HALF_MM, CASE_CORNER_MM, CASE_EDGE_MM = (22.5, 22.5, 3.6), 14.0, 2.5
CASE_WALL_MM = 0.4
CASE_AT = (33.0, 92.0)  # angle from the front in degrees, reference height
CASE_COVER_MM = 3.0  # skin and fat over it
LEAD_MM, COIL_MM = 1.0, 0.6  # radii of the insulation and of the coils in it
LEAD_STEP_MM = 4.0  # also the length of the electrode at the tip
CLEARANCE_MM = 2.5  # of the lead's axis from lung, ribs and aorta
APEX = np.array([0.74, -0.35, -0.55])  # the direction of the heart's apex


def asked(spec: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """Return the sides with an artificial hip, and whether there is a pacemaker; older specs have neither.

    Raises
    ------
    RecipeError
        If a number is none of 0 to 3 (`hip_implant`) or of 0 and 1 (`pacemaker`).
    """
    hip, pacemaker = spec.get("hip_implant", 0), spec.get("pacemaker", 0)
    if hip not in HIP_SIDES:
        raise RecipeError(expected("phantom.spec.hip_implant", hip, "0 (none), 1 (right), 2 (left) or 3 (both)"))
    if pacemaker not in (0, 1):
        raise RecipeError(expected("phantom.spec.pacemaker", pacemaker, "0 or 1"))
    return HIP_SIDES[int(hip)], bool(pacemaker)


def present(structure: Structure, spec: Mapping[str, Any]) -> bool:
    """Return whether this person has the structure: implants only where asked for."""
    sides, pacemaker = asked(spec)
    if structure.name.startswith("pacemaker_"):
        return pacemaker
    if structure.name.startswith(("hip_cup", "hip_liner", "hip_head", "hip_stem", "hip_capsule")):
        return structure.laterality in sides
    return devices.present(structure, spec)


def paint_hips(frame: Frame, spec: Mapping[str, Any]) -> list[Paint]:
    """Return the artificial hip joints that are asked for and lie in the built range."""
    paints = []
    for side in asked(spec)[0]:
        if (frame.low_z_mm + 60.0) < HIP_CENTRE_MM[2]:
            paints += _hip(frame, side, -1.0 if side == "right" else 1.0)
    return paints


def _hip(frame: Frame, side: str, sign: float) -> list[Paint]:
    """Return capsule, cup, liner, stem and ball, each over the one before."""
    names = labels()
    c = place(frame, HIP_CENTRE_MM, sign)
    around = Lattice(tuple((c - 46).tolist()), tuple((c + 46).tolist()), 1.0)
    dx, dy, dz = (around.x - c[0]) * np.float32(sign), around.y - c[1], around.z - c[2]
    ball = np.sqrt(dx**2 + dy**2 + dz**2)
    cup = SOCKET_MM * frame.bone
    head = HEAD_MM[0] if cup >= SMALL_CUP_MM else HEAD_MM[1]
    face = dx * CUP_OPENING[0] + dy * CUP_OPENING[1] + dz * CUP_OPENING[2]  # beyond the face of the cup where > 0
    neck = NECK_AXIS / np.linalg.norm(NECK_AXIS)
    past_cut = dx * neck[0] + dy * neck[1] + dz * neck[2] - np.float32(RESECTION_MM * frame.bone)
    # What was the bone's head and neck is scar around the joint.
    cut = np.maximum(ball - np.float32(38.0 * frame.bone), past_cut)
    bone = tuple(names[n] for n in (f"femur_{side}", f"femur_{side}_marrow", f"femur_{side}_medulla",
                                    f"hip_cartilage_{side}"))

    def made(field: Field, name: str, over: tuple[int, ...] = ()) -> Paint:
        return Paint(around.shape_near(field), (Layer(names[f"{name}_{side}"]),), over)

    return [
        made(cut, "hip_capsule", bone),
        made(np.maximum(ball - cup, face), "hip_cup"),
        made(np.maximum(ball - (cup - SHELL_MM), face - 1.0), "hip_liner"),
        Paint(_stem(frame, sign, c), (Layer(names[f"hip_stem_{side}"]),)),
        made(ball - head, "hip_head"),
    ]


def _stem(frame: Frame, sign: float, centre: Points) -> Shape:
    """Return the stem: its neck from the ball to the shoulder, its body down the canal, cut where the body ends."""
    axis = spline_mm(place(frame, STEM_AXIS_MM, sign), 2.0)
    share = np.linspace(0, 1, len(axis))
    knots = np.linspace(0, 1, len(STEM_AXIS_MM))
    across, along = (np.interp(share, knots, half) * frame.bone for half in STEM_MM)
    body = Sweep(axis, np.tile([1.0, 0.0, 0.0], (len(axis), 1)), across, along, 2.6)
    points = np.concatenate([axis, centre[None]])
    low, high = points.min(0) - 14.0, points.max(0) + 14.0
    floor = frame.low_z_mm * frame.height
    lattice = Lattice((float(low[0]), float(low[1]), max(float(low[2]), floor - 3)), tuple(high.tolist()), 1.0)
    line = np.linspace(0, 1, 20)[:, None] * (axis[3] - centre) + centre
    neck, _ = sweep_distance(Sweep.round(line, NECK_MM), lattice, 9.0)
    field = smooth_min(sweep_distance(body, lattice, 9.0)[0], neck, 2.0)
    return lattice.shape_near(np.maximum(field, floor - lattice.z))


def paint_pacemaker(
    fit: Fit, fields: Mapping[str, Shape], sweeps: Mapping[str, Sweep], spec: Mapping[str, Any]
) -> list[Paint]:
    """Return case and lead where a pacemaker is asked for.

    Parameters
    ----------
    fields : `body`, `heart` (the pericardium), `diaphragm` (positive above it), `lung_left`, `lung_right` and `ribs`.
    sweeps : the great vessels by name.
    """
    if not asked(spec)[1]:
        return []
    names, paints, frame = labels(), [], fit.frame
    middle, axes = _pocket(frame, fields["body"])
    if frame.high_z_mm > CASE_AT[1] + 60.0:
        inside = Layer((names["pacemaker_battery"], names["pacemaker_electronics"]), CASE_WALL_MM)
        paints.append(Paint(_case(middle, axes), (Layer(names["pacemaker_case"]), inside)))
    header = middle + axes @ [-8.0, CASE_HALF_MM[1] - 4.0, 0.0]
    course = _course(fit, header, _ventricle(fit, fields, spec), sweeps, spec)
    course = _cleared(course, [fields[n] for n in ("lung_left", "lung_right", "ribs") if n in fields]
                      + [sweeps["ascending_aorta"]])
    course = course[course[:, 2] < frame.high_z_mm * frame.height]  # a body that ends lower shows the lower part
    bare = np.zeros(len(course) - 1, bool)
    bare[-1] = True  # the electrode
    for part, radius, wall, layers in (
        (~bare, COIL_MM, LEAD_MM - COIL_MM, (Layer(names["pacemaker_lead"]), Layer(names["pacemaker_lead_coil"]))),
        (bare, LEAD_MM, None, (Layer(names["pacemaker_electrode"]),)),
    ):
        n = int(part.sum())
        radii = np.full(n, radius)
        tubes = Tubes(course[:-1][part], course[1:][part], radii, radii, np.arange(-1, n - 1),
                      None if wall is None else np.full(n, wall))
        paints.append(Paint(tubes, layers))
    return paints


def _pocket(frame: Frame, skin: Shape) -> tuple[Points, Points]:
    """Return the middle of the case and its axes as columns: to the left along the wall, up, and outwards."""
    angle, z = CASE_AT[0], CASE_AT[1] * frame.height
    surface = frame.skin_surface
    at = surface.point_mm(angle, z)
    left, up = surface.point_mm(angle + 8, z) - surface.point_mm(angle - 8, z), surface.point_mm(angle, z + 15) - at
    out = np.cross(up, left)
    out /= np.linalg.norm(out)
    out *= np.sign(out @ (at - [0.0, 0.0, z]))
    left = left - (left @ out) * out
    left /= np.linalg.norm(left)
    axes = np.stack([left, np.cross(out, left), out], axis=1)
    axes[:, 1] *= np.sign(axes[2, 1])
    middle = np.asarray(at, float) - 8.0 * out
    rim = np.array([[u, v, CASE_HALF_MM[2]] for u in (-16, 0, 16) for v in (-16, 0, 16)], float)
    for _ in range(4):  # down until its outer face is covered everywhere
        shallow = float(np.max(skin.distance_mm(middle + rim @ axes.T)))
        middle = middle - (shallow + CASE_COVER_MM) * out
    return middle, axes


def _case(middle: Points, axes: Points) -> Shape:
    """Return the case: a rounded plate; its lower half is owned by the battery (0), its upper by the circuit (1)."""
    lattice = Lattice(tuple((middle - 36).tolist()), tuple((middle + 36).tolist()), 0.6)
    local = [lattice.x - middle[0], lattice.y - middle[1], lattice.z - middle[2]]
    u, v, w = (np.float32(axes[0, n]) * local[0] + np.float32(axes[1, n]) * local[1] + np.float32(axes[2, n]) * local[2]
               for n in range(3))
    a, b = np.abs(u) - (CASE_HALF_MM[0] - CASE_CORNER_MM), np.abs(v) - (CASE_HALF_MM[1] - CASE_CORNER_MM)
    outline = np.hypot(np.maximum(a, 0), np.maximum(b, 0)) + np.minimum(np.maximum(a, b), 0) - CASE_CORNER_MM
    p, q = outline + CASE_EDGE_MM, np.abs(w) - (CASE_HALF_MM[2] - CASE_EDGE_MM)
    field = np.hypot(np.maximum(p, 0), np.maximum(q, 0)) + np.minimum(np.maximum(p, q), 0) - CASE_EDGE_MM
    return lattice.shape_near(field, (v > 0).astype(np.uint8))


def _ventricle(fit: Fit, fields: Mapping[str, Shape], spec: Mapping[str, Any]) -> Points:
    """Return three points of the right ventricle's blood on the way to its tip, the last of them the tip."""
    shapes = chamber_shapes(fit.frame, fit.heart_scale, float(spec["heart_turn_deg"]))
    right = shapes["right_ventricle"]
    lattice = Lattice(*right.bounds_mm(), 2.0)
    walls = (-lattice.sample(right) - 4.0, lattice.sample(shapes["left_ventricle"]) - 1.5,
             -lattice.sample(fields["heart"]) - 4.0, lattice.sample(fields["diaphragm"]) - 8.0)  # fmt: skip
    depth = np.minimum.reduce(walls)
    points, depth = lattice.points_mm[depth > 1.0].astype(float), depth[depth > 1.0]
    tip = points[np.argmax(points @ APEX)]
    run = tip - np.asarray(right.centre_mm)
    along = (points - right.centre_mm) @ run / (run @ run)
    deep = [points[np.argmax(np.where(np.abs(along - t) < 0.08, depth, -1.0))] for t in (0.33, 0.67)]
    return np.stack([*deep, tip])


def _course(
    fit: Fit, start: Points, ventricle: Points, sweeps: Mapping[str, Sweep], spec: Mapping[str, Any]
) -> Points:
    """Return the lead's axis: under the collar bone into the vein, down the vena cava, through the right heart."""
    shapes = chamber_shapes(fit.frame, fit.heart_scale, float(spec["heart_turn_deg"]))
    atrium = np.asarray(shapes["right_atrium"].centre_mm)

    def run(name: str, first: float, last: float) -> Points:
        axis = sweeps[name].points_mm[::-1]
        taken = np.linspace(first * (len(axis) - 1), last * (len(axis) - 1), 4).round().astype(int)
        return np.asarray(axis[taken])

    vein = run("subclavian_vein_left", 0.50, 0.97)
    rise = start + 0.55 * (vein[0] - start) + np.array([4.0, -5.0, 0.0])
    knots = np.concatenate([
        start[None], rise[None], vein, run("brachiocephalic_vein_left", 0.2, 0.85), run("superior_vena_cava", 0.2, 0.9),
        (atrium + [-4.0, 2.0, -6.0])[None], 0.6 * atrium[None] + 0.4 * ventricle[:1], ventricle,
    ])  # fmt: skip
    return spline_mm(knots, LEAD_STEP_MM)


def _cleared(points: Points, obstacles: Sequence[Shape]) -> Points:
    """Return the points moved out of what a lead cannot lie in, smoothly."""
    steps = np.concatenate([np.eye(3), -np.eye(3)])
    moved = points.copy()
    for _ in range(12):
        push = np.zeros_like(moved)
        for shape in obstacles:
            near = CLEARANCE_MM - shape.distance_mm(moved)
            around = shape.distance_mm(moved[:, None] + steps)
            slope = around[:, :3] - around[:, 3:]
            slope = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-3)
            push += np.maximum(near, 0)[:, None] * slope
        push[1:-1] = 0.25 * push[:-2] + 0.5 * push[1:-1] + 0.25 * push[2:]
        push[-1] = 0.0  # the tip stays in the heart
        moved = moved + 0.7 * push
    return moved
