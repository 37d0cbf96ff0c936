"""Hounsfield units against spectrum-weighted reference values."""

import pytest

from medsynth.acquire.common.basis import structure_tissue
from medsynth.acquire.ct.hu import attenuation_table, ct_beam, structure_hu, water_level
from medsynth.scene.structure import Code, Structure
from medsynth.tissues.table import iodine_solution, mixed, tissue

# Independent computation from ICRU compositions: 7 degree tungsten, 6 mm Al, 20 cm water, GOS-like detector.
REFERENCE = {
    80: {"adipose": -100, "brain": 41, "skeletal_muscle": 45, "kidney": 46, "liver": 56, "blood": 61,
         "cortical_bone": 2250},
    120: {"adipose": -80, "brain": 38, "skeletal_muscle": 43, "kidney": 44, "liver": 54, "blood": 57,
          "cortical_bone": 1662},
}
# Nominal HU of the Catphan CTP404 module.
CTP404 = {"air": -1000, "pmp": -200, "ldpe": -100, "polystyrene": -35, "acrylic": 120, "delrin": 340, "teflon": 990}


def hu(name, tube_kV):
    beam = ct_beam(tube_kV)
    return beam.hounsfield(beam.attenuation_per_cm(tissue(name)))


@pytest.mark.parametrize("tube_kV", [70, 80, 97, 100, 120, 140, 150])
def test_water_is_zero_and_air_is_minus_1000(tube_kV):
    assert hu("water", tube_kV) == pytest.approx(0, abs=1e-6)
    assert hu("air", tube_kV) == pytest.approx(-1000, abs=1e-6)


@pytest.mark.parametrize(("tube_kV", "name"), [(kV, name) for kV, row in REFERENCE.items() for name in row])
def test_organs_have_their_reference_hu(tube_kV, name):
    expected = REFERENCE[tube_kV][name]
    assert hu(name, tube_kV) == pytest.approx(expected, abs=max(2.0, 0.01 * abs(expected)))


@pytest.mark.parametrize(("tube_kV", "expected"), [(80, -740), (120, -741)])
def test_inflated_lung_as_a_mixture_with_air(tube_kV, expected):
    part = (0.26 - 1.205e-3) / (1.05 - 1.205e-3)
    lung = mixed("lung", [(tissue("lung_tissue"), part), (tissue("air"), 1 - part)])
    beam = ct_beam(tube_kV)
    assert beam.hounsfield(beam.attenuation_per_cm(lung)) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize(("tube_kV", "per_mg"), [(80, 44), (120, 28), (140, 24)])
def test_iodine_raises_water_by_its_reference_hu_per_mg(tube_kV, per_mg):
    beam = ct_beam(tube_kV)
    added = beam.hounsfield(beam.attenuation_per_cm(tissue("water"), 10.0)) / 10
    solution = beam.hounsfield(beam.attenuation_per_cm(iodine_solution(10.0))) / 10
    assert added == pytest.approx(per_mg, abs=0.6)
    assert solution == pytest.approx(added, rel=1e-6)


@pytest.mark.parametrize("name", CTP404)
def test_catphan_inserts_lie_within_15_hu_of_nominal(name):
    assert hu(name, 120) == pytest.approx(CTP404[name], abs=15)


def test_dual_voltage_ratios_of_iodine_and_bone():
    iodine = [ct_beam(kV).hounsfield(ct_beam(kV).attenuation_per_cm(tissue("water"), 5.0)) for kV in (80, 120)]
    assert iodine[0] / iodine[1] == pytest.approx(1.57, abs=0.03)
    assert hu("cortical_bone", 80) / hu("cortical_bone", 120) == pytest.approx(1.35, abs=0.02)


@pytest.mark.parametrize(("tube_kV", "effective_keV"), [(80, 55.6), (120, 71.0), (140, 78.2)])
def test_effective_energy_behind_20_cm_water(tube_kV, effective_keV):
    assert ct_beam(tube_kV).energy_keV == pytest.approx(effective_keV, abs=1.2)


def test_the_label_table_gives_each_structure_its_hu_in_every_phase():
    code = Code("1", "test")
    aorta = Structure("aorta", 3, "blood", code, enhancement="aorta")
    lung = Structure("lung", 9, "lung_tissue", code, mixture=(("air", 0.8),))
    plain = attenuation_table([aorta, lung], 120, "none") - water_level(120)
    contrast = attenuation_table([aorta, lung], 120, "arterial") - water_level(120)
    assert plain[3] == pytest.approx(57, abs=1)
    assert contrast[3] == pytest.approx(structure_hu(aorta, 120, "arterial"), abs=0.01)
    assert 300 < contrast[3] < 420
    assert contrast[9] == plain[9] == pytest.approx(-800 + 0.2 * 46, abs=3)
    assert plain[0] == plain[777] == pytest.approx(-1000, abs=0.01)
    assert structure_tissue(lung).density_g_cm3 == pytest.approx(0.2 * 1.05 + 0.8 * 1.205e-3)
