"""The pelvis of a man and a woman: volumes, what lies where, nothing in the wrong place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tests.phantoms.people import Person
from tests.phantoms.trunk_people import SUBJECTS, built

MALE = ("prostate", "seminal_vesicle", "testis", "penis", "scrotum", "spermatic_cord")
FEMALE = ("uterus", "cervix", "vagina", "ovary", "endometrium")


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def person(request: pytest.FixtureRequest) -> Person:
    return built("pelvis", request.param, 2.5)


def volumes(person: Person) -> dict[str, float]:
    return {name: ml for name, ml in person.phantom.volumes_ml().items() if ml > 0}


def test_only_the_organs_of_the_own_sex_are_there(person: Person):
    mine, other = (MALE, FEMALE) if person.subject.sex == "male" else (FEMALE, MALE)
    have = volumes(person)
    assert not any(name.startswith(other) for name in have)
    assert {name.removesuffix("_left").removesuffix("_right") for name in have} >= set(mine) - {"endometrium"}


def test_organs_have_the_volumes_that_the_spec_drew(person: Person):
    have, spec = volumes(person), person.spec
    urine = person.phantom.occupancy(person.names["bladder_urine"]).sum() * person.phantom.grid.voxel_volume_mm3 / 1000
    assert urine == pytest.approx(spec["bladder_ml"], rel=0.3)
    if person.subject.sex == "male":
        assert have["prostate"] == pytest.approx(spec["prostate_ml"], rel=0.1)
        assert have["testis_left"] == pytest.approx(spec["testis_ml"], rel=0.15)
    else:
        assert have["uterus"] + have["cervix"] == pytest.approx(spec["uterus_ml"], rel=0.12)
        for n, side in enumerate(("right", "left")):
            assert have[f"ovary_{side}"] == pytest.approx(spec["ovary_ml"][n], rel=0.2)


def test_bones_have_the_volumes_of_an_adult(person: Person):
    """Hip bones 290-420 ml each in men on CT, women about four fifths; a sacrum 130-230 ml (unverified)."""
    have, scale = volumes(person), 1.0 if person.subject.sex == "male" else 0.8
    for side in ("left", "right"):
        assert 260 * scale < have[f"hip_bone_{side}"] < 430 * scale
    assert have["hip_bone_left"] == pytest.approx(have["hip_bone_right"], rel=0.06)
    assert 120 < have["sacrum"] < 240
    assert have["gluteus_maximus_left"] > have["gluteus_medius_left"] > have["gluteus_minimus_left"]


def test_femoral_heads_sit_in_their_sockets_with_cartilage_between(person: Person):
    grid, names = person.phantom.grid, person.names
    for side in ("left", "right"):
        centre = np.array(person.scene.landmarks[f"hip_centre_{side}"])
        points = grid.world_mm(np.argwhere(person.mask(f"hip_bone_{side}")))
        distance = np.linalg.norm(points - centre, axis=1)
        assert distance.min() > 22.0 * 0.85  # nothing of the pelvis inside the head
        assert np.sum(distance < 34.0) * grid.voxel_volume_mm3 > 8000  # the socket holds it on many sides
        head = np.linalg.norm(grid.world_mm(np.argwhere(person.mask(f"femur_{side}"))) - centre, axis=1)
        assert np.sum(head < 20.0) * grid.voxel_volume_mm3 > 0.9 * 4 / 3 * np.pi * 20**3
        assert (person.phantom.labels == names[f"hip_cartilage_{side}"]).any()


def test_the_hips_are_as_wide_apart_and_the_outlet_as_wide_as_published(person: Person):
    """Heads 170-190 mm apart; ischial spines 95 mm apart in men, 113 in women (facts, 9 mm of spread)."""
    left, right = (np.array(person.scene.landmarks[f"hip_centre_{s}"]) for s in ("left", "right"))
    assert 158 < np.linalg.norm(left - right) < 195
    bone = person.scene.fields["pelvis_bones"]
    z = person.scene.landmarks["symphysis"][2] - 13.0 * person.subject.height_cm / 175
    gaps = [_gap(bone, np.linspace(-90, 90, 361), y, z) for y in range(40, 66, 3)]
    low, high = (75, 118) if person.subject.sex == "male" else (85, 130)
    assert low < min(gap for gap in gaps if gap > 0) < high


def _gap(bone, x: np.ndarray, y: float, z: float) -> float:
    """Width of the free run about the midline at one height and depth, mm."""
    free = bone.distance_mm(np.stack([x, np.full_like(x, y), np.full_like(x, z)], axis=-1)) > 0
    middle = len(x) // 2
    right, left = np.flatnonzero(~free[:middle]), np.flatnonzero(~free[middle:])
    return float(x[middle + left[0]] - x[right[-1]]) if right.size and left.size else 0.0


def test_the_order_from_front_to_back_is_that_of_a_pelvis(person: Person):
    y = {n: person.centre_mm(n)[1] for n in ("pubic_symphysis", "bladder", "sacrum", "coccyx")}
    assert y["pubic_symphysis"] < y["bladder"] < min(y["coccyx"], y["sacrum"])
    z = {n: person.centre_mm(n)[2] for n in ("bladder", "sacrum", "coccyx", "vertebra_L5", "pubic_symphysis")}
    assert z["vertebra_L5"] > z["sacrum"] > z["coccyx"] > z["pubic_symphysis"] - 40
    if person.subject.sex == "male":
        assert person.centre_mm("prostate")[2] < z["bladder"]
        assert y["pubic_symphysis"] < person.centre_mm("prostate")[1] < y["coccyx"]
        assert person.centre_mm("seminal_vesicle_left")[1] > person.centre_mm("prostate")[1]
    else:
        womb, neck = person.centre_mm("uterus"), person.centre_mm("cervix")
        assert y["bladder"] < neck[1] < y["coccyx"]
        assert person.centre_mm("vagina")[2] < neck[2]
        assert womb[2] > person.centre_mm("bladder")[2]


def test_vessels_lie_as_in_every_groin(person: Person):
    for side, sign in (("left", 1), ("right", -1)):
        artery, vein = (person.centre_mm(f"femoral_{kind}_{side}") for kind in ("artery", "vein"))
        assert sign * artery[0] > sign * vein[0]  # the vein lies on the inner side
        assert artery[1] < vein[1] + 3
        assert person.centre_mm(f"internal_iliac_artery_{side}")[1] > person.centre_mm(
            f"external_iliac_artery_{side}")[1]  # fmt: skip
    order = ["common_iliac_artery_left", "external_iliac_artery_left", "femoral_artery_left"]
    z = [person.centre_mm(n)[2] for n in order]
    assert z == sorted(z, reverse=True)


def test_everything_lies_on_its_own_side(person: Person):
    for s in person.scene.structures:
        if s.laterality and person.mask(s.name).sum() > 20:
            assert (person.centre_mm(s.name)[0] > 0) == (s.laterality == "left"), s.name


def test_urine_is_inside_the_bladder_and_marrow_inside_bone(person: Person):
    p, names = person.phantom, person.names
    for inner, hosts in (("bladder_urine", ("bladder",)), ("hip_bone_left_marrow", ("hip_bone_left",)),
                         ("femur_right_medulla", ("femur_right",))):  # fmt: skip
        mask = p.labels == names[inner]
        low, high = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0)
        box = tuple(slice(max(a - 1, 0), b + 2) for a, b in zip(low, high, strict=True))
        rim = ndimage.binary_dilation(mask[box]) & ~mask[box]
        labels, other = p.labels[box][rim], p.neighbour[box][rim]
        own = np.isin(labels, [label for n, label in names.items() if n.startswith(hosts)])
        own |= np.isin(other, [label for n, label in names.items() if n.startswith(hosts)])
        assert own.mean() > 0.9, inner


def test_soft_organs_stay_inside_the_ring_of_bone_and_muscle(person: Person):
    inner = ("prostate", "uterus", "ovary", "seminal")
    points = person.phantom.grid.world_mm(np.argwhere(person.mask(*inner, "bladder")))
    left = person.scene.landmarks["hip_centre_left"][0]
    assert np.abs(points[:, 0]).max() < left - 20
    touching = ndimage.binary_dilation(person.mask(*inner)) & person.mask("skin", "subcutaneous", "gluteus")
    assert not touching.any()


def test_the_body_has_no_holes_and_skin_all_around(person: Person):
    p = person.phantom
    body = p.labels > 0
    filled = np.stack([ndimage.binary_fill_holes(part) for part in body])
    assert np.sum(filled & ~body) < 1e-4 * body.sum()  # between scrotum and thighs, between touching thighs
    plane = np.ones((1, 3, 3), bool)
    rim = body & ~ndimage.binary_erosion(body, plane, border_value=1)
    skin = person.names["skin"]
    assert np.mean((p.labels[rim] == skin) | (p.neighbour[rim] == skin)) > 0.97


def test_thighs_are_two_and_the_trunk_is_one(person: Person):
    grid, body = person.phantom.grid, (person.phantom.labels > 0) & ~person.mask("penis", "scrotum", "testis")
    z = grid.origin_mm[2] + grid.steps_mm[2, 0] * np.arange(grid.shape_kji[0])
    height = person.subject.height_cm / 175
    for at, parts in ((-300.0, 1), (-496.0, 2)):
        k = int(np.argmin(np.abs(z - at * height)))
        whole = ndimage.binary_opening(body[k], iterations=5)
        assert ndimage.label(whole)[1] == parts, at
