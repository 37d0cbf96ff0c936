"""The whole trunk: one body in one frame, the same person as in its parts."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.reference import expected_waist_cm
from medsynth.scene.subject import Subject
from phantoms.torso import ABDOMEN, BODY, PELVIS, TORSO
from phantoms.torso.fitting import fitted_frame
from tests.phantoms.people import Person
from tests.phantoms.trunk_people import SUBJECTS, built


@pytest.fixture(scope="module")
def person() -> Person:
    return built("torso", "man", 3.0)


def test_the_spine_runs_from_neck_to_coccyx_without_a_gap(person: Person):
    names = ["C7", *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6))]
    heights = [person.centre_mm(f"vertebra_{n}")[2] for n in names]
    heights += [person.centre_mm("sacrum")[2], person.centre_mm("coccyx")[2]]
    assert np.all(np.diff(heights) < 0)
    discs = [person.phantom.volumes_ml()[f"disc_{a}_{b}"] for a, b in (("L3", "L4"), ("L4", "L5"), ("L5", "S1"))]
    assert min(discs) > 8.0


def test_lumbar_lordosis_is_that_of_a_recumbent_adult():
    """T12-S1 37 +- 13 degrees recumbent (n = 627)."""
    frame = fitted_frame(SUBJECTS["man"], TORSO.sample_spec(SUBJECTS["man"], rng=Seed(3).rng()), -500, 200).frame
    z = np.array([-98.0, -108.0, -279.0, -289.0]) * frame.height
    y = frame.spine_y_mm(z)
    upper, lower = (np.degrees(np.arctan2(y[a] - y[a + 1], z[a] - z[a + 1])) for a in (0, 2))
    assert 22 < upper - lower < 60


def test_the_aorta_divides_at_l4_and_the_veins_join_below(person: Person):
    fork = person.scene.landmarks["aortic_bifurcation"][2]
    l3, l5 = (person.centre_mm(f"vertebra_{n}")[2] for n in ("L3", "L5"))
    assert l5 < fork < l3
    caudal = {n: person.phantom.grid.world_mm(np.argwhere(person.mask(n)))[:, 2].min()
              for n in ("abdominal_aorta", "inferior_vena_cava")}  # fmt: skip
    assert caudal["inferior_vena_cava"] < caudal["abdominal_aorta"]
    assert person.centre_mm("inferior_vena_cava")[0] < 0 < person.centre_mm("abdominal_aorta")[0]


def test_the_iliac_crests_reach_l4(person: Person):
    top = person.phantom.grid.world_mm(np.argwhere(person.mask("hip_bone")))[:, 2].max()
    l3, l5 = (person.centre_mm(f"vertebra_{n}")[2] for n in ("L3", "L5"))
    assert l5 < top < l3 + 5


def test_layers_of_the_belly_follow_each_other(person: Person):
    grid = person.phantom.grid
    z = person.scene.landmarks["L3"][2] - 10.0
    k = round((z - grid.origin_mm[2]) / 3.0)
    depth = {}
    for name in ("external_oblique", "internal_oblique", "transversus_abdominis"):
        index = np.argwhere(person.mask(f"{name}_left")[k])
        points = grid.world_mm(np.column_stack([np.full(len(index), k), index]))
        depth[name] = np.hypot(points[:, 0], points[:, 1]).mean()
    assert depth["external_oblique"] > depth["internal_oblique"] > depth["transversus_abdominis"]


def test_muscles_at_l3_have_the_published_area(person: Person):
    """Men 144 cm^2 on average as the mean less 2 SD at 18-40 years, about 180 (Derstine 2018); less with age."""
    grid, p = person.phantom.grid, person.phantom
    k = round((person.scene.landmarks["L3"][2] - grid.origin_mm[2]) / 3.0)
    muscle = {s.label for s in p.structures if s.tissue == "skeletal_muscle"}
    area = np.isin(p.labels[k], list(muscle)).sum() * 0.09
    assert 120 < area < 240
    psoas = person.mask("psoas")[k].sum() * 0.09
    assert 10 < psoas < 50


@pytest.mark.parametrize("sex", ["male", "female"])
@pytest.mark.parametrize("bmi", [19.0, 25.0, 32.0, 42.0])
def test_waist_follows_the_survey(sex: str, bmi: float):
    height = 175.0 if sex == "male" else 162.0
    subject = Subject(sex, 48.0, height, bmi * (height / 100) ** 2)
    girths = []
    for seed in range(3):
        frame = fitted_frame(subject, TORSO.sample_spec(subject, rng=Seed(seed).rng()), -500, 200).frame
        ring = frame.skin_surface.point_mm(np.arange(0, 360, 2.0), np.full(180, -215.0 * frame.height))
        girths.append(np.linalg.norm(np.diff(ring, axis=0, append=ring[:1]), axis=1).sum() / 10)
    assert np.mean(girths) == pytest.approx(expected_waist_cm(subject), abs=11.0)


def test_every_body_of_a_person_has_the_same_skin_and_bones(person: Person):
    subject, spec, whole = person.subject, person.spec, person.scene
    shared = (
        (BODY, -140, 150, ("vertebra_T8", "rib_left_6", "erector_spinae_left")),
        (ABDOMEN, -280, -30, ("vertebra_L2", "psoas_left", "rectus_abdominis_left")),
        (PELVIS, -470, -230, ("sacrum", "hip_bone_left", "gluteus_maximus_left")),
    )
    for body, low, high, names in shared:
        part = body.build(subject, spec)
        (x0, y0, _), (x1, y1, _) = whole.bounds_mm
        h = subject.height_cm / 175
        grid = Grid.covering((x0, y0, low * h), (x1, y1, high * h), (4.0,) * 3)
        a, b = rasterize(whole, grid), rasterize(part, grid)
        assert np.mean((a.labels > 0) == (b.labels > 0)) > 0.995, body.name
        label = {s.name: s.label for s in whole.structures}
        for name in names:
            if name in label:
                one, two = (organs == label[name] for organs in (a.organ_image(), b.organ_image()))
                assert (one & two).sum() > 0.9 * max(one.sum(), two.sum()), (body.name, name)


def test_the_torso_offers_every_range():
    assert set(TORSO.scan_ranges) == {"torso", "chest", "abdomen", "pelvis"}
    assert [b.scan_ranges for b in (BODY, ABDOMEN, PELVIS)] == [("chest",), ("abdomen",), ("pelvis",)]
