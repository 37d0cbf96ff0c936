"""Lung-RADS v2022 at its limits, and the scales derived from measurements."""

import pytest

from medsynth.lesions.lung_rads import lung_rads, sphericity, subtlety


@pytest.mark.parametrize(("mean_mm", "category"), [
    (5.9, "2"), (5.94, "2"), (5.96, "3"), (6.0, "3"), (7.9, "3"), (8.0, "4A"), (14.9, "4A"), (15.0, "4B")])
def test_solid_nodules_change_category_at_6_8_and_15_mm_after_rounding(mean_mm, category):
    assert lung_rads("solid", mean_mm) == category


@pytest.mark.parametrize(("mean_mm", "solid_mm", "category"), [
    (5.9, 5.0, "2"), (6.0, 5.9, "3"), (20.0, 5.9, "3"), (20.0, 6.0, "4A"), (20.0, 7.9, "4A"), (20.0, 8.0, "4B")])
def test_part_solid_nodules_follow_their_solid_part(mean_mm, solid_mm, category):
    assert lung_rads("part_solid", mean_mm, solid_mm) == category


def test_ground_glass_changes_category_at_30_mm():
    assert [lung_rads("ground_glass", mm) for mm in (8.0, 29.9, 30.0)] == ["2", "2", "3"]


@pytest.mark.parametrize("pattern", ["central", "popcorn", "laminated", "diffuse"])
def test_benign_calcification_is_category_1_at_any_size(pattern):
    assert lung_rads("solid", 25.0, calcification=pattern) == "1"


def test_eccentric_calcification_is_not_benign():
    assert lung_rads("solid", 25.0, calcification="non_central") == "4B"


def test_smooth_nodules_on_the_pleura_are_category_2_below_10_mm():
    assert [lung_rads("solid", mm, smooth_at_pleura=True) for mm in (9.9, 10.0)] == ["2", "4A"]


def test_subtlety_rises_with_contrast_and_with_size():
    assert [subtlety(c, 6.0) for c in (0.2, 1.5, 3.0, 5.0, 12.0)] == [1, 2, 3, 4, 5]
    assert subtlety(-12.0, 6.0) == 5
    assert subtlety(2.5, 3.0) < subtlety(2.5, 20.0)
    assert subtlety(None, 6.0) == 1


def test_sphericity_runs_from_linear_to_round():
    assert [sphericity(r) for r in (0.1, 0.6, 1.0)] == [1, 3, 5]
