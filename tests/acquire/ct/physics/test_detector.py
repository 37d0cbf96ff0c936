"""The detector: expected signals against closed forms, noise against exact sums, blur, low signals."""

import numba
import numpy as np
import pytest

from medsynth.acquire.ct.physics import detector
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import Beam, beam
from medsynth.core.errors import RecipeError
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

GENERIC = scanner("generic-64")
COUNTING = scanner("photon-counting")
BASES = ("water", "cortical_bone", "iodine")


def behind_water(lengths_cm, preset=GENERIC, kvp=120.0, mas=1.0, height_mm=1.0, bowtie="none"):
    """Expected mean and square behind these lengths of water (one per view), the beam and the response."""
    tube = beam(preset, kvp, bowtie=bowtie)
    answer = detector.response(preset, tube.energies_keV)
    paths = np.repeat(np.asarray(lengths_cm, np.float32)[:, None, None], preset.channels, axis=1)
    mean, square = detector.expected(paths, linear_attenuation(tissue("water"), tube.energies_keV)[None], tube, answer,
                                     mas, height_mm)
    return mean, square, tube, answer


def test_water_at_60_keV_transmits_and_halves_as_tabulated():
    # 30 cm of water at 60 keV: 2.077e-3; half-value layer 33.664 mm (from the tabulated 0.2059 cm2/g).
    tube = Beam(120.0, np.array([60.0]), np.full((900, 1), 1e6))
    answer = detector.response(GENERIC, tube.energies_keV)
    paths = np.repeat(np.array([0, 30, 3.3664], np.float32)[:, None, None], 900, axis=1)
    mean, _ = detector.expected(paths, linear_attenuation(tissue("water"), tube.energies_keV)[None], tube, answer, 1.0,
                                1.0)
    np.testing.assert_allclose(mean[0, 1] / mean[0, 0], 2.077e-3, rtol=1e-3)  # 0.2059 is rounded
    np.testing.assert_allclose(mean[0, 2] / mean[0, 0], 0.5, rtol=3e-4)


def test_the_polychromatic_water_curve_is_that_of_independent_tables():
    # 120 kVp, 7 degrees, 6 mm Al, energy-integrating Gd2O2S (made with SpekPy and xraylib for a thick sensor; ours
    # has 1.4 mm, which raises it by 0.2 %).
    lengths_cm = [1, 5, 10, 20, 30, 40]
    published = np.array([0.2096, 1.0321, 2.0342, 3.9814, 5.8770, 7.7359])
    mean, _, tube, answer = behind_water(lengths_cm)
    lines = detector.line_integrals(mean, detector.air_signal(GENERIC, tube, answer, 1.0), np.ones(6), low=1e-20)
    np.testing.assert_allclose(lines[0, :, 450], published, rtol=0.005)
    assert (np.diff(lines[0, :, 450] / lengths_cm) < 0).all()
    thick = scanner("generic-64", scintillator_mm=3.0)
    mean, _, tube, answer = behind_water(lengths_cm, thick)
    lines = detector.line_integrals(mean, detector.air_signal(thick, tube, answer, 1.0), np.ones(6), low=1e-20)
    np.testing.assert_allclose(lines[0, :, 450], published, rtol=0.001)


@pytest.mark.parametrize("preset", [GENERIC, COUNTING], ids=["integrating", "counting"])
def test_expected_signals_are_the_sum_over_energies_to_1e_5_of_the_log(preset):
    rng = np.random.default_rng(1)
    tube = beam(preset, 120)
    answer = detector.response(preset, tube.energies_keV)
    linear = np.array([linear_attenuation(tissue(name), tube.energies_keV) for name in BASES])
    paths = (rng.uniform(0, 1, (20, preset.channels, 3)) * [50, 8, 0.02]).astype(np.float32)
    paths[:5, :, 1] *= -0.1  # fat is water less a little bone
    mas = rng.uniform(0.01, 0.5, 20)
    mean, square = detector.expected(paths, linear, tube, answer, mas, 0.625)
    passed = np.exp(-paths.astype(float) @ linear) * tube.photons * (0.625 * mas)[:, None, None]
    for got, factor in ((mean, answer.signal), (square, answer.square)):
        truth = np.moveaxis(passed @ factor.T, 2, 0)
        assert got.dtype == np.float32
        assert np.abs(np.log(got / truth)).max() < 1e-5


def test_expected_signals_do_not_depend_on_threads_and_vanish_behind_lead_without_trouble():
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        many = behind_water([10, 400, 5000, 1e6])[0]
        numba.set_num_threads(1)
        one = behind_water([10, 400, 5000, 1e6])[0]
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(many, one)
    assert np.isfinite(many).all()
    assert many[0, 2].max() < 1e-20


def test_paths_of_another_shape_than_the_beam_are_refused():
    tube = beam(GENERIC, 120)
    with pytest.raises(ValueError, match="must fit a beam"):
        detector.expected(np.zeros((2, 899, 1), np.float32), np.ones((1, len(tube.energies_keV))), tube,
                          detector.response(GENERIC, tube.energies_keV), 1.0, 1.0)


def test_an_integrating_detector_absorbs_what_its_thickness_stops():
    # Gd2O2S at 60 keV: 1.4 mm stop 98 %; the signal is keV and its square keV^2.
    answer = detector.response(GENERIC, [60.0])
    absorbed = 1 - np.exp(-0.14 * linear_attenuation(tissue("gadolinium_oxysulfide"), 60.0))
    assert answer.signal[0, 0] == pytest.approx(60 * absorbed)
    assert answer.square[0, 0] == pytest.approx(3600 * absorbed)


def test_the_bins_of_a_counting_detector_sum_to_all_counts_above_the_lowest_threshold():
    energies = np.arange(20.0, 150.0, 0.5)
    bins = detector.response(COUNTING, energies).signal
    low = scanner("photon-counting", thresholds_keV=(COUNTING.thresholds_keV[0],))
    np.testing.assert_allclose(bins.sum(axis=0), detector.response(low, energies).signal[0])
    assert (bins >= 0).all()
    assert bins.sum(axis=0).max() <= 1
    # a photon far above the upper threshold counts there, except where its charge is shared
    absorbed = -np.expm1(-0.16 * detector.sensor_per_cm("cadmium_telluride", energies))
    assert (bins[1] / absorbed)[energies == 120][0] > 0.85
    assert (bins[0] / absorbed)[energies == 45][0] > 0.8
    assert bins[1, energies == 45][0] < 1e-3


def test_the_sensor_of_the_counting_detector_has_the_K_edges_of_cadmium_and_tellurium():
    # jumps of the elements at their K edges, about 5.8 and 5.5 times, weighted by mass and diluted by the other element
    below, above = detector.sensor_per_cm("cadmium_telluride", [26.6, 26.8])
    assert above / below == pytest.approx(2.95, rel=0.05)
    below, above = detector.sensor_per_cm("cadmium_telluride", [31.7, 31.9])
    assert above / below == pytest.approx(1.85, rel=0.05)
    np.testing.assert_allclose(detector.sensor_per_cm("water", [60.0]), 0.2059, rtol=0.001)


def test_the_sensor_table_agrees_with_a_second_source():
    xraydb = pytest.importorskip("xraydb")
    for energy in (26.0, 30.0, 40.0, 60.0, 100.0, 140.0):
        parts = [xraydb.atomic_mass(symbol) * xraydb.mu_elam(symbol, 1000 * energy) for symbol in ("Cd", "Te")]
        per_g = sum(parts) / (xraydb.atomic_mass("Cd") + xraydb.atomic_mass("Te"))
        assert detector.sensor_per_cm("cadmium_telluride", [energy])[0] == pytest.approx(5.85 * per_g, rel=2e-3)


@pytest.mark.parametrize("water_cm", [0.0, 30.0])
def test_the_variance_of_a_reading_is_that_of_its_photons_and_electronics(water_cm):
    mas, height = 0.05, 0.625
    mean, square, tube, _ = behind_water([water_cm] * 60, mas=mas, height_mm=height)
    rng = np.random.default_rng(2)
    drawn = detector.readings(mean, square, GENERIC, quantum=True, electronic=True, height_mm=height, rng=rng)[0]
    passed = tube.photons[450] * mas * height * np.exp(-water_cm * linear_attenuation(tissue("water"),
                                                                                     tube.energies_keV))
    absorbed = passed * -np.expm1(-0.14 * linear_attenuation(tissue("gadolinium_oxysulfide"), tube.energies_keV))
    signal = absorbed @ tube.energies_keV
    variance = absorbed @ tube.energies_keV**2 + (3500 / 17) ** 2
    number = drawn.size
    assert drawn.dtype == np.float32
    assert drawn.mean() == pytest.approx(signal, abs=4 * np.sqrt(variance / number))
    assert drawn.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / number))


@pytest.mark.parametrize("photons", [0.3, 3.0, 40.0, 3000.0])
def test_readings_have_the_moments_of_the_exact_compound_sum(photons):
    tube = beam(GENERIC, 120, bowtie="none")
    absorbed = tube.photons[450] / tube.photons[450].sum() * photons
    rng = np.random.default_rng(3)
    exact = detector.compound(np.broadcast_to(absorbed, (200_000, len(absorbed))), tube.energies_keV, rng=rng)
    mean = np.full((1, 200, 1000), absorbed @ tube.energies_keV, np.float32)
    square = np.full((1, 200, 1000), absorbed @ tube.energies_keV**2, np.float32)
    drawn = detector.readings(mean, square, GENERIC, quantum=True, electronic=False, height_mm=1.0, rng=rng).ravel()
    error = exact.std() / np.sqrt(200_000)
    assert drawn.mean() == pytest.approx(exact.mean(), abs=5 * error)
    skewness = [float((((x - x.mean()) / x.std()) ** 3).mean()) for x in (exact, drawn.astype(float))]
    spread = np.sqrt((2 + 1 / photons) / 200_000)
    assert drawn.var() == pytest.approx(exact.var(), rel=6 * spread)
    # three moments of a spectrum are not two: the skewness is a little low
    assert skewness[1] == pytest.approx(skewness[0], rel=0.12, abs=0.04)


def test_noise_of_line_integrals_falls_with_the_root_of_mas():
    rng = np.random.default_rng(4)
    noise = []
    for mas in (0.02, 0.08, 0.32):
        mean, square, tube, answer = behind_water([20.0] * 40, mas=mas)
        drawn = detector.readings(mean, square, GENERIC, quantum=True, electronic=False, height_mm=1.0, rng=rng)
        air = detector.air_signal(GENERIC, tube, answer, 1.0)
        noise.append(detector.line_integrals(drawn, air, np.full(40, mas), low=1.0)[0].std())
    slope = np.polyfit(np.log([0.02, 0.08, 0.32]), np.log(noise), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.01)


def test_counts_are_whole_numbers_without_electronic_noise():
    mean, square, *_ = behind_water([35.0] * 20, COUNTING, mas=0.01, height_mm=0.4)
    drawn = detector.readings(mean, square, COUNTING, quantum=True, electronic=True, height_mm=0.4,
                              rng=np.random.default_rng(5))
    assert drawn.shape == (2, 20, COUNTING.channels)
    np.testing.assert_allclose(drawn, np.rint(drawn), atol=1e-3)
    assert drawn.var() == pytest.approx(mean.var() + mean.mean(), rel=0.05)


def test_rows_that_form_a_slice_add_their_electronic_noise():
    assert detector.electronic_sd(GENERIC, 0.625) == pytest.approx(3500 / 17)
    assert detector.electronic_sd(GENERIC, 5.0) == pytest.approx(3500 / 17 * np.sqrt(8))


def test_noise_is_drawn_from_rng_alone_and_can_be_off():
    mean, square, *_ = behind_water([25.0] * 5, mas=0.1)
    draws = [detector.readings(mean, square, GENERIC, quantum=True, electronic=True, height_mm=1.0,
                               rng=np.random.default_rng(seed)) for seed in (6, 6, 7)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    still = detector.readings(mean, square, GENERIC, quantum=False, electronic=False, height_mm=1.0,
                              rng=np.random.default_rng(6))
    np.testing.assert_array_equal(still, mean)
    assert still is not mean


def test_readings_of_a_dark_detector_are_zero():
    dark = np.zeros((1, 3, 900), np.float32)
    drawn = detector.readings(dark, dark, GENERIC, quantum=True, electronic=False, height_mm=1.0,
                              rng=np.random.default_rng(8))
    np.testing.assert_array_equal(drawn, dark)


def test_lag_and_cross_talk_conserve_the_signal():
    pulse = np.zeros((1, 3000, 900), np.float32)
    pulse[0, 40, 450] = 1
    after = detector.spread(pulse, GENERIC, 0.5)
    assert after.sum(dtype=float) == pytest.approx(1, abs=1e-5)
    assert after[0, :, 449].sum(dtype=float) == pytest.approx(GENERIC.cross_talk, rel=1e-4)
    assert after[0, :40].max() == 0
    even = np.full((1, 50, 900), 7, np.float32)
    np.testing.assert_allclose(detector.spread(even, GENERIC, 0.5), even, rtol=1e-5)
    np.testing.assert_allclose(detector.blurred(even, GENERIC), even, rtol=1e-5)


def test_lag_is_the_decay_of_light_integrated_over_each_view():
    # one component: light made evenly over view 0 and given off with tau; integrated by brute force on a fine clock
    preset = scanner("generic-64", lag={2.0: 1.0}, cross_talk=0.0)
    rotation_s, fine = 0.5, 400
    view_ms = 1000 * rotation_s / preset.views
    made = np.zeros(12 * fine)
    made[:fine] = 1 / fine
    decay = np.exp(-(np.arange(12 * fine) + 0.5) * view_ms / fine / 2.0) * (view_ms / fine / 2.0)
    truth = np.convolve(made, decay)[:12 * fine].reshape(12, fine).sum(axis=1)
    pulse = np.zeros((1, 13, 900), np.float32)
    pulse[0, 1] = 1
    np.testing.assert_allclose(detector.spread(pulse, preset, rotation_s)[0, 1:, 300], truth, rtol=0.005)
    assert detector.delay_views(preset, rotation_s) == pytest.approx(2.0 / view_ms)


def test_cross_talk_correlates_noise_and_lowers_its_variance():
    preset = scanner("generic-64", lag={}, electronic_e=0.0, cross_talk=0.05)
    mean, square, *_ = behind_water([20.0] * 200, preset)
    drawn = detector.readings(mean, square, preset, quantum=True, electronic=True, height_mm=1.0, rotation_s=0.5,
                              rng=np.random.default_rng(9))[0]
    noise = drawn - mean[0]
    share = noise.var() / square[0].mean()
    assert share == pytest.approx(0.9**2 + 2 * 0.05**2, rel=0.01)
    neighbours = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    assert neighbours == pytest.approx(2 * 0.9 * 0.05 / share, abs=0.01)


@pytest.mark.parametrize("focal_mm", [0.3, 1.0, 1.6, 4.0])
def test_the_focal_spot_blurs_by_its_size_seen_through_the_isocentre(focal_mm):
    preset = scanner("generic-64", focal_mm=(focal_mm, 1.0))
    taps = detector.focal_taps(preset)
    offsets = np.arange(len(taps)) - len(taps) // 2
    sd = focal_mm * (950 / 540 - 1) / 1.0 / np.sqrt(8 * np.log(2))
    assert taps.sum() == pytest.approx(1)
    assert taps @ offsets**2 == pytest.approx(sd**2, rel=1e-3)
    frequency = np.linspace(0, 0.25, 20)  # cycles per channel, to half of the detector's limit
    mtf = np.cos(2 * np.pi * np.outer(frequency, offsets)) @ taps
    np.testing.assert_allclose(mtf, np.exp(-2 * (np.pi * frequency * sd) ** 2), atol=0.005)


def test_the_turn_of_the_gantry_blurs_by_one_view():
    preset = scanner("generic-64", focal_mm=(0.0, 0.0))
    pulse = np.zeros((1, 41, 900), np.float32)
    pulse[0, 20] = 1
    after = detector.blurred(pulse, preset)[0, :, 100].astype(float)
    offsets = np.arange(41) - 20
    assert after.sum() == pytest.approx(1)
    assert after @ offsets**2 == pytest.approx(1 / 12, rel=1e-4)
    frequency = np.linspace(0, 0.25, 10)
    np.testing.assert_allclose(np.cos(2 * np.pi * np.outer(frequency, offsets)) @ after, np.sinc(frequency), atol=2e-3)


def test_air_calibration_removes_bowtie_height_current_and_blur():
    mas = np.linspace(0.05, 0.2, 30)
    mean, _, tube, answer = behind_water([0.0] * 30, mas=mas, height_mm=2.5, bowtie="body")
    after = detector.spread(detector.blurred(mean, GENERIC), GENERIC, 1e6)
    lines = detector.line_integrals(after, detector.air_signal(GENERIC, tube, answer, 2.5), mas, low=1.0)
    assert np.abs(lines[:, 2:-2]).max() < 3e-4


def test_low_readings_never_give_anything_but_a_finite_line_integral():
    rng = np.random.default_rng(10)
    readings = rng.normal(0, 300, (1, 60, 900)).astype(np.float32)
    readings[0, 10] = 0
    readings[0, 20] = -1e9
    readings[0, 30, 5] = np.nan
    air = np.full((1, 900), 1e6)
    low = detector.low_signal(GENERIC, 0.625)
    lines = detector.line_integrals(readings, air, np.ones(60), low=low)
    assert np.isfinite(lines).all()
    assert lines.max() <= np.log(1e6 / (0.02 * low)) + 1e-4


def test_readings_above_the_low_signal_limit_are_left_alone():
    rng = np.random.default_rng(11)
    low = detector.low_signal(GENERIC, 0.625)
    readings = rng.uniform(3.2 * low, 1e5, (1, 20, 900)).astype(np.float32)
    lines = detector.line_integrals(readings, np.full((1, 900), 3e5), np.full(20, 2.0), low=low)
    np.testing.assert_allclose(lines, np.log(6e5 / readings), atol=2e-6)


@pytest.mark.parametrize("photons", [4.0, 5.0, 10.0, 20.0, 60.0])
@pytest.mark.parametrize("preset", [GENERIC, COUNTING], ids=["integrating", "counting"])
def test_line_integrals_of_starved_rays_are_hardly_biased(preset, photons):
    each = 65.0 if preset is GENERIC else 1.0
    mean = np.full((1, 200, 900), photons * each, np.float32)
    drawn = detector.readings(mean, each * mean, preset, quantum=True, electronic=True, height_mm=preset.row_mm,
                              rng=np.random.default_rng(12))
    low = detector.low_signal(preset, preset.row_mm)
    lines = detector.line_integrals(drawn, np.full((1, 900), 1e6), np.ones(200), low=low)
    truth = np.log(1e6 / (photons * each))
    assert abs(lines.mean() - truth) < 0.06
    plain = np.log(1e6 / np.maximum(drawn, 0.1 * low))
    assert lines.std() < (0.8 if photons <= 5 else 1.01) * plain.std()


@pytest.mark.parametrize("photons", [0.0, 0.3])
def test_line_integrals_behind_metal_end_at_one_level(photons):
    """Electronic noise alone would make them differ by many units from ray to ray: streaks without a meaning."""
    mean = np.full((1, 100, 900), photons * 65.0, np.float32)
    low = detector.low_signal(GENERIC, GENERIC.row_mm)
    drawn = detector.readings(mean, 65.0 * mean, GENERIC, quantum=True, electronic=True, height_mm=GENERIC.row_mm,
                              rng=np.random.default_rng(2))
    lines = detector.line_integrals(drawn, np.full((1, 900), 1e6), np.ones(100), low=low)
    assert lines.max() == pytest.approx(np.log(4e6 / low), abs=1e-3)
    assert lines.std() < 0.2


def test_a_thin_shadow_beside_bright_readings_is_not_filled_by_them():
    readings = np.full((1, 200, 900), 1e6, np.float32)
    low = detector.low_signal(GENERIC, 0.625)
    readings[0, :, 450:453] = 2 * low
    lines = detector.line_integrals(readings, np.full((1, 900), 1e6), np.ones(200), low=low)
    np.testing.assert_allclose(lines[0, :, 450:453], np.log(1e6 / (2 * low)), atol=0.3)
    np.testing.assert_allclose(lines[0, :, :449], 0, atol=1e-6)


def test_ring_errors_have_the_spread_asked_for_and_none_at_zero():
    gains = detector.gain_errors(GENERIC, 1.0, rng=np.random.default_rng(13))
    assert gains.shape == (900,)
    assert gains.std() == pytest.approx(0.01, rel=0.1)
    np.testing.assert_array_equal(detector.gain_errors(GENERIC, 0.0, rng=np.random.default_rng(13)), 1)


def test_views_without_photons_are_refused():
    readings = np.ones((1, 3, 900), np.float32)
    with pytest.raises(RecipeError, match=r"mas x photons must be > 0"):
        detector.line_integrals(readings, np.ones((1, 900)), [1.0, 0.0, 1.0], low=1.0)
