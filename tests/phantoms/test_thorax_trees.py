"""Airways, arteries and veins: how deep and how fine they go, and where."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.shapes.tubes import Tubes
from tests.phantoms.people import Person

LOBAR = 2  # generation of the tubes that the trees begin with: trachea 0, main bronchi 1


def generations(tubes: Tubes) -> np.ndarray:
    """Number of forks between the root and each capsule; parents come before their children."""
    forks = np.bincount(tubes.parents[tubes.parents >= 0], minlength=len(tubes.parents)) > 1
    found = np.zeros(len(tubes.parents), int)
    for n, parent in enumerate(tubes.parents):
        if parent >= 0:
            assert parent < n
            found[n] = found[parent] + forks[parent]
    return found


def tips(tubes: Tubes) -> np.ndarray:
    return np.setdiff1d(np.arange(len(tubes.parents)), tubes.parents)


def test_airways_go_to_the_sixth_generation_and_beyond_in_every_lobe(person: Person):
    airways = person.scene.vessels["airways"]
    generation = generations(airways) + LOBAR
    assert np.median(generation[tips(airways)]) >= 6
    for lobe in (n for n in person.scene.fields if n.startswith("lobe_")):
        inside = person.scene.fields[lobe].distance_mm(airways.ends_mm) < 0
        assert generation[inside].max() >= 6, lobe


def test_airways_have_walls_of_a_tenth_to_a_third_of_their_diameter(person: Person):
    airways = person.scene.vessels["airways"]
    assert airways.walls_mm is not None
    share = airways.walls_mm / (2 * (airways.start_radii_mm + airways.walls_mm))
    assert np.percentile(share, 2) > 0.08
    assert np.percentile(share, 98) < 0.36


@pytest.mark.parametrize("name", ["pulmonary_arteries", "pulmonary_veins"])
def test_pulmonary_vessels_end_at_half_a_millimetre_radius(person: Person, name: str):
    tubes = person.scene.vessels[name]
    ends = tubes.end_radii_mm[tips(tubes)]
    assert np.percentile(ends, 10) <= 0.5
    assert len(tips(tubes)) > 1500
    assert tubes.start_radii_mm.max() > 2.5


@pytest.mark.parametrize("name", ["airways", "pulmonary_arteries", "pulmonary_veins", "portal_vein", "hepatic_veins"])
def test_no_tube_is_wider_than_the_one_it_leaves(person: Person, name: str):
    tubes = person.scene.vessels[name]
    child = tubes.parents >= 0
    assert np.all(tubes.start_radii_mm[child] <= tubes.end_radii_mm[tubes.parents[child]] * 1.05 + 0.05)


@pytest.mark.parametrize("name", ["airways", "pulmonary_arteries", "pulmonary_veins"])
def test_calibres_follow_murray_at_forks(person: Person, name: str):
    tubes = person.scene.vessels[name]
    exponent = 2.8
    child = np.flatnonzero(tubes.parents >= 0)
    flow = np.bincount(tubes.parents[child], tubes.start_radii_mm[child] ** exponent, len(tubes.parents))
    fork = np.bincount(tubes.parents[child], minlength=len(tubes.parents)) > 1
    ratio = flow[fork] / tubes.end_radii_mm[fork] ** exponent
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    assert np.percentile(ratio, 95) < 1.6


@pytest.mark.parametrize("name", ["airways", "pulmonary_arteries", "pulmonary_veins"])
def test_trees_stay_in_the_lungs_and_reach_all_of_them(person: Person, name: str):
    tubes, fields = person.scene.vessels[name], person.scene.fields
    lung = np.minimum(fields["lung_left"].distance_mm(tubes.ends_mm), fields["lung_right"].distance_mm(tubes.ends_mm))
    assert np.mean(lung < 0) > 0.93
    outside = tubes.ends_mm[lung > 1.0]
    if len(outside):  # at the hila
        carina = np.asarray(person.scene.landmarks["carina"])
        assert np.linalg.norm(outside - carina, axis=1).max() < 110
    assert np.percentile(lung[tips(tubes)], 99.5) < 1.0
    assert lung[tips(tubes)].max() < 4.0  # a twig that leaves at the hilum
    for lobe in (n for n in fields if n.startswith("lobe_")):
        assert np.mean(fields[lobe].distance_mm(tubes.ends_mm[tips(tubes)]) < 0) > 0.05, lobe


@pytest.mark.parametrize("name", ["portal_vein", "hepatic_veins"])
def test_liver_veins_stay_in_the_liver(person: Person, name: str):
    tubes = person.scene.vessels[name]
    assert np.mean(person.scene.fields["liver"].distance_mm(tubes.ends_mm) < 0) > 0.9
