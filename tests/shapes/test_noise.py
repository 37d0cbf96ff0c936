"""Coherent noise: its moments, smoothness, scale, and that lattices and points agree."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import GeometryError
from medsynth.shapes.noise import STEPS_PER_WAVELENGTH, TILE, CoherentNoise

PERIODS = TILE / STEPS_PER_WAVELENGTH  # wavelengths before the noise repeats
AXIS = np.linspace(0.0, PERIODS * 10.0, 131)[:-1] + 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_has_zero_mean_and_unit_variance(seed):
    values = CoherentNoise(seed, 10.0).on_axes(AXIS, AXIS, AXIS)
    assert abs(values.mean()) < 0.03
    assert values.std() == pytest.approx(1.0, abs=0.03)


def test_it_is_nearly_normal():
    values = CoherentNoise(4, 10.0).on_axes(AXIS, AXIS, AXIS)
    assert np.mean(np.abs(values) < 1) == pytest.approx(0.683, abs=0.02)
    assert np.mean(np.abs(values) < 2) == pytest.approx(0.954, abs=0.01)


def test_lattices_and_points_give_the_same_values():
    z, y, x = np.linspace(-40, 37, 9), np.linspace(-3, 90, 8), np.array([-100.0, 0.0, 0.1, 55.5])
    noise = CoherentNoise(7, 6.5)
    points = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
    assert noise.on_axes(z, y, x) == pytest.approx(noise.at(points), abs=2e-5)
    assert noise.at(points.astype(np.float32)) == pytest.approx(noise.at(points), abs=1e-4)


def test_value_slope_and_curvature_have_no_jump():
    """A cubic B-spline is twice continuously differentiable: third differences shrink with the cube of the step."""
    noise = CoherentNoise(3, 9.0)

    def third(step: float) -> float:
        t = np.arange(-10.0, 10.0, step)
        line = noise.at(np.stack([t, 0.3 * t + 1, 0.1 * t], axis=-1)).astype(float)
        return float(np.abs(np.diff(line, 3)).max())

    assert third(0.1) < 1.2 * third(0.2) / 8
    line = noise.at(np.stack([np.arange(-20, 20, 1e-2)] * 3, axis=-1))
    assert np.abs(np.diff(line)).max() < 0.05


def test_two_seeds_are_independent():
    one, other = (CoherentNoise(seed, 10.0).on_axes(AXIS, AXIS, AXIS).ravel() for seed in (1, 2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02


def test_wavelength_scales_the_place():
    points = np.random.Generator(np.random.PCG64(1)).uniform(-50, 50, (200, 3))
    assert CoherentNoise(5, 12.0).at(points) == pytest.approx(CoherentNoise(5, 4.0).at(points / 3), abs=1e-4)


def test_neighbouring_maxima_lie_about_a_wavelength_apart():
    line = CoherentNoise(6, 10.0).on_axes(np.arange(0, 200, 13.0), np.arange(0, 200, 13.0), np.arange(0, 210, 0.5))
    maxima = (line[..., 1:-1] > line[..., :-2]) & (line[..., 1:-1] > line[..., 2:])
    spacing = line[..., 1:-1].size * 0.5 / maxima.sum()
    assert 7.0 < spacing < 13.0


def test_it_is_the_same_in_all_directions_on_average():
    values = CoherentNoise(8, 10.0).on_axes(AXIS, AXIS, AXIS)
    slopes = [np.std(np.diff(values, axis=axis)) for axis in range(3)]
    assert max(slopes) / min(slopes) < 1.05


@pytest.mark.parametrize("wavelength", [0.0, -1.0, float("nan"), float("inf")])
def test_wavelengths_that_cannot_be_are_refused(wavelength):
    with pytest.raises(GeometryError, match="wavelength_mm must be"):
        CoherentNoise(1, wavelength)
