"""Noise reduction: a Gaussian on noise alone, nothing at edges, and never dependent on how it is called."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from scipy.special import erf

from medsynth.acquire.ct.denoise import gaussian_taps, reduced
from medsynth.acquire.ct.kernel import KERNELS, noise_amplitude
from medsynth.core.errors import RecipeError

N = 256


def noise(kernel: str, pixel_mm: float, slices: int = 6) -> np.ndarray:
    """Noise of SD 10: white, or as filtered back-projection leaves it."""
    rng = np.random.default_rng(7)
    waves = np.fft.rfft2(rng.standard_normal((slices, N, N)))
    if kernel != "white":
        waves *= noise_amplitude(kernel, (N, N), pixel_mm, iterative=False)
    found = np.fft.irfft2(waves)
    return (10 * found / found.std()).astype(np.float32)


def transfer(before: np.ndarray, after: np.ndarray, cycles: np.ndarray) -> np.ndarray:
    """Cross-spectrum over spectrum in rings about these frequencies (cycles per pixel)."""
    f = np.hypot(np.fft.fftfreq(N)[:, None], np.fft.rfftfreq(N)[None])
    first, second = np.fft.rfft2(before), np.fft.rfft2(after)
    rings = [np.abs(f - c) < 0.015 for c in cycles]
    return np.array([(second[:, r] * first[:, r].conj()).sum().real / (np.abs(first[:, r]) ** 2).sum() for r in rings])


@pytest.mark.parametrize(("kernel", "pixel_mm"), [("white", 0.7), ("standard", 0.7), ("soft", 0.5), ("sharp", 0.5),
                                                  ("standard", 0.98)])  # fmt: skip
def test_noise_alone_is_blurred_as_by_a_gaussian_up_to_half_of_nyquist(kernel: str, pixel_mm: float):
    before = noise(kernel, pixel_mm)
    blur = KERNELS.get(kernel, KERNELS["standard"]).noise_blur_mm
    cycles = np.arange(0.03, 0.251, 0.02)
    after = reduced(before, np.full(len(before), 10.0), pixel_mm, blur)
    wanted = np.exp(-2 * (np.pi * blur / pixel_mm * cycles) ** 2)
    np.testing.assert_allclose(transfer(before, after, cycles), wanted, rtol=0.05)


def test_half_the_strength_is_half_of_the_change():
    before = noise("standard", 0.7)
    whole, half = (reduced(before, np.full(len(before), 10.0), 0.7, 0.54, strength) for strength in (1.0, 0.5))
    np.testing.assert_allclose(half, (before + whole) / 2, atol=1e-4)


def mtf50_per_pixel(image: np.ndarray, turn_deg: float) -> float:
    """Frequency at which the transfer of a straight edge through the image's middle falls to one half."""
    distance = across(turn_deg)
    edges = np.arange(-10.0, 10.01, 0.1)
    number = np.digitize(distance.ravel(), edges)
    counts = np.bincount(number, minlength=len(edges) + 1)[1:-1]
    profile = np.bincount(number, image.ravel(), len(edges) + 1)[1:-1] / counts
    line = np.diff(profile) * np.hanning(len(profile) - 1)
    spectrum = np.abs(np.fft.rfft(line, 16384))
    return float(np.fft.rfftfreq(16384, 0.1)[np.argmax(spectrum < 0.5 * spectrum[0])])


def across(turn_deg: float) -> np.ndarray:
    j, i = np.indices((N, N)) - (N - 1) / 2
    return i * np.cos(np.radians(turn_deg)) + j * np.sin(np.radians(turn_deg))


@pytest.mark.parametrize("turn_deg", [3.0, 20.0, 63.0])
@pytest.mark.parametrize(("pixel_mm", "edge_mm", "blur_mm"), [(0.7, 0.446, 0.54), (0.5, 0.535, 0.595), (0.4, 0.3, 0.3)])
def test_an_edge_ten_times_the_noise_keeps_its_sharpness(pixel_mm: float, edge_mm: float, blur_mm: float,
                                                         turn_deg: float):
    rng = np.random.default_rng(3)
    clean = 50 * erf(across(turn_deg) * pixel_mm / np.sqrt(2) / edge_mm)
    noisy = (clean + 10 * rng.standard_normal((24, N, N))).astype(np.float32)
    after = reduced(noisy, np.full(24, 10.0), pixel_mm, blur_mm)
    before = mtf50_per_pixel(noisy.mean(0), turn_deg)
    assert mtf50_per_pixel(after.mean(0), turn_deg) == pytest.approx(before, rel=0.05)
    far = np.abs(across(turn_deg)) > 12
    assert (after - clean)[:, far].std() < 0.75 * (noisy - clean)[:, far].std()
    assert (after - clean).std() < (noisy - clean).std()


def test_a_constant_image_and_an_edge_without_noise_do_not_change():
    flat = np.full((2, 40, 51), 1234.5, np.float32)
    assert np.array_equal(reduced(flat, np.full(2, 10.0), 0.7, 0.54), flat)
    step = np.where(np.arange(64) < 32, -1000.0, 50.0).astype(np.float32) + np.zeros((1, 64, 1), np.float32)
    np.testing.assert_allclose(reduced(step, np.full(1, 5.0), 0.7, 0.54), step, atol=1e-3)


def test_nothing_is_changed_without_blur_and_the_input_never_is():
    before = noise("white", 0.7, 1)
    kept = before.copy()
    assert np.array_equal(reduced(before, np.full(1, 10.0), 0.7, 0.0), before)
    assert not np.array_equal(reduced(before, np.full(1, 10.0), 0.7, 0.5), before)
    assert np.array_equal(before, kept)


def test_slices_are_independent_of_their_run_and_of_threads_and_a_map_of_noise_does_as_numbers_do():
    before = noise("standard", 0.7, 4) + np.where(across(10.0) > 0, 80, 0).astype(np.float32)
    level = np.array([5.0, 10.0, 15.0, 20.0])
    whole = reduced(before, level, 0.7, 0.54)
    parts = [reduced(before[k:k + 1], level[k:k + 1], 0.7, 0.54) for k in range(4)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(reduced(before, np.broadcast_to(level[:, None, None], before.shape), 0.7, 0.54), whole)
    threads = numba.get_num_threads()
    try:
        for count in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(count)
            assert np.array_equal(reduced(before, level, 0.7, 0.54), whole)
    finally:
        numba.set_num_threads(threads)


@pytest.mark.parametrize("sigma", [0.2, 0.4, 0.5, 0.64, 0.66, 0.8, 2.0])
def test_weights_sum_to_one_and_have_the_transfer_of_their_gaussian(sigma: float):
    taps = gaussian_taps(sigma)
    assert taps.sum() == pytest.approx(1, abs=1e-6)
    n = np.arange(len(taps)) - len(taps) // 2
    for cycles in (0.1, 0.2, 0.25):
        got = float((taps * np.cos(2 * np.pi * cycles * n)).sum())
        assert got == pytest.approx(np.exp(-2 * (np.pi * sigma * cycles) ** 2), rel=0.04, abs=0.003)


@pytest.mark.parametrize(("options", "message"), [
    ({"pixel_mm": 0.0}, "pixel_mm must be > 0"), ({"blur_mm": -1.0}, "blur_mm must be >= 0"),
    ({"strength": 1.5}, r"strength must be in 0\.\.1"), ({"noise_sd_hu": np.ones(3)}, "noise_sd_hu must be"),
    ({"noise_sd_hu": np.array([np.nan, 1.0])}, "noise_sd_hu must be")])  # fmt: skip
def test_numbers_out_of_range_are_refused(options: dict, message: str):
    given = {"image_hu": np.zeros((2, 8, 8), np.float32), "noise_sd_hu": np.ones(2), "pixel_mm": 0.7, "blur_mm": 0.5}
    with pytest.raises(RecipeError, match=message):
        reduced(**{**given, **options})
