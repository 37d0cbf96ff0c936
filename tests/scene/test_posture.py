"""A scene in another posture: everything moves by the same map, and keeps what it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.scene.posture import moved_tubes, posed
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Posture, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import Sphere
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes

CODE = Code("91723000", "Anatomical structure")


@dataclass(frozen=True)
class Squeeze:
    """Presses z to half and widens x by two, about the origin: volumes stay."""

    reach_mm: float = 40.0

    def displacement_mm(self, points_mm):
        return np.asarray(points_mm, float) * (1.0, 0.0, -0.5)

    def inverse_displacement_mm(self, points_mm):
        return np.asarray(points_mm, float) * (-0.5, 0.0, 1.0)


def owned_ball() -> SampledShape:
    axis = np.arange(-24.5, 25.0)  # no node on the border of the two owners
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    values = np.sqrt(x * x + y * y + z * z) - 20.0
    return SampledShape(values.astype(np.float32), (-24.5, -24.5, -24.5), 1.0, (x > 0).astype(np.uint8))


@pytest.fixture(scope="module")
def scene() -> Scene:
    parts = tuple(Structure(name, label, "water", CODE) for name, label in (("right_half", 1), ("left_half", 2),
                                                                            ("core", 3), ("wire", 4)))  # fmt: skip
    line = np.array([[-12.0, 0, 8.0], [12.0, 0, 8.0]])
    wire = Tubes(line[:1], line[1:], np.array([1.0]), np.array([0.6]), np.array([-1]))
    paints = (Paint(owned_ball(), (Layer((1, 2)), Layer(3, 12.0))), Paint(wire, (Layer(4),)))
    posture = Posture("flat", Squeeze(), ((-50.0, -26.0, -14.0), (50.0, 26.0, 14.0)), (0.0, 0.0, -1.0), (-10.0, 10.0),
                      (0.0, -1.0, 0.0), -24.0)  # fmt: skip
    return Scene("ball", "its middle", Subject("female", 40.0, 165.0, 60.0), parts, paints, {"body": owned_ball()},
                 {"wire": wire}, {"top": (3.0, 0.0, 20.0)}, ((-24.0,) * 3, (24.0,) * 3), {"all": (-24.0, 24.0)},
                 postures={"flat": posture})  # fmt: skip


def seed_lesion() -> Lesion:
    ball = Paint(Sphere((6.0, 5.0, 10.0), 4.0), (Layer(20021),))
    return Lesion(1, "ball", CODE, (Structure("lesion_1", 20021, "blood", CODE),), (ball,), "core", {}, {})


def test_layers_owners_tubes_landmarks_and_lesions_move_by_the_map_and_keep_their_volume(scene: Scene):
    moved, lesions = posed(scene, [seed_lesion()], "flat")
    grid = Grid.covering((-48.0, -24.0, -13.0), (48.0, 24.0, 13.0), (0.8,) * 3)
    volumes = rasterize(moved, grid).volumes_ml()
    ball, core = 4 / 3 * np.pi * 20**3 / 1000, 4 / 3 * np.pi * 8**3 / 1000
    assert volumes["core"] == pytest.approx(core, rel=0.06)  # the wire lies in it, a little
    assert sum(volumes.values()) == pytest.approx(ball, rel=0.01)
    assert volumes["left_half"] == pytest.approx(volumes["right_half"], rel=0.02)
    assert moved.landmarks["top"] == pytest.approx((6.0, 0.0, 10.0))
    assert moved.scan_range_mm == {"all": (-14.0, 14.0)}
    whole = with_lesions(rasterize(moved, grid), moved, lesions)[0]
    where = grid.world_mm(np.argwhere(whole.labels == 20021))
    assert where.mean(axis=0) == pytest.approx((12.0, 5.0, 5.0), abs=0.3)
    assert np.ptp(where, axis=0) == pytest.approx((16.0, 8.0, 4.0), abs=1.7)
    # Twice as long, half as far from the middle.
    assert moved.vessels["wire"].lengths_mm.sum() == pytest.approx(48.0, rel=1e-6)
    assert moved.vessels["wire"].starts_mm[0] == pytest.approx((-24.0, 0.0, 4.0))


def test_a_cut_capsule_keeps_its_order_and_its_calibre():
    bent = Tubes(np.array([[0.0, 0, 0], [10.0, 0, 0]]), np.array([[10.0, 0, 0], [10.0, 10.0, 0]]), np.array([2.0, 1.0]),
                 np.array([1.0, 0.5]), np.array([-1, 0]))  # fmt: skip
    moved = moved_tubes(bent, Squeeze())
    assert moved.parents.tolist() == [-1, 0, 1, 2, 3, 4, 5, 6]
    assert np.allclose(moved.starts_mm[1:], moved.ends_mm[:-1])
    assert np.allclose(moved.start_radii_mm[:5], (2.0, 1.75, 1.5, 1.25, 1.0))


def test_an_unknown_posture_is_named(scene: Scene):
    with pytest.raises(RecipeError, match=r"posture of body 'ball' must be one of \['flat'\], got 'mlo'"):
        posed(scene, [], "mlo")
