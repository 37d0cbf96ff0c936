"""Scatter: its size behind water, what a grid takes, what the correction leaves."""

import numpy as np
import pytest

from medsynth.acquire.ct.physics import detector, scatter
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import beam, fan_angles_rad
from medsynth.core.errors import RecipeError
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

NAMES = ("generic-64", "wide-96", "photon-counting")


def cylinder(preset, water_cm, views=60, mas=0.1):
    """Expected mean and square of a centred water cylinder, air signal, mAs and the chords in cm."""
    tube = beam(preset, 120)
    answer = detector.response(preset, tube.energies_keV)
    off_mm = preset.sid_mm * np.sin(fan_angles_rad(preset))
    chords_cm = 2 * np.sqrt(np.maximum((5 * water_cm) ** 2 - off_mm**2, 0)) / 10
    paths = np.broadcast_to(chords_cm[None, :, None], (views, preset.channels, 1)).astype(np.float32)
    mean, square = detector.expected(paths, linear_attenuation(tissue("water"), tube.energies_keV)[None], tube, answer,
                                     mas, 1.0)
    return mean, square, detector.air_signal(preset, tube, answer, 1.0), np.full(views, mas), chords_cm


def ratio(preset, water_cm, **how):
    """Scatter to primary behind the middle, all bins together."""
    mean, square, air, mas, _ = cylinder(preset, water_cm)
    more, _ = scatter.scattered(mean, square, air, mas, preset, **how)
    middle = preset.channels // 2
    return float(more[:, 30, middle].sum() / mean[:, 30, middle].sum())


@pytest.mark.parametrize("name", NAMES)
def test_scatter_behind_35_cm_of_water_is_15_percent_with_a_grid_and_about_125_without(name):
    assert ratio(scanner(name), 35.0, width_mm=40.0) == pytest.approx(0.15, abs=0.01)
    assert 1.0 < ratio(scanner(name), 35.0, grid=False, width_mm=40.0) < 1.5


def test_scatter_grows_with_the_body_and_with_the_width_of_the_beam():
    preset = scanner("generic-64")
    by_size = [ratio(preset, size) for size in (10, 16, 20, 25, 30, 35, 40, 45)]
    assert (np.diff(by_size) > 0).all()
    assert by_size[0] < 0.05
    by_width = [ratio(preset, 35.0, width_mm=width) for width in (1, 5, 10, 20, 40, 80, 160)]
    assert (np.diff(by_width) > 0).all()
    assert by_width[1] / by_width[0] == pytest.approx(5, rel=0.03)  # thin beams: in proportion
    assert by_width[-1] / by_width[-2] < 1.8  # wide ones saturate


def test_a_grid_takes_scatter_by_the_ratio_of_its_transmissions():
    preset = scanner("generic-64")
    expected = scatter.grid_ratio("lamellae")
    assert ratio(preset, 30.0) / ratio(preset, 30.0, grid="none") == pytest.approx(expected)
    assert expected == pytest.approx(0.12)
    with pytest.raises(RecipeError, match="grid must be one of"):
        scatter.grid_ratio("honeycomb")


@pytest.mark.parametrize("step_mm", [1.0, 10.3, 16.0])
def test_the_kernel_sums_to_one_and_is_symmetrical(step_mm):
    taps = scatter.kernel(step_mm, int(800 / step_mm))
    assert taps.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(taps, taps[::-1])


def test_the_scatter_of_a_narrow_object_is_what_its_kernel_spreads():
    # conservation: all scatter = amplitude x sum of P p, for an object whose scatter all falls on the detector
    preset = scanner("generic-64", bowtie="none", channels=2000)
    mean, square, air, mas, _ = cylinder(preset, 10.0, views=24)
    p = np.log(air[:, None, :] * mas[:, None] / mean)
    more, _ = scatter.scattered(mean, square, air, mas, preset)
    source = (mean * np.maximum(p, 0)).sum(dtype=float)
    amplitude = more.sum(dtype=float) / source
    single = scanner("generic-64", bowtie="none", channels=1800)
    mean, square, air, mas, _ = cylinder(single, 14.0, views=24)
    p = np.log(air[:, None, :] * mas[:, None] / mean)
    again = scatter.scattered(mean, square, air, mas, single)[0].sum(dtype=float)
    assert again / (mean * np.maximum(p, 0)).sum(dtype=float) == pytest.approx(amplitude, rel=0.02)


def test_there_is_no_scatter_without_an_object():
    preset = scanner("generic-64")
    mean, square, air, mas, _ = cylinder(preset, 0.0)
    more, _ = scatter.scattered(mean, square, air, mas, preset)
    assert np.abs(more / mean).max() < 1e-4


def test_scattered_photons_have_the_energies_of_primary_ones():
    preset = scanner("generic-64")
    mean, square, air, mas, _ = cylinder(preset, 30.0)
    more, more_square = scatter.scattered(mean, square, air, mas, preset)
    each = (more_square / more)[0, 30, 450]
    assert (square / mean)[0].min() < each < (square / mean)[0].max()
    both, both_square = scatter.added(mean, square, air, mas, preset)
    np.testing.assert_array_equal(both, mean + more)
    np.testing.assert_array_equal(both_square, square + more_square)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("grid", "water_cm"), [(True, 10.0), (True, 35.0), (True, 45.0), (True, 55.0),
                                                (False, 10.0), (False, 20.0), (False, 35.0), (False, 45.0)])
def test_the_correction_finds_the_primary_signal_again(name, grid, water_cm):
    preset = scanner(name)
    mean, square, air, mas, chords_cm = cylinder(preset, water_cm)
    both, _ = scatter.added(mean, square, air, mas, preset, grid=grid)
    left = scatter.corrected(both, air, mas, preset, grid=grid) / mean - 1
    body = chords_cm > 1
    assert np.abs(left[:, 10:50, body]).max() < (0.015 if grid else 0.03)


def test_an_estimate_from_noisy_readings_is_as_smooth_as_one_without_noise():
    preset = scanner("generic-64")
    mean, square, air, mas, _ = cylinder(preset, 35.0, views=200)
    both, both_square = scatter.added(mean, square, air, mas, preset)
    noisy = detector.readings(both, both_square, preset, quantum=True, electronic=True, height_mm=1.0,
                              rng=np.random.default_rng(1))
    still, found = (scatter.estimate(values, air, mas, preset) for values in (both, noisy))
    np.testing.assert_allclose(found[:, 10:-10, 50:-50], still[:, 10:-10, 50:-50], rtol=0.02)


def test_starved_and_negative_readings_give_a_finite_estimate():
    preset = scanner("generic-64")
    _, _, air, mas, _ = cylinder(preset, 20.0)
    rng = np.random.default_rng(2)
    readings = rng.normal(0, 200, (1, 60, 900)).astype(np.float32)
    for grid in (True, False):
        found = scatter.estimate(readings, air, mas, preset, grid=grid)
        assert np.isfinite(found).all()
        assert found.min() >= 0
