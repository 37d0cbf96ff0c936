"""Nodules in ellipsoid lungs: volume, place, parts, locality and determinism."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from medsynth.core.errors import PlacementError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import build_lesions, sample_lesions
from medsynth.lesions.lung_nodule import LungNoduleOptions, air_share, insert, sample_specs, solid_mixture
from medsynth.scene.lesion_parts import part_label, part_labels
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import organ_labels
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue
from tests.lesions.lungs import BODY, CENTRES, LOBES, RADII, VESSELS, lungs_scene

TYPES = ("solid", "part_solid", "ground_glass")
ATTACHMENTS = ("none", "juxtapleural", "pleural_tag", "juxtavascular", "perifissural")
PATTERNS = ("central", "popcorn", "laminated", "diffuse", "non_central")


@pytest.fixture(scope="module")
def scene():
    return lungs_scene()


def fine_grid(spec, voxels=44, margin_mm=2.0):
    reach = spec["reach_mm"] + margin_mm
    step = 2 * reach / voxels
    return Grid.covering(np.array(spec["centre_mm"]) - reach, np.array(spec["centre_mm"]) + reach, (step,) * 3)


def inserted(scene, spec, number=1):
    grid = fine_grid(spec)
    healthy = rasterize(scene, grid)
    return healthy, with_lesions(healthy, scene, [insert(spec, scene, number)])[0]


def volume_mm3(phantom, *labels):
    return float(phantom.occupancy(*labels).sum()) * phantom.grid.voxel_volume_mm3


def one(scene, seed=1, **options):
    return sample_specs(LungNoduleOptions(**options), scene, rng=Seed(seed).rng())[0]


@pytest.mark.parametrize("attachment", ATTACHMENTS)
@pytest.mark.parametrize("kind", TYPES)
def test_volume_asked_for_is_met_to_5_percent(scene, kind, attachment):
    options = LungNoduleOptions(
        count=3, types={kind: 1}, attachments={attachment: 1}, lobulation={"probability": 0.7},
        spiculation={"probability": 0.7}, diameter_mm={"distribution": "uniform", "low": 3, "high": 22})
    for spec in sample_specs(options, scene, rng=Seed(11).child(kind, attachment).rng()):
        _, phantom = inserted(scene, spec)
        volume = volume_mm3(phantom, *part_labels(phantom.structures, 1).values())
        assert volume == pytest.approx(np.pi / 6 * spec["diameter_mm"] ** 3, rel=0.05), spec


@pytest.mark.slow
def test_volume_is_met_over_many_seeds_of_the_default_options(scene):
    for seed in range(40):
        spec = one(scene, seed)
        _, phantom = inserted(scene, spec)
        volume = volume_mm3(phantom, *part_labels(phantom.structures, 1).values())
        assert volume == pytest.approx(np.pi / 6 * spec["diameter_mm"] ** 3, rel=0.05), spec


@pytest.mark.parametrize("pattern", PATTERNS)
def test_calcium_of_every_pattern_lies_within_the_nodule_and_keeps_its_volume(scene, pattern):
    spec = one(scene, types={"solid": 1}, calcifications={pattern: 1}, diameter_mm=14, attachments={"none": 1},
               spiculation={"probability": 0})
    _, phantom = inserted(scene, spec)
    labels = part_labels(phantom.structures, 1)
    calcium, solid = (phantom.occupancy(labels[part]) for part in ("calcification", "solid"))
    share = calcium.sum() / (calcium.sum() + solid.sum())
    assert {"diffuse": 0.6, "laminated": 0.2}.get(pattern, 0.005) < share < 0.85
    assert (calcium + solid).sum() * phantom.grid.voxel_volume_mm3 == pytest.approx(np.pi / 6 * 14**3, rel=0.05)
    # Calcium does not touch the lung: its voxels hold calcium and solid tissue alone.
    assert (calcium + solid)[calcium > 0.05].min() > 0.9


def test_central_calcium_is_at_the_centre_and_eccentric_calcium_is_not(scene):
    offsets = {}
    for pattern in ("central", "non_central"):
        spec = one(scene, types={"solid": 1}, calcifications={pattern: 1}, diameter_mm=14, attachments={"none": 1})
        _, phantom = inserted(scene, spec)
        calcium = phantom.occupancy(part_label(1, "calcification"))
        centre = phantom.grid.world_mm(np.average(np.argwhere(calcium > 0), axis=0, weights=calcium[calcium > 0]))
        offsets[pattern] = np.linalg.norm(centre - spec["centre_mm"])
    assert offsets["central"] < 1.0
    assert offsets["non_central"] > 1.5


def test_laminated_calcium_alternates_with_solid_tissue_along_a_ray(scene):
    spec = one(scene, types={"solid": 1}, calcifications={"laminated": 1}, diameter_mm=20, attachments={"none": 1})
    spec = {**spec, "axes": (1.0, 1.0, 1.0), "lobulation": 0.0, "spiculation": 0.0}
    _, phantom = inserted(scene, spec)
    calcium = phantom.occupancy(part_label(1, "calcification")) > 0.5
    k, j, i = np.rint(phantom.grid.index_kji(spec["centre_mm"])).astype(int)
    changes = np.count_nonzero(np.diff(calcium[k, j, i:].astype(int)))
    assert changes >= 4


def assert_untouched(healthy, phantom, others, allowed):
    """Neither voxels nor volume of `others` change, beyond what two materials per voxel can hold."""
    lesion = phantom.occupancy(*part_labels(phantom.structures, 1).values())
    assert lesion[healthy.occupancy(*allowed) == 0].max(initial=0) == 0
    before, after = volume_mm3(healthy, *others), volume_mm3(phantom, *others)
    assert abs(after - before) < 0.01 * lesion.sum() * phantom.grid.voxel_volume_mm3


@pytest.mark.parametrize("attachment", ATTACHMENTS)
def test_nothing_outside_the_lung_and_its_vessels_is_covered(scene, attachment):
    spec = one(scene, 3, attachments={attachment: 1}, diameter_mm=12, types={"solid": 1})
    healthy, phantom = inserted(scene, spec)
    assert (healthy.labels != phantom.labels).any()
    assert_untouched(healthy, phantom, (0, BODY), (*range(11, 16), VESSELS))


@pytest.mark.parametrize("lobe", LOBES)
def test_a_nodule_stays_in_the_lobe_asked_for(scene, lobe):
    own = 11 + LOBES.index(lobe)
    others = [label for label in range(11, 16) if label != own]
    for attachment in ("none", "juxtapleural", "perifissural"):
        spec = one(scene, 5, lobes={lobe: 1}, attachments={attachment: 1}, diameter_mm=15)
        healthy, phantom = inserted(scene, spec)
        assert insert(spec, scene, 1).host == lobe
        assert_untouched(healthy, phantom, others, (own, VESSELS))


def test_juxtapleural_nodules_touch_the_pleura_and_free_ones_do_not(scene):
    touching = {}
    for attachment in ("none", "juxtapleural"):
        spec = one(scene, 6, attachments={attachment: 1}, diameter_mm=12, types={"solid": 1})
        healthy, phantom = inserted(scene, spec)
        border = (healthy.occupancy(*range(11, 16)) > 0.05) & (healthy.occupancy(BODY) > 0.05)
        touching[attachment] = int((phantom.occupancy(part_label(1, "solid"))[border] > 0.05).sum())
    assert touching["none"] == 0
    assert touching["juxtapleural"] > 20


def test_a_juxtapleural_nodule_leaves_no_sliver_of_lung_at_the_pleura(scene):
    spec = one(scene, 6, attachments={"juxtapleural": 1}, diameter_mm=14, types={"solid": 1},
               lobes={"lobe_left_lower": 1})
    healthy, phantom = inserted(scene, spec)
    lung = list(range(11, 16))
    point = np.array(spec["centre_mm"])
    outward = (point - CENTRES["left"]) / np.square(RADII)
    outward /= np.linalg.norm(outward)
    walk = np.rint(phantom.grid.index_kji(point + np.arange(0, 9, 0.2)[:, None] * outward)).astype(int)
    walk = walk[np.all((walk >= 0) & (walk < phantom.grid.shape_kji), axis=1)]
    assert phantom.occupancy(*lung)[tuple(walk.T)].max() < 0.3
    assert healthy.occupancy(*lung)[tuple(walk.T)].max() == 1


def test_solid_core_lies_within_the_ground_glass(scene):
    for seed in range(4):
        spec = one(scene, seed, types={"part_solid": 1}, attachments={"none": 1}, diameter_mm=16,
                   spiculation={"probability": 0})
        _, phantom = inserted(scene, spec)
        solid, glass = (phantom.occupancy(part_label(1, part)) for part in ("solid", "ground_glass"))
        assert solid.sum() / (solid + glass).sum() == pytest.approx(spec["solid_share"], rel=0.05)
        # No solid voxel borders the lung.
        assert (solid + glass)[solid > 0.2].min() > 0.9


def test_vessels_shine_through_ground_glass_and_end_in_solid_nodules(scene):
    kept = {}
    for kind in ("ground_glass", "solid"):
        spec = one(scene, 7, types={kind: 1}, attachments={"juxtavascular": 1}, diameter_mm=14)
        spec = {**spec, "centre_mm": (-91.0, 0.0, 0.0), "lobe": "lobe_right_middle"}
        healthy, phantom = inserted(scene, spec)
        kept[kind] = volume_mm3(phantom, VESSELS) / volume_mm3(healthy, VESSELS)
    assert kept["ground_glass"] > 0.99
    assert kept["solid"] < 0.7


def test_a_pleural_tag_reaches_the_pleura_and_is_not_part_of_the_nodule(scene):
    spec = one(scene, 8, types={"solid": 1}, attachments={"pleural_tag": 1}, diameter_mm=9,
               spiculation={"probability": 0})
    lesion = insert(spec, scene, 1)
    tag = next(s for s in lesion.structures if s.name == "lesion_1_pleural_tag")
    assert tag.part_of == spec["lobe"]
    tubes = lesion.paints[-1].shape
    lung = scene.fields["lung_" + spec["lobe"].split("_")[1]]
    assert abs(float(lung.distance_mm(tubes.ends_mm[-1:])[0])) < 1.0
    phantom = with_lesions(rasterize(scene, fine_grid(spec, margin_mm=16)), scene, [lesion])[0]
    assert tag.label not in part_labels(phantom.structures, 1).values()
    assert volume_mm3(phantom, tag.label) > 1.0


def test_nodules_of_one_case_never_overlap(scene):
    specs = sample_specs(LungNoduleOptions(count=25, diameter_mm={"distribution": "uniform", "low": 4, "high": 20}),
                         scene, rng=Seed(9).rng())
    centres, reach = np.array([s["centre_mm"] for s in specs]), np.array([s["reach_mm"] for s in specs])
    distance = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e6 * np.eye(25)
    assert (distance > reach[:, None] + reach).all()
    assert (reach > 0.5 * np.array([s["diameter_mm"] for s in specs])).all()


def test_two_entries_of_a_recipe_keep_apart_and_number_through(scene):
    entries = [LungNoduleOptions(count=4, diameter_mm=25), LungNoduleOptions(count=3, diameter_mm=20)]
    specs = sample_lesions(entries, scene, rng=Seed(10).rng())
    lesions = build_lesions(specs, scene)
    assert [lesion.number for lesion in lesions] == [1, 2, 3, 4, 5, 6, 7]
    for a in range(7):
        for b in range(a):
            apart = np.linalg.norm(np.subtract(specs[a]["centre_mm"], specs[b]["centre_mm"]))
            assert apart > specs[a]["reach_mm"] + specs[b]["reach_mm"]


def test_a_spec_that_went_through_json_rebuilds_the_same_voxels(scene):
    for kind in TYPES:
        spec = one(scene, 12, types={kind: 1}, diameter_mm=11, spiculation={"probability": 1})
        _, first = inserted(scene, spec)
        _, again = inserted(scene, json.loads(json.dumps(spec)))
        for name in ("labels", "neighbour", "fraction", "texture"):
            np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_the_twin_differs_only_within_the_reach_of_the_nodule(scene):
    spec = one(scene, 13, types={"part_solid": 1}, attachments={"none": 1}, diameter_mm=13)
    healthy, phantom = inserted(scene, spec)
    changed = (healthy.labels != phantom.labels) | (healthy.fraction != phantom.fraction) \
        | (healthy.neighbour != phantom.neighbour) | (healthy.texture != phantom.texture)
    distance = np.linalg.norm(phantom.grid.world_mm(np.argwhere(changed)) - spec["centre_mm"], axis=1)
    assert distance.max() < spec["reach_mm"] + np.linalg.norm(phantom.grid.spacing_mm)


def test_adding_a_nodule_does_not_move_the_others(scene):
    few, more = (sample_specs(LungNoduleOptions(count=count), scene, rng=Seed(14).rng()) for count in (2, 5))
    assert more[:2] == few


@pytest.mark.slow
def test_sizes_follow_the_log_normal_and_lobes_their_weights(scene):
    options = LungNoduleOptions(count=40, diameter_mm={"distribution": "log_normal", "median": 5, "sigma": 0.3,
                                                       "low": 2, "high": 12},
                                lobes={"lobe_right_upper": 3, "lobe_left_lower": 1}, attachments={"none": 1})
    specs = sample_specs(options, scene, rng=Seed(15).rng()) + sample_specs(options, scene, rng=Seed(16).rng())
    assert np.median([s["diameter_mm"] for s in specs]) == pytest.approx(5, rel=0.1)
    lobes = Counter(s["lobe"] for s in specs)
    assert set(lobes) == {"lobe_right_upper", "lobe_left_lower"}
    assert lobes["lobe_right_upper"] / len(specs) == pytest.approx(0.75, abs=0.14)


@pytest.mark.slow
def test_peripheral_preference_moves_nodules_towards_the_pleura(scene):
    depth = []
    for preference in (0.0, 1.0):
        options = LungNoduleOptions(count=25, diameter_mm=4, attachments={"none": 1}, peripheral_preference=preference)
        specs = sample_specs(options, scene, rng=Seed(17).rng())
        depth.append(np.mean([-float(scene.fields["lung_" + s["lobe"].split("_")[1]].distance_mm(
            np.array([s["centre_mm"]]))[0]) for s in specs]))
    assert depth[1] < 0.7 * depth[0]


def test_zero_nodules_are_no_nodules(scene):
    assert sample_specs(LungNoduleOptions(count=0), scene, rng=Seed(1).rng()) == []
    assert build_lesions([], scene) == ()


def test_a_nodule_larger_than_the_lung_is_refused_with_its_size(scene):
    with pytest.raises(PlacementError, match=r"diameter_mm 250\.0"):
        sample_specs(LungNoduleOptions(diameter_mm=250), scene, rng=Seed(1).rng())


def test_more_nodules_than_the_lung_holds_are_refused(scene):
    options = LungNoduleOptions(count=60, diameter_mm=40, attachments={"none": 1}, lobes={"lobe_right_middle": 1})
    with pytest.raises(PlacementError, match="no place"):
        sample_specs(options, scene, rng=Seed(1).rng())


def test_a_body_without_lungs_is_refused_by_name(scene):
    with pytest.raises(PlacementError, match="lobe_"):
        sample_specs(LungNoduleOptions(), replace(scene, fields={}), rng=Seed(1).rng())


def test_a_broken_spec_is_refused_with_the_name_of_the_field(scene):
    spec = one(scene)
    with pytest.raises(RecipeError, match="diameter_mm"):
        insert({**spec, "diameter_mm": -3}, scene, 1)
    with pytest.raises(PlacementError, match="does not fit"):
        insert({**spec, "diameter_mm": 120.0}, scene, 1)


def test_parts_have_labels_of_their_own_and_count_to_their_lesion(scene):
    spec = one(scene, types={"part_solid": 1}, spiculation={"probability": 1}, diameter_mm=15)
    _, phantom = inserted(scene, spec, number=7)
    names = {s.name: s.label for s in phantom.structures if s.label >= 20000}
    assert names["lesion_7"] == 20141
    assert names["lesion_7_ground_glass"] == 20142
    organ = organ_labels(phantom.structures)
    assert organ[20142] == organ[20144] == 20141


def test_hu_asked_for_follow_from_the_mixture():
    energies = np.array([65.0])  # effective energy of 120 kVp behind a chest, about
    water = linear_attenuation(tissue("water"), energies)[0]

    def hu(mixture):
        rest = 1 - sum(share for _, share in mixture)
        mu = rest * linear_attenuation(tissue("nodule_solid"), energies)[0] + sum(
            share * linear_attenuation(tissue(name), energies)[0] for name, share in mixture)
        return 1000 * (mu / water - 1)

    for wanted in (10, 25, 40, 60):
        assert hu(solid_mixture(wanted)) == pytest.approx(wanted, abs=4)
    for wanted in (-750, -620, -500):
        assert hu((("air", air_share(wanted)),)) == pytest.approx(wanted, abs=8)
    for share in (0.1, 0.3):
        assert hu((("hydroxyapatite", share),)) > 200
