"""The example body of a third party: a hand, against published bone lengths, anatomy and the promises of every body."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from tests.phantoms.resolution import at_two_and_one_mm, volume_changes

FOLDER = Path(__file__).parents[2] / "examples" / "hand_body"
sys.path.insert(0, str(FOLDER))

from hand_body import BODY  # noqa: E402
from hand_body.bones import CARPAL_SHARE  # noqa: E402
from hand_body.frame import DIGITS, LENGTHS_MM  # noqa: E402

PEOPLE = {"man": Subject("male", 40.0, 178.0, 78.0), "woman": Subject("female", 67.0, 160.0, 62.0)}
CARPALS = tuple(CARPAL_SHARE)
KINDS = ("metacarpal", "phalanx_proximal", "phalanx_middle", "phalanx_distal")
LONG = [(k, d) for d in DIGITS for k in (KINDS if d != "thumb" else (KINDS[0], KINDS[1], KINDS[3]))]


class Person:
    """A built hand and its voxels."""

    def __init__(self, name: str) -> None:
        self.subject = PEOPLE[name]
        self.spec = dict(BODY.sample_spec(self.subject, rng=Seed(5).child(name).rng()))
        self.scene = BODY.build(self.subject, self.spec)
        low, high = (np.array(end) for end in self.scene.bounds_mm)
        low[2] = self.scene.scan_range_mm["hand"][0]
        self.phantom = rasterize(self.scene, Grid.covering(low - 4 * np.array([1, 1, 0]), high + 4, (0.8, 0.8, 0.8)))

    def mask(self, name: str) -> np.ndarray:
        """Voxels of a structure and its parts."""
        own = [s.label for s in self.scene.structures if name in (s.name, s.part_of)]
        return np.isin(self.phantom.labels, own)

    def points_mm(self, name: str) -> np.ndarray:
        return self.phantom.grid.world_mm(np.argwhere(self.mask(name)))

    def centre_mm(self, name: str) -> np.ndarray:
        return self.points_mm(name).mean(axis=0)


@cache
def built(name: str) -> Person:
    return Person(name)


@pytest.fixture(params=sorted(PEOPLE))
def person(request):
    return built(request.param)


@pytest.mark.parametrize(("kind", "digit"), LONG)
def test_a_long_bone_has_its_published_length(person, kind, digit):
    lengths = LENGTHS_MM[digit]
    published = lengths[-1] if kind == "phalanx_distal" else lengths[KINDS.index(kind)]
    points = person.points_mm(f"{kind}_{digit}")
    axis = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][0]
    measured = np.ptp(points @ axis) + 0.8 * np.abs(axis).max()
    assert measured == pytest.approx(published * person.spec["length"], abs=1.6)


def test_lengths_of_the_bones_have_the_published_mean_over_many_adults():
    rng = Seed(9).rng()
    scales = [BODY.sample_spec(Subject(sex, 40.0, height, 24 * (height / 100) ** 2), rng=rng)["length"]
              for sex, mean, sd in (("male", 176.0, 7.0), ("female", 163.0, 6.5))
              for height in rng.normal(mean, sd, 200)]
    assert np.mean(scales) == pytest.approx(1.0, abs=0.02)
    assert 0.04 < np.std(scales) < 0.09  # published: SD of 6-9 % of the mean, metacarpals of both sexes together


def test_carpal_bones_have_their_share_of_the_carpus(person):
    volumes = person.phantom.volumes_ml()
    assert sum(volumes[name] for name in CARPALS) == pytest.approx(person.spec["carpus_ml"], rel=0.03)
    for name, share in CARPAL_SHARE.items():
        assert volumes[name] == pytest.approx(share * person.spec["carpus_ml"], rel=0.06), name


def test_a_mans_hand_is_larger_than_a_womans_and_weighs_what_hands_weigh():
    man, woman = (sum(built(name).phantom.volumes_ml().values()) for name in ("man", "woman"))
    assert woman < man
    for ml in (man, woman):  # hands displace 250-450 ml of water; here with 2 cm of forearm
        assert 220 < ml < 650


def test_every_bone_is_in_one_piece_and_none_is_missing(person):
    names = [f"{kind}_{digit}" for kind, digit in LONG] + [*CARPALS, "radius", "ulna"]
    assert len(names) == 29
    for name in names:
        mask = person.mask(name)
        parts, count = ndimage.label(mask, np.ones((3, 3, 3)))
        assert count >= 1, name
        assert np.bincount(parts.ravel())[1:].max() >= 0.995 * mask.sum(), name


def test_bones_of_a_digit_are_apart_by_their_joints(person):
    """Hardly a voxel of 0.8 mm of one bone lies beside one of the next, of the hundreds of a joint's surface."""
    for digit in DIGITS:
        kinds = [k for k, d in LONG if d == digit]
        for first, second in pairwise(kinds):
            near = ndimage.binary_dilation(person.mask(f"{first}_{digit}"))
            assert (near & person.mask(f"{second}_{digit}")).sum() < 12, (digit, first)


def test_only_skin_meets_the_air_and_no_air_is_inside(person):
    labels, skin = person.phantom.labels, person.scene.structure("skin").label
    air = labels == 0
    rooms, count = ndimage.label(air)
    assert count == 1, np.bincount(rooms.ravel())
    outside = ndimage.binary_dilation(air)
    outside[0] = False  # the forearm is cut there
    assert set(np.unique(labels[outside & ~air])) == {skin}


def test_the_hand_is_a_right_one_with_its_palm_to_the_front(person):
    thumb, little = person.centre_mm("phalanx_proximal_thumb"), person.centre_mm("phalanx_proximal_little")
    assert thumb[0] > 40 > 0 > little[0]
    assert person.centre_mm("flexor_tendons")[1] < person.centre_mm("metacarpal_middle")[1] - 5
    assert person.centre_mm("extensor_tendons")[1] > person.centre_mm("flexor_tendons")[1] + 8
    assert person.centre_mm("dorsal_veins")[1] > person.centre_mm("metacarpal_middle")[1] + 3
    tips = {d: person.points_mm(f"phalanx_distal_{d}")[:, 2].max() for d in DIGITS}
    assert max(tips, key=tips.__getitem__) == "middle"
    assert min(tips, key=tips.__getitem__) in ("thumb", "little")


def test_carpal_bones_stand_in_two_rows_in_their_order_from_the_thumb(person):
    at = {name: person.centre_mm(name) for name in CARPALS}
    proximal, distal = ("scaphoid", "lunate", "triquetrum"), ("trapezium", "trapezoid", "capitate", "hamate")
    for row in (proximal, distal):
        assert np.all(np.diff([at[name][0] for name in row]) < 0), row
    assert max(at[name][2] for name in proximal) < min(at[name][2] for name in distal)
    assert at["pisiform"][1] < at["triquetrum"][1] - 5
    assert person.points_mm("radius")[:, 2].max() < at["lunate"][2] + 8


def test_the_hook_of_the_hamate_points_to_the_palm(person):
    hook, body = person.points_mm("hamate")[:, 1].min(), person.centre_mm("hamate")[1]
    assert body - hook > 9


def test_flexor_tendons_pass_the_carpal_tunnel_between_hook_and_trapezium(person):
    grid = person.phantom.grid
    k = round(float(grid.index_kji([0, 0, -8.0 * person.spec["length"]])[0]))
    x = grid.world_mm(np.argwhere(person.mask("flexor_tendons")[k : k + 1]) + [k, 0, 0])[:, 0]
    assert person.centre_mm("hamate")[0] - 4 < np.median(x) < person.centre_mm("trapezium")[0]


def test_a_spec_is_plain_json_and_alone_rebuilds_the_same_hand(person):
    spec = json.loads(json.dumps(person.spec))
    scene = BODY.build(person.subject, spec)
    grid = Grid.centred((40, 30, 60), (3.0, 3.0, 2.0), (0.0, -5.0, 40.0))
    first, again = rasterize(person.scene, grid), rasterize(scene, grid)
    for name in ("labels", "neighbour", "fraction", "texture"):
        assert np.array_equal(getattr(first, name), getattr(again, name))


def test_volumes_agree_between_one_and_two_millimetres():
    changes = volume_changes(*at_two_and_one_mm(built("man").scene, "hand"), least_ml=2.0)
    thin = {"flexor_tendons", "extensor_tendons", "joint_tissue", "lumbricals", "adductor_pollicis", "skin",
            *(f"interosseous_{n}" for n in range(1, 5))}
    assert {name: change for name, change in changes.items() if abs(change) > (0.10 if name in thin else 0.02)} == {}


@pytest.mark.slow
@pytest.mark.parametrize("sex", ["female", "male"])
@pytest.mark.parametrize(("age", "height", "bmi"), [(18, 145, 17), (95, 145, 45), (18, 205, 45), (95, 200, 17)])
def test_every_adult_gets_a_whole_hand(sex, age, height, bmi):
    subject = Subject(sex, age, height, bmi * (height / 100) ** 2)
    scene = BODY.build(subject, BODY.sample_spec(subject, rng=Seed(0).rng()))
    low, high = scene.bounds_mm
    phantom = rasterize(scene, Grid.covering(low, high, (1.5, 1.5, 1.5)))
    volumes = phantom.volumes_ml()
    assert min(volumes[name] for name in (*CARPALS, *(f"{k}_{d}" for k, d in LONG))) > 0.1
    assert ndimage.label(phantom.labels > 0)[1] == 1


def test_the_installed_example_is_listed_beside_the_built_in_bodies(tmp_path):
    """Install it as a third party does, in a folder of its own, and ask another process."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps",
           "--no-build-isolation", "--target", str(tmp_path / "site"), str(FOLDER)]
    subprocess.run(pip, check=True, capture_output=True)
    listing = [sys.executable, "-m", "medsynth", "list", "phantoms", "--json"]
    told = subprocess.run(listing, check=True, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    rows = {row["name"]: row for row in json.loads(told.stdout)}
    assert rows["hand"]["ranges"] == ["hand", "wrist"]
    assert {"thorax", "qa-water"} <= rows.keys()
