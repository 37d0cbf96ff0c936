"""The orientation phantom: letters at six faces and three unequal arms, so that every axis and sign shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth.shapes.primitives import RoundBox, Sphere
from phantoms.qa.design import Design, Point, number
from phantoms.qa.truth import Part

DEFAULTS = {"scale": 1.0}
HALF_MM = (80.0, 65.0, 55.0)  # unequal: no two axes can be exchanged
CELL_MM, THICK_MM = 5.0, 12.0
# Seen in an axial image (right of the image is the patient's left), S and I in a coronal one (top is the head).
LETTERS = {
    "l": ("#...", "#...", "#...", "#...", "####"),
    "r": ("###.", "#..#", "###.", "#.#.", "#..#"),
    "a": (".##.", "#..#", "####", "#..#", "#..#"),
    "p": ("###.", "#..#", "###.", "#...", "#..."),
    "s": (".###", "#...", ".##.", "...#", "###."),
    "i": ("###", ".#.", ".#.", ".#.", "###"),
}
PLACES_MM: dict[str, Point] = {
    "l": (58.0, 0.0, 0.0), "r": (-58.0, 0.0, 0.0), "a": (0.0, -43.0, 0.0), "p": (0.0, 43.0, 0.0),
    "s": (0.0, 0.0, 38.0), "i": (0.0, 0.0, -38.0),
}  # fmt: skip
AXIS_OF = {"l": (0, 1), "r": (0, -1), "a": (1, -1), "p": (1, 1), "s": (2, 1), "i": (2, -1)}
CORONAL = ("s", "i")
ARMS_MM = (30.0, 20.0, 12.0)  # to the left, the back and the head, from a ball in the middle
ARM_HALF_MM, BALL_MM = 3.0, 6.0


def design(spec: Mapping[str, Any]) -> Design:
    """Return the block with its letters; `scale` enlarges everything."""
    scale = number(spec, "scale", 0.25, 3)
    half = (scale * HALF_MM[0], scale * HALF_MM[1], scale * HALF_MM[2])
    host = ("orientation_body",)
    parts = [Part("orientation_body", (RoundBox((0.0, 0.0, 0.0), half),))]
    for letter, rows in LETTERS.items():
        cells = sum(row.count("#") for row in rows)
        size = cells * (CELL_MM * scale) ** 2 * THICK_MM * scale
        parts.append(Part(f"letter_{letter}", _strokes(letter, scale), host, size, CELL_MM * scale / 16))
    parts.append(Part("orientation_ball", (Sphere((0.0, 0.0, 0.0), BALL_MM * scale),), host))
    for axis, name in enumerate(("x", "y", "z")):
        parts.append(Part(f"orientation_arm_{name}", (_arm(axis, scale),), host))
    marks = {f"letter_{k}": (scale * x, scale * y, scale * z) for k, (x, y, z) in PLACES_MM.items()}
    letters = {f"letter_{k}": {"axis": "xyz"[axis], "sign": sign} for k, (axis, sign) in AXIS_OF.items()}
    return Design(tuple(parts), half[2], {"letters": letters}, marks)


def _arm(axis: int, scale: float) -> RoundBox:
    """Return a bar that starts 2 mm outside the ball."""
    half, centre = [ARM_HALF_MM * scale] * 3, [0.0, 0.0, 0.0]
    half[axis] = ARMS_MM[axis] * scale / 2
    centre[axis] = (BALL_MM + 2.0) * scale + half[axis]
    return RoundBox((centre[0], centre[1], centre[2]), (half[0], half[1], half[2]))


def _strokes(letter: str, scale: float) -> tuple[RoundBox, ...]:
    """Return a letter as boxes: every run of cells along a row or a column."""
    rows = LETTERS[letter]
    cells = {(r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark == "#"}
    runs = {_run(cells, cell, step) for cell in cells for step in ((0, 1), (1, 0))}
    longest = [run for run in runs if not any(run < other for other in runs)]
    return tuple(_stroke(letter, sorted(run), scale) for run in sorted(longest, key=sorted))


def _run(cells: set[tuple[int, int]], cell: tuple[int, int], step: tuple[int, int]) -> frozenset[tuple[int, int]]:
    """Return the unbroken run of cells through `cell` along `step`."""
    run = {cell}
    for sign in (1, -1):
        r, c = cell
        while (r + sign * step[0], c + sign * step[1]) in cells:
            r, c = r + sign * step[0], c + sign * step[1]
            run.add((r, c))
    return frozenset(run)


def _stroke(letter: str, run: list[tuple[int, int]], scale: float) -> RoundBox:
    """Return the box of a run of cells, where the letter stands and as it is read."""
    rows = LETTERS[letter]
    (top, first), (bottom, last) = run[0], run[-1]
    right = ((first + last + 1) / 2 - len(rows[0]) / 2) * CELL_MM
    down = ((top + bottom + 1) / 2 - len(rows) / 2) * CELL_MM
    wide, high, deep = (last - first + 1) * CELL_MM / 2, (bottom - top + 1) * CELL_MM / 2, THICK_MM / 2
    x, y, z = PLACES_MM[letter]
    if letter in CORONAL:
        centre, half = (x + right, y, z - down), (wide, deep, high)
    else:
        centre, half = (x + right, y + down, z), (wide, high, deep)
    return RoundBox(
        (scale * centre[0], scale * centre[1], scale * centre[2]), (scale * half[0], scale * half[1], scale * half[2])
    )
