"""The tubes against IEC 61267, SpekPy and NIST; what distance, anode and shutters do to the open beam."""

import numpy as np
import pytest
from scipy.optimize import brentq

from medsynth.acquire.xray.detector import detector, detectors, response
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.source import (
    Technique,
    beam_of,
    fluence,
    full_beam,
    heel,
    hvl_mm,
    shutters,
    spectrum,
    tubes,
)
from medsynth.core.errors import RecipeError
from medsynth.tissues.spectra import air_kerma_ugy

# IEC 61267: tube voltage -> first half-value layer in mm Al (as tabulated by a calibration laboratory), and the ratio
# of first to second that the added aluminium is to bring about.
RQR = {40: (1.4, 0.81), 50: (1.8, 0.76), 60: (2.2, 0.74), 70: (2.6, 0.71), 80: (3.0, 0.69), 90: (3.5, 0.68),
       100: (4.0, 0.68), 120: (5.0, 0.68), 150: (6.6, 0.72)}
# Voltage -> added mm Al, half-value layer in mm Al, photons / (mm2 uGy) (IEC 62220-1, squared SNR per air kerma).
RQA = {50: (10, 3.8, 20673), 70: (21, 6.8, 29653), 90: (30, 9.2, 32362), 120: (40, 11.6, 31007)}


@pytest.mark.parametrize("kvp", RQR)
def test_half_value_layers_of_rqr_qualities(kvp):
    wanted, ratio = RQR[kvp]
    bare = spectrum("general", kvp)

    def off(added_mm):
        beam = bare.behind({"aluminium": added_mm})
        first = hvl_mm(beam)
        return first / (hvl_mm(beam, share=0.25) - first) - ratio

    assert hvl_mm(bare.behind({"aluminium": brentq(off, 0, 6)})) == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("kvp", RQA)
def test_half_value_layers_and_fluence_per_kerma_of_rqa_qualities(kvp):
    added, wanted, per_ugy = RQA[kvp]
    beam = spectrum("general", kvp).behind({"aluminium": added})
    assert hvl_mm(beam) == pytest.approx(wanted, rel=0.05)
    assert beam.photons.sum() / 100 / beam.kerma_ugy == pytest.approx(per_ugy, rel=0.02)


@pytest.mark.parametrize(("name", "low", "high"), [("mammography-mo-mo", 0.29, 0.36), ("mammography-w-rh", 0.43, 0.57),
                                                   ("mammography-w-ag", 0.45, 0.6)])
def test_mammographic_half_value_layers_lie_where_systems_are_accepted(name, low, high):
    assert low < hvl_mm(spectrum(name, 28.0)) < high  # ACR: kVp/100 + 0.03 to kVp/100 + c; c = 0.12, 0.30, 0.32


def test_air_kerma_matches_nist_and_a_hand_calculation():
    # 60 keV: 0.03041 cm2/g x 60 keV x 1.602e-16 J/keV x 1e3 g/kg x 1e6 uGy/Gy
    assert air_kerma_ugy(60.0) == pytest.approx(0.03041 * 60 * 1.602177e-16 * 1e9, rel=1e-5)
    assert air_kerma_ugy(35.0) / (35 * 1.602177e-7) == pytest.approx(0.0978, rel=0.02)  # between 0.1537 and 0.06833


@pytest.mark.parametrize(("kvp", "wanted"), [(60, {-8: 0.750, -4: 0.924, 4: 1.035, 8: 1.048}),
                                             (120, {-8: 0.667, -4: 0.885, 4: 1.068, 8: 1.108})])
def test_heel_effect_matches_spekpy(kvp, wanted):
    assert heel("general", kvp, np.radians(list(wanted))) == pytest.approx(list(wanted.values()), abs=0.025)


@pytest.mark.parametrize(("tube", "kvp", "layers", "sensor"), [
    ("general", 120, {"water": 250}, "csi"), ("general", 60, {"water": 150, "cortical_bone": 10}, "csi"),
    ("general", 90, {"titanium": 2.0}, "cr"), ("mammography-w-rh", 29, {"water": 50, "calcification": 1}, "selenium"),
    ("mammography-mo-mo", 26, {"water": 20}, "selenium")])
def test_few_energies_stand_for_the_whole_spectrum(tube, kvp, layers, sensor):
    depths = []
    for beam in (beam_of(Technique(kvp=kvp, tube=tube)), full_beam(Technique(kvp=kvp, tube=tube))):
        signal = response(detector(sensor), beam.energies_keV)[0]
        depths.append(-np.log(beam.behind(layers).photons @ signal / (beam.photons @ signal)))
    assert depths[0] == pytest.approx(depths[1], rel=2e-3)


def test_the_open_beam_follows_the_inverse_square_and_obliquity():
    technique = Technique(kvp=80, anode="none")
    near, far = (Geometry.facing((0, 0, z), (0, 0, 0), (0, 1, 0), 100.0, (5, 7)) for z in (1000, 2000))
    assert fluence(near, technique)[2, 3] == pytest.approx(1.0)
    assert fluence(far, technique)[2, 3] == pytest.approx(0.25)
    assert fluence(near, technique)[2, 6] == pytest.approx(np.cos(np.arctan(0.3)) ** 3, rel=1e-5)


@pytest.mark.parametrize("side", ["up", "down", "left", "right"])
def test_the_beam_is_weakest_on_the_anodes_side(side):
    geometry = Geometry.facing((0, 0, 1800), (0, 0, 0), (0, 1, 0), 40.0, (10, 11))
    beam = fluence(geometry, Technique(kvp=100, anode=side)) / fluence(geometry, Technique(kvp=100, anode="none"))
    edges = {"up": beam[0], "down": beam[-1], "left": beam[:, 0], "right": beam[:, -1]}
    opposite = {"up": "down", "down": "up", "left": "right", "right": "left"}[side]
    assert edges[side].max() < 0.9 < 1.0 < edges[opposite].min()


def test_shutters_let_half_through_at_their_edge_and_little_beyond():
    geometry = Geometry.facing((0, 0, 1000), (0, 0, 0), (0, 1, 0), 0.2, (301, 300))
    share = shutters(geometry, Technique(kvp=80, field_ji=(50, 60, 250, 239)))
    assert share[150, 150] == pytest.approx(1.0, abs=0.03)
    assert (share[150, 59] + share[150, 60]) / 2 == pytest.approx(0.5, abs=0.01)
    assert 0 < share[5, 5] < 1e-2
    assert shutters(geometry, Technique(kvp=80)).min() == 1


@pytest.mark.parametrize(("changes", "words"), [
    ({"kvp": 30}, "in 40..150 for the tube 'general'"), ({"tube": "x"}, "tube must be one of"),
    ({"mas": -1.0}, "mas must be > 0"), ({"focus": "sharp"}, "focus must be one of"),
    ({"filter_mm": {"aluminum": 1}}, "did you mean 'aluminium'"), ({"field_ji": (5, 5, 3, 9)}, "rising"),
    ({"filter_mm": {"copper": -0.1}}, "mm of copper must be >= 0"), ({"dose_ugy": 0}, "dose_ugy must be > 0")])
def test_an_impossible_technique_is_refused(changes, words):
    with pytest.raises(RecipeError, match=words):
        Technique(**{"kvp": 80, **changes})


def test_presets_name_their_sources():
    assert all(row.source and row.words for row in (*tubes().values(), *detectors().values()))
