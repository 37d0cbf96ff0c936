"""Modules of a 20 cm CT test cylinder: sensitometry, line pairs and low contrast."""

from __future__ import annotations

from collections.abc import Mapping
from math import pi, radians, tan
from typing import Any

from medsynth.shapes.primitives import Capsule, Cylinder, RoundBox, Sphere, rotation
from phantoms.qa.design import Design, number, on_circle
from phantoms.qa.truth import Part

# ---- sensitometry, after the CTP404 module of the Catphan phantoms -------------------------------------------------

CTP404_DEFAULTS = {"diameter_mm": 200.0, "length_mm": 60.0, "insert_diameter_mm": 12.0}
# Angle of each insert (0 image right, 90 image top, seen from the feet) on a circle of 58.7 mm, as analysis programs
# look for them in the Catphan 504; the lower of its two air positions holds a vial of water here.
INSERTS_DEG = {
    "air": 90.0, "teflon": 60.0, "delrin": 0.0, "acrylic": 300.0, "water": 270.0, "polystyrene": 240.0,
    "ldpe": 180.0, "pmp": 120.0,
}  # fmt: skip
INSERT_CIRCLE_MM, MODULE_MM = 58.7, 25.0
RAMP_DEG, RAMP_WIRE_MM, RAMP_CIRCLE_MM = 23.0, 0.28, 38.0  # angle published; wire and place unverified
HOLE_SQUARE_MM, HOLE_MM = 50.0, 3.0  # rods that the geometry is measured with: three of air, one of Teflon
SPHERES_MM, SPHERE_CIRCLE_MM = (2.0, 4.0, 6.0, 8.0, 10.0), 15.0  # acrylic balls in the middle plane
OUTLYING_MM = 75.0  # the smallest body's radius that holds all this


def ctp404(spec: Mapping[str, Any]) -> Design:
    """Return the sensitometry module: eight inserts, four wire ramps, four rods and five balls."""
    radius, half = _body(spec)
    size = number(spec, "insert_diameter_mm", 4, 24) / 2
    parts = [_cylinder_body("ctp404_body", radius, half)]
    host, reach = ("ctp404_body",), MODULE_MM / 2
    places = {name: on_circle(INSERT_CIRCLE_MM, angle) for name, angle in INSERTS_DEG.items()}
    parts += [Part(f"ctp404_{name}", (Cylinder(at, size, reach),), host) for name, at in places.items()]
    for number_, angle in enumerate((45.0, 135.0, 225.0, 315.0)):
        at = on_circle(HOLE_SQUARE_MM / 2**0.5, angle)
        name = "ctp404_rod" if number_ == 3 else "ctp404_hole"
        parts.append(Part(name, (Cylinder(at, HOLE_MM / 2, reach),), host))
    balls = (Sphere(on_circle(SPHERE_CIRCLE_MM, 72.0 * n), d / 2) for n, d in enumerate(SPHERES_MM))
    parts += [Part("ctp404_balls", (ball,), host) for ball in balls]
    parts.append(Part("ctp404_ramps", _ramps(), host))
    details = {
        "insert_diameter_mm": 2 * size,
        "ramp_deg": RAMP_DEG,
        "ball_diameters_mm": list(SPHERES_MM),
        "rod_distance_mm": HOLE_SQUARE_MM,
    }
    return Design(tuple(parts), reach, details, places)


def _ramps() -> tuple[Capsule, ...]:
    """Return two pairs of opposed wires that rise through the module; a slice shows each over thickness / tan."""
    run, rise = 18.0, 18.0 * tan(radians(RAMP_DEG))
    ends = [
        ((-run * s, -RAMP_CIRCLE_MM * s, -rise), (run * s, -RAMP_CIRCLE_MM * s, rise)) for s in (1.0, -1.0)
    ] + [((RAMP_CIRCLE_MM * s, -run * s, -rise), (RAMP_CIRCLE_MM * s, run * s, rise)) for s in (1.0, -1.0)]
    return tuple(Capsule(a, b, RAMP_WIRE_MM / 2, RAMP_WIRE_MM / 2) for a, b in ends)


# ---- line pairs, after the CTP528 module ---------------------------------------------------------------------------

CTP528_DEFAULTS = {"diameter_mm": 200.0, "length_mm": 40.0}
GAUGES = tuple(range(1, 22))  # line pairs per cm
GAUGE_CIRCLE_MM, BAR_DEEP_MM, BAR_LENGTH_MM = 48.0, 2.0, 6.0  # 2 mm of aluminium; the bars' length is unverified


def bars_of(gauge: int) -> int:
    """Return the number of bars of a gauge (unverified beyond the first few)."""
    return {1: 2, 2: 3, 3: 4, 4: 4, 5: 4}.get(gauge, 5)


def bar_mm(gauge: int) -> float:
    """Return the width of a bar and of a gap: half a period, 5 mm at 1 lp/cm."""
    return 10.0 / gauge / 2


def ctp528(spec: Mapping[str, Any]) -> Design:
    """Return the line-pair module: 21 gauges of aluminium bars on a circle, 1 at the top, clockwise."""
    radius, half = _body(spec)
    spans = [(2 * bars_of(g) - 1) * bar_mm(g) for g in GAUGES]
    free = (2 * pi * GAUGE_CIRCLE_MM - sum(spans)) / len(spans)
    parts, angles, arc = [_cylinder_body("ctp528_body", radius, half)], [], -spans[0] / 2
    for gauge, span in zip(GAUGES, spans, strict=True):
        angle = 90.0 - (arc + span / 2) / GAUGE_CIRCLE_MM * 180 / pi
        step = min(bar_mm(gauge) / 5, 0.25)
        parts.append(Part(f"ctp528_gauge_{gauge}", _bars(gauge, angle), ("ctp528_body",), lattice_mm=step))
        angles.append(angle % 360)
        arc += span + free
    gauges = {
        str(g): {
            "lp_per_cm": g,
            "bar_mm": bar_mm(g),
            "bars": bars_of(g),
            "angle_deg": round(a, 4),
            "centre_mm": [round(v, 4) for v in on_circle(GAUGE_CIRCLE_MM, a)],
        }
        for g, a in zip(GAUGES, angles, strict=True)
    }
    marks = {f"gauge_{g}": on_circle(GAUGE_CIRCLE_MM, a) for g, a in zip(GAUGES, angles, strict=True)}
    return Design(tuple(parts), 8.0, {"gauges": gauges, "circle_mm": GAUGE_CIRCLE_MM}, marks)


def _bars(gauge: int, angle_deg: float) -> tuple[RoundBox, ...]:
    """Return the bars of a gauge: they point outwards, side by side across the circle."""
    width, count = bar_mm(gauge), bars_of(gauge)
    turn = rotation(z_deg=-angle_deg)  # the first axis points outwards
    x, y, _ = on_circle(GAUGE_CIRCLE_MM, angle_deg)
    across = (turn[0][1], turn[1][1])
    shifts = [(n - (count - 1) / 2) * 2 * width for n in range(count)]
    half = (BAR_LENGTH_MM / 2, width / 2, BAR_DEEP_MM / 2)
    return tuple(RoundBox((x + s * across[0], y + s * across[1], 0.0), half, 0.0, turn) for s in shifts)


# ---- low contrast, after the MITA CCT189 body phantom --------------------------------------------------------------

MITA_DEFAULTS = {"diameter_mm": 200.0, "length_mm": 40.0}
# Diameter of each rod and its contrast to the body at the spectrum of water (MITA CCT189); places unverified.
RODS = {3: 14.0, 5: 7.0, 7: 5.0, 10: 3.0}
ROD_CIRCLE_MM = 50.0


def mita(spec: Mapping[str, Any]) -> Design:
    """Return the low-contrast module: four rods, ending 2 mm below its faces, in water-equivalent plastic."""
    radius, half = _body(spec)
    places = {d: on_circle(ROD_CIRCLE_MM, 45.0 + 90.0 * n) for n, d in enumerate(RODS)}
    rods = (Part(f"mita_rod_{d}", (Cylinder(at, d / 2, half - 2.0),), ("mita_body",)) for d, at in places.items())
    details = {"rods": {str(d): {"diameter_mm": d, "contrast_hu": hu} for d, hu in RODS.items()}}
    marks = {f"rod_{d}": at for d, at in places.items()}
    return Design((_cylinder_body("mita_body", radius, half), *rods), half - 4.0, details, marks)


def _body(spec: Mapping[str, Any]) -> tuple[float, float]:
    return number(spec, "diameter_mm", 2 * OUTLYING_MM, 500) / 2, number(spec, "length_mm", 30, 500) / 2


def _cylinder_body(name: str, radius_mm: float, half_mm: float) -> Part:
    return Part(name, (Cylinder((0.0, 0.0, 0.0), radius_mm, half_mm),))
