"""Filtered back-projection against closed forms: a water cylinder, its place, and the power spectrum of white noise."""

import numpy as np
import pytest

from medsynth.acquire.ct.physics.reconstruct import (
    back_projected,
    filtered,
    kernel_response,
    parallel_of,
    to_parallel,
)
from medsynth.acquire.ct.physics.scanner import scanner
from tests.acquire.ct.physics.closed_forms import mean_chord_mm

# Interpolating linearly between samples, averaged over the place between them, keeps this part of the variance that
# taking the nearest sample has: 12 (1/18 - 1/(6 pi^2)).
LINEAR = 12 * (1 / 18 - 1 / (6 * np.pi**2))
# A machine, and the HU by which pixels of air may err: without the quarter offset a sharp edge aliases.
MACHINES = {"fan": (scanner("generic-64", views=1968), 1.0),
            "fan without quarter offset": (scanner("generic-64", views=1968, offset_channels=0.0), 6.0),
            "fan with odd views": (scanner("generic-64", views=1161), 2.5),
            "parallel": (scanner("parallel", views=1200, channels=900, channel_mm=0.6), 1.0)}


def image_of(machine, lines, matrix, pixel_mm, centre_mm=(0.0, 0.0)):
    """Densities of an object, 1 for water, from its noise-free line integrals in cm of water."""
    rays = parallel_of(machine)
    projections = filtered(to_parallel(lines.astype(np.float32), machine), rays.step_mm,
                           kernel_response("soft", machine))
    return back_projected(projections[:, :, None], rays, matrix, pixel_mm, centre_mm)[:, :, 0].astype(float)


def places_mm(matrix, pixel_mm, centre_mm=(0.0, 0.0)):
    steps = (np.arange(matrix) - (matrix - 1) / 2) * pixel_mm
    return steps[None, :] + centre_mm[0], steps[:, None] + centre_mm[1]


@pytest.mark.parametrize("name", MACHINES)
def test_a_water_cylinder_reads_0_hu_and_the_air_around_it_minus_1000(name):
    (machine, bar_hu), matrix, pixel_mm = MACHINES[name], 200, 2.2
    one_view = mean_chord_mm(machine.model_copy(update={"views": 8}), (0.0, 0.0, 100.0, 100.0, 0.0))[:1] / 10
    hu = 1000 * (image_of(machine, np.repeat(one_view, machine.views, axis=0), matrix, pixel_mm) - 1)
    radius = np.hypot(*places_mm(matrix, pixel_mm))
    inside, air = radius < 95, (radius > 106) & (radius < 215)
    assert np.abs(hu[inside]).max() < 1
    assert abs(hu[inside].mean()) < 0.05
    assert np.abs(hu[air] + 1000).max() < bar_hu
    assert abs(hu[air].mean() + 1000) < 0.1


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("place_mm", [(70.0, -40.0), (-120.0, 15.0)])
def test_a_rod_is_reconstructed_where_it_stands(name, place_mm):
    matrix, pixel_mm = 81, 0.4
    machine = MACHINES[name][0].model_copy(update={"views": MACHINES[name][0].views // 4 * 2 + ("odd" in name)})
    centre_mm = (place_mm[0] + 1.3, place_mm[1] - 2.1)
    lines = mean_chord_mm(machine, (*place_mm, 5.0, 5.0, 0.0), order=3) / 10
    image = image_of(machine, lines, matrix, pixel_mm, centre_mm)
    x, y = places_mm(matrix, pixel_mm, centre_mm)
    part = image * (np.hypot(x - place_mm[0], y - place_mm[1]) < 9)
    assert (part * x).sum() / part.sum() == pytest.approx(place_mm[0], abs=0.02)
    assert (part * y).sum() / part.sum() == pytest.approx(place_mm[1], abs=0.02)
    assert part.sum() * pixel_mm**2 == pytest.approx(np.pi * 25, rel=0.01)


APODISED = {"bare": None, "hann": lambda f: np.cos(np.pi * f) ** 2 * (f < 0.5), "gauss": lambda f: np.exp(-8 * f**2)}
VIEWS, SIGMA, PIXEL_MM, MATRIX, LANES = 720, 0.01, 0.7, 192, 24


@pytest.fixture(scope="module", params=APODISED)
def noise(request):
    """Response and (j, i, lane) images in 1/mm of white noise in samples 1 mm apart."""
    machine, rng, response = scanner("parallel", channels=400), np.random.default_rng(2), APODISED[request.param]
    lines = SIGMA * rng.standard_normal((LANES, VIEWS, 400), dtype=np.float32)
    projections = np.stack([filtered(one, 1.0, response) for one in lines], axis=-1)
    images = [back_projected(np.ascontiguousarray(projections[..., first:first + 8]), parallel_of(machine), MATRIX,
                             PIXEL_MM) for first in range(0, LANES, 8)]
    return response, np.concatenate(images, axis=-1) / 10


def test_the_variance_of_filtered_noise_has_its_closed_form(noise):
    response, images = noise
    # of the samples' spectrum, which repeats beyond their Nyquist frequency, and the linear interpolation's
    f = np.linspace(0, 8, 80001)
    folded = np.abs(f - np.round(f))
    transfer = folded * (1 if response is None else response(folded)) * np.sinc(f) ** 2
    expected = 2 * np.pi**2 * SIGMA**2 / VIEWS * (transfer**2).sum() * f[1]
    if response is None:
        assert expected == pytest.approx((np.pi * SIGMA) ** 2 / (12 * VIEWS) * LINEAR, rel=1e-3)
    assert images.std() == pytest.approx(np.sqrt(expected), rel=0.03)


def test_the_noise_power_spectrum_follows_the_ramp_and_the_kernel(noise):
    response, images = noise
    taper = np.hanning(MATRIX)[:, None] * np.hanning(MATRIX)
    power = (np.abs(np.fft.fft2(images * taper[:, :, None], axes=(0, 1))) ** 2).mean(-1) * PIXEL_MM**2 / (
        taper**2).sum()
    f = np.hypot(*np.meshgrid(*[np.fft.fftfreq(MATRIX, PIXEL_MM)] * 2))
    shape = np.pi * SIGMA**2 / VIEWS * f * (1 if response is None else response(f)) ** 2 * np.sinc(f) ** 4
    ratios = []
    for low in np.arange(0.05, 0.35, 0.05):
        ring = (f >= low) & (f < low + 0.05)
        ratios.append(power[ring].mean() / shape[ring].mean())
    np.testing.assert_allclose(ratios, 1, atol=0.05)
    assert power[0, 0] < 0.1 * shape.max()  # as far as the taper tells it from its neighbours
