"""The water correction: what it leaves, per channel."""

import numpy as np
import pytest

from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.physics import detector
from medsynth.acquire.ct.physics.calibration import water_correction
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import beam
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue


def lines_of_water(preset, kvp, lengths_cm, monoenergetic=False):
    """Noise-free line integrals (bins, length, channel) of these lengths of water."""
    tube = beam(preset, kvp, monoenergetic=monoenergetic)
    answer = detector.response(preset, tube.energies_keV)
    paths = np.repeat(np.asarray(lengths_cm, np.float32)[:, None, None], preset.channels, axis=1)
    mean, _ = detector.expected(paths, linear_attenuation(tissue("water"), tube.energies_keV)[None], tube, answer, 1.0,
                                1.0)
    air = detector.air_signal(preset, tube, answer, 1.0, blur=False)
    return detector.line_integrals(mean, air, np.ones(len(lengths_cm)), low=1e-30)


@pytest.mark.parametrize(("name", "kvp"), [("generic-64", 70), ("generic-64", 80), ("generic-64", 120),
                                           ("generic-64", 150), ("wide-96", 100), ("photon-counting", 120),
                                           ("parallel", 140)])
def test_water_of_any_length_is_corrected_in_every_channel_to_a_thousandth(name, kvp):
    preset = scanner(name)
    correct = water_correction(preset, kvp)
    assert correct.water_per_cm == ct_beam(kvp).water_per_cm
    lengths_cm = np.array([0.5, 1, 2, 5, 10, 20, 30, 40, 45, 52, 60])
    left = correct(lines_of_water(preset, kvp, lengths_cm)) / (correct.water_per_cm * lengths_cm[:, None]) - 1
    assert np.abs(left).max() < 2e-4


def test_uncorrected_water_is_far_off_and_differs_between_middle_and_edge():
    preset = scanner("generic-64")
    lines = lines_of_water(preset, 120, [1.0, 30.0])[0]
    per_cm = lines / np.array([[1.0], [30.0]])
    assert per_cm[0, 450] / per_cm[1, 450] > 1.05  # beam hardening
    assert per_cm[0, 450] / per_cm[0, 0] > 1.02  # the bowtie hardened the edge


def test_a_monoenergetic_beam_needs_no_correction():
    preset = scanner("generic-64")
    lines = lines_of_water(preset, 120, [1.0, 10.0, 40.0], monoenergetic=True)
    correct = water_correction(preset, 120, monoenergetic=True)
    np.testing.assert_allclose(correct(lines), lines, rtol=2e-4)


def test_beyond_the_longest_length_the_correction_goes_on_straight():
    preset = scanner("generic-64")
    correct = water_correction(preset, 120)
    last = float(correct.last[0, 450])
    values = np.full((1, 61, 900), 0.0, np.float32)
    values += (last + np.linspace(-0.3, 8, 61))[None, :, None].astype(np.float32)
    out = correct(values)[0, :, 450].astype(float)
    slope = np.diff(out) / np.diff(values[0, :, 450])
    assert (slope > 1).all()
    assert slope.max() / slope.min() < 1.03
    assert slope[-30:].std() < 1e-3


def test_noise_about_zero_stays_about_zero():
    correct = water_correction(scanner("generic-64"), 120)
    noise = np.random.default_rng(1).normal(0, 0.02, (1, 50, 900)).astype(np.float32)
    noise -= noise.mean()
    after = correct(noise)
    assert np.abs(after.mean()) < 1e-4
    assert after.std() / noise.std() == pytest.approx(ct_beam(120).water_per_cm / 0.21, rel=0.1)


def test_the_correction_is_made_once_and_checks_its_input():
    preset = scanner("generic-64")
    correct = water_correction(preset, 120)
    assert correct is water_correction(scanner("generic-64"), 120.0)
    with pytest.raises(ValueError, match="line_integrals must be"):
        correct(np.zeros((4, 900), np.float32))
    with pytest.raises(ValueError, match="line_integrals must be"):
        correct(np.zeros((1, 4, 899), np.float32))
