"""A whole CT acquisition of a scene."""

import json

import numba
import numpy as np
import pytest

from medsynth.acquire.ct.acquire import acquire_ct, scan_grid
from medsynth.acquire.ct.couch import COUCH_STRUCTURES, SHELL, with_couch
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.structure import Scene

COARSE = CtProtocol(pixel_mm=2.5, slice_thickness_mm=3.0, mas=150)


@pytest.fixture(scope="module")
def scan(scene, lesion):
    return acquire_ct(scene, [lesion], COARSE, seed=Seed(7).child("ct"), twin=True)


def test_the_image_is_int16_hu_on_the_grid_that_was_asked_for(scan):
    assert scan.image.array.dtype == np.int16
    assert scan.image.quantity == "HU"
    assert scan.image.grid.spacing_mm == (3.0, 2.5, 2.5)
    assert scan.image.grid.shape_kji[0] == 27
    assert scan.phantom.grid == scan.healthy.grid == scan.image.grid


def test_organs_have_their_hu_in_the_image(scan):
    hu = scan.parameters["hu"]
    for name in ("muscle", "aorta", "lung"):
        label = scan.healthy.labels == next(s.label for s in scan.healthy.structures if s.name == name)
        pure = label & (scan.healthy.fraction == 0)
        inner = pure.copy()
        for axis in (1, 2):
            for step in (-2, -1, 1, 2):
                inner &= np.roll(pure, step, axis)
        assert inner.sum() > 200
        assert scan.twin.array[inner].mean() == pytest.approx(hu[name], abs=1.0), name


def test_the_twin_differs_within_the_lesions_reach_only(scan):
    changed = np.any([getattr(scan.phantom, part) != getattr(scan.healthy, part)
                      for part in ("labels", "neighbour", "fraction", "texture")], axis=0)
    reach = scan.parameters["lesion_reach_kji"]
    box = np.argwhere(changed)
    low, high = box.min(0) - reach, box.max(0) + reach
    differing = np.argwhere(scan.image.array != scan.twin.array)
    assert len(differing) > 100
    assert np.all(differing >= low)
    assert np.all(differing <= high)
    assert scan.image.array[changed].mean() > scan.twin.array[changed].mean() + 300


def test_without_lesions_the_image_is_its_own_twin(scene, scan):
    healthy = acquire_ct(scene, [], COARSE, seed=Seed(7).child("ct"), twin=True)
    assert healthy.phantom is healthy.healthy
    np.testing.assert_array_equal(healthy.image.array, healthy.twin.array)
    np.testing.assert_array_equal(healthy.image.array, scan.twin.array)


def test_same_seed_same_image_for_any_number_of_threads_and_another_seed_differs(scene, lesion, scan):
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(2 if threads == 1 < numba.config.NUMBA_NUM_THREADS else 1)
        again = acquire_ct(scene, [lesion], COARSE, seed=Seed(7).child("ct"))
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(again.image.array, scan.image.array)
    assert again.twin is None
    other = acquire_ct(scene, [lesion], COARSE, seed=Seed(8).child("ct"))
    assert np.any(other.image.array != scan.image.array)


def test_contrast_raises_the_aorta(scene):
    plain, arterial = (acquire_ct(scene, [], COARSE.model_copy(update={"phase": phase}), seed=Seed(1))
                       for phase in ("none", "arterial"))
    aorta = (plain.phantom.labels == 6) & (plain.phantom.fraction == 0)
    assert arterial.image.array[aorta].mean() > plain.image.array[aorta].mean() + 230
    assert "ContrastBolusAgent" in arterial.scanner.attributes
    assert "ContrastBolusAgent" not in plain.scanner.attributes


def test_the_table_lies_under_the_back_and_covers_no_body(scene, scan):
    bare = acquire_ct(scene, [], COARSE.model_copy(update={"table": False, "fov_mm": 450.0}), seed=Seed(1))
    assert not np.isin(bare.phantom.labels, [s.label for s in COUCH_STRUCTURES]).any()
    shell = scan.healthy.occupancy(SHELL)
    assert shell.sum() > 100
    heights = scan.healthy.grid.world_mm(np.argwhere(shell > 0.1))[:, 1]
    assert heights.max() > scene.bounds_mm[1][1] + 40
    with_table, without = (a.healthy.volumes_ml()["muscle"] for a in (scan, bare))
    assert with_table == pytest.approx(without, rel=0.01)


def test_a_body_that_uses_the_tables_labels_is_refused(scene):
    double = with_couch(scene)
    with pytest.raises(RecipeError, match="patient table"):
        with_couch(double)


def test_an_unknown_scan_range_is_refused(scene):
    with pytest.raises(RecipeError, match=r"scan_range must be one of \['chest'\], got 'head'"):
        scan_grid(scene, CtProtocol(scan_range="head"))


@pytest.mark.parametrize(("protocol", "pixels"), [(CtProtocol(), 512), (CtProtocol(matrix=255), 255)])
def test_the_automatic_field_of_view_holds_body_and_table(scene: Scene, protocol, pixels):
    grid = scan_grid(scene, protocol)
    corners = grid.corners_mm()
    assert grid.shape_kji[1:] == (pixels, pixels)
    assert np.all(corners.min(0)[:2] <= np.array(scene.bounds_mm[0])[:2])
    assert np.all(corners.max(0)[:2] >= np.array(scene.bounds_mm[1])[:2])
    assert corners[:, 2].min() == pytest.approx(-40, abs=0.5)
    assert corners[:, 2].max() == pytest.approx(41, abs=0.5)


def test_record_and_parameters_are_plain_values(scan):
    assert scan.scanner.modality == "CT"
    attributes = scan.scanner.attributes
    assert attributes["KVP"] == 120.0
    assert attributes["Exposure"] == 150
    assert attributes["XRayTubeCurrent"] * attributes["ExposureTime"] / 1000 == pytest.approx(150)
    assert attributes["PatientPosition"] == "HFS"
    assert json.loads(json.dumps(scan.parameters)) == scan.parameters
    assert scan.parameters["noise_sd_hu"] > 1
