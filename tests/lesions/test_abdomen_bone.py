from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.lesions.bone.enostosis import EnostosisOptions
from medsynth.lesions.bone.genant import genant_grade
from medsynth.lesions.bone.metastasis import BoneMetastasisOptions
from medsynth.lesions.bone.vertebra import vertebra
from medsynth.lesions.host import host, labels_of
from medsynth.lesions.matter import hu_of
from medsynth.scene.rasterize import rasterize, with_lesions
from tests.lesions.growing import ball_ml, covers_only, fine, grown, specs, volume_ml
from tests.phantoms.abdomen_people import built


def scene():
    return built("woman").scene


@pytest.mark.parametrize(("kind", "options"), [
    *(("bone_metastasis", {"count": 1, "types": {"lytic": 1}, "margins": {margin: 1}, "diameter_mm": 13})
      for margin in ("IA", "IB", "IC", "II", "III")),
    ("bone_metastasis", {"count": 1, "types": {"blastic": 1}, "diameter_mm": 15}),
    ("bone_metastasis", {"count": 1, "types": {"mixed": 1}, "diameter_mm": 16}), ("enostosis", {"diameter_mm": 9})])
def test_a_lesion_of_bone_has_the_volume_asked_for_and_stays_in_its_bone(kind, options):
    lesion = grown(scene(), kind, str(options), regions={"spine": 1}, **options)
    assert volume_ml(lesion, scene()) == pytest.approx(ball_ml(options["diameter_mm"]), rel=0.05)
    healthy = rasterize(scene(), fine(lesion, scene()).grid)
    assert covers_only(lesion, scene(), healthy, set(labels_of(scene(), lesion.host)))


def test_ct_numbers_follow_the_published_distributions_and_overlap():
    def draws(distribution, count=400):
        rng = np.random.default_rng(8)
        return np.array([distribution.sample(rng=rng) for _ in range(count)])

    blastic, island = draws(BoneMetastasisOptions().blastic_hu), draws(EnostosisOptions().hu)
    for values, mean, sd, low, high in ((blastic, 654, 176, 250, 1250), (island, 1190, 239, 650, 1750)):
        assert kstest(values, truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd).cdf).pvalue > 0.01
    assert 0.04 < (island < 885).mean() < 0.2  # the published cut does not separate them
    assert 0.04 < (blastic > 885).mean() < 0.2


@pytest.mark.parametrize(("kind", "hu", "options"), [
    ("bone_metastasis", 700.0, {"count": 1, "types": {"blastic": 1}, "blastic_hu": 700, "diameter_mm": 10}),
    ("bone_metastasis", 45.0, {"count": 1, "types": {"lytic": 1}, "margins": {"IB": 1}, "lytic_hu": 45,
                               "diameter_mm": 10}),
    ("enostosis", 1200.0, {"hu": 1200, "diameter_mm": 6})])
def test_the_matter_has_the_ct_number_asked_for(kind, hu, options):
    part = grown(scene(), kind, f"hu-{hu}", regions={"spine": 1}, **options).structures[0]
    rest = 1 - sum(share for _, share in part.mixture)
    assert rest * hu_of(part.tissue) + sum(s * hu_of(name) for name, s in part.mixture) == pytest.approx(hu, abs=2)


def test_most_metastases_of_vertebrae_lie_in_their_bodies_and_none_touch():
    drawn = [one for n in range(10) for one in specs(scene(), "bone_metastasis", f"many-{n}", count=5, diameter_mm=7,
                                                     regions={"spine": 1})]
    assert len(drawn) == 50
    behind = [one["centre_mm"][1] - scene().landmarks[one["host"][9:]][1] > 15 for one in drawn
              if one["host"].startswith("vertebra")]
    assert 0.55 < 1 - np.mean(behind) < 0.95  # 36 of 46 in PLoS One 0170309
    for n in range(10):
        centres = np.array([one["centre_mm"] for one in drawn[5 * n:5 * n + 5]])
        gaps = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e3 * np.eye(5)
        assert gaps.min() > 2 * drawn[5 * n]["reach_mm"]


def test_a_metastasis_larger_than_any_bone_is_refused():
    with pytest.raises(PlacementError, match=r"bone_metastasis found no place for one of diameter_mm 60\.0"):
        specs(scene(), "bone_metastasis", "huge", count=1, diameter_mm=60, regions={"spine": 1})
    with pytest.raises(PlacementError, match="found no bone"):
        specs(scene(), "bone_metastasis", "none", count=1, regions={"knee": 1})


@pytest.mark.parametrize(("loss", "grade"), [(0.1, 0), (0.21, 1), (0.3, 2), (0.45, 3)])
def test_grades_follow_genant(loss, grade):
    assert genant_grade(loss) == grade


def column_mm(phantom, labels, x, y):
    """Height of what has these labels in the column at (x, y)."""
    _, j, i = np.round(phantom.grid.index_kji(np.array([x, y, phantom.grid.origin_mm[2]]))).astype(int)
    return float(phantom.occupancy(*labels)[:, j, i].sum()) * phantom.grid.spacing_mm[0]


def test_a_wedge_fracture_takes_the_height_that_its_attributes_tell_and_leaves_the_neighbours():
    lesion = grown(scene(), "vertebral_fracture", "wedge", deformities={"wedge": 1}, loss=0.35, ages={"acute": 1},
                   levels={"L2": 1})
    one, (x, y, z) = vertebra(scene(), "L2"), scene().landmarks["L2"]
    grid = Grid.covering((x - 2, y - 22, z - 50), (x + 2, y + 22, z + 50), (0.8, 1.0, 1.0))
    healthy = rasterize(scene(), grid)
    ill, anatomy = with_lesions(healthy, scene(), [lesion])
    front = y - 0.6 * one.half_depth_mm
    own = labels_of(scene(), "vertebra_L2")
    before, after = (column_mm(phantom, own, x, front) for phantom in (healthy, anatomy))
    assert 1 - after / before == pytest.approx(0.32, abs=0.06)  # a little behind the front station, where it is 0.35
    back = y + 0.7 * one.half_depth_mm
    before, after = (column_mm(phantom, own, x, back) for phantom in (healthy, anatomy))
    assert 1 - after / before < 0.12
    assert lesion.attributes["height_loss"] == pytest.approx(0.35, abs=0.004)
    assert lesion.attributes["genant_grade"] == 2
    for level in ("L1", "L3"):
        at = scene().landmarks[level]
        beside = labels_of(scene(), f"vertebra_{level}")
        was, is_now = (column_mm(phantom, beside, at[0], at[1]) for phantom in (healthy, anatomy))
        assert is_now == pytest.approx(was, rel=0.16)
    marrow = set(own) - {scene().structure("vertebra_L2").label}
    inside = ill.occupancy(*(s.label for s in lesion.structures)) > 0.02
    assert (anatomy.occupancy(*marrow)[inside] > 0).all()


@pytest.mark.parametrize("deformity", ["biconcave", "crush"])
def test_other_deformities_lose_most_where_they_are_named_for(deformity):
    lesion = grown(scene(), "vertebral_fracture", deformity, deformities={deformity: 1}, loss=0.3, ages={"old": 1},
                   levels={"L1": 1, "L3": 1})
    lost = {place: 1 - lesion.attributes[f"{place}_height_mm"] / lesion.attributes[f"{place}_height_before_mm"]
            for place in ("anterior", "middle", "posterior")}
    assert lost["middle"] == pytest.approx(0.3, abs=0.03)
    if deformity == "biconcave":
        assert max(lost["anterior"], lost["posterior"]) < 0.22
    else:
        assert min(lost.values()) > 0.25
    assert [s.name for s in lesion.structures] == ["lesion_1"]  # an old one has no oedema


def test_a_vertebra_that_the_body_has_not_is_refused():
    with pytest.raises(PlacementError, match="vertebral_fracture found no whole vertebra"):
        specs(scene(), "vertebral_fracture", "none", levels={"T2": 1})
    assert host(scene(), "vertebra_L1").volume_ml > 10
