"""What lies where in a built breast; a mirrored, floating or leaking part must fail here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsynth.shapes.tree_edit import tip_indices
from phantoms.breast.body import glandular_fraction
from tests.phantoms.breast_people import SUBJECTS, BuiltBreast, breast


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def one(request: pytest.FixtureRequest) -> BuiltBreast:
    return breast(request.param)


def test_every_structure_is_there(one: BuiltBreast):
    p = one.phantom
    held = np.bincount(p.labels.ravel(), minlength=65536) + np.bincount(p.neighbour[p.fraction > 0], minlength=65536)
    assert {s.name for s in one.scene.structures if held[s.label] == 0} == set()


def test_every_structure_is_on_the_side_that_the_spec_tells(one: BuiltBreast):
    assert {s.laterality for s in one.scene.structures} == {one.spec["side"]}


def test_layers_follow_from_the_nipple_to_the_lung(one: BuiltBreast):
    organ = one.phantom.organ_image()
    x, _, z = one.nipple_mm() * (one.outwards, 1.0, 1.0)
    k, _, i = (round(v) for v in (np.array([z, 0, x]) - np.array(one.phantom.grid.origin_mm)[::-1]) / 1.2)
    first = {name: np.flatnonzero(organ[k - 3 : k + 4, :, i - 3 : i + 4].swapaxes(1, 2).reshape(-1, organ.shape[1])
                                  .T.__eq__(label).any(axis=1)) for name, label in one.names.items()}  # fmt: skip
    order = ["nipple", "fibroglandular_tissue", "pectoralis_major", "pleura", "lung"]
    starts = [first[name].min() for name in order]
    assert starts == sorted(starts)
    assert first["lung"].max() == organ.shape[1] - 1


def test_armpit_lies_up_and_outside_and_gristle_inside(one: BuiltBreast):
    nodes, veins = one.points_mm("axillary_lymph_nodes").mean(0), one.points_mm("lateral_thoracic_vessels").mean(0)
    assert nodes[0] > 30
    assert nodes[2] > 50
    assert veins[0] > 25
    assert one.points_mm("internal_thoracic_vessels").mean(0)[0] < -50
    assert one.points_mm("costal_cartilage").mean(0)[0] < one.points_mm("ribs").mean(0)[0] - 20
    assert one.points_mm("pectoralis_minor").mean(0)[2] > one.points_mm("pectoralis_major").mean(0)[2]


def test_nipple_is_the_foremost_point_of_a_hanging_breast():
    hanging = breast("fatty")
    assert hanging.spec["position"] == "prone"
    body = hanging.phantom.grid.world_mm(np.argwhere(hanging.phantom.labels > 0)) * (hanging.outwards, 1, 1)
    foremost = body[body[:, 1].argmin()]
    assert np.linalg.norm((foremost - hanging.nipple_mm())[[0, 2]]) < 12


def test_gland_has_the_share_of_its_density_class(one: BuiltBreast):
    ml = one.phantom.volumes_ml()
    held = (ml["fibroglandular_tissue"] + ml["ducts"]) / one.spec["volume_ml"]
    assert held == pytest.approx(glandular_fraction(one.spec), rel=0.08)


def test_breast_has_its_volume(one: BuiltBreast):
    inside = one.scene.fields["breast"].distance_mm(one.phantom.grid.world_mm(np.argwhere(one.phantom.labels > 0)))
    assert (inside < 0).sum() * 1.2**3 / 1000 == pytest.approx(one.spec["volume_ml"], rel=0.05)


def test_gland_stays_under_the_skin_and_before_the_muscle(one: BuiltBreast):
    gland = one.mask("fibroglandular_tissue")
    assert not (ndimage.binary_dilation(gland) & (one.phantom.labels == 0)).any()
    deep = one.mask("ribs", "lung", "pleura", "intercostal_muscles")
    assert not (ndimage.binary_dilation(gland, iterations=2) & deep).any()


def test_gland_and_ligaments_never_leave_the_breast(one: BuiltBreast):
    for name in ("fibroglandular_tissue", "cooper_ligaments"):
        points = one.phantom.grid.world_mm(np.argwhere(one.mask(name)))
        assert one.scene.fields["breast"].distance_mm(points).max() < 1.2, name  # less than a voxel


def test_skin_closes_the_breast(one: BuiltBreast):
    body = np.pad(one.phantom.labels > 0, ((0, 0), (0, 1), (1, 1)), mode="edge")  # it is cut at the sides and behind
    rim = (body & ~ndimage.binary_erosion(body, border_value=1))[:, :-1, 1:-1]
    assert np.mean(one.mask("skin", "areola", "nipple")[rim]) > 0.99


def test_each_lobe_has_one_duct_tree_that_starts_behind_the_nipple(one: BuiltBreast):
    ducts = one.scene.vessels["ducts"]
    roots = ducts.starts_mm[ducts.parents == -1]
    assert 5 <= len(roots) <= one.spec["lobes"] <= 10  # 5-9 orifices in over 90 % of nipples
    assert np.linalg.norm(roots - one.scene.landmarks["nipple"], axis=1).max() < 8
    assert len(tip_indices(ducts)) > 60


def test_ducts_and_strands_point_to_the_nipple(one: BuiltBreast):
    ducts = one.scene.vessels["ducts"]
    along = ducts.ends_mm - ducts.starts_mm
    from_nipple = ducts.starts_mm - np.array(one.scene.landmarks["nipple"])
    cosine = (along * from_nipple).sum(1) / (np.linalg.norm(along, axis=1) * np.linalg.norm(from_nipple, axis=1) + 1e-9)
    assert np.average(cosine, weights=np.linalg.norm(along, axis=1)) > 0.45
    gland = one.points_mm("fibroglandular_tissue", "ducts")
    assert np.linalg.norm(gland - one.nipple_mm(), axis=1).min() < 10


def test_cooper_ligaments_are_thin_sheets_in_the_fat(one: BuiltBreast):
    sheet = one.mask("cooper_ligaments")
    assert ndimage.distance_transform_edt(sheet).max() * 1.2 < 3.0
    assert 0.005 < one.phantom.volumes_ml()["cooper_ligaments"] / one.spec["volume_ml"] < 0.12


def test_fat_of_a_dense_breast_is_broken_into_lobules_and_gland_of_a_fatty_one_into_strands():
    def thickest(name: str) -> float:
        return float(ndimage.distance_transform_edt(breast(name).mask("fibroglandular_tissue")).max())

    assert thickest("dense") > 1.3 * thickest("fatty")
