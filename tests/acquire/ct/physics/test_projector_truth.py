"""Forward projection against chord lengths of ellipses, averaged over each channel's width."""

import numpy as np
import pytest

from medsynth.acquire.ct.physics.projector import project
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.core.errors import RecipeError
from tests.acquire.ct.physics.closed_forms import coverage, mean_chord_mm

PARALLEL = scanner("parallel", channels=501, views=90)
FAN = scanner("generic-64", views=96, channels=450, channel_mm=2.0)
# x, y, semi-axes, tilt: centred, off-centre and tilted, small and far out.
ELLIPSES = [(0.0, 0.0, 150.0, 150.0, 0.0), (40.0, -25.0, 120.0, 70.0, 0.5), (-60.0, 80.0, 20.0, 35.0, 1.1)]


def projected(machine, ellipse, pixels, pixel_mm, corner_mm=None):
    corner_mm = (-pixels * pixel_mm / 2,) * 2 if corner_mm is None else corner_mm
    return project(coverage((pixels, pixels), pixel_mm, corner_mm, ellipse)[:, :, None], pixel_mm, corner_mm,
                   machine)[:, :, 0]


@pytest.mark.parametrize("ellipse", ELLIPSES)
@pytest.mark.parametrize("machine", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_chords_of_an_ellipse_come_nearer_with_every_halving_of_the_pixel(machine, ellipse):
    truth = mean_chord_mm(machine, ellipse) / 10
    errors = []
    for pixels, pixel_mm in ((101, 4.0), (202, 2.0), (401, 1.0)):
        paths = projected(machine, ellipse, pixels, pixel_mm)
        errors.append(np.sqrt(((paths - truth) ** 2).mean()))
        # parallel rays count all of the area; those of a fan weigh it by the distance from the source
        assert paths.sum() == pytest.approx(truth.sum(), rel=1e-3)
    assert errors[0] > 2.2 * errors[1] > 2.2 * 2.7 * errors[2]
    assert errors[2] < 0.006 * np.sqrt((truth**2).mean())


def test_inner_chords_are_exact_but_for_the_raster():
    for machine in (PARALLEL, FAN):
        truth = mean_chord_mm(machine, ELLIPSES[1]) / 10
        inner = truth > 0.5 * truth.max()
        paths = projected(machine, ELLIPSES[1], 401, 1.0)
        np.testing.assert_allclose(paths[inner], truth[inner], rtol=4e-3)
        np.testing.assert_allclose(paths[inner].mean(), truth[inner].mean(), rtol=1e-4)


def test_every_parallel_view_sees_the_whole_area():
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((37, 64, 3)).astype(np.float32)
    paths = project(maps, 3.0, (-90.0, -40.0), PARALLEL)
    np.testing.assert_allclose(paths.sum(1, dtype=float) * PARALLEL.pitch_mm / 10,
                               np.broadcast_to(maps.sum((0, 1), dtype=float) * 0.09, (90, 3)), atol=2e-3)


@pytest.mark.parametrize("machine", [PARALLEL, FAN], ids=["parallel", "fan"])
def test_projection_is_linear_lane_by_lane_and_moves_with_its_grid(machine):
    rng = np.random.default_rng(1)
    maps = np.zeros((60, 45, 2), np.float32)
    maps[10:40, 5:33] = rng.random((30, 28, 2))
    both = project(maps, 2.5, (-70.0, -30.0), machine)
    alone = project(np.ascontiguousarray(maps[:, :, :1]), 2.5, (-70.0, -30.0), machine)
    cut = project(np.ascontiguousarray(maps[10:40, 5:33]), 2.5, (-57.5, -5.0), machine)
    np.testing.assert_allclose(both[:, :, :1], alone, atol=1e-5)
    np.testing.assert_allclose(cut, both, atol=1e-4)
    np.testing.assert_allclose(project(maps @ np.array([[2.0], [-3.0]], np.float32), 2.5, (-70.0, -30.0), machine),
                               both @ np.array([[2.0], [-3.0]], np.float32), atol=1e-4)


def test_quarter_turns_of_a_fan_show_a_rod_where_it_stands():
    machine = scanner("generic-64", views=8, channels=301, channel_mm=2.0, offset_channels=0.0)
    shadow = projected(machine, (-60.0, 80.0, 4.0, 4.0, 0.0), 401, 1.0)[::2]
    # beta = 0 looks along +y with x to the right: the ellipse at x < 0 lies on channels of negative angle
    middle = (shadow * machine.centres()).sum(1) / shadow.sum(1)
    expected = [np.arctan2(x, 540 + y) for x, y in ((-60, 80), (80, 60), (60, -80), (-80, -60))]
    np.testing.assert_allclose(middle, expected, atol=2e-4)


def test_an_empty_slice_casts_no_shadow_and_a_source_within_the_object_is_refused():
    assert not project(np.zeros((8, 8, 2), np.float32), 1.0, (-4.0, -4.0), FAN).any()
    with pytest.raises(RecipeError, match="within the source's circle"):
        project(np.ones((8, 8, 1), np.float32), 100.0, (-400.0, -400.0), FAN)
