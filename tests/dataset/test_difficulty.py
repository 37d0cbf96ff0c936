"""Difficulty as a dial: the index that is asked for is the index that the scanner gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.annotate.annotation import annotate
from medsynth.core.errors import PlacementError, RecipeError
from medsynth.core.seed import Seed
from medsynth.dataset.difficulty import DifficultyPart, dialled
from medsynth.lesions.families import build_lesions
from medsynth.lesions.lung_nodule import sample_specs
from medsynth.lesions.lung_nodule_options import LungNoduleOptions
from tests.lesions.lungs import lungs_scene

PROTOCOL = CtProtocol(mas=40, slice_thickness_mm=4.0, pixel_mm=2.5, scan_range="chest", table=False)


@pytest.fixture(scope="module")
def scene():
    return replace(lungs_scene(), scan_range_mm={"chest": (-48.0, 48.0)})


@pytest.fixture(scope="module")
def specs(scene):
    options = LungNoduleOptions(count=1, types={"solid": 1}, calcifications={"none": 1}, diameter_mm=7,
                                attachments={"none": 1}, spiculation={"probability": 0})
    for number in range(60):
        found = sample_specs(options, scene, rng=Seed(number).rng())
        if abs(found[0]["centre_mm"][2]) < 30:
            return found
    raise AssertionError


@pytest.mark.parametrize(("adjust", "index", "wanted"), [
    ("dose", "npw_dprime", 600.0), ("size", "npw_dprime", 400.0), ("contrast", "npw_dprime", 500.0),
    ("size", "cnr", 30.0)])
def test_the_index_asked_for_is_what_the_image_is_measured_to_have(scene, specs, adjust, index, wanted):
    part = DifficultyPart(acquisition="ct", adjust=adjust, **{index: {"min": wanted, "max": wanted}})
    made = dialled(specs, [part], scene, {"ct": PROTOCOL}, seed=Seed(1))
    told = made.told[0]
    assert told["got"] == pytest.approx(wanted, rel=0.1)
    lesions = build_lesions(made.specs, scene)
    acquired = acquire_ct(scene, lesions, made.protocols["ct"], seed=Seed(2))
    record = annotate(acquired, lesions, scene).lesions[0]
    if index == "npw_dprime":
        assert record.dprime == pytest.approx(wanted, rel=0.1)
    changed = {"dose": made.protocols["ct"].mas != PROTOCOL.mas,
               "size": made.specs[0]["diameter_mm"] != specs[0]["diameter_mm"],
               "contrast": made.specs[0]["solid_hu"] != specs[0]["solid_hu"]}
    assert [name for name, value in changed.items() if value] == [adjust]


def test_what_cannot_be_had_is_said(scene, specs):
    part = DifficultyPart(acquisition="ct", adjust="size", npw_dprime={"min": 1e5, "max": 1e5})
    with pytest.raises(PlacementError, match="size"):
        dialled(specs, [part], scene, {"ct": PROTOCOL}, seed=Seed(1))
    with pytest.raises(RecipeError, match="fast-tier"):
        dialled(specs, [part], scene, {"ct": PROTOCOL.model_copy(update={"fidelity": "physics"})}, seed=Seed(1))
    both = DifficultyPart(acquisition="ct", npw_dprime={"min": 1, "max": 2}, cnr={"min": 1, "max": 2})
    with pytest.raises(RecipeError, match="exactly one"):
        dialled(specs, [both], scene, {"ct": PROTOCOL}, seed=Seed(1))
