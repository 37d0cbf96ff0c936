from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import PlacementError
from medsynth.lesions.breast.density import matter_of_density, relative_density
from medsynth.lesions.breast.place import breast_of, breast_words, covered_labels
from medsynth.lesions.families import family
from medsynth.scene.extent import shape_bounds_mm
from medsynth.scene.posture import posed
from medsynth.scene.rasterize import rasterize
from tests.lesions.growing import ball_ml, covers_only, filled, fine, grown, specs, volume_ml
from tests.phantoms.breast_people import breast


def scene():
    return breast("dense").scene


@pytest.mark.parametrize(("shape", "margin", "diameter"), [
    ("oval", "circumscribed", 9.0), ("round", "microlobulated", 14.0), ("irregular", "indistinct", 18.0),
    ("irregular", "spiculated", 13.0), ("oval", "obscured", 6.0)])
def test_a_mass_has_the_volume_asked_for_and_stays_in_the_breast(shape, margin, diameter):
    lesion = grown(scene(), "breast_mass", f"{shape}-{margin}", diameter_mm=diameter, shapes={shape: 1},
                   margins={margin: 1})
    assert volume_ml(lesion, scene()) == pytest.approx(ball_ml(diameter), rel=0.05)
    assert covers_only(lesion, scene(), rasterize(scene(), fine(lesion, scene()).grid), set(covered_labels(scene())))
    assert lesion.attributes["bi_rads_shape"] == shape
    assert lesion.attributes["bi_rads_margin"] == margin


def test_fifty_masses_lie_in_the_breast_and_apart_and_their_specs_rebuild_them():
    drawn = [one for n in range(25) for one in specs(scene(), "breast_mass", f"many-{n}", count=2, diameter_mm={
        "distribution": "uniform", "low": 4, "high": 14})]
    depth = breast_of(scene()).depth_at(np.array([one["centre_mm"] for one in drawn]))
    assert (depth > 0.4 * np.array([one["diameter_mm"] for one in drawn])).all()
    for first, second in zip(drawn[::2], drawn[1::2], strict=True):
        gap = np.linalg.norm(np.subtract(first["centre_mm"], second["centre_mm"]))
        assert gap > first["reach_mm"] + second["reach_mm"]
    probe = np.array(drawn[0]["centre_mm"]) + np.random.default_rng(0).normal(0, 6, (200, 3))
    first, again = (family("breast_mass").insert(drawn[0], scene(), 1).paints[-1].shape for _ in range(2))
    np.testing.assert_array_equal(first.distance_mm(probe), again.distance_mm(probe))


def test_spicules_reach_beyond_a_spiculated_mass_and_no_other_has_any():
    thorny = grown(scene(), "breast_mass", "thorny", diameter_mm=12, shapes={"irregular": 1}, margins={"spiculated": 1})
    smooth = grown(scene(), "breast_mass", "smooth", diameter_mm=12, shapes={"oval": 1}, margins={"circumscribed": 1})
    at = fine(thorny, scene()).grid.world_mm(np.argwhere(filled(thorny, scene(), "spicules") > 0.1).astype(float))
    body = fine(thorny, scene()).grid.world_mm(np.argwhere(filled(thorny, scene(), "solid") > 0.5).astype(float))
    middle = np.array(thorny.spec["centre_mm"])
    assert np.linalg.norm(at - middle, axis=1).max() > np.linalg.norm(body - middle, axis=1).max() + 3.0
    assert [s.name for s in smooth.structures] == ["lesion_1"]


def test_the_matter_of_a_mass_has_the_attenuation_asked_for():
    for ratio in (0.80, 0.9, 1.0, 1.1, 1.16):
        assert relative_density(*matter_of_density(ratio)) == pytest.approx(ratio, abs=1e-4)
    with pytest.raises(ValueError, match="density of a mass"):
        matter_of_density(1.6)


def test_compression_flattens_a_cyst_but_not_a_solid_mass():
    mass = grown(scene(), "breast_mass", "stiff", diameter_mm=11, shapes={"round": 1}, margins={"circumscribed": 1})
    cyst = grown(scene(), "breast_cyst", "soft", diameter_mm=11)
    _, moved = posed(scene(), [mass, cyst], "cc")

    def height(lesion):
        low, high = shape_bounds_mm(lesion.paints[-1].shape)
        return high[2] - low[2]

    assert height(moved[0]) == pytest.approx(height(mass), abs=1.0)
    assert height(moved[1]) < 0.95 * height(cyst)


def test_a_cyst_has_the_volume_asked_for_within_a_wall():
    cyst = grown(scene(), "breast_cyst", "cyst", diameter_mm=12)
    assert volume_ml(cyst, scene()) == pytest.approx(ball_ml(12), rel=0.05)
    wall = volume_ml(cyst, scene(), "wall")
    assert wall == pytest.approx(ball_ml(12) - ball_ml(12 - 0.8), rel=0.2)  # 0.4 mm thick


def test_a_mass_larger_than_the_breast_is_refused_with_its_size():
    with pytest.raises(PlacementError, match=r"breast_mass found no place for one of diameter_mm 90\.0"):
        specs(scene(), "breast_mass", "huge", diameter_mm=90)


def test_places_are_named_as_readers_do():
    nipple = np.array(scene().landmarks["nipple"])
    right = breast("dense").spec["side"] == "right"
    outer = -25.0 if right else 25.0
    words = breast_words(scene(), tuple(nipple + [outer, 20.0, 0.0]))
    assert (words["quadrant"], words["clock_hour"]) == ("outer", 9 if right else 3)
    assert breast_words(scene(), tuple(nipple + [0.0, 5.0, 30.0]))["clock_hour"] == 12
    assert breast_words(scene(), tuple(nipple + [-outer, 20.0, -30.0]))["quadrant"] == "lower_inner"
