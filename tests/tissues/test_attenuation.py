"""Attenuation against xraylib, the independent tables of xraydb, and published values."""

import numpy as np
import pytest
import xraydb
import xraylib

from medsynth.core.errors import RecipeError
from medsynth.tissues.attenuation import linear_attenuation, mass_attenuation
from medsynth.tissues.reading import read_table
from medsynth.tissues.spectra import ct_spectrum
from medsynth.tissues.table import Tissue, tissue


def element(symbol: str) -> Tissue:
    return Tissue(symbol, 1.0, {symbol: 1.0}, "test")


@pytest.mark.parametrize(("material", "energy_keV", "cm2_per_g"), [
    ("water", 40, 0.2683), ("water", 60, 0.2059), ("water", 70, 0.1929), ("water", 80, 0.1837),
    ("water", 100, 0.1708), ("water", 120, 0.1614), ("Al", 60, 0.2778), ("I", 40, 22.10), ("I", 60, 7.577),
    ("Ca", 60, 0.6579)])
def test_check_values_of_mass_attenuation(material, energy_keV, cm2_per_g):
    row = tissue(material) if material == "water" else element(material)
    assert float(mass_attenuation(row, energy_keV)) == pytest.approx(cm2_per_g, rel=1e-3)


@pytest.mark.parametrize("symbol", ["H", "C", "N", "O", "Na", "P", "S", "Cl", "K", "Ca", "Fe", "I", "Gd"])
def test_elements_agree_with_two_independent_tables_between_the_nodes(symbol):
    energies = np.array([20.3, 25.7, 31.3, 36.4, 44.7, 52.1, 61.8, 77.7, 93.3, 120.9, 149.9])
    ours = mass_attenuation(element(symbol), energies)
    first = [xraylib.CS_Total(xraylib.SymbolToAtomicNumber(symbol), float(e)) for e in energies]
    second = xraydb.mu_elam(symbol, energies * 1000)
    np.testing.assert_allclose(ours, first, rtol=1e-3)
    np.testing.assert_allclose(ours, second, rtol=1e-3)


def test_iodine_jumps_at_its_edge_and_nowhere_else():
    below, above = mass_attenuation(tissue("iodine"), [33.16, 33.18])
    assert above / below > 5
    assert float(mass_attenuation(tissue("iodine"), 33.18)) == pytest.approx(xraylib.CS_Total(53, 33.18), rel=1e-3)


def test_transmission_and_half_value_layer_of_water_at_60_keV():
    water = float(linear_attenuation(tissue("water"), 60.0))
    assert np.exp(-30 * water) == pytest.approx(2.077e-3, rel=2e-3)
    assert 10 * np.log(2) / water == pytest.approx(33.664, rel=1e-3)


@pytest.mark.parametrize("energy_keV", [9.9, 150.1])
def test_energies_outside_the_table_are_refused(energy_keV):
    with pytest.raises(RecipeError, match=r"energies_keV must be in 10\.\.150"):
        mass_attenuation(tissue("water"), energy_keV)


def test_every_element_of_the_tissue_table_has_attenuation():
    for row in read_table("tissues.csv"):
        assert np.all(mass_attenuation(tissue(row["name"]), [10.0, 60.0, 150.0]) > 0)


def test_half_value_layer_of_the_120_kV_spectrum_in_aluminium():
    energies, photons = ct_spectrum(120)
    aluminium = 2.699 * mass_attenuation(element("Al"), energies)
    # mass energy-absorption of dry air, NIST
    nodes_keV = [10, 15, 20, 30, 40, 50, 60, 80, 100, 150]
    cm2_per_g = [4.742, 1.334, 0.5389, 0.1537, 0.06833, 0.04098, 0.03041, 0.02407, 0.02325, 0.02496]
    air = np.exp(np.interp(np.log(energies), np.log(nodes_keV), np.log(cm2_per_g)))
    kerma = photons * energies * air
    layers_cm = np.linspace(0.5, 0.9, 401)
    halved = [float(kerma @ np.exp(-aluminium * t) / kerma.sum()) for t in layers_cm]
    assert 10 * layers_cm[np.argmin(np.abs(np.array(halved) - 0.5))] == pytest.approx(6.70, abs=0.07)


def test_the_spectrum_ends_at_the_tube_voltage_and_grows_with_it():
    for tube_kV in (70, 83, 100, 119, 140, 150):
        energies, photons = ct_spectrum(tube_kV)
        assert photons[energies > np.ceil(tube_kV / 5) * 5].sum() == 0
    assert ct_spectrum(120)[1].sum() == pytest.approx(2.137e8, rel=2e-3)  # SpekPy: 2.14e6 per mm2 and mAs
    sums = [ct_spectrum(kV)[1].sum() for kV in range(70, 151, 4)]
    assert np.all(np.diff(sums) > 0)


@pytest.mark.parametrize("tube_kV", [69.9, 150.1, float("nan")])
def test_tube_voltages_outside_the_table_are_refused(tube_kV):
    with pytest.raises(RecipeError, match=r"kvp must be in 70\.\.150"):
        ct_spectrum(tube_kV)
