"""Ligaments, tendons and bands: flat cords along their courses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_fields
from phantoms.knee.frame import BONE_STEP_MM, BOTTOM_MM, MARGIN_MM, TOP_MM, KneeFrame
from phantoms.knee.table import labels

Course = list[tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Cord:
    """A cord: its course in reference mm, the direction its width lies in, and half its width and thickness there."""

    course: Course
    across: tuple[float, float, float]
    half_width_mm: tuple[float, ...]
    half_thickness_mm: tuple[float, ...]


def cords(frame: KneeFrame) -> dict[str, Cord]:
    """Return every cord. Cruciates 32-38 mm long and 11-13 mm wide, patellar tendon 28 x 5 mm (unverified)."""
    apex, base, tubercle = frame.patella_z_mm - 20.0, frame.patella_z_mm + 20.0, frame.tubercle_x_mm
    return {
        "anterior_cruciate_ligament": Cord(
            [(9.5, 13.0, 27.0), (7.0, 8.5, 20.0), (3.5, 1.0, 11.0), (0.0, -8.0, 2.0), (-0.5, -10.0, -2.0)],
            (0.55, 0.8, 0.2), (5.5, 4.8, 4.6, 6.0, 6.5), (2.4, 2.7, 2.9, 2.6, 2.2)),
        "posterior_cruciate_ligament": Cord(
            [(-9.0, -4.0, 15.0), (-6.0, 4.0, 19.0), (-3.5, 12.0, 17.0), (-1.0, 18.5, 9.0), (0.5, 22.0, -1.0),
             (1.0, 22.5, -10.0)], (1.0, 0.2, 0.2), (4.5, 5.0, 5.2, 5.4, 6.0, 6.5), (6.0, 4.8, 4.0, 3.6, 3.2, 2.2)),
        "medial_collateral_ligament": Cord(
            [(-43.5, 2.0, 35.0), (-44.5, 1.0, 20.0), (-43.0, -0.5, 2.0), (-40.0, -3.0, -16.0), (-30.5, -5.0, -40.0),
             (-23.5, -6.0, -62.0)], (0.0, 1.0, 0.0), (5.5, 6.5, 7.0, 7.5, 7.0, 5.0), (1.3, 1.3, 1.4, 1.3, 1.3, 0.8)),
        "lateral_collateral_ligament": Cord(
            [(41.5, 5.5, 32.0), (44.0, 10.0, 16.0), (43.5, 16.0, 2.0), (39.5, 21.5, -13.0)],
            (0.0, 1.0, 0.0), (2.6, 2.3, 2.3, 2.6), (1.8, 1.8, 1.8, 1.6)),
        "patellar_tendon": Cord(
            [(1.5, -52.5, apex + 8.0), (1.5, -49.5, apex - 2.0), (0.5 * (1.5 + tubercle), -45.0, apex / 2 - 18.0),
             (tubercle, -38.5, -30.0), (tubercle, -34.0, -43.0)],
            (1.0, 0.0, 0.0), (13.5, 14.5, 13.0, 12.5, 11.0), (2.2, 2.6, 2.4, 2.6, 1.6)),
        "quadriceps_tendon": Cord(
            [(6.0, -45.5, TOP_MM + 8.0), (4.0, -47.5, base + 22.0), (2.0, -50.5, base + 5.0), (1.5, -52.5, base - 4.0)],
            (1.0, 0.0, 0.0), (13.0, 16.0, 19.0, 17.0), (2.6, 3.4, 3.9, 2.4)),
        "iliotibial_band": Cord(
            [(54.5, -14.0, TOP_MM + 8.0), (50.5, -12.0, 60.0), (46.0, -10.0, 28.0), (43.0, -12.0, 4.0),
             (32.0, -20.0, -14.0)], (0.2, 1.0, 0.0), (13.0, 11.0, 9.0, 8.0, 6.0), (0.8, 1.0, 1.3, 1.5, 1.8)),
    }  # fmt: skip


def _sweep(frame: KneeFrame, cord: Cord) -> Sweep:
    axis = spline_mm(frame.at(cord.course), 2.5)
    along, knots = np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(cord.course))
    width = np.interp(along, knots, cord.half_width_mm) * frame.bone
    thickness = np.interp(along, knots, cord.half_thickness_mm) * frame.bone
    return Sweep(axis, np.tile(cord.across, (len(axis), 1)), width, thickness, exponent=2.5)


def build_cords(frame: KneeFrame) -> tuple[SampledShape, Paint]:
    """Return all cords as one shape, and its paint."""
    made = cords(frame)
    lattice = frame.lattice((-52, -62, BOTTOM_MM - MARGIN_MM), (54, 40, TOP_MM + MARGIN_MM), BONE_STEP_MM)
    shape = _frayed(frame, lattice, sweep_fields([_sweep(frame, cord) for cord in made.values()], lattice, 6.0))
    return shape, Paint(shape, (Layer(tuple(labels()[name] for name in made)),))


def _frayed(frame: KneeFrame, lattice: Lattice, shape: SampledShape) -> SampledShape:
    uneven = 0.25 * lattice.noise(frame.noise_seed(40), 8.0)
    return SampledShape(shape.values_mm + uneven, shape.origin_mm, shape.step_mm, shape.owner)
