"""Lesions that push and change the anatomy: what moves, what stays, and what the labels then say."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.grid import Grid
from medsynth.scene.extent import lesion_reach_mm
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Structure, Texture
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import RoundBox, Sphere
from medsynth.shapes.tubes import Tubes
from medsynth.shapes.warp import RadialWarp

CODE = Code("91723000", "Anatomical structure")
GRID = Grid.centred((60, 61, 62), (1.0, 1.0, 1.0))
ARRAYS = ("labels", "neighbour", "fraction", "texture")
CENTRE, RADIUS, PUSH = (-4.0, 0.0, 0.0), 21.0, 5.0


@pytest.fixture(scope="module")
def scene() -> Scene:
    spots = Texture(octaves=((6.0, 0.05),))
    parts = (Structure("block", 1, "muscle", CODE, texture=spots), Structure("ball", 2, "muscle", CODE, texture=spots),
             Structure("wire", 3, "blood", CODE), Structure("duct", 4, "water", CODE))
    line = np.array([[-4.0, -25.0, 7.0], [-4.0, 25.0, 7.0]])
    wire = Tubes(line[:1], line[1:], np.array([1.5]), np.array([1.5]), np.array([-1]))
    paints = (Paint(RoundBox((0, 0, 0), (28.0,) * 3), (Layer(1),)), Paint(Sphere((8.0, 0, 0), 5.0), (Layer(2),)),
              Paint(wire, (Layer(3),)))
    return Scene("block", "its middle", Subject("male", 50.0, 175.0, 78.0), parts, paints, {}, {"wire": wire}, {},
                 ((-29.0,) * 3, (29.0,) * 3), {})


def mass(number: int = 1, centre=CENTRE, *, push: bool = True, changes=()) -> Lesion:
    label = 20000 + 20 * number + 1
    warp = RadialWarp(centre, RADIUS, PUSH)
    box = tuple(c - RADIUS for c in centre), tuple(c + RADIUS for c in centre)
    return Lesion(number, "mass", CODE, (Structure(f"lesion_{number}", label, "muscle", CODE),),
                  (Paint(Sphere(centre, 4.0), (Layer(label),)),), "block", {}, {},
                  pushes=(Push(warp, box),) if push else (), changes=changes)


def middle(phantom, label) -> np.ndarray:
    share = phantom.occupancy(label)
    at = np.nonzero(share)
    return phantom.grid.world_mm(np.average(np.stack(at, axis=-1), axis=0, weights=share[at]))


def test_what_lies_beside_a_mass_moves_as_its_warp_says(scene):
    healthy = rasterize(scene, GRID)
    ill, anatomy = with_lesions(healthy, scene, [mass()])
    # The ball's volume and middle follow from the map alone: asked at points spread through the ball.
    axis = np.linspace(-5, 5, 41)
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    points = points[np.linalg.norm(points, axis=1) < 5] + (8.0, 0, 0)
    warp = RadialWarp(CENTRE, RADIUS, PUSH)
    moved = points + warp.displacement_mm(points)
    arm = np.linalg.norm(points - CENTRE, axis=1)
    h = 1e-4  # the map is radial: its volume ratio is r'^2 dr' / (r^2 dr)
    far = np.linalg.norm(warp.displacement_mm((points - CENTRE) * (1 + h) + CENTRE) + (points - CENTRE) * (1 + h),
                         axis=1)
    near = np.linalg.norm(moved - CENTRE, axis=1)
    ratio = (near / arm) ** 2 * (far - near) / (arm * h)
    assert middle(anatomy, 2) == pytest.approx(np.average(moved, axis=0, weights=ratio), abs=0.15)
    assert anatomy.volumes_ml()["ball"] == pytest.approx(healthy.volumes_ml()["ball"] * ratio.mean(), rel=0.03)
    # The wire passes 7 mm above the mass: its middle is carried up by the largest push.
    at = np.abs(GRID.points_mm()[..., 1]) < 2
    lifted = GRID.points_mm()[..., 2][at & (anatomy.occupancy(3) > 0.5)]
    assert lifted.mean() == pytest.approx(7.0 + PUSH, abs=0.4)
    assert ill.volumes_ml()["lesion_1"] == pytest.approx(4 / 3 * np.pi * 0.064, rel=0.01)


def test_nothing_moves_beyond_the_reach_of_the_push_and_the_input_stays(scene):
    healthy = rasterize(scene, GRID)
    kept = {name: getattr(healthy, name).copy() for name in ARRAYS}
    one = mass()
    ill, anatomy = with_lesions(healthy, scene, [one])
    low, high = np.asarray(lesion_reach_mm(one))
    assert np.allclose(high - low, 2 * RADIUS)
    away = np.linalg.norm(GRID.points_mm() - CENTRE, axis=-1) > RADIUS + 3
    for name in ARRAYS:
        assert np.array_equal(getattr(healthy, name), kept[name]), name
        assert np.array_equal(getattr(ill, name)[away], kept[name][away]), name
    assert not any(s.name == "lesion_1" for s in anatomy.structures)
    assert not (anatomy.labels >= 20000).any()


def test_a_lesion_beside_a_mass_is_carried_by_its_push_but_not_by_its_own(scene):
    healthy = rasterize(scene, GRID)
    other = mass(2, (8.0, 0.0, 0.0), push=False)
    ill, _ = with_lesions(healthy, scene, [mass(), other])
    assert middle(ill, 20021) == pytest.approx(CENTRE, abs=0.1)
    moved = np.array([8.0, 0, 0]) + RadialWarp(CENTRE, RADIUS, PUSH).displacement_mm(np.array([[8.0, 0, 0]]))[0]
    assert middle(ill, 20041) == pytest.approx(moved, abs=0.8)


def test_changes_belong_to_the_anatomy_and_lie_under_the_lesion(scene):
    healthy = rasterize(scene, GRID)
    duct = Paint(Sphere((8.0, 10.0, 0.0), 4.0), (Layer(4),))
    ill, anatomy = with_lesions(healthy, scene, [mass(push=False, changes=(duct,))])
    assert healthy.volumes_ml()["duct"] == 0
    for phantom in (ill, anatomy):
        assert phantom.volumes_ml()["duct"] == pytest.approx(4 / 3 * np.pi * 0.064, rel=0.01)
    plain, same = with_lesions(healthy, scene, [mass(push=False)])
    assert same is healthy
    assert plain.volumes_ml()["duct"] == 0
