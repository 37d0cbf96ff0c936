"""The tube: photon numbers, filters, bowties, anode."""

import numpy as np
import pytest

from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import Beam, beam, bowtie_mm, bowtie_names, fan_angles_rad, heel
from medsynth.core.errors import RecipeError
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.spectra import ct_spectrum
from medsynth.tissues.table import tissue

GENERIC = scanner("generic-64")


def line_integrals(energies_keV, photons, lengths_cm, behind=None, behind_cm=0.0):
    """-ln of transmitted over open signal (absorbed energy, 1.4 mm Gd2O2S) behind water and one more material."""
    weights = photons * energies_keV * -np.expm1(-0.14 * linear_attenuation(tissue("gadolinium_oxysulfide"),
                                                                            energies_keV))
    depth = np.outer(lengths_cm, linear_attenuation(tissue("water"), energies_keV))
    if behind:
        depth = depth + behind_cm * linear_attenuation(tissue(behind), energies_keV)
    return -np.log((weights * np.exp(-depth)).sum(axis=1) / weights.sum())


def test_photons_per_area_are_those_of_an_independent_spectrum_program():
    # SpekPy, 120 kVp, 7 degrees, 6 mm Al: 2.14e6 photons per mm2 and mAs at 1 m; 3.8e5 for 0.2 mAs, 0.81 mm2, 950 mm.
    middle = beam(GENERIC, 120, bowtie="none").photons[450].sum()
    area_mm2 = GENERIC.channel_mm * 1.0 * (GENERIC.sdd_mm / GENERIC.sid_mm)
    per_mm2_at_1m = middle / (area_mm2 * GENERIC.fill) * 0.95**2
    assert per_mm2_at_1m == pytest.approx(2.14e6, rel=0.005)
    assert 0.2 * 0.81 * per_mm2_at_1m / 0.95**2 == pytest.approx(3.8e5, rel=0.02)


def test_a_parallel_detector_counts_what_passes_its_width_at_the_isocentre():
    parallel = scanner("parallel")
    expected = 2.14e6 * parallel.channel_mm * (1000 / parallel.sid_mm) ** 2
    assert beam(parallel, 120).photons[100].sum() == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("kvp", [70, 80, 100, 120, 140, 150])
@pytest.mark.parametrize("channel", [0, 200, 450])
def test_few_energies_attenuate_as_the_whole_spectrum_does(kvp, channel):
    energies, per_cm2 = ct_spectrum(kvp)
    material, thickness_mm = bowtie_mm("body", fan_angles_rad(GENERIC)[channel])
    fine = per_cm2 * np.exp(-thickness_mm / 10 * linear_attenuation(material, energies))
    few = beam(GENERIC, kvp)
    assert len(few.energies_keV) <= 25
    lengths_cm = np.array([1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 45.0])
    water = line_integrals(few.energies_keV, few.photons[channel], lengths_cm)
    np.testing.assert_allclose(water, line_integrals(energies, fine, lengths_cm), rtol=1e-4 if kvp > 80 else 2e-4)
    # 5 mm of pure iodine at 0.1 of its density, 5 cm of bone, 1 cm of steel: K edges and steep attenuation
    for name, through_cm in (("iodine", 0.05), ("cortical_bone", 5.0), ("stainless_steel", 1.0)):
        got = line_integrals(few.energies_keV, few.photons[channel], lengths_cm, name, through_cm)
        np.testing.assert_allclose(got, line_integrals(energies, fine, lengths_cm, name, through_cm), rtol=1e-3)


def test_no_energy_lies_across_the_K_edge_of_iodine():
    energies = beam(GENERIC, 120).energies_keV
    assert not ((energies > 32.6) & (energies < 33.4)).any()


def test_iodine_is_more_visible_at_80_than_at_120_kvp_as_published():
    # HU per mg/mL of iodine behind 20 cm of water: about 44 at 80, 28 at 120, 24 at 140 kVp.
    contrast = []
    for kvp in (80, 120, 140):
        tube = beam(GENERIC, kvp, bowtie="none")
        water = linear_attenuation(tissue("water"), tube.energies_keV)
        weights = tube.photons[450] * np.exp(-20 * water) * tube.energies_keV
        weights *= -np.expm1(-0.14 * linear_attenuation(tissue("gadolinium_oxysulfide"), tube.energies_keV))
        iodine = linear_attenuation(tissue("iodine"), tube.energies_keV) / tissue("iodine").density_g_cm3
        contrast.append(weights @ iodine / (weights @ water))
    np.testing.assert_allclose(contrast, [44, 28, 24], rtol=0.03)
    assert contrast[0] / contrast[1] == pytest.approx(1.57, rel=0.03)


@pytest.mark.parametrize("name", bowtie_names())
def test_a_bowtie_is_symmetrical_and_grows_outwards(name):
    angles = np.radians(np.linspace(0, 40, 200))
    _, thickness_mm = bowtie_mm(name, angles)
    _, other_side = bowtie_mm(name, -angles)
    np.testing.assert_array_equal(thickness_mm, other_side)
    assert thickness_mm[0] == 0
    assert (np.diff(thickness_mm) >= 0).all()


@pytest.mark.parametrize(("name", "water_cm"), [("body", 36.0), ("small", 28.0), ("head", 20.0)])
def test_a_bowtie_evens_out_what_passes_a_water_cylinder(name, water_cm):
    angles = fan_angles_rad(GENERIC)
    lengths_cm = 2 * np.sqrt(np.maximum((5 * water_cm) ** 2 - (GENERIC.sid_mm * np.sin(angles)) ** 2, 0)) / 10
    behind = {}
    for which in (name, "none"):
        tube = beam(GENERIC, 120, bowtie=which)
        water = linear_attenuation(tissue("water"), tube.energies_keV)
        signal = (tube.photons * np.exp(-np.outer(lengths_cm, water))) @ tube.energies_keV
        behind[which] = signal.max() / signal.min()
    assert behind[name] < 0.4 * behind["none"]


def test_the_bowtie_hardens_the_beam_at_the_edge():
    tube = beam(GENERIC, 120)
    mean_keV = tube.photons @ tube.energies_keV / tube.photons.sum(axis=1)
    assert mean_keV[0] > mean_keV[450] + 3


def test_flat_filters_take_photons_by_their_thickness():
    tin = scanner("generic-64", filter_mm={"tin": 0.4}, bowtie="none")
    plain, filtered = beam(GENERIC, 140, bowtie="none"), beam(tin, 140)
    share = filtered.photons[450].sum() / plain.photons[450].sum()
    assert 0.1 < share < 0.5
    mean = [b.photons[450] @ b.energies_keV / b.photons[450].sum() for b in (plain, filtered)]
    assert mean[1] > mean[0] + 15


def test_a_monoenergetic_beam_has_the_effective_energy_of_the_fast_tier():
    tube = beam(GENERIC, 120, monoenergetic=True)
    assert tube.energies_keV.tolist() == [ct_beam(120).energy_keV]
    mu = linear_attenuation(tissue("water"), tube.energies_keV)[0]
    assert mu == pytest.approx(ct_beam(120).water_per_cm, rel=1e-4)
    np.testing.assert_allclose(tube.photons[:, 0], beam(GENERIC, 120).photons.sum(axis=1))


@pytest.mark.parametrize(("kvp", "published"), [(80, [0.9414, 0.9756, 1, 1.0174, 1.0296]),
                                                (120, [0.9100, 0.9613, 1, 1.0296, 1.0522]),
                                                (140, [0.8973, 0.9554, 1, 1.0346, 1.0617])])
def test_the_heel_effect_is_that_of_an_independent_program(kvp, published):
    # SpekPy 2.5.4: photons at 7 degrees behind 6 mm Al, along the tube's axis
    np.testing.assert_allclose(heel(GENERIC, kvp, [-20, -10, 0, 10, 20]), published, atol=0.01)


def test_the_heel_effect_weakens_the_anode_side_and_is_less_for_a_larger_anode_angle():
    fluence = heel(GENERIC, 120, [-20.0, -10.0, 0.0, 10.0, 20.0])
    assert (np.diff(fluence) > 0).all()
    assert fluence[2] == 1
    steep = heel(scanner("generic-64", anode_deg=12.0), 120, [-20.0])
    assert steep[0] > fluence[0]
    whole = beam(GENERIC, 120, bowtie="none").photons[450].sum()
    assert beam(GENERIC, 120, bowtie="none", z_mm=-20.0).photons[450].sum() / whole == pytest.approx(fluence[0])


def test_beams_are_made_once_and_cannot_be_changed():
    assert beam(GENERIC, 120) is beam(scanner("generic-64"), 120.0)
    with pytest.raises(ValueError, match="read-only"):
        beam(GENERIC, 120).photons[0, 0] = 1
    assert isinstance(beam(GENERIC, 120), Beam)


@pytest.mark.parametrize("kvp", [60, 69.9, 151])
def test_voltages_outside_the_tables_are_refused(kvp):
    with pytest.raises(RecipeError, match=r"kvp must be in 70\.\.150"):
        beam(GENERIC, kvp)


def test_unknown_bowties_and_places_behind_the_anode_are_refused():
    with pytest.raises(RecipeError, match=r"bowtie must be one of .*'body'"):
        beam(GENERIC, 120, bowtie="huge")
    with pytest.raises(RecipeError, match="z_mm must be in the beam"):
        heel(GENERIC, 120, [-80.0])
