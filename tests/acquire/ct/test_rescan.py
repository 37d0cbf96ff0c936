"""A volume scanned anew against a scan that was made so in the first place."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.hu import attenuation_table, water_level
from medsynth.acquire.ct.hu_phantom import checked_hu, hu_phantom
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.ct.rescan import rescan
from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.label_map import label_phantom, label_structures

GRID = Grid.centred((16, 160, 160), (2.0, 1.2, 1.2))
RADIUS_MM, ROD_MM = 80.0, 18.0


@cache
def cylinder():
    x, y = np.moveaxis(GRID.points_mm()[0], -1, 0)[:2]
    r = np.hypot(x, y)
    labels = np.where(r < ROD_MM, 2, np.where(r < RADIUS_MM, 1, 0)).astype(np.uint16)
    structures = label_structures({1: "water", 2: {"water": 0.8, "cortical_bone": 0.2}})
    return r, label_phantom(Volume(np.broadcast_to(labels, GRID.shape_kji).copy(), GRID, "label"), structures)


def protocol(**settings):
    return CtProtocol(**{"slice_thickness_mm": 2.0, "increment_mm": 2.0, **settings})


def scanned(of, seed=1):
    _, phantom = cylinder()
    return image_phantom(phantom, phantom, of, seed=Seed(seed)).image


CHANGES = [({"mas": 300}, {"mas": 50}), ({"mas": 300}, {"mas": 60, "kernel": "soft"}),
           ({"mas": 300, "kernel": "soft"}, {"mas": 50, "kernel": "sharp"}),
           ({"mas": 300, "reconstruction": "fbp"}, {"mas": 50, "reconstruction": "fbp", "kernel": "sharp"}),
           ({"mas": 300}, {"mas": 50, "slice_thickness_mm": 4.0}), ({"mas": 300}, {"mas": 60, "kvp": 80})]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_noise_and_hu_are_those_of_a_scan_with_the_new_settings(before, after):
    r, _ = cylinder()
    source, target = protocol(**before), protocol(**after)
    found, wanted = rescan(scanned(source), source, target, seed=Seed(9)), scanned(target, seed=2)
    inner = slice(3, -3)
    for ring in ((r > 25) & (r < 45), (r > 55) & (r < 72)):  # the level falls from the middle to the rim
        one, two = (image.array[inner][:, ring].astype(float) for image in (found, wanted))
        assert one.std() == pytest.approx(two.std(), rel=0.06)
        assert one.mean() == pytest.approx(two.mean(), abs=0.5)
    rod = r < ROD_MM - 6
    assert found.array[inner][:, rod].mean() == pytest.approx(wanted.array[inner][:, rod].mean(), rel=0.03)


def test_the_edge_of_a_rod_gets_the_new_kernels_sharpness():
    quiet = {"mas": 2000}
    r, _ = cylinder()
    rim = np.abs(r - ROD_MM) < 4
    for one, other, limit in (("standard", "soft", 0.05), ("soft", "standard", 0.12)):
        source, target = protocol(**quiet, kernel=one), protocol(**quiet, kernel=other)
        before, wanted = scanned(source), scanned(target)
        found = rescan(before, source, target, seed=Seed(9))
        mean = [image.array[3:-3].mean(axis=0)[rim] for image in (before, wanted, found)]
        change = np.sqrt(np.mean((mean[0] - mean[1]) ** 2))
        assert change > 3
        assert np.sqrt(np.mean((mean[2] - mean[1]) ** 2)) < max(limit * change, 1.2)


def test_noise_that_is_there_cannot_be_taken_away():
    noisy, quiet = protocol(mas=20), protocol(mas=500)
    image = scanned(noisy)
    again = rescan(image, noisy, quiet, seed=Seed(9))
    np.testing.assert_array_equal(again.array, image.array)


def test_the_same_seed_gives_the_same_scan_and_another_another():
    source, target = protocol(mas=300), protocol(mas=50)
    image = scanned(source)
    one, two, three = (rescan(image, source, target, seed=Seed(n)).array for n in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, three)


@pytest.mark.parametrize("kvp", [80.0, 120.0])
def test_mixtures_have_the_hu_that_they_were_made_of(kvp):
    hu = np.linspace(-1000, 3000, 4000).reshape(10, 20, 20)
    phantom = hu_phantom(Volume(hu, Grid((10, 20, 20), (1.0, 1.0, 1.0)), "HU"), kvp)
    table, f = attenuation_table(phantom.structures, kvp, "none"), phantom.fraction / 255
    found = (1 - f) * table[phantom.labels] + f * table[phantom.neighbour] - water_level(kvp)
    assert phantom.fraction.max() <= 128
    assert np.abs(found - hu)[hu < 1500].max() < 0.5
    assert np.abs(found - hu).max() < 4


def test_what_is_no_hu_volume_is_told_in_one_line():
    good = np.full((4, 4, 4), 40.0)
    good[0] = -1000
    checked_hu(good, "ct")
    with pytest.raises(RecipeError, match="ct must hold finite HU, got 1 voxels"):
        checked_hu(np.where(np.arange(64).reshape(4, 4, 4) == 3, np.nan, good), "ct")
    for wrong in (good / 4095 + 0.25, good + 1024):
        with pytest.raises(RecipeError, match="ct must be in HU with some air below -500"):
            checked_hu(wrong, "ct")
    checked_hu(good[1:], "ct", air=False)
    with pytest.raises(GeometryError, match="square"):
        rescan(Volume(good, Grid((4, 4, 4), (1.0, 1.0, 2.0)), "HU"), None, protocol(), seed=Seed(1))
