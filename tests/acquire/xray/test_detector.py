"""The detector's MTF and noise power against what is asked of it; values linear in exposure."""

import numpy as np
import pytest

from medsynth.acquire.xray.detector import (
    absorbed,
    detector,
    detectors,
    digital,
    electronic_kev,
    mtf,
    read_out,
    response,
    rqa5,
    signal_per_ugy,
    spread,
    spread_mtf,
)
from medsynth.core.errors import RecipeError


def flat(sensor, ugy, shape, pixel_mm):
    """Expected signal per pixel and variance over mean of a flat field."""
    mean, square = signal_per_ugy(sensor)
    signal = np.full(shape, mean * ugy * (pixel_mm / 10) ** 2, np.float32)
    return signal, np.full(shape, square / mean, np.float32)


def draws(shape, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape, dtype=np.float32) for _ in range(2)]


@pytest.mark.parametrize("name", ["csi", "cr", "selenium"])
def test_an_edge_measures_the_mtf_that_was_asked_for(name):
    sensor = detector(name)
    # A slanted edge, its pixels exact means of the area covered; projected along the edge it is oversampled.
    count, slope = 256, 1 / 16
    offset = np.arange(count)[None, :] - (count - 1) / 2 - slope * (np.arange(count)[:, None] - (count - 1) / 2)
    covered = np.clip(offset + 0.5, 0, 1).astype(np.float32)
    edge = spread(covered, sensor, sensor.pixel_mm)
    inner = slice(64, -64)
    bins = np.floor(16 * offset[inner]).astype(int)
    centre = np.abs(bins) < 16 * 50
    place = bins[centre] + 16 * 50 - 1
    sums = np.bincount(place, edge[inner][centre]) / np.bincount(place)
    line = np.diff(sums)
    f = np.fft.rfftfreq(len(line), sensor.pixel_mm / 16)
    measured = np.abs(np.fft.rfft(line)) / line.sum()
    for lp_per_mm, wanted in list(sensor.mtf.items())[:5]:
        assert np.interp(lp_per_mm, f, measured) == pytest.approx(wanted, rel=0.05)
        assert float(mtf(sensor, lp_per_mm)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", ["csi", "selenium"])
def test_noise_power_has_the_size_and_shape_of_counted_photons_blurred_by_the_sensor(name):
    sensor, pixel, ugy = detector(name), detector(name).pixel_mm, 5.0 if name == "csi" else 80.0
    mean, ratio = flat(sensor, ugy, (256, 256), pixel)
    total, window = 0, np.outer(np.hanning(256), np.hanning(256))  # else strong low frequencies leak to high ones
    for seed in range(4):
        quantum, electronic = draws(mean.shape, seed)
        image = read_out(mean, ratio, sensor, pixel, blur=True, quantum=quantum, electronic=electronic)
        total = total + np.abs(np.fft.rfft2(window * (image - image.mean()))) ** 2 / (4 * (window**2).sum())
    # Presampled: quantum noise x MTF^2 of sensor and aperture; sampling adds its aliases; electronic noise is white.
    y, x = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None, :]
    shape = sum((spread_mtf(sensor, np.hypot(y + m, x + n) / pixel) * np.sinc(y + m) * np.sinc(x + n)) ** 2
                for m in (-1, 0, 1) for n in (-1, 0, 1))
    wanted = float(mean[0, 0] * ratio[0, 0]) * shape + electronic_kev(sensor, pixel) ** 2
    radius = np.hypot(y, x)
    for low in np.arange(0.05, 0.45, 0.05):
        ring = (radius >= low) & (radius < low + 0.05)
        assert total[ring].mean() == pytest.approx(wanted[ring].mean(), rel=0.05)


def test_noise_falls_as_one_over_the_root_of_dose_until_electronics_take_over():
    sensor, pixel = detector("csi"), 0.15
    relative = []
    for ugy in (0.01, 10.0, 40.0, 160.0):
        mean, ratio = flat(sensor, ugy, (300, 300), pixel)
        quantum, electronic = draws(mean.shape)
        image = read_out(mean, ratio, sensor, pixel, blur=True, quantum=quantum, electronic=electronic)
        relative.append(image.std() / image.mean())
    assert relative[1] / relative[2] == pytest.approx(2, rel=0.05)
    assert relative[2] / relative[3] == pytest.approx(2, rel=0.05)
    assert relative[0] / relative[1] > 60  # quantum noise alone would give 32


def test_electronic_noise_equals_quantum_noise_at_the_named_dose():
    sensor = detector("csi")
    mean, ratio = flat(sensor, sensor.electronic_ugy, (1, 1), 0.15)
    assert electronic_kev(sensor, 0.15) ** 2 == pytest.approx(float(mean[0, 0] * ratio[0, 0]), rel=1e-4)


def test_photons_per_pixel_at_two_and_a_half_microgray():
    # 2.5 uGy of RQA5 is 2.5 x 29653 photons / mm2: 1668 in a pixel of 0.15 mm; the sensor counts most of them.
    sensor = detector("csi")
    mean, ratio = flat(sensor, 2.5, (1, 1), 0.15)
    quanta = float(mean[0, 0] / ratio[0, 0])
    share = float(rqa5().photons @ absorbed(sensor, rqa5().energies_keV) / rqa5().photons.sum())
    assert 0.6 < share < 0.85
    assert 0.6 * 1668 < quanta < 0.75 * 1668  # DQE(0) of such panels at RQA5


def test_values_are_linear_in_exposure_up_to_saturation():
    sensor, pixel = detector("csi"), 0.15
    doses = np.linspace(0.5, 50.0, 12)
    signal = flat(sensor, 1.0, (1, 1), pixel)[0] * doses.astype(np.float32)
    values = digital(signal, sensor, pixel)[0].astype(float)
    assert np.corrcoef(doses, values)[0, 1] ** 2 > 0.9999
    assert values[-1] == pytest.approx(50 / 60 * 16383, abs=1)
    assert digital(signal * 10, sensor, pixel).max() == sensor.top == 16383


@pytest.mark.parametrize("name", sorted(detectors()))
def test_presets_are_physical(name):
    sensor = detector(name)
    f = np.linspace(0, 10, 400)
    assert np.all(np.diff(mtf(sensor, f)) < 0)
    assert np.all(spread_mtf(sensor, f) <= 1)
    assert np.all(spread_mtf(sensor, f) >= mtf(sensor, f) - 1e-12)
    mean, square = response(sensor, [20.0, 60.0])
    assert np.all(square * absorbed(sensor, [20.0, 60.0]) >= mean**2)
    assert absorbed(sensor, 20.0) > absorbed(sensor, 30.0)


def test_an_unknown_detector_is_refused():
    with pytest.raises(RecipeError, match="detector must be one of"):
        detector("film")
