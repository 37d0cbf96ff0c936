"""Sequences: steady states against single spins, landmarks of every preset, compression of trains, receiver."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from medsynth.acquire.mri.components import (
    B1_BINS,
    RANK_ERROR,
    bin_places,
    compressed,
    contrast_recipe,
    fat_amplitudes,
    fat_shift_hz,
)
from medsynth.acquire.mri.pools import Pools, spins
from medsynth.acquire.mri.presets import presets
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.receiver import FULL, centre_state, gain, window
from medsynth.acquire.mri.sequences.base import Readout
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.scene.structure import Code, Structure
from medsynth.tissues.mr import MEAN
from tests.acquire.mri import bloch

READOUT = Readout(lines=192, middle=96, partitions=120, middle_partition=60, thickness_mm=3.0, slices=30)
CODE = Code("0", "test")
VESSELS = {"artery": "aorta", "vein": "leg_vein"}


def pool(t1, t2, t2_prime=1e6, adc=0.0, speed=0.0, fresh=0.0, arterial=False, fat=False):
    one = [np.array([value]) for value in (t1, t2, t2, t2_prime, adc, 0.0, speed, fresh)]
    return Pools(*one, arterial=np.array([arterial]), fat=np.array([fat]))


def respond(protocol, pools, readout=READOUT, b1=1.0, offset_hz=0.0):
    return SEQUENCES[protocol.sequence].respond(pools, protocol, readout, b1, offset_hz)


def signals(protocol, *tissues, phase=None, age=45.0):
    """Magnitude at the middle of k-space of structures of these tissues, of the volume that is the image."""
    structures = [Structure(name, n, "blood" if name in VESSELS else name, CODE, enhancement=VESSELS.get(name, ""))
                  for n, name in enumerate(tissues, start=1)]
    contrasts = SEQUENCES[protocol.sequence].contrasts(protocol)
    one = contrasts.get("image") or next(iter(contrasts.values()))
    table = spins(structures, protocol.field_T, MEAN, phase=phase or protocol.phase)
    recipe = contrast_recipe(table, one, READOUT, b1=False, offsets=False)
    found = recipe.table[1:, 0] @ recipe.states[:, centre_state(one, READOUT)]
    return dict(zip(tissues, np.abs(found), strict=True))


def test_spin_echo_sequence_is_its_closed_form():
    protocol = MriProtocol(sequence="se", tr_ms=500, te_ms=20)
    found = respond(protocol, pool(0.9, 0.08))[0, 0]
    # TR counts from 90 to 90: the closed form of facts with the refocusing pulse at TE/2
    assert found == pytest.approx(bloch.steady_spin_echo(0.9, 0.08, 0.5, 0.02), abs=1e-9)


def test_inversion_recovery_sequence_is_rotating_spins():
    protocol = MriProtocol(sequence="se", tr_ms=2500, te_ms=20, ti_ms=400, inversion_efficiency=1)
    assert respond(protocol, pool(0.9, 0.08))[0, 0] == pytest.approx(
        bloch.steady_spin_echo(0.9, 0.08, 2.5, 0.02, ti=0.4), abs=1e-9)


def test_mprage_is_iterated_shots():
    protocol = MriProtocol(preset="brain-t1w")
    mz = bloch.mprage(0.887, 2.3, 0.9, np.deg2rad(9), 0.0071, 120, 60, 0.96)
    found = respond(protocol, pool(0.887, 0.075, 0.18))[0]
    t2_star = 1 / (1 / 0.075 + 1 / 0.18)
    np.testing.assert_allclose(found, mz * np.sin(np.deg2rad(9)) * np.exp(-0.00298 / t2_star), atol=1e-9)


def test_echo_train_steady_state_is_reached_by_repeating_it():
    protocol = MriProtocol(sequence="tse", tr_ms=900, te_ms=30, ti_ms=150, echo_train=5, echo_spacing_ms=10,
                           refocusing_deg=140, inversion_efficiency=0.9)
    flips = np.deg2rad([160, 140, 140, 140, 140])
    mz = 1.0
    for _ in range(25):
        start = 1 - (1 + 0.9 * mz) * np.exp(-0.15 / 0.8)
        echoes, left = bloch.train(0.8, 0.07, 0.01, flips, start, spins=64)
        mz = 1 - (1 - left) * np.exp(-(0.9 - 0.15 - 0.05) / 0.8)
    np.testing.assert_allclose(respond(protocol, pool(0.8, 0.07))[0], echoes, atol=1e-9)


def test_flip_angle_errors_act_on_every_sequence_as_rotations_do():
    protocol = MriProtocol(sequence="se", tr_ms=5000, te_ms=20)
    found = respond(protocol, pool(0.4, 0.08), b1=0.8)[0, 0].real
    expected = np.sin(np.deg2rad(72)) * np.sin(np.deg2rad(72)) ** 2 * np.exp(-0.02 / 0.08)
    assert found == pytest.approx(expected, rel=2e-3)  # fully relaxed: sin a sin^2 (b / 2)
    spoiled = MriProtocol(sequence="spgr", tr_ms=20, te_ms=2, flip_deg=20, spoiling="ideal")
    assert respond(spoiled, pool(0.9, 0.08), b1=0.5) == pytest.approx(
        respond(spoiled.model_copy(update={"flip_deg": 10.0}), pool(0.9, 0.08)))


def test_diffusion_and_its_echo_planar_decay():
    protocol = MriProtocol(preset="brain-dwi", b_values=(0, 1000))
    whole = SEQUENCES["dwi"].contrasts(protocol)
    b0, b1000 = (respond(whole[name], pool(0.9, 0.08, 0.2, adc=0.7e-3))[0] for name in ("b0", "image"))
    np.testing.assert_allclose(b1000 / b0, np.exp(-0.7), rtol=1e-12)
    late = b0[READOUT.middle + 50] / b0[READOUT.middle]
    assert late == pytest.approx(np.exp(-50 * 0.0004 * (1 / 0.08 + 1 / 0.2)))


def test_flow_voids_in_spin_echoes_and_bright_inflow():
    moving, still = pool(1.9, 0.25, speed=350.0, arterial=True), pool(1.9, 0.25)
    assert respond(MriProtocol(preset="brain-t2w"), moving)[0, 9] == 0
    assert respond(MriProtocol(preset="brain-t2w"), still)[0, 9] != 0
    tof = MriProtocol(preset="brain-tof")
    slab = Readout(192, 96, 60, 30, 80.0, 1)
    assert respond(tof, moving, slab)[0, 0].real > 2 * respond(tof, still, slab)[0, 0].real
    vein = pool(1.9, 0.25, speed=150.0)
    assert respond(tof, vein, slab) == pytest.approx(respond(tof, still, slab))


BRAIN = ("grey_matter", "white_matter", "csf", "adipose", "skeletal_muscle")


def test_brain_landmarks():
    t1 = signals(MriProtocol(preset="brain-t1w"), *BRAIN)
    assert t1["adipose"] > t1["white_matter"] > t1["grey_matter"] > t1["csf"]
    assert 1.25 < t1["white_matter"] / t1["grey_matter"] < 1.8
    assert t1["csf"] < 0.35 * t1["grey_matter"]
    t2 = signals(MriProtocol(preset="brain-t2w"), *BRAIN)
    assert t2["csf"] > t2["grey_matter"] > t2["white_matter"] > t2["skeletal_muscle"]
    assert 1.15 < t2["grey_matter"] / t2["white_matter"] < 1.5
    flair = signals(MriProtocol(preset="brain-flair"), *BRAIN)
    assert flair["csf"] < 0.05 * flair["grey_matter"]
    assert 1.05 < flair["grey_matter"] / flair["white_matter"] < 1.3
    assert flair["adipose"] < flair["white_matter"]
    dwi = signals(MriProtocol(preset="brain-dwi"), *BRAIN)
    assert dwi["csf"] < 0.4 * dwi["white_matter"]


def test_hyperintensities_shine_on_flair_and_nuclei_darken_on_t2():
    table = ("white_matter", "csf")
    flair = MriProtocol(preset="brain-flair")
    structures = [Structure("cerebral_white_matter_left", 1, "white_matter", CODE),
                  Structure("white_matter_hyperintensity_left", 2, "white_matter", CODE, mixture=(("csf", 0.25),)),
                  Structure("pallidum_left", 3, "grey_matter", CODE), Structure("cortex", 4, "grey_matter", CODE)]
    recipe = contrast_recipe(spins(structures, 3.0, MEAN), flair, READOUT, b1=False, offsets=False)
    white, lesion, pallidum, cortex = np.abs(recipe.table[1:, 0] @ recipe.states[:, flair.centre_echo])
    assert lesion > 1.25 * white
    assert pallidum < 0.85 * cortex
    assert signals(flair, *table)["csf"] < white


def test_body_landmarks():
    shot = MriProtocol(preset="abdomen-t2-haste", single_shot=False, echo_train=100)
    haste = signals(shot, "liver", "spleen", "csf", "adipose", "skeletal_muscle")
    assert haste["csf"] > haste["adipose"] > haste["spleen"] > haste["liver"] > haste["skeletal_muscle"]
    knee = signals(MriProtocol(preset="knee-pd-fs"), "synovial_fluid", "cartilage", "skeletal_muscle", "yellow_marrow",
                   "meniscus", "cortical_bone")
    assert knee["synovial_fluid"] > knee["cartilage"] > knee["yellow_marrow"]
    assert knee["cartilage"] > 2 * knee["meniscus"]
    assert knee["cortical_bone"] < 0.02 * knee["cartilage"]
    t1 = signals(MriProtocol(preset="knee-t1w"), "yellow_marrow", "skeletal_muscle", "synovial_fluid")
    assert t1["yellow_marrow"] > 2 * t1["skeletal_muscle"] > 2 * t1["synovial_fluid"]
    stir = signals(MriProtocol(preset="spine-stir"), "adipose", "csf", "skeletal_muscle", "intervertebral_disc")
    assert stir["adipose"] < 0.25 * stir["skeletal_muscle"]
    prostate = MriProtocol(preset="prostate-t2w")
    zones = [Structure(f"prostate_{zone}_zone", n, "prostate", CODE)
             for n, zone in enumerate(("peripheral", "transition", "central"), start=1)]
    recipe = contrast_recipe(spins(zones, 3.0, MEAN), prostate, READOUT, b1=False, offsets=False)
    peripheral, transition, central = np.abs(recipe.table[1:, 0] @ recipe.states[:, prostate.centre_echo])
    assert peripheral > 1.2 * transition > 1.2 * central


def test_fat_is_nulled_at_its_inversion_time():
    """STIR with perfect pulses at T1 ln(2 / (1 + exp(-TR/T1))): the water-free fat row vanishes."""
    t1 = MEAN.material("fat", 1.5).t1_s
    ti = 1000 * t1 * np.log(2 / (1 + np.exp(-4.5 / t1)))
    protocol = MriProtocol(sequence="se", field_T=1.5, tr_ms=4500, te_ms=10, ti_ms=ti, inversion_efficiency=1)
    assert abs(respond(protocol, pool(t1, 0.06))[0, 0]) < 0.01


def test_contrast_agent_brightens_t1_in_the_right_order():
    protocol = MriProtocol(preset="abdomen-t1-dynamic")
    structures = [Structure("aorta", 1, "vessel_wall", CODE, enhancement="aorta"),
                  Structure("liver", 2, "liver", CODE, enhancement="liver"),
                  Structure("spleen", 3, "spleen", CODE, enhancement="spleen")]
    by_phase = {}
    for phase in ("none", "arterial", "portal", "delayed"):
        recipe = contrast_recipe(spins(structures, 1.5, MEAN, phase=phase), protocol, READOUT, b1=False, offsets=False)
        by_phase[phase] = np.abs(recipe.table[1:, 0] @ recipe.states[:, 0])
    aorta, liver, spleen = np.array(list(by_phase.values())).T
    assert aorta[1] > aorta[2] > aorta[3] > aorta[0]
    assert liver[2] == liver.max()
    assert spleen[1] > 1.3 * spleen[0]


def test_contrast_agent_shortens_t1_by_its_relaxivity():
    structure = Structure("liver", 1, "liver", CODE, enhancement="liver")
    before, after = (spins([structure], 3.0, MEAN, phase=phase).pools for phase in ("none", "portal"))
    assert 1 / after.t1_s[0] - 1 / before.t1_s[0] == pytest.approx(4.97 * 0.36)


def test_fat_is_in_phase_and_opposed_with_water_at_the_dixon_echoes():
    """In and opposed phase at 1.5 T: 4.6 and 2.3 ms."""
    from medsynth.acquire.mri.sequences.gradient_echo import dixon_echoes_ms

    protocol = MriProtocol(preset="abdomen-dixon")
    opposed_ms, in_ms = dixon_echoes_ms(protocol)
    assert (opposed_ms, in_ms) == (pytest.approx(2.3, abs=0.05), pytest.approx(4.6, abs=0.1))
    _, fat = fat_amplitudes(1.5, in_ms / 1000)
    turn = np.exp(-2j * np.pi * fat_shift_hz(1.5) * in_ms / 1000)
    assert (fat * turn).real > 0.75
    _, fat = fat_amplitudes(1.5, opposed_ms / 1000)
    assert (fat * np.exp(-2j * np.pi * fat_shift_hz(1.5) * opposed_ms / 1000)).real < -0.75
    assert fat_shift_hz(1.5) == pytest.approx(-214, abs=6)


@pytest.mark.parametrize("name", ["brain-t1w", "brain-t2w", "brain-dwi"])
def test_compressed_trains_keep_every_signal(name):
    protocol = MriProtocol(preset=name)
    table = spins([Structure(t, n, t, CODE) for n, t in enumerate((*BRAIN, "liver", "cartilage"), start=1)], 3.0, MEAN)
    recipe = contrast_recipe(table, protocol, READOUT, b1=True, offsets=False)
    water = recipe.shift_hz == 0
    assert len(recipe.states) <= 10
    for b1, error in ((2, 5e-3), (3, 2e-3), (4, RANK_ERROR), (6, 5e-3)):
        exact = sum(table.density[1:, [p]] * respond(protocol, _one(table.pools, p), b1=B1_BINS[b1])
                    for p in np.flatnonzero(~table.pools.fat))
        fat = np.flatnonzero(table.pools.fat)
        share = fat_amplitudes(3.0, SEQUENCES[protocol.sequence].precession_s(protocol))[0]
        exact = exact + sum(share * table.density[1:, [p]] * respond(protocol, _one(table.pools, p), b1=B1_BINS[b1])
                            for p in fat)
        kept = recipe.table[1:, b1][:, water] @ recipe.states[water]
        largest = np.abs(recipe.table[:, :, water] @ recipe.states[water]).max()
        assert np.abs(kept - exact).max() <= 1.01 * error * largest


def _one(pools, index):
    return Pools(*(getattr(pools, name)[[index]] for name in Pools.__dataclass_fields__))


def test_compression_of_one_exponential_needs_one_component():
    assert len(compressed(np.outer([1.0, 3.0], np.exp(-np.arange(20) / 7)).astype(complex), 1e-6)) == 1


def test_places_between_bins():
    protocol = MriProtocol(preset="brain-t2w")
    b1 = np.array([[[B1_BINS[0], 1.0, B1_BINS[-1]]]], np.float32)
    np.testing.assert_allclose(bin_places(protocol, b1, None)[0, 0], [0, 4, 8], atol=1e-5)
    balanced = MriProtocol(preset="heart-bssfp")
    hz = np.array([[[0.0, 1000 / 3.2, 500 / 3.2 - 0.01]]], np.float32)
    np.testing.assert_allclose(bin_places(balanced, None, hz)[0, 0], [32, 32, 64], atol=0.01)


def test_the_gain_is_the_protocol_s_alone():
    protocol = MriProtocol(preset="brain-t2w")
    assert gain(protocol, READOUT) * signals(protocol, "csf")["csf"] == pytest.approx(FULL, rel=1e-3)
    centre, width = window(protocol, READOUT)
    assert centre == width / 2
    assert 0.3 * FULL < width < 1.3 * FULL


@pytest.mark.parametrize("name", presets())
def test_every_preset_has_a_schedule_and_a_signal(name):
    protocol = MriProtocol(preset=name)
    if protocol.single_shot:
        protocol = protocol.model_copy(update={"echo_train": 100, "single_shot": False})
    sequence = SEQUENCES[protocol.sequence]
    timing = sequence.timing(protocol, Readout(300, 150, 120, 60, 3.0, 20) if protocol.sequence != "dwi" else
                             Readout(100, 40, 1, 0, 3.0, 20))
    assert timing.tr_s == protocol.tr_s
    found = signals(protocol, "liver", "skeletal_muscle")
    assert found["liver"] > 0
    assert np.isfinite(list(found.values())).all()


@pytest.mark.parametrize(("settings", "words"), [
    ({"sequence": "se", "te_ms": 600, "tr_ms": 500}, "te_ms must be < tr_ms \\(500\\), got 600"),
    ({"sequence": "tse", "te_ms": 20, "tr_ms": 500, "ti_ms": 700}, "ti_ms must be < tr_ms \\(500\\), got 700"),
    ({"sequence": "tse", "te_ms": 90, "tr_ms": 3000, "echo_train": 4}, "ends at 40, got 90"),
    ({"sequence": "tse", "te_ms": 90, "tr_ms": 300, "echo_train": 40}, "tr_ms \\(300\\), got 0 \\+ 400"),
    ({"sequence": "mprage", "te_ms": 3, "dimensions": 3}, "ti_ms must be > 0"),
    ({"sequence": "mprage", "te_ms": 3, "ti_ms": 300, "echo_spacing_ms": 7}, "dimensions must be 3"),
    ({"sequence": "spgr", "te_ms": 5, "tr_ms": 20, "ti_ms": 10}, "ti_ms must be 0"),
    ({"sequence": "dwi", "tr_ms": 4000, "te_ms": 80}, "b_values must hold"),
    ({"sequence": "dwi", "tr_ms": 4000, "te_ms": 80, "b_values": [800, 0]}, "ascending"),
    ({"sequence": "t1_map", "te_ms": 2, "tr_ms": 15, "flips_deg": [5]}, "at least two"),
    ({"sequence": "t2_map", "te_ms": 10, "tr_ms": 900}, "echo_train must be >= 2"),
    ({"sequence": "dixon", "te_ms": 2, "tr_ms": 7, "fat_saturation": "spectral"}, "fat_saturation must be 'none'"),
    ({"preset": "brain-t3w"}, "did you mean 'brain-t"),
    ({"sequence": "se", "dimensions": 3, "slice_gap_mm": 1}, "slice_gap_mm must be 0"),
    ({"te": 5}, "Extra inputs"),
    ({"field_T": 12}, "less than or equal to 7"),
])  # fmt: skip
def test_contradictions_are_one_error_that_names_both_values(settings, words):
    with pytest.raises(ValidationError, match=words):
        MriProtocol(**settings)


def test_settings_go_over_a_preset_group_by_group():
    protocol = MriProtocol(preset="brain-t2w", te_ms=80, kspace={"sampling": {"averages": 2}})
    assert (protocol.te_ms, protocol.tr_ms) == (80, 6000)
    assert protocol.kspace.sampling.averages == 2
    assert protocol.kspace.sampling.phase_axis == "i"
