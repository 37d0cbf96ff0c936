"""Prostate, uterus and ovaries: volume, place, words."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.lesions.pelvis.prostate_lesion import sector
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Measured
from tests.lesions.trunk import by_part, drawn, grown, names_below, painted, parts_ml
from tests.phantoms.trunk_people import built


@pytest.fixture(scope="module")
def man():
    return built("pelvis", "man", 3.0).scene


@pytest.fixture(scope="module")
def woman():
    return built("pelvis", "woman", 3.0).scene


@pytest.mark.parametrize("zone", ["peripheral", "transition"])
def test_prostate_cancer_has_its_volume_within_its_zone(man, zone):
    specs, lesions = grown(man, "prostate_lesion", count=2, types={"cancer": 1}, zones={zone: 1}, diameter_mm=10)
    for spec, lesion in zip(specs, lesions, strict=True):
        ill, anatomy, _ = painted(man, lesion)
        assert sum(parts_ml(lesion, ill).values()) == pytest.approx(np.pi / 6000 * spec["diameter_mm"]**3, rel=0.05)
        assert names_below(ill, anatomy, lesion) <= {f"prostate_{zone}_zone"}


def test_sectors_follow_the_glands_own_extent(man):
    grid = Grid.covering(*(np.asarray(end) for end in man.fields["prostate"].bounds_mm()), (1.0,) * 3)
    gland = rasterize(man, grid).occupancy(*(s.label for s in man.structures if s.name.startswith("prostate"))) > 0.5
    at = grid.world_mm(np.argwhere(gland).astype(float))
    middle, half = (at.max(0) + at.min(0)) / 2, (at.max(0) - at.min(0)) / 2
    assert sector(man, "peripheral", middle + half * [0.7, 0.6, 0.0])["sector"] == "left mid PZpl"
    assert sector(man, "peripheral", middle + half * [-0.1, 0.8, -0.7])["sector"] == "right apex PZpm"
    assert sector(man, "transition", middle + half * [0.3, -0.4, 0.6])["sector"] == "left base TZa"


def test_pi_rads_rises_with_conspicuity_and_size(man):
    def score(conspicuity, size):
        _, (lesion,) = grown(man, "prostate_lesion", count=1, types={"cancer": 1}, diameter_mm=9,
                             conspicuity=conspicuity)
        return lesion.classify(Measured(1, size, size, size, size, size, 1, None, None, None, {}))["pi_rads"]

    assert [score(0.5, 9), score(0.9, 9), score(0.9, 15)] == [3, 4, 5]


def test_cancers_lie_mostly_in_the_peripheral_zone_and_nodules_never(man):
    specs = [drawn(man, "prostate_lesion", seed=n, count=1)[0] for n in range(80)]
    cancers = [s["zone"] for s in specs if s["type"] == "cancer"]
    assert 0.55 < cancers.count("peripheral") / len(cancers) < 0.85
    assert {s["zone"] for s in specs if s["type"] == "bph_nodule"} == {"transition"}


@pytest.mark.parametrize(("kind", "options"), [("fibroid", {"sites": {"intramural": 1}, "diameter_mm": 16}),
                                               ("fibroid", {"sites": {"subserosal": 1}, "diameter_mm": 26}),
                                               ("ovarian_cyst", {"types": {"simple": 1}, "diameter_mm": 28}),
                                               ("ovarian_cyst", {"types": {"dermoid": 1}, "diameter_mm": 40})])
def test_lesions_of_womb_and_ovaries_have_their_volume(woman, kind, options):
    (spec,), (lesion,) = grown(woman, kind, count=1, **options)
    ill, _, _ = painted(woman, lesion)
    assert sum(parts_ml(lesion, ill).values()) == pytest.approx(np.pi / 6000 * spec["diameter_mm"]**3, rel=0.05)


def test_the_fat_of_a_dermoid_floats(woman):
    for posture, axis, sign in (("supine", 1, -1), ("upright", 2, 1)):
        _, (lesion,) = grown(woman, "ovarian_cyst", count=1, types={"dermoid": 1}, diameter_mm=40, posture=posture)
        ill, _, _ = painted(woman, lesion, nodes=24)
        parts = by_part(lesion)
        middle = [ill.grid.world_mm(np.argwhere(ill.occupancy(parts[p].label) > 0.5).astype(float)).mean(0)[axis]
                  for p in ("fat", "")]
        assert sign * (middle[0] - middle[1]) > 5


def test_what_a_person_lacks_is_refused_by_name(man, woman):
    with pytest.raises(PlacementError, match="prostate"):
        drawn(woman, "prostate_lesion")
    with pytest.raises(PlacementError, match="uterus"):
        drawn(man, "fibroid")
