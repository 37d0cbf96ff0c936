"""Two-material decomposition against its own forward sums, closed-form attenuation and the propagation of noise."""

from itertools import pairwise

import numba
import numpy as np
import pytest

from medsynth.acquire.ct.physics.calibration import water_correction
from medsynth.acquire.ct.physics.detector import air_signal, expected, line_integrals, response
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import beam
from medsynth.acquire.ct.physics.spectral import (
    BASIS,
    decompose,
    decomposed,
    iodine_mg_per_ml,
    monoenergetic_hu,
    scanner_inverse,
    spectral_inverse,
)
from medsynth.core.errors import RecipeError
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.spectra import ct_spectrum
from medsynth.tissues.table import iodine_solution, tissue

ENERGIES = ct_spectrum(120)[0]
IODINE_G_CM3 = tissue("iodine").density_g_cm3


def attenuation(*names):
    return np.array([linear_attenuation(tissue(name), ENERGIES) for name in names])


MU = attenuation(*BASIS)


def light(kvp):
    """Signal per energy of an integrating scintillator."""
    scintillator = linear_attenuation(tissue("gadolinium_oxysulfide"), ENERGIES)
    return ct_spectrum(kvp)[1] * -np.expm1(-0.14 * scintillator) * ENERGIES


def counts(*thresholds):
    """Photons between the thresholds, 120 kVp."""
    edges = [*thresholds, 1e3]
    return np.array([ct_spectrum(120)[1] * ((low <= ENERGIES) & (high > ENERGIES)) for low, high in pairwise(edges)])


SPECTRA = {"80 and 140 kVp": np.array([light(80), light(140)]), "two bins": counts(25, 65),
           "four bins": counts(25, 50, 65, 80)}


def behind_bowtie(weights, channels):
    """Spectra (bin, channel, E) that harden towards the rim, as behind 0 to 4 cm of aluminium-like filter."""
    thickness = 12 * np.linspace(-1, 1, channels)[:, None] ** 2
    return weights[:, None, :] * np.exp(-thickness * MU[0])


def readings(weights, optical_depth):
    """-ln(signal / air): weights (bin, [channel,] E), depth (view, channel, E) -> (bin, view, channel)."""
    w = weights[:, None, None] if weights.ndim == 2 else weights[:, None]
    return -np.log((w * np.exp(-optical_depth)).sum(-1) / w.sum(-1))


def above_air(material):
    """Attenuation in 1/cm, counted from air as an air-calibrated scanner does."""
    return linear_attenuation(material, ENERGIES) - linear_attenuation(tissue("air"), ENERGIES)


def lengths(material, cm):
    """Basis lengths along `cm` of a material, as read at 80 and 140 kVp."""
    depth = np.asarray(cm, float)[:, None, None] * above_air(material)
    return decompose(readings(SPECTRA["80 and 140 kVp"], depth), SPECTRA["80 and 140 kVp"], MU)[:, :, 0]


@pytest.mark.parametrize("spectra", SPECTRA)
def test_noise_free_readings_give_back_their_lengths_in_every_channel(spectra):
    water, mg_per_cm2 = np.meshgrid(np.linspace(0, 45, 31), [0, 1, 5, 20, 60, 150, 400], indexing="ij")
    true = np.stack([water.ravel(), mg_per_cm2.ravel() / 1000 / IODINE_G_CM3])[:, :, None] * np.ones(5)
    weights = behind_bowtie(SPECTRA[spectra], 5)
    got = decompose(readings(weights, np.einsum("bvc,be->vce", true, MU)), weights, MU)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0], true[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(1000 * IODINE_G_CM3 * got[1], 1000 * IODINE_G_CM3 * true[1], rtol=1e-3, atol=0.01)


def test_water_and_bone_serve_as_a_basis_too():
    mu = attenuation("water", "cortical_bone")
    true = np.stack(np.meshgrid([5.0, 20.0, 40.0], [0.0, 1.0, 4.0, 8.0])).reshape(2, -1, 1)
    got = decompose(readings(SPECTRA["80 and 140 kVp"], np.einsum("bvc,be->vce", true, mu)),
                    SPECTRA["80 and 140 kVp"], mu)
    np.testing.assert_allclose(got, true, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("energy_keV", [40, 70, 100])
def test_monoenergetic_water_is_0_and_an_iodine_solution_has_its_closed_form(energy_keV):
    cm = np.array([5.0, 20.0, 40.0])
    water, air = (float(linear_attenuation(tissue(name), energy_keV)) for name in ("water", "air"))
    for material in (tissue("water"), iodine_solution(10.0)):
        basis = lengths(material, cm) / cm
        true = 1000 * (float(linear_attenuation(material, energy_keV)) - water) / (water - air)
        bar_hu = 0.1 if material.name == "water" else 2.0
        np.testing.assert_allclose(monoenergetic_hu(*basis, energy_keV), true, atol=bar_hu)


# No mixtures of water and iodine: what two spectra cannot tell of them errs, least between the spectra's mean energies.
@pytest.mark.parametrize(("name", "cm", "bars_hu"), [
    ("skeletal_muscle", 10.0, (1.5, 0.5, 0.5)), ("liver", 10.0, (1.5, 0.5, 0.5)), ("blood", 5.0, (2.0, 0.5, 0.5)),
    ("adipose", 4.0, (9.0, 1.5, 1.5)), ("cortical_bone", 6.0, (350.0, 20.0, 5.0))])
def test_monoenergetic_tissues_within_a_body_lie_near_their_closed_form(name, cm, bars_hu):
    around = np.array([20.0, 35.0])
    depth = around[:, None, None] * MU[0] + cm * above_air(tissue(name))
    got = decompose(readings(SPECTRA["80 and 140 kVp"], depth), SPECTRA["80 and 140 kVp"], MU)[:, :, 0]
    water_share, iodine_share = (got - [around, [0, 0]]) / cm
    for energy_keV, bar_hu in zip((40, 70, 100), bars_hu, strict=True):
        mu, water, air = (float(linear_attenuation(tissue(n), energy_keV)) for n in (name, "water", "air"))
        np.testing.assert_allclose(monoenergetic_hu(water_share, iodine_share, energy_keV),
                                   1000 * (mu - water) / (water - air), atol=bar_hu)


@pytest.mark.parametrize("mg_per_ml", [1, 2, 5, 20])
def test_an_iodine_insert_in_water_reads_its_concentration(mg_per_ml):
    around, insert = np.array([8.0, 18.0, 32.0]), 3.0
    depth = around[:, None, None] * MU[0] + insert * linear_attenuation(iodine_solution(mg_per_ml), ENERGIES)
    got = decompose(readings(SPECTRA["two bins"], depth), SPECTRA["two bins"], MU)[1, :, 0]
    np.testing.assert_allclose(iodine_mg_per_ml(got / insert), mg_per_ml, rtol=0.02)


@pytest.mark.parametrize("spectra", SPECTRA)
def test_noise_of_the_lengths_is_the_propagated_noise_of_the_readings(spectra):
    weights, draws = SPECTRA[spectra], 40000
    true = np.array([22.0, 0.02])
    depth = true @ MU
    behind = weights * np.exp(-depth)
    clean = -np.log(behind.sum(1) / weights.sum(1))
    jacobian = (behind @ MU.T) / behind.sum(1)[:, None]  # d reading / d length: mean attenuation of what arrives
    variance = 1e-5 * np.exp(clean - clean[0])
    rng = np.random.default_rng(3)
    noisy = clean[:, None] + np.sqrt(variance)[:, None] * rng.standard_normal((len(weights), draws))
    got = decompose(noisy[..., None], weights, MU, np.broadcast_to(variance[:, None, None], (len(weights), draws, 1)))
    bound = np.linalg.inv(jacobian.T @ (jacobian / variance[:, None]))
    np.testing.assert_allclose(np.cov(got[:, :, 0].astype(float)), bound, rtol=0.05)
    np.testing.assert_allclose(got[:, :, 0].mean(1), true, atol=5 * np.sqrt(bound.diagonal().max() / draws))
    assert bound[0, 1] < 0  # more water, less iodine


def test_poisson_weights_are_the_default_with_more_than_two_bins():
    weights, rng = SPECTRA["four bins"], np.random.default_rng(4)
    weights = weights / weights.sum() * 2e5
    mean = (weights * np.exp(-np.array([15.0, 0.01]) @ MU)).sum(1)
    lines = -np.log(rng.poisson(mean[:, None], (4, 20000)) / weights.sum(1)[:, None])[..., None]
    given = np.exp(lines) / weights.sum(1)[:, None, None]
    np.testing.assert_allclose(decompose(lines, weights, MU), decompose(lines, weights, MU, given), rtol=1e-4,
                               atol=1e-4)


def test_rays_without_signal_and_rays_through_metal_stay_within_bounds():
    weights = SPECTRA["80 and 140 kVp"]
    inverse = spectral_inverse(weights, MU)
    rng = np.random.default_rng(5)
    lines = rng.uniform(-5, 30, (2, 500, 40))
    lines[:, ::7] = rng.normal(0, 0.3, (2, 72, 40))
    lines[0, 3], lines[1, 5], lines[:, 8] = np.nan, np.inf, np.nan
    metal = 4.0 * linear_attenuation(tissue("titanium"), ENERGIES) + 30 * MU[0]
    lines[:, 20] = readings(weights, metal[None, None])[:, 0]
    got = decomposed(lines, inverse)
    low_water, high_water, low_iodine, high_iodine = inverse.bounds_cm
    assert np.isfinite(got).all()
    assert ((got[0] >= 1.001 * low_water) & (got[0] <= 1.001 * high_water)).all()
    assert ((got[1] >= 1.001 * low_iodine) & (got[1] <= 1.001 * high_iodine)).all()
    assert (got[:, 20] > 0).all()


def test_neither_neighbours_nor_threads_change_a_ray():
    weights = behind_bowtie(SPECTRA["80 and 140 kVp"], 40)
    inverse, rng = spectral_inverse(weights, MU), np.random.default_rng(6)
    true = np.stack([rng.uniform(0, 40, (60, 40)), rng.uniform(-0.002, 0.05, (60, 40))])
    lines = readings(weights, np.einsum("bvc,be->vce", true, MU)) + 0.02 * rng.standard_normal((2, 60, 40))
    got, order = decomposed(lines, inverse), rng.permutation(60)
    np.testing.assert_allclose(decomposed(lines[:, order], inverse), got[:, order], rtol=1e-4, atol=1e-5)
    threads = numba.get_num_threads()
    try:
        for count in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(count)
            np.testing.assert_array_equal(decomposed(lines, inverse), got)
    finally:
        numba.set_num_threads(threads)


def scanned(machine, kvps, paths):
    """Noise-free line integrals (bin, view, channel) by a scanner's own source and detector."""
    lines = []
    for kvp in kvps:
        source = beam(machine, kvp)
        detector = response(machine, source.energies_keV)
        per_cm = np.array([linear_attenuation(tissue(name), source.energies_keV) for name in BASIS])
        mean, _ = expected(paths, per_cm, source, detector, 100.0, 1.0)
        lines.append(line_integrals(mean, air_signal(machine, source, detector, 1.0, blur=False), 100.0, low=1e-9))
    return np.concatenate(lines)


@pytest.mark.parametrize(("name", "kvps"), [("generic-64", (80, 140)), ("generic-64", (70, 150)),
                                            ("generic-64", (100, 140)), ("photon-counting", (120,))])
def test_a_scanners_own_readings_give_back_the_paths(name, kvps):
    machine, rng = scanner(name), np.random.default_rng(7)
    paths = np.stack([rng.uniform(0, 40, (12, machine.channels)),
                      rng.uniform(0, 0.3, (12, machine.channels)) / IODINE_G_CM3], axis=2).astype(np.float32)
    got = decomposed(scanned(machine, kvps, paths), scanner_inverse(machine, kvps))
    np.testing.assert_allclose(got[0], paths[..., 0], rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(1000 * IODINE_G_CM3 * (got[1] - paths[..., 1]), 0, atol=0.2)


def test_iodine_is_brighter_at_80_than_at_120_kvp_by_the_published_ratio():
    machine, insert = scanner("generic-64", bowtie="none"), 3.0
    paths = np.zeros((2, machine.channels, 2), np.float32)
    paths[:, :, 0] = 20.0
    paths[1, :, 1] = insert * 5e-3 / IODINE_G_CM3
    hu = []
    for kvp in (80, 120):
        correction = water_correction(machine, kvp)
        lines = correction(scanned(machine, (kvp,), paths))[0, :, machine.channels // 2]
        hu.append(1000 * (lines[1] - lines[0]) / insert / correction.water_per_cm)
    assert hu[0] / hu[1] == pytest.approx(1.57, rel=0.02)
    assert hu[1] / 5 == pytest.approx(28, rel=0.05)


def test_what_cannot_be_decomposed_is_refused():
    weights = SPECTRA["80 and 140 kVp"]
    with pytest.raises(RecipeError, match="weights must be"):
        spectral_inverse(weights[:1], MU)
    with pytest.raises(RecipeError, match="positive sum"):
        spectral_inverse(weights * [[1], [0]], MU)
    for machine, kvps, options in [("generic-64", (120,), {}), ("generic-64", (120, 120), {}),
                                   ("photon-counting", (120,), {"monoenergetic": True})]:
        with pytest.raises(RecipeError, match=r"second_kvp must be given|spectra must be of different energy"):
            scanner_inverse(scanner(machine), kvps, **options)
    with pytest.raises(RecipeError, match="line_integrals must be"):
        decompose(np.zeros((2, 4, 7)), behind_bowtie(weights, 6), MU)
    with pytest.raises(RecipeError, match="variance must be"):
        decompose(np.zeros((2, 4, 7)), weights, MU, np.zeros((2, 4, 7)))
    with pytest.raises(RecipeError, match="monoenergetic_keV must be"):
        monoenergetic_hu(np.ones(3), np.zeros(3), 20)
