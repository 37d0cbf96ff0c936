"""An MR test sphere: vials of known T1 and T2 on two plates, and balls on a grid of 40 mm."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from itertools import product
from typing import Any

from medsynth.shapes.primitives import Sphere
from phantoms.qa.design import Design, Point, number, on_circle
from phantoms.qa.truth import Part

# Sizes after the system phantom of Stupic et al. 2021 (doi:10.1002/mrm.28779): a shell of 200 mm, two plates of 14
# vials, 57 balls of 10 mm on a grid of 40 mm. The vials' places on the plates and the plates' heights are our own.
DEFAULTS = {"diameter_mm": 200.0, "wall_mm": 5.0, "vial_mm": 15.0, "ball_mm": 10.0}
GRID_MM, GRID_REACH = 40.0, 5  # balls at whole multiples n of 40 mm with |n|^2 <= 5
PLATES_MM = {"t1": 20.0, "t2": -20.0}
RINGS = ((10, 50.0, 90.0), (4, 24.0, 45.0))  # vials, radius, angle of the first


@lru_cache
def relaxation() -> dict[str, dict[str, float | str]]:
    """Return by vial name its T1 and T2 in ms at 1.5 T and 3 T, with the source."""
    text = resources.files("phantoms.qa").joinpath("vials.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    found: dict[str, dict[str, float | str]] = {}
    for row in rows:
        times: dict[str, float | str] = {k: float(v) for k, v in row.items() if k not in ("name", "salt", "source")}
        found[row["name"]] = {**times, "salt": row["salt"], "source": row["source"]}
    return found


def grid_mm() -> list[Point]:
    """Return the middles of the balls."""
    steps = [n for n in product(range(-2, 3), repeat=3) if sum(v * v for v in n) <= GRID_REACH]
    return [(x * GRID_MM, y * GRID_MM, z * GRID_MM) for x, y, z in steps]


def vials_mm() -> dict[str, Point]:
    """Return the middle of each vial by name, the longest relaxation time first at the top of its plate."""
    places: dict[str, Point] = {}
    for plate, z in PLATES_MM.items():
        spots = [on_circle(r, first - 360.0 / n * i, z) for n, r, first in RINGS for i in range(n)]
        places |= {f"mr_{plate}_vial_{i + 1}": spot for i, spot in enumerate(spots)}
    return places


def design(spec: Mapping[str, Any]) -> Design:
    """Return the sphere; vials and balls are filled as the data file says, the rest is water."""
    radius, wall = number(spec, "diameter_mm", 200, 400) / 2, number(spec, "wall_mm", 0.5, 5)
    vial, ball = number(spec, "vial_mm", 4, 20) / 2, number(spec, "ball_mm", 2, 11) / 2
    middle = (0.0, 0.0, 0.0)
    places = vials_mm()
    parts = [
        Part("mr_shell", (Sphere(middle, radius),)),
        Part("mr_fill", (Sphere(middle, radius - wall),), ("mr_shell",)),
        Part("mr_grid", tuple(Sphere(at, ball) for at in grid_mm()), ("mr_fill",), apart=True),
        *(Part(name, (Sphere(at, vial),), ("mr_fill",)) for name, at in places.items()),
    ]
    details = {
        "grid_step_mm": GRID_MM,
        "grid_mm": [list(at) for at in grid_mm()],
        "relaxation_ms": {name: dict(times) for name, times in relaxation().items()},
    }
    return Design(tuple(parts), 30.0, details, places)
