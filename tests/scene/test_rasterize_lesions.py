"""Lesions enter a copy and stay in their box; textures belong to the body, not to the voxels."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.grid import Grid, as_direction
from medsynth.scene.phantom import TEXTURE_UNIT, Phantom
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import RoundBox, Sphere, rotation

OBLIQUE = as_direction(np.asarray(rotation(20, -30, 40))[:, ::-1])
ARRAYS = ("labels", "neighbour", "fraction", "texture")


def body(texture: Texture, *, texture_seed: int = 5, half_mm: float = 40.0) -> Scene:
    part = Structure("block", 1, "muscle", Code("1", "x"), texture=texture)
    other = Structure("other", 2, "muscle", Code("1", "x"), texture=texture)
    box = Paint(RoundBox((0, 0, 0), (half_mm,) * 3), (Layer(1),))
    return Scene(
        "test",
        "nowhere",
        Subject("male", 50, 175, 78),
        (part, other),
        (box,),
        {},
        {},
        {},
        ((-9, -9, -9), (9, 9, 9)),
        {},
        texture_seed,
    )


def lesion(centre, radius_mm: float, *, number: int = 1, over=()) -> Lesion:
    part = Structure(f"lesion_{number}", 60000 + number, "muscle", Code("2", "y"), texture=Texture(((4.0, 0.1),)))
    paint = Paint(Sphere(centre, radius_mm), (Layer(60000 + number),), over=over)
    return Lesion(number, "nodule", Code("2", "y"), (part,), (paint,), "block", {}, {})


def relative(phantom: Phantom) -> np.ndarray:
    return phantom.texture * TEXTURE_UNIT


FINE = Grid.centred((40, 41, 42), (1.0, 1.0, 1.0))
SPOTTY = Texture(octaves=((6.0, 0.05), (17.0, 0.03)))


def test_lesions_touch_nothing_outside_their_box_and_never_the_input():
    scene = body(SPOTTY, half_mm=15.0)
    healthy = rasterize(scene, FINE)
    kept = {name: getattr(healthy, name).copy() for name in ARRAYS}
    one = lesion((3.0, -4.0, 5.0), 5.0)
    ill = with_lesions(healthy, scene, [one])[0]
    low, high = (np.asarray(b) for b in one.paints[0].shape.bounds_mm())
    points = FINE.points_mm()
    outside = np.any((points < low - 1) | (points > high + 1), axis=-1)
    for name in ARRAYS:
        assert np.array_equal(getattr(healthy, name), kept[name]), name
        assert np.array_equal(getattr(ill, name)[outside], kept[name][outside]), name
    volume = ill.volumes_ml()
    assert volume["lesion_1"] == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.005)
    assert volume["block"] + volume["lesion_1"] == pytest.approx(healthy.volumes_ml()["block"], rel=1e-3)
    assert {s.name for s in ill.structures} == {"block", "other", "lesion_1"}


def test_no_lesions_give_an_equal_copy():
    scene = body(SPOTTY, half_mm=15.0)
    healthy = rasterize(scene, FINE)
    same = with_lesions(healthy, scene, [])[0]
    for name in ARRAYS:
        assert np.array_equal(getattr(same, name), getattr(healthy, name))
        assert not np.shares_memory(getattr(same, name), getattr(healthy, name))


def test_lesions_added_together_are_those_added_one_by_one():
    scene = body(SPOTTY, half_mm=15.0)
    healthy = rasterize(scene, FINE)
    a, b = lesion((-8.0, 0, 0), 4.0), lesion((8.0, 0, 0), 5.0, number=2)
    both = with_lesions(healthy, scene, [a, b])[0]
    in_turn = with_lesions(with_lesions(healthy, scene, [a])[0], scene, [b])[0]
    for name in ARRAYS:
        assert np.array_equal(getattr(both, name), getattr(in_turn, name)), name


def test_a_lesion_stays_in_the_labels_it_may_cover():
    scene = body(SPOTTY, half_mm=15.0)
    healthy = rasterize(scene, FINE)
    ill = with_lesions(healthy, scene, [lesion((15.0, 0, 0), 6.0, over=(1,))])[0]
    assert ill.volumes_ml()["lesion_1"] == pytest.approx(0.5 * 4 / 3 * np.pi * 0.216, rel=0.03)
    assert not ill.occupancy(60001)[healthy.occupancy(1) == 0].any()


def test_the_texture_of_a_lesion_does_not_keep_that_of_its_host():
    plain = Structure("lesion_1", 60001, "muscle", Code("2", "y"))
    ball = Lesion(
        1, "nodule", Code("2", "y"), (plain,), (Paint(Sphere((0, 0, 0), 8.0), (Layer(60001),)),), "block", {}, {}
    )
    ill = with_lesions(rasterize(body(SPOTTY), FINE), body(SPOTTY), [ball])[0]
    assert not ill.texture[ill.labels == 60001].any()


def test_the_same_place_has_the_same_texture_on_every_grid():
    """Voxel centres of the coarse grid are every second one of the fine grid; an oblique grid shares single points."""
    texture = Texture(
        octaves=((5.0, 0.05), (20.0, 0.04)), ridges=((9.0, 0.2, 0.1),), gradient_per_mm=(1e-3, -2e-3, 5e-4)
    )
    fine = rasterize(body(texture), Grid((31, 33, 35), (0.7, 0.8, 0.9), (-14.0, -13.0, -11.0)))
    coarse = rasterize(body(texture), Grid((16, 17, 18), (1.4, 1.6, 1.8), (-14.0, -13.0, -11.0)))
    assert np.abs(fine.texture[::2, ::2, ::2].astype(int) - coarse.texture).max() <= 3
    turned = rasterize(body(texture), Grid((5, 6, 7), (0.9, 1.1, 1.3), tuple(fine.grid.world_mm((8, 9, 10))), OBLIQUE))
    assert abs(int(turned.texture[0, 0, 0]) - int(fine.texture[8, 9, 10])) <= 3


def test_texture_has_no_mean_and_the_spread_asked_for():
    texture = rasterize(
        body(Texture(octaves=((3.0, 0.04),)), half_mm=45.0), Grid.centred((80, 80, 80), (1.0, 1.0, 1.0))
    )
    values = relative(texture)
    assert abs(values.mean()) < 0.0008
    assert values.std() == pytest.approx(0.04, rel=0.06)


def test_octaves_add_as_independent_fields():
    grid = Grid.centred((80, 80, 80), (1.0, 1.0, 1.0))
    both = relative(rasterize(body(Texture(octaves=((3.0, 0.04), (4.0, 0.03))), half_mm=45.0), grid))
    assert both.std() == pytest.approx(0.05, rel=0.06)


def test_neighbouring_maxima_of_texture_lie_a_wavelength_apart():
    """Correlation falls to a tenth or less within half the wavelength, and is high within a tenth of it."""
    values = relative(
        rasterize(body(Texture(octaves=((10.0, 0.05),)), half_mm=45.0), Grid.centred((80, 80, 80), (1.0, 1.0, 1.0)))
    )
    near, far = (np.corrcoef(values[..., :-n].ravel(), values[..., n:].ravel())[0, 1] for n in (1, 8))
    assert near > 0.9
    assert abs(far) < 0.25


def test_gradients_are_linear_about_the_origin():
    gradient = (2e-3, -1e-3, 5e-4)
    phantom = rasterize(body(Texture(gradient_per_mm=gradient)), FINE)
    assert relative(phantom) == pytest.approx(phantom.grid.points_mm() @ np.asarray(gradient), abs=1.1 * TEXTURE_UNIT)


def test_ridges_are_thin_sheets_of_the_amplitude_asked_for():
    values = relative(rasterize(body(Texture(ridges=((12.0, 0.1, 0.2),))), Grid.centred((60, 60, 60), (0.5, 0.5, 0.5))))
    assert 0.15 < values.max() <= 0.2 + TEXTURE_UNIT
    assert values.min() >= 0
    # A normal deviate z has mean exp(-(z / w)^2) = w / sqrt(2 + w^2).
    assert values.mean() == pytest.approx(0.2 * 0.1 / np.sqrt(2.01), rel=0.25)


def test_two_structures_and_two_seeds_have_textures_of_their_own():
    one = relative(rasterize(body(SPOTTY), FINE))
    again = relative(rasterize(body(SPOTTY), FINE))
    other = relative(rasterize(body(SPOTTY, texture_seed=6), FINE))
    assert np.array_equal(one, again)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.2


def test_texture_stays_above_vacuum():
    wild = rasterize(body(Texture(octaves=((5.0, 3.0),))), FINE)
    assert wild.texture.min() >= -10000
    assert wild.texture.max() <= 30000
