"""Lengths and volumes of a built head against published ones."""

from __future__ import annotations

import numpy as np
import pytest

from tests.phantoms.head_people import SUBJECTS, Head, built

# Mean and SD. Head length and breadth: British adults, 19-65 years; globe: 4/3 pi r^3 of an axial length of 23.5 and
# 23.0 mm; orbit: CT; mandible and muscles: CT and MR volumetry (unverified).
LENGTH_MM = {"male": (195.0, 8.0), "female": (180.0, 7.0)}
BREADTH_MM = {"male": (155.0, 6.0), "female": (145.0, 6.0)}
VOLUMES_ML = {
    "masseter_left": (23.0, 7.5),
    "parotid_left": (25.0, 9.0),
    "mandible": (58.0, 14.0),
    "tongue": (74.0, 18.0),
}
THICKNESS_MM = {  # direction from the cavity's middle: CT, n = 100 (15-50 y) and n = 174
    "frontal": ((0.35, -0.75, 0.55), 8.2, 2.2),
    "parietal": ((0.7, 0.2, 0.7), 7.6, 2.0),
    "temporal": ((1.0, 0.05, -0.18), 4.9, 1.5),
    "occipital": ((0.35, 0.9, 0.05), 8.6, 2.5),
}


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def head(request: pytest.FixtureRequest) -> Head:
    return built(request.param)


def test_head_length_and_breadth_are_those_of_adults(head: Head):
    body = head.phantom.labels > 0
    body[head.mask("auricle")] = False
    points = head.phantom.grid.world_mm(np.argwhere(body))
    upper = points[(points[:, 2] > 6) & (points[:, 2] < 60)]  # above the ears
    length, breadth = np.ptp(upper[:, 1]), np.ptp(upper[:, 0])
    for value, (mean, sd) in ((length, LENGTH_MM[head.subject.sex]), (breadth, BREADTH_MM[head.subject.sex])):
        assert abs(value - mean) < 2.5 * sd


@pytest.mark.parametrize("name", sorted(VOLUMES_ML))
def test_organs_hold_what_has_been_measured(head: Head, name: str):
    mean, sd = VOLUMES_ML[name]
    assert abs(head.phantom.volumes_ml()[name] - mean) < 2 * sd


def test_an_eyeball_is_as_large_as_its_length_tells(head: Head):
    length_mm = head.spec["eye_mm"][1]
    assert head.phantom.volumes_ml()["eye_left"] == pytest.approx(np.pi / 6 * length_mm**3 / 1000, rel=0.1)


@pytest.mark.parametrize("site", sorted(THICKNESS_MM))
def test_the_vault_is_as_thick_as_measured(head: Head, site: str):
    direction, mean, sd = THICKNESS_MM[site]
    along = np.asarray(direction) / np.linalg.norm(direction)
    ray = np.arange(30.0, 130.0, 0.1)[:, None] * along + [0.0, 8.0, 5.0]
    inner, outer = (head.scene.fields[name].distance_mm(ray) for name in ("cranial_cavity", "skull"))
    first, last = np.argmax(inner > 0), np.argmax(outer > 0)
    at = slice(first, last + 1)
    slope = np.gradient(outer[at], 0.1).mean()  # the ray meets the bone aslant
    assert abs((last - first) * 0.1 * slope - mean) < 2 * sd


def test_the_frontal_bone_has_diploe_between_two_tables(head: Head):
    ray = np.arange(60.0, 110.0, 0.1)[:, None] * [0.3, -0.8, 0.52] + [0.0, 8.0, 5.0]
    index = np.rint(head.phantom.grid.index_kji(ray)).astype(int)
    met = head.phantom.labels[tuple(index.T)]
    assert head.names["frontal_bone_diploe"] in met
    assert head.names["frontal_bone"] in met
