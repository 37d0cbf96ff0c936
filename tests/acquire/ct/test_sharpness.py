"""Sharpness and slice profile of the noiseless image against their closed forms."""

import numpy as np
import pytest

from medsynth.acquire.ct.hu import structure_hu
from medsynth.acquire.ct.kernel import KERNELS, slice_taps
from medsynth.acquire.ct.mean_image import mean_hu, optics
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.scene.structure import Code, Structure


def half_plane(pixels, pixel_mm, turn_deg, part=32):
    """Area share of each pixel on one side of a slanted line, and the distance of its centre to it."""
    normal = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    centre = (np.arange(pixels) - (pixels - 1) / 2) * pixel_mm
    fine = ((np.arange(part) + 0.5) / part - 0.5) * pixel_mm
    x = (centre[:, None] + fine).ravel()
    inside = (x[None, :] * normal[0] + x[:, None] * normal[1]) < 0
    share = inside.reshape(pixels, part, pixels, part).mean(axis=(1, 3))
    return share, centre[None, :] * normal[0] + centre[:, None] * normal[1]


def measured_mtf(image, distance_mm, frequencies, width_mm=12.0, bin_mm=0.1):
    """Slanted-edge transfer: bin the edge by distance, differentiate, transform, divide by the bin's own transfer."""
    near = np.abs(distance_mm) < width_mm
    edges = np.arange(-width_mm, width_mm + bin_mm / 2, bin_mm)
    sums, _ = np.histogram(distance_mm[near], edges, weights=image[near])
    counts, _ = np.histogram(distance_mm[near], edges)
    profile = np.diff(sums / counts)
    place = edges[1:-1]
    transfer = np.abs((profile * np.exp(-2j * np.pi * frequencies[:, None] * place)).sum(axis=1) / profile.sum())
    return transfer / np.sinc(frequencies * bin_mm) ** 2


@pytest.mark.parametrize("kernel", list(KERNELS))
@pytest.mark.parametrize(("pixel_mm", "turn_deg"), [(0.5, 3.0), (0.7, 4.0), (0.93, 87.0), (0.7, 41.0)])
def test_measured_mtf_matches_the_kernels_within_5_percent(make_phantom, kernel, pixel_mm, turn_deg):
    share, distance_mm = half_plane(201, pixel_mm, turn_deg)
    protocol = CtProtocol(kernel=kernel, slice_thickness_mm=1.0)
    image = mean_hu(make_phantom(share[None], (1.0, pixel_mm, pixel_mm)), protocol, 0, 1)[0].astype(float)
    frequencies = np.arange(0.05, 0.8 * 0.5 / pixel_mm, 0.05)
    rim = slice(20, -20)
    measured = measured_mtf(image[rim, rim], distance_mm[rim, rim], frequencies)
    np.testing.assert_allclose(measured, KERNELS[kernel].mtf(frequencies), atol=0.05 * KERNELS[kernel].mtf(0.0))


def test_sharp_kernels_pass_more_detail_than_standard_and_soft():
    f = np.array([0.2, 0.4, 0.6, 0.8])
    assert np.all(KERNELS["sharp"].mtf(f) > KERNELS["standard"].mtf(f))
    assert np.all(KERNELS["standard"].mtf(f) > KERNELS["soft"].mtf(f))


@pytest.mark.parametrize("kernel", list(KERNELS))
@pytest.mark.parametrize(("tube_kV", "shape"), [(80, (3, 33, 40)), (120, (4, 64, 31))])
def test_uniform_water_is_zero_within_1_hu(make_phantom, kernel, tube_kV, shape):
    image = mean_hu(make_phantom(np.ones(shape), (2.0, 0.8, 0.8)), CtProtocol(kernel=kernel, kvp=tube_kV), 0, shape[0])
    assert np.abs(image).max() < 0.1


def test_partial_volume_mixes_attenuation_not_hu_of_a_clipped_scale(make_phantom):
    share = np.full((1, 9, 9), 0.3)
    image = mean_hu(make_phantom(share, (1.0, 1.0, 1.0)), CtProtocol(), 0, 1)
    part = np.rint(255 * 0.3) / 255
    assert image[0, 4, 4] == pytest.approx(-1000 * (1 - part), abs=0.1)


def test_texture_scales_the_density_of_the_label_and_not_of_its_neighbour(make_phantom):
    bone = Structure("bone", 1, "cortical_bone", Code("0", "bone"))
    phantom = make_phantom(np.full((1, 9, 9), 0.6), (1.0, 1.0, 1.0), (bone,))
    phantom.texture[:] = -500
    hu = structure_hu(bone, 120, "none")
    part = 1 - np.rint(255 * 0.4) / 255
    expected = part * 0.95 * (hu + 1000) - 1000
    assert mean_hu(phantom, CtProtocol(), 0, 1)[0, 4, 4] == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize(("thickness_mm", "step_mm"), [(3.0, 1.0), (2.0, 1.0), (1.0, 1.0), (2.5, 1.25), (5.0, 0.7)])
def test_a_thin_plate_is_seen_with_the_width_and_sum_of_the_slice_profile(make_phantom, thickness_mm, step_mm):
    share = np.zeros((31, 5, 5))
    share[15] = 1.0
    protocol = CtProtocol(slice_thickness_mm=thickness_mm, increment_mm=step_mm)
    profile = mean_hu(make_phantom(share, (step_mm, 1.0, 1.0)), protocol, 0, 31)[:, 2, 2] + 1000
    assert profile.sum() == pytest.approx(1000, rel=1e-3)
    assert profile.max() == pytest.approx(1000 * step_mm / thickness_mm, rel=1e-3)


def test_slice_weights_sum_to_one_and_are_symmetric():
    for thickness_mm, step_mm in [(1, 1), (3, 1), (2.7, 0.9), (5, 1.3)]:
        taps = np.array(slice_taps(thickness_mm, step_mm))
        assert taps.sum() == pytest.approx(1)
        np.testing.assert_allclose(taps, taps[::-1])


@pytest.mark.parametrize("protocol", [
    CtProtocol(), CtProtocol(slice_thickness_mm=3.0, increment_mm=1.0, kernel="sharp")])
def test_runs_of_slices_equal_the_whole(make_phantom, protocol):
    share = np.random.Generator(np.random.PCG64(1)).uniform(size=(11, 24, 33))
    phantom = make_phantom(share, (1.0, 0.8, 0.8))
    whole = mean_hu(phantom, protocol, 0, 11)
    parts = [mean_hu(phantom, protocol, a, b) for a, b in ((0, 1), (1, 6), (6, 11))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_changed_voxel_is_seen_within_the_stated_reach_only(make_phantom):
    protocol = CtProtocol(slice_thickness_mm=3.0, increment_mm=1.0, kernel="sharp")
    share = np.full((9, 61, 63), 0.4)
    before = mean_hu(make_phantom(share, (1.0, 0.7, 0.7)), protocol, 0, 9)
    share[4, 30, 31] = 1.0
    after = mean_hu(make_phantom(share, (1.0, 0.7, 0.7)), protocol, 0, 9)
    reach = optics(protocol, 0.7).reach_kji
    changed = np.argwhere(before != after)
    assert np.all(np.abs(changed - [4, 30, 31]) <= reach)
    assert len(changed) > 50
