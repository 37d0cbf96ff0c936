"""CT noise: level, spectrum, place, direction and determinism."""

import itertools

import numba
import numpy as np
import pytest

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.kernel import KERNELS, relative_variance
from medsynth.acquire.ct.level import SECTORS, NoiseLevel, noise_level
from medsynth.acquire.ct.noise import noise_filter, noise_run
from medsynth.acquire.ct.paths import project
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.seed import Seed


def flat_level(slices):
    return NoiseLevel(np.ones((slices, SECTORS, 8, 8), np.float32), 16, np.ones(slices))


def unit_power(kernel, frequencies):
    """The kernel's noise power per mm^2 for unit variance."""
    f = np.linspace(0, 5, 20001)
    return KERNELS[kernel].noise_power(frequencies) / np.trapezoid(KERNELS[kernel].noise_power(f) * 2 * np.pi * f, f)


def radial_power(stack, pixel_mm, edges):
    """Ensemble noise power spectrum of square images, averaged over rings of frequency; per mm^2."""
    count = stack.shape[-1]
    power = (np.abs(np.fft.fft2(stack)) ** 2).mean(axis=0) * pixel_mm**2 / count**2
    f = np.hypot(np.fft.fftfreq(count, pixel_mm)[:, None], np.fft.fftfreq(count, pixel_mm)[None, :])
    rings = [(f >= low) & (f < high) for low, high in itertools.pairwise(edges)]
    return np.array([power[ring].mean() for ring in rings]), [f[ring] for ring in rings]


# pixels small enough that hardly anything is folded back at their Nyquist frequency
@pytest.mark.parametrize(("kernel", "pixel_mm"), [("soft", 0.6), ("standard", 0.6), ("sharp", 0.35)])
def test_noise_power_spectrum_matches_the_kernels_within_5_percent(kernel, pixel_mm):
    noise = noise_filter(CtProtocol(kernel=kernel), (128, 128), pixel_mm)
    stack = noise_run(flat_level(150), noise, (128, 128), 0, 150, seed=Seed(5))
    measured, rings = radial_power(stack, pixel_mm, np.linspace(0.04, 0.7 * 0.5 / pixel_mm, 10))
    wanted = np.array([unit_power(kernel, ring).mean() for ring in rings])
    np.testing.assert_allclose(measured, wanted, rtol=0.05)


def test_noise_of_a_water_cylinder_has_the_requested_spectrum_at_its_centre(make_ellipse):
    pixel_mm, size, slices = 0.8, 256, 40
    phantom = make_ellipse(slices, size, pixel_mm, (95, 95))
    image = image_phantom(phantom, phantom, CtProtocol(mas=50, slice_thickness_mm=3.0), seed=Seed(2)).image.array
    rois = [image[:, j:j + 64, i:i + 64] for j in (64, 128) for i in (64, 128)]
    stack = np.concatenate(rois).astype(float)
    window = np.sqrt(np.outer(np.hanning(64), np.hanning(64)))
    window /= np.sqrt((window**2).mean())
    edges = np.arange(0.06, 0.42, 0.07)  # to 0.65 of the Nyquist frequency: beyond it folded noise adds
    measured, rings = radial_power(stack * window, pixel_mm, edges)
    wanted = np.array([unit_power("standard", ring).mean() for ring in rings])
    ratio = measured / wanted
    assert np.abs(ratio / ratio[:4].mean() - 1)[wanted > 0.1 * wanted.max()].max() < 0.05 + 0.02
    assert ratio[:4].mean() == pytest.approx(stack.var(), rel=0.05)


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_noise_is_never_white_and_low_at_zero_frequency(kernel):
    f = np.linspace(0, 1.5, 301)
    power = KERNELS[kernel].noise_power(f)
    assert power[0] < 0.25 * power.max()
    assert power[-1] < 0.02 * power.max()


@pytest.mark.parametrize("shape", [(64, 64), (61, 90), (127, 33)])
@pytest.mark.parametrize("pixel_mm", [0.5, 0.98, 2.5])
def test_filtered_noise_has_unit_variance_at_every_pixel_size(shape, pixel_mm):
    noise = noise_filter(CtProtocol(), shape, pixel_mm)
    stack = noise_run(flat_level(60), noise, shape, 0, 60, seed=Seed(1))
    assert stack.std() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("size", [160, 161])
def test_noise_falls_with_the_square_root_of_mas_and_of_slice_thickness(make_ellipse, size):
    phantom = make_ellipse(6, size, 1.2, (90, 80))

    def deviation(seed, **settings):
        image = image_phantom(phantom, phantom, CtProtocol(**settings), seed=Seed(seed)).image.array
        return image[:, 50:110, 50:110].astype(float).std()

    full = deviation(1, mas=40, slice_thickness_mm=3)
    assert full / deviation(2, mas=160, slice_thickness_mm=3) == pytest.approx(2, rel=0.03)
    assert full / deviation(3, mas=10, slice_thickness_mm=3) == pytest.approx(0.5, rel=0.03)
    assert deviation(4, mas=40, slice_thickness_mm=1) / full == pytest.approx(np.sqrt(3), rel=0.03)


def test_measured_noise_has_the_level_that_was_computed(make_ellipse):
    phantom = make_ellipse(30, 192, 1.5, (120, 90))
    protocol = CtProtocol(mas=100, slice_thickness_mm=3.0)
    level = noise_level(phantom, protocol)
    noise = noise_filter(protocol, (192, 192), 1.5)
    measured = noise_run(level, noise, (192, 192), 0, 30, seed=Seed(9)).std(axis=0)
    computed = level.total_hu()[0]
    block = level.block
    coarse = np.sqrt((measured**2)[:computed.shape[0] * block, :computed.shape[1] * block]
                     .reshape(computed.shape[0], block, computed.shape[1], block).mean(axis=(1, 3)))
    assert np.abs(coarse / computed - 1).mean() < 0.08
    assert coarse.mean() == pytest.approx(computed.mean(), rel=0.02)


def test_a_wide_body_has_streaks_along_its_width(make_ellipse):
    phantom = make_ellipse(20, 256, 1.5, (180, 80))
    protocol = CtProtocol(mas=100, slice_thickness_mm=3.0)
    level = noise_level(phantom, protocol)
    image = noise_run(level, noise_filter(protocol, (256, 256), 1.5), (256, 256), 0, 20, seed=Seed(4))
    middle = image[:, 100:156, 80:176]
    across = (middle[:, :, :-1] * middle[:, :, 1:]).mean()
    down = (middle[:, :-1] * middle[:, 1:]).mean()
    assert across > down + 0.2 * middle.var()


def test_a_round_body_has_no_preferred_direction(make_ellipse):
    level = noise_level(make_ellipse(1, 256, 1.5, (120, 120)), CtProtocol())
    centre = level.sigma_hu[0, :, level.sigma_hu.shape[2] // 2, level.sigma_hu.shape[3] // 2]
    assert centre.max() / centre.min() < 1.04


@pytest.mark.parametrize("shape", [(40, 40), (41, 36)])
def test_projections_of_a_disc_are_its_chords(shape):
    pixel, radius = 1.0, 12.0
    part = ((np.arange(8) + 0.5) / 8 - 0.5)
    y = ((np.arange(shape[0]) - (shape[0] - 1) / 2)[:, None] + part).ravel()
    x = ((np.arange(shape[1]) - (shape[1] - 1) / 2)[:, None] + part).ravel()
    disc = (np.hypot(x[None, :], y[:, None]) < radius).reshape(shape[0], 8, shape[1], 8).mean(axis=(1, 3))
    sinogram = project(disc[None].astype(np.float32))[0]
    s = (np.arange(sinogram.shape[1]) - (sinogram.shape[1] - 1) / 2) * pixel
    chords = 2 * np.sqrt(np.clip(radius**2 - s**2, 0, None))
    smooth = np.convolve(sinogram.mean(axis=0), [1.0], mode="same")
    inner = np.abs(s) < 10
    np.testing.assert_allclose(smooth[inner], chords[inner], rtol=0.04)
    np.testing.assert_allclose(sinogram.sum(axis=1), disc.sum(), rtol=1e-4)


def test_thick_overlapping_slices_share_noise_with_their_neighbours(make_ellipse):
    phantom = make_ellipse(24, 128, 1.5, (80, 80), step_mm=1.0)

    def neighbours(thickness_mm):
        protocol = CtProtocol(slice_thickness_mm=thickness_mm, increment_mm=1.0)
        noise = image_phantom(phantom, phantom, protocol, seed=Seed(1)).image.array[:, 40:88, 40:88].astype(float)
        return (noise[1:] * noise[:-1]).mean() / noise.var()

    assert neighbours(1.0) == pytest.approx(0, abs=0.03)
    assert neighbours(3.0) == pytest.approx(2 / 3, abs=0.03)


def test_the_tube_current_follows_the_body_and_keeps_its_mean(make_phantom):
    share = np.zeros((40, 96, 96))
    x = np.arange(96) - 47.5
    for k in range(40):
        share[k] = np.hypot(x[None, :] / (20 if k < 20 else 38), x[:, None] / 25) < 1
    level = noise_level(make_phantom(share, (5.0, 5.0, 5.0)), CtProtocol())
    assert level.current.mean() == pytest.approx(1.0)
    assert level.current[-1] > 1.5 * level.current[0]
    assert level.current.max() / level.current.min() < 2.2 / 0.4 + 1e-6


def test_sharper_kernels_are_noisier():
    soft, standard, sharp = (relative_variance(name) for name in ("soft", "standard", "sharp"))
    assert soft < standard < sharp / 4
    assert standard < relative_variance("standard", iterative=False) == pytest.approx(1.0)


def test_noise_does_not_depend_on_threads_or_on_how_the_volume_is_cut(make_ellipse):
    phantom = make_ellipse(5, 97, 2.0, (80, 60))
    protocol = CtProtocol(slice_thickness_mm=3.0, increment_mm=1.5, kernel="sharp")
    noise = noise_filter(protocol, (97, 97), 2.0)
    threads = numba.get_num_threads()
    images = []
    try:
        for count in {1, numba.config.NUMBA_NUM_THREADS}:
            numba.set_num_threads(count)
            level = noise_level(phantom, protocol)
            images.append(noise_run(level, noise, (97, 97), 0, 5, seed=Seed(1)))
            images.append(np.concatenate([noise_run(level, noise, (97, 97), a, a + 1, seed=Seed(1)) for a in range(5)]))
    finally:
        numba.set_num_threads(threads)
    for image in images[1:]:
        np.testing.assert_array_equal(image, images[0])
