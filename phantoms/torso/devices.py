"""Lines and tubes that a recipe may ask for: what bedside radiographs are taken to check.

Nobody has any unless the numbers of the spec say so (`NUMBERS`). Calibres are those of usual products: endotracheal
tube 8.0 (outside 11 mm), central venous catheter 7 Fr, nasogastric tube 14 Fr, chest drain 28 Fr, monitoring leads
2.6 mm thick, sternal wires 0.8 mm (unverified). Each tip is a landmark, and `remarks` says what a reader says of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint, Structure
from medsynth.shapes.base import Box, Shape
from medsynth.shapes.sampled import sample as sampled
from medsynth.shapes.sweep import Sweep, spline_mm
from medsynth.shapes.tubes import Tubes
from phantoms.torso import heart
from phantoms.torso.cage import ANGLE_Z_MM, MANUBRIUM_TOP_Z_MM, XIPHOID_Z_MM
from phantoms.torso.frame import RIB_LAYER_MM, Frame
from phantoms.torso.table import labels

Points = NDArray[np.float64]

# Number of the spec: what it may be. All are 0 or absent for a person without any.
NUMBERS: Final[Mapping[str, tuple[float, float]]] = {
    "ecg_leads": (0, 1), "central_line": (0, 2), "endotracheal_tube": (0, 1), "nasogastric_tube": (0, 1),
    "chest_drain": (0, 3), "sternal_wires": (0, 1),
}  # fmt: skip
# Where the tips lie, mm, with what they may be and where they usually are.
TIPS: Final[Mapping[str, tuple[float, float, float]]] = {
    "central_line_tip_mm": (-60.0, 90.0, 25.0),  # below the carina
    "endotracheal_tip_mm": (-25.0, 110.0, 45.0),  # above the carina
    "nasogastric_tip_mm": (-180.0, 90.0, 70.0),  # beyond the junction of gullet and stomach
}
PREFIXES: Final[Mapping[str, str]] = {
    "ecg_": "ecg_leads", "central_venous_": "central_line", "endotracheal_": "endotracheal_tube",
    "nasogastric_": "nasogastric_tube", "chest_drain": "chest_drain", "sternal_wires": "sternal_wires",
}  # fmt: skip
DRAIN_SIDES: Final = {0: (), 1: ("right",), 2: ("left",), 3: ("right", "left")}
STEP_MM = 3.0
REACH_MM = 8.0  # around the axes of what lies on the skin
# (radius of the lumen, wall) in mm
ENDOTRACHEAL_MM, CATHETER_MM, NASOGASTRIC_MM, DRAIN_MM = (4.0, 1.5), (0.65, 0.5), (1.55, 0.8), (3.1, 1.6)
CABLE_MM = (0.45, 0.85)
STRIPE_MM = 0.55  # radius of the X-ray line in a wall
ELECTRODE_MM, SNAP_MM = 3.6, 1.9  # radii of the gel cup and of the steel snap
WIRE_MM = 0.4
# The junction of vena cava and atrium lies 40 mm below the carina (40.3 +- 13.6; CT); a tip is good just above it.
CAVOATRIAL_MM = 40.0
# The endotracheal tube's tip belongs 30-70 mm above the carina (unverified: textbooks; head in the middle).
ET_LOW_MM, ET_HIGH_MM = 30.0, 70.0


@dataclass(frozen=True, eq=False)
class Devices:
    """Paints, tips as landmarks, and what is to say of each device, by name."""

    paints: list[Paint]
    tips: Mapping[str, tuple[float, float, float]]
    remarks: Mapping[str, str]

    def around(self, low: Vector, high: Vector) -> Box:
        """Return the box of the body, wider in front where cables and tubes lie on the skin."""
        front = [float(paint.shape.starts_mm[:, 1].min()) for paint in self.paints if isinstance(paint.shape, Tubes)]
        return (low[0], min([low[1], *(y - REACH_MM for y in front)]), low[2]), high


def asked(spec: Mapping[str, Any]) -> dict[str, float]:
    """Return every number of `NUMBERS` and `TIPS` of a spec; older specs have no devices.

    Raises
    ------
    RecipeError
        If one is not a number, or out of range.
    """
    found: dict[str, float] = {}
    for name, (low, high) in NUMBERS.items():
        value = spec.get(name, 0)
        if isinstance(value, bool) or value not in range(int(low), int(high) + 1):
            raise RecipeError(expected(f"phantom.spec.{name}", value, f"a whole number in {low:.0f}..{high:.0f}"))
        found[name] = int(value)
    for name, (low, high, usual) in TIPS.items():
        value = spec.get(name, usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise RecipeError(expected(f"phantom.spec.{name}", value, f"in {low:g}..{high:g} mm"))
        found[name] = float(value)
    return found


def present(structure: Structure, spec: Mapping[str, Any]) -> bool:
    """Return whether this person has the structure: devices only where asked for."""
    for prefix, number in PREFIXES.items():
        if structure.name.startswith(prefix):
            have = asked(spec)[number]
            return structure.laterality in DRAIN_SIDES[int(have)] if number == "chest_drain" else bool(have)
    return True


def remarks(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader says of each device that is asked for, by structure."""
    have, said = asked(spec), {}
    if have["endotracheal_tube"]:
        tip = have["endotracheal_tip_mm"]
        word = "in the right main bronchus" if tip < 0 else _word(tip, ET_LOW_MM, ET_HIGH_MM, "too deep", "too high")
        said["endotracheal_tube"] = f"tip {abs(tip):.0f} mm {'above' if tip >= 0 else 'beyond'} the carina: {word}"
    if have["central_line"]:
        tip = have["central_line_tip_mm"]
        word = _word(tip, -10.0, CAVOATRIAL_MM + 10.0, "too high", "too deep, in the right atrium")
        way = "jugular" if have["central_line"] == 1 else "subclavian"
        side = f"{abs(tip):.0f} mm {'below' if tip >= 0 else 'above'} the carina"
        said["central_venous_catheter"] = f"right {way} catheter, tip {side}: {word}"
    if have["nasogastric_tube"]:
        tip = have["nasogastric_tip_mm"]
        word = "too high, in the oesophagus" if tip < 0 else "not far enough in" if tip < 40 else "well placed"
        where = "in the stomach, {:.0f} mm beyond" if tip >= 0 else "{:.0f} mm above"
        said["nasogastric_tube"] = f"tip {where.format(abs(tip))} the gastro-oesophageal junction: {word}"
    for side in DRAIN_SIDES[int(have["chest_drain"])]:
        said[f"chest_drain_{side}"] = f"{side} chest drain, tip at the apex"
    return said


def _word(value: float, low: float, high: float, below: str, above: str) -> str:
    return below if value < low else above if value > high else "well placed"


def build_devices(
    frame: Frame, fields: Mapping[str, Shape], sweeps: Mapping[str, Sweep], spec: Mapping[str, Any]
) -> Devices:
    """Return the devices that are asked for.

    Parameters
    ----------
    fields : `body`, `lung_left`, `lung_right`, `stomach`, as far as the body shows them.
    sweeps : the great vessels, airways and the oesophagus by name.
    """
    have, paints = asked(spec), []
    tips: dict[str, tuple[float, float, float]] = {}
    if have["sternal_wires"]:
        paints += _sternal_wires(frame)
    for side in DRAIN_SIDES[int(have["chest_drain"])]:
        course = _drain(frame, -1.0 if side == "right" else 1.0)
        paints += _tube(course, DRAIN_MM, f"chest_drain_{side}", "_lumen", stripe=f"chest_drain_stripe_{side}")
        tips[f"chest_drain_tip_{side}"] = _point(course[-1])
    if have["nasogastric_tube"]:
        course = _nasogastric(frame, fields, sweeps, have["nasogastric_tip_mm"])
        paints += _tube(course, NASOGASTRIC_MM, "nasogastric_tube", "_lumen", stripe="nasogastric_tube_stripe")
        tips["nasogastric_tip"] = _point(course[-1])
    if have["endotracheal_tube"]:
        course = _endotracheal(frame, sweeps, have["endotracheal_tip_mm"])
        paints += _tube(course, ENDOTRACHEAL_MM, "endotracheal_tube", "_lumen", stripe="endotracheal_tube_stripe")
        tips["endotracheal_tip"] = _point(course[-1])
    if have["central_line"]:
        way = "jugular" if have["central_line"] == 1 else "subclavian"
        course = _central(frame, fields["body"], sweeps, way, have["central_line_tip_mm"])
        paints += _tube(course, CATHETER_MM, "central_venous_catheter", "_lumen")
        tips["central_venous_tip"] = _point(course[-1])
    if have["ecg_leads"]:
        paints += _ecg(frame, fields["body"], Seed(int(spec["seed"])).child("ecg").rng())
    return Devices(paints, tips, remarks(spec))


def _point(place: Points) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in place)
    return x, y, z


def chain(points: Points, radius: float, wall: float | None = None) -> Tubes:
    """Return one unbranched tube of even calibre along points."""
    n = len(points) - 1
    radii = np.full(n, radius)
    walls = None if wall is None else np.full(n, wall)
    return Tubes(points[:-1].copy(), points[1:].copy(), radii, radii, np.arange(-1, n - 1), walls)


def _tube(course: Points, calibre: tuple[float, float], name: str, lumen: str, stripe: str = "") -> list[Paint]:
    """Return wall and lumen along a course, and the X-ray line on one side of the wall."""
    names = labels()
    inner = name.replace("drain", "drain_lumen") if name.startswith("chest_drain") else name + lumen
    paints = [Paint(chain(course, *calibre), (Layer(names[name]), Layer(names[inner])))]
    if stripe:
        along = np.gradient(course, axis=0)
        side = np.cross(along, [0.0, 1.0, 0.0])
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
        offset = calibre[0] + 0.5 * calibre[1]
        paints.append(Paint(chain(course + offset * side, min(STRIPE_MM, 0.5 * calibre[1])), (Layer(names[stripe]),)))
    return paints


def _until(course: Points, length_mm: float) -> Points:
    """Return a course cut after a length."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(course, axis=0), axis=1))])
    kept = gone < length_mm
    last = [np.interp(length_mm, gone, course[:, axis]) for axis in range(3)]
    return np.concatenate([course[kept], [last]])


def _endotracheal(frame: Frame, sweeps: Mapping[str, Sweep], tip_mm: float) -> Points:
    """Return the tube's course down the windpipe; beyond the carina it goes on into the right main bronchus."""
    wind = sweeps["trachea"].points_mm
    wind = wind[wind[:, 2] < frame.high_z_mm * frame.height - 1.0]
    carina = frame.at(heart.TRACHEA[-1])
    wind = wind[wind[:, 2] > carina[2] + 4.0]
    bronchus = sweeps["bronchus_right"].points_mm
    whole = spline_mm(np.concatenate([wind, carina[None], bronchus[bronchus[:, 2] < carina[2] - 6.0]]), STEP_MM)
    below = carina[2] - whole[:, 2]
    if tip_mm >= 0:
        cut = int(np.argmax(below > -tip_mm))
        end = [np.interp(-tip_mm, below, whole[:, axis]) for axis in range(3)]
        return np.concatenate([whole[:cut], [end]])
    start = int(np.argmax(below >= 0))
    return np.concatenate([whole[:start], _until(whole[start:], -tip_mm)])


def _central(frame: Frame, skin: Shape, sweeps: Mapping[str, Sweep], way: str, tip_mm: float) -> Points:
    """Return the catheter's course: from the skin into the vein, down the vena cava, into the atrium when deep."""
    cava = sweeps["superior_vena_cava"].points_mm[::-1]
    head = sweeps["brachiocephalic_vein_right"].points_mm[::-1]
    vein = sweeps[f"{way}_vein_right"].points_mm[::-1]
    if way == "jugular":
        inside = vein[vein[:, 2] < 172.0 * frame.height]
        entry = _on_skin(skin, np.array([inside[0][0] - 3.0, inside[0][1], 182.0 * frame.height]), (-0.8, -0.6, 0.0))
        outside = np.stack([_front(frame, skin, -28.0, 122.0 * frame.height, 3.0), entry + [-9.0, -5.0, -8.0], entry])
    else:
        inside = vein[np.abs(vein[:, 0]) < 92.0 * frame.width]
        entry = _on_skin(skin, inside[0] + [-12.0, -6.0, -16.0], (-0.25, -0.95, -0.1))
        outside = np.stack([entry + [-26.0, -3.0, -8.0], entry])
    atrium = frame.at([-23.0, -30.0, -14.0])
    carina = float(frame.at(heart.TRACHEA[-1])[2])
    # Every other point: the veins' axes join at an angle that a catheter cuts.
    inner = np.concatenate([inside[::3], head[1::3], cava[1::3], atrium[None] + [1.0, 0.0, 24.0], atrium[None]])
    inner = inner[np.concatenate([[True], np.linalg.norm(np.diff(inner, axis=0), axis=1) > 5.0])]
    course = spline_mm(np.concatenate([outside, inner]), STEP_MM)
    goal = carina - tip_mm
    past = np.flatnonzero((course[:, 2] < goal) & (np.arange(len(course)) > len(outside) + 6)
                          & (course[:, 0] > -60.0 * frame.width))  # fmt: skip
    if past.size == 0:
        return course
    cut = int(past[0])
    share = (course[cut - 1, 2] - goal) / max(course[cut - 1, 2] - course[cut, 2], 1e-6)
    end = course[cut - 1] + np.clip(share, 0, 1) * (course[cut] - course[cut - 1])
    return np.concatenate([course[:cut], [end]])


def _nasogastric(frame: Frame, fields: Mapping[str, Shape], sweeps: Mapping[str, Sweep], tip_mm: float) -> Points:
    """Return the tube's course down the gullet and along the stomach's middle."""
    gullet = sweeps["oesophagus"].points_mm
    gullet = gullet[gullet[:, 2] < frame.high_z_mm * frame.height - 1.0]
    if tip_mm <= 0:
        return _until(gullet, float(np.linalg.norm(np.diff(gullet, axis=0), axis=1).sum()) + tip_mm)
    stomach = sampled(fields["stomach"], 3.0)
    junction = gullet[-1]
    inner = [junction]
    for below in (18.0, 36.0, 54.0, 72.0, 90.0):
        k = round((junction[2] - below - stomach.origin_mm[2]) / stomach.step_mm)
        if not 0 <= k < len(stomach.values_mm) or stomach.values_mm[k].min() > -4.0:
            break
        j, i = np.unravel_index(int(np.argmin(stomach.values_mm[k])), stomach.values_mm[k].shape)
        inner.append(np.asarray(stomach.origin_mm) + np.array([i, j, k]) * stomach.step_mm)
    course = spline_mm(np.concatenate([gullet, np.array(inner[1:]).reshape(-1, 3)]), STEP_MM)
    past = int(np.argmin(np.linalg.norm(course - junction, axis=1)))
    return np.concatenate([course[:past], _until(course[past:], tip_mm)])


def _drain(frame: Frame, sign: float) -> Points:
    """Return the drain's course: through the fifth space in the armpit, up between lung and ribs to the apex."""
    z = np.array([18.0, 40.0, 75.0, 108.0, 132.0]) * frame.height
    angle = np.array([96.0, 106.0, 116.0, 120.0, 116.0])
    within = frame.cavity.point_mm(sign * angle, z, -6.5)
    through = frame.cavity.point_mm(sign * 90.0, 4.0 * frame.height, RIB_LAYER_MM)
    entry = frame.skin_surface.point_mm(sign * 84.0, -8.0 * frame.height)  # of the trunk: an arm may hang before it
    down = frame.skin_surface.point_mm(sign * np.array([66.0, 76.0]), np.array([-88.0, -42.0]) * frame.height, 9.0)
    return spline_mm(np.concatenate([down, entry[None], through[None], within]), STEP_MM)


def _on_skin(skin: Shape, start: Points, way: Sequence[float] | Points) -> Points:
    """Return the last point inside the skin on a ray outwards from a point inside it."""
    steps = np.arange(0.0, 160.0, 0.5)[:, None]
    ray = np.asarray(start) + steps * np.asarray(way) / np.linalg.norm(way)
    inside = np.flatnonzero(np.asarray(skin.distance_mm(ray)) < 0)
    return ray[int(inside[-1]) if inside.size else 0]


def _ecg(frame: Frame, skin: Shape, rng: np.random.Generator) -> list[Paint]:
    """Return electrodes on the front of the chest with their cables, which leave together at one side or upwards."""
    names, paints = labels(), []
    spots = [(-38.0, 108.0), (38.0, 108.0), (52.0, -62.0)]
    if rng.random() < 0.5:
        spots.append((-52.0, -62.0))
    spots = [(a + float(rng.normal(0, 5)), z + float(rng.normal(0, 9))) for a, z in spots]
    side = 1.0 if rng.random() < 0.5 else -1.0
    upwards = rng.random() < 0.35
    meeting = (side * float(rng.uniform(8, 24)), float(rng.uniform(-30, 40)))
    leave = (side * float(rng.uniform(20, 40)), 176.0) if upwards else (side * float(rng.uniform(76, 92)), -120.0)

    def over(knots: list[tuple[float, float]], lift_mm: float) -> Points:
        plan = np.array(knots, float)
        t = np.linspace(0, len(plan) - 1, 5 * len(plan))
        angle, z = (np.interp(t, np.arange(len(plan)), plan[:, n]) for n in (0, 1))
        return np.stack([_front(frame, skin, a, b * frame.height, lift_mm) for a, b in zip(angle, z, strict=True)])

    cups, snaps, cables = [], [], []
    for number, spot in enumerate(spots):
        on = _front(frame, skin, *_scaled(frame, spot), 0.0)
        away = _front(frame, skin, *_scaled(frame, spot), 10.0) - on
        away /= np.linalg.norm(away)
        cups.append(np.stack([on + 0.5 * away, on + 1.5 * away]))
        snaps.append(np.stack([on + 2.0 * away, on + 5.5 * away]))
        middle = 0.5 * (spot[0] + meeting[0]), 0.5 * (spot[1] + meeting[1])
        bow = (middle[0] + float(rng.normal(0, 9)), middle[1] + float(rng.normal(0, 22)))
        lift = 4.0 + 2.4 * number  # cables lie beside and over each other
        knots = [spot, bow, (meeting[0] + 2.0 * number, meeting[1]), (leave[0] + 1.2 * number, leave[1])]
        cables.append(spline_mm(over(knots, lift)[::2], STEP_MM))
    for course in cables:
        paints.append(Paint(chain(course, *CABLE_MM), (Layer(names["ecg_cable"]), Layer(names["ecg_wire"]))))
    for parts, radius, name in ((cups, ELECTRODE_MM, "ecg_electrode"), (snaps, SNAP_MM, "ecg_snap")):
        ends = np.array(parts)
        radii = np.full(len(ends), radius)
        paints.append(Paint(Tubes(ends[:, 0], ends[:, 1], radii, radii, np.full(len(ends), -1)), (Layer(names[name]),)))
    return paints


def _scaled(frame: Frame, spot: tuple[float, float]) -> tuple[float, float]:
    return spot[0], spot[1] * frame.height


def _front(frame: Frame, skin: Shape, angle_deg: float, z_mm: float, lift_mm: float) -> Points:
    """Return the point on the skin in a direction from the trunk's axis, lifted off it."""
    centre = np.append(frame.cavity.centre_mm(np.array(z_mm)), z_mm)
    t = np.radians(angle_deg)
    way = np.array([np.sin(t), -np.cos(t), 0.0])
    return np.asarray(_on_skin(skin, centre + 40.0 * way, way) + lift_mm * way)


def _sternal_wires(frame: Frame) -> list[Paint]:
    """Return six loops around the breastbone, each closed by a short twist in front."""
    tubes = []
    top, angle, tip = (v * frame.height for v in (MANUBRIUM_TOP_Z_MM, ANGLE_Z_MM, XIPHOID_Z_MM))
    levels = [top - 16 * frame.height, angle + 12 * frame.height]
    levels += [angle + (tip - angle) * share for share in (0.14, 0.34, 0.54, 0.74)]
    for number, z in enumerate(levels):
        half = (27.0 if number == 0 else 21.0 if number == 1 else 20.0) * frame.width
        middle = float(frame.cavity.point_mm(0.0, z)[1]) - 7.5
        t = np.linspace(0, 2 * np.pi, 29)
        tilt = (0.05, -0.13, 0.16, -0.08, 0.12, -0.15)[number]
        x = half * np.cos(t)
        ring = np.stack([x, middle + 8.6 * np.sin(t) + 0.0009 * x * x, z + tilt * x], axis=1)
        tubes.append(chain(ring, WIRE_MM))
        turns = np.linspace(0, 6 * np.pi, 25)
        knot = np.stack([0.7 * np.cos(turns), np.full(25, middle - 9.6), z + np.linspace(0, 9.0, 25)], axis=1)
        knot[:, 1] += 0.7 * np.sin(turns)
        tubes.append(chain(knot, WIRE_MM))
    names = labels()
    return [Paint(tube, (Layer(names["sternal_wires"]),)) for tube in tubes]
