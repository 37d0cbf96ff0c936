"""What lies where in a built head; a leak, a hole, a mirrored or floating part must fail here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tests.phantoms.head_people import SUBJECTS, Head, built

BRAIN = ("cerebral_", "cerebell", "thalamus", "pons", "midbrain", "medulla", "vermis")
SKULL = ("frontal_bone", "parietal_bone", "occipital_bone", "temporal_bone", "sphenoid_bone", "mastoid_bone", "sutures")
OUTSIDE = ("subcutaneous_fat", "deep_fat", "galea", "skin", "temporalis", "orbital_fat", "masseter")
CROSS = ndimage.generate_binary_structure(3, 1)


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def head(request: pytest.FixtureRequest) -> Head:
    return built(request.param)


def test_what_the_spec_gives_a_head_is_there(head: Head):
    volumes = head.phantom.volumes_ml()
    missing = {f"tooth_{t}" for t in head.spec["teeth"]["missing"]} | {
        n for n, ml in head.spec["sinus_ml"].items() if ml == 0}
    may_lack = ("calcif", "dental_filling", "white_matter", "sutures", "tooth", "communicating", "pineal", "habenul")
    absent = {n for n, ml in volumes.items() if ml == 0 and n not in missing and not any(m in n for m in may_lack)}
    assert not {n for n in absent if head.names[n] >= 2400}
    assert all(volumes[name] == 0 for name in missing)


def test_structures_lie_on_the_side_that_their_laterality_tells(head: Head):
    for s in head.scene.structures:
        if s.laterality and head.mask(s.name).any():
            assert (head.middle_mm(s.name)[0] > 0) == (s.laterality == "left"), s.name


def test_nothing_of_the_brain_touches_what_lies_outside_the_skull(head: Head):
    brain = ndimage.binary_dilation(head.mask(*BRAIN), CROSS)
    assert np.count_nonzero(brain & head.mask(*OUTSIDE)) <= 4e-4 * np.count_nonzero(brain)  # bone thinner than a voxel
    assert np.count_nonzero(brain & (head.phantom.labels == 0)) == 0


def test_the_brain_case_is_closed_but_for_its_openings(head: Head):
    """Walking through anything but bone from inside, one comes out at the foramen magnum and a few small holes only."""
    grid = head.phantom.grid
    bone = head.mask(*SKULL, "ethmoid", "vertebra")
    inside = ndimage.binary_dilation(head.mask(*BRAIN, "subarachnoid"), CROSS, iterations=2)
    z = grid.world_mm(np.stack(np.indices(bone.shape), axis=-1).reshape(-1, 3))[:, 2].reshape(bone.shape)
    vault = z > head.frame.at([0.0, 0.0, -8.0])[2]
    holes = inside & ~bone & vault & head.mask(*OUTSIDE)
    assert np.count_nonzero(holes) <= 8  # where the temple is thinner than a voxel


def test_air_is_open_to_the_outside_or_shut_in_a_named_space(head: Head):
    outside, count = ndimage.label(head.phantom.labels == 0)
    sizes = ndimage.sum_labels(np.ones_like(outside), outside, range(1, count + 1))
    assert np.sort(sizes)[:-1].sum() <= 0.0002 * sizes.max()


@pytest.mark.parametrize("side", ["right", "left"])
def test_sinuses_hold_their_drawn_volume_and_keep_off_orbit_and_brain(head: Head, side: str):
    volumes = head.phantom.volumes_ml()
    for kind in ("maxillary", "sphenoid"):
        name = f"{kind}_sinus_{side}"
        assert volumes[name] == pytest.approx(head.spec["sinus_ml"][name], rel=0.35)
    sinus = ndimage.binary_dilation(head.mask(f"maxillary_sinus_{side}"), CROSS)
    assert np.count_nonzero(sinus & head.mask("eye", *BRAIN)) == 0


def test_parts_of_the_face_follow_each_other_from_above(head: Head):
    order = ["frontal_sinus", "eye_", "maxillary_sinus", "tooth_1", "tooth_4", "hyoid"]
    heights = [head.middle_mm(name)[2] for name in order]
    assert heights == sorted(heights, reverse=True)


def test_upper_and_lower_teeth_meet_without_gap_or_overlap(head: Head):
    upper, lower = head.extent_mm("tooth_1", "tooth_2")[0][2], head.extent_mm("tooth_3", "tooth_4")[1][2]
    assert head.middle_mm("tooth_1", "tooth_2")[2] > head.middle_mm("tooth_3", "tooth_4")[2] + 8
    assert abs(upper - lower) < 26  # the occlusal plane is tilted: compare overall extents only roughly


def test_vertebrae_stack_and_the_cord_lies_behind_their_bodies(head: Head):
    heights = [head.middle_mm(f"vertebra_C{n}")[2] for n in (1, 2, 3, 4, 5)]
    assert heights == sorted(heights, reverse=True)
    assert 12 < heights[2] - heights[3] < 22
    cord = head.mask("spinal_cord")
    around = ndimage.binary_dilation(cord, CROSS) & ~cord
    allowed = head.mask("spinal_canal", "epidural", "medulla", "subarachnoid", "spinal_cord", "dura", "craniocervical")
    assert np.count_nonzero(around & ~allowed) < 0.06 * np.count_nonzero(around)


def test_eyes_lie_in_their_orbits_and_lenses_in_front(head: Head):
    for side in ("right", "left"):
        eye = head.middle_mm(f"eye_{side}")
        assert head.middle_mm(f"eye_{side}_lens")[1] < eye[1] - 3.5
        assert head.middle_mm(f"optic_nerve_{side}")[1] > eye[1] + 10
        fat = head.middle_mm(f"orbital_fat_{side}")
        assert np.linalg.norm(fat - eye) < 25


def test_the_neck_has_its_vessels_in_order_from_the_midline(head: Head):
    for sign, side in ((-1, "right"), (1, "left")):
        internal = head.scene.vessels[f"internal_carotid_artery_{side}"].starts_mm
        vein = head.scene.vessels[f"internal_jugular_vein_{side}"].starts_mm
        vertebral = head.scene.vessels[f"vertebral_artery_{side}"].starts_mm
        z = head.frame.at([0.0, 0.0, -110.0])[2]
        x = [sign * line[np.argmin(abs(line[:, 2] - z)), 0] for line in (vertebral, internal, vein)]
        assert x == sorted(x)


def test_the_two_sides_of_a_face_differ(head: Head):
    volumes = head.phantom.volumes_ml()
    pairs = [("maxillary_sinus_right", "maxillary_sinus_left"), ("masseter_right", "masseter_left")]
    assert all(abs(volumes[a] / volumes[b] - 1) > 0.005 for a, b in pairs)


def test_places_of_the_skull_lie_where_their_names_say(head: Head):
    """Keypoints of radiographs: ear canals in their air, the sella about the pituitary, top and chin on bone."""
    grid, places = head.phantom.grid, head.scene.landmarks
    of_label = {label: name for name, label in head.names.items()}

    def around(name: str) -> set[str]:
        k, j, i = np.rint(grid.index_kji(np.array(places[name]))).astype(int)
        near = head.phantom.labels[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2]
        return {of_label.get(int(label), "air") for label in np.unique(near)}

    for side in ("left", "right"):
        assert any(n.startswith("ear_canal") for n in around(f"external_auditory_meatus_{side}"))
    assert any(n.startswith(("pituitary", "hypophysis", "sphenoid")) for n in around("sella"))
    assert any(n.startswith("mandible") for n in around("gnathion"))
    skull, top = head.scene.fields["skull"], np.array(places["vertex"])
    assert skull.distance_mm(top[None])[0] < 0
    beyond = top + np.array([[x, y, 1.0] for x in (-8, 0, 8) for y in (-8, 0, 8)])
    assert np.all(skull.distance_mm(beyond) > 0)
