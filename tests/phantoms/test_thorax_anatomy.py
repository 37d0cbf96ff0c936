"""What lies where in a built chest; a mirrored, floating or leaking organ must fail here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.grid import Grid
from medsynth.scene.rasterize import rasterize
from tests.phantoms.people import Person

# Share of both lungs in percent: mean, SD (supine CT, PMC7490509, table 3).
LOBE_SHARE = {
    "right_upper": (17.9, 2.4),
    "right_middle": (9.3, 1.6),
    "right_lower": (26.5, 2.6),
    "left_upper": (23.1, 2.1),
    "left_lower": (23.2, 2.4),
}
LUNG = ("lobe_", "fissure", "bronchi", "pulmonary_", "pleural")
STRIP = ndimage.generate_binary_structure(3, 1)
IN_PLANE = STRIP & (np.arange(3) == 1)[:, None, None]


def test_every_structure_is_there(person: Person):
    p = person.phantom
    held = np.bincount(p.labels.ravel(), minlength=65536)
    held += np.bincount(p.neighbour[p.fraction > 0].ravel(), minlength=65536)
    # What belongs to the abdomen may end above or below the thorax's lower end.
    missing = {s.name for s in person.scene.structures if held[s.label] == 0 and not 500 <= s.label < 1400}
    assert missing <= {"arterial_plaque"}  # old arteries only


def test_structures_lie_on_the_side_that_their_laterality_tells(person: Person):
    for s in person.scene.structures:
        if s.laterality and person.mask(s.name).any():
            x = person.centre_mm(s.name)[0]
            assert (x > 0) == (s.laterality == "left"), (s.name, x)


def test_the_body_is_not_mirrored(person: Person):
    x = {
        name: person.centre_mm(name)[0]
        for name in (
            "liver",
            "stomach",
            "spleen",
            "left_ventricle",
            "right_atrium",
            "right_ventricle",
            "left_atrium",
            "aortic_arch",
            "descending_aorta",
            "superior_vena_cava",
            "inferior_vena_cava",
            "azygos_vein",
            "trachea",
            "brachiocephalic_trunk",
        )
    }
    for left in ("stomach", "spleen", "left_ventricle", "descending_aorta"):
        assert x[left] > 5, left
    for right in ("liver", "right_atrium", "superior_vena_cava", "inferior_vena_cava", "azygos_vein"):
        assert x[right] < -3, right
    assert x["right_atrium"] < x["right_ventricle"] < x["left_ventricle"]
    assert x["aortic_arch"] > x["trachea"] > x["brachiocephalic_trunk"]
    apex = person.phantom.grid.world_mm(np.argwhere(person.mask("myocardium")))
    assert apex[:, 0].max() > -1.2 * apex[:, 0].min()  # two thirds of the heart lie left of the midline


def test_front_and_back_and_up_and_down_are_right(person: Person):
    y = {
        name: person.centre_mm(name)[1]
        for name in (
            "sternum_body",
            "right_ventricle",
            "left_atrium",
            "esophagus",
            "vertebra_T8",
            "spinal_cord",
            "trachea",
            "ascending_aorta",
            "descending_aorta",
        )
    }
    order = ["sternum_body", "right_ventricle", "left_atrium", "esophagus", "vertebra_T8"]
    assert [y[n] for n in order] == sorted(y[n] for n in order)
    assert y["ascending_aorta"] < y["trachea"] < y["descending_aorta"] < y["spinal_cord"]
    heights = [person.centre_mm(f"vertebra_{n}")[2] for n in ("C7", *(f"T{i}" for i in range(1, 13)), "L1", "L2")]
    assert np.all(np.diff(heights) < 0)
    for side in ("left", "right"):
        assert np.all(np.diff([person.centre_mm(f"rib_{side}_{n}")[2] for n in range(1, 13)]) < 0)


def test_carina_lies_at_t5_or_t6_and_the_right_dome_is_the_higher(person: Person):
    carina = person.scene.landmarks["carina"][2]
    t4, t7 = (person.centre_mm(f"vertebra_{n}")[2] for n in ("T4", "T7"))
    assert t7 < carina < t4
    tops = {}
    for side, sign in (("right", -1), ("left", 1)):
        index = np.argwhere(person.mask("diaphragm"))
        points = person.phantom.grid.world_mm(index)
        tops[side] = points[points[:, 0] * sign > 25, 2].max()
    assert tops["right"] >= tops["left"]  # to a voxel of 3 mm


def test_the_body_has_no_holes(person: Person):
    low, high = person.scene.scan_range_mm["chest"]
    z = person.phantom.grid.origin_mm[2] + 3.0 * np.arange(person.phantom.grid.shape_kji[0])
    inside = person.phantom.labels[(z > low) & (z < high)] > 0
    filled = np.stack([ndimage.binary_fill_holes(part) for part in inside])
    holes = np.argwhere(filled & ~inside)
    assert len(holes) == 0, holes[:5]


def test_skin_is_all_around(person: Person):
    p, skin = person.phantom, person.names["skin"]
    body = p.labels > 0
    rim = body & ~ndimage.binary_erosion(body, IN_PLANE, border_value=1)
    assert np.mean((p.labels[rim] == skin) | (p.neighbour[rim] == skin)) > 0.98


def test_lungs_stay_in_the_chest(person: Person):
    p, fields = person.phantom, person.scene.fields
    for side, sign in (("right", -1), ("left", 1)):
        points = p.grid.world_mm(np.argwhere(person.mask(f"lobe_{side}")))
        assert np.all(points[:, 0] * sign >= -1.5)  # where they meet, the nodes of 3 mm say whose a voxel is
        assert fields["body"].distance_mm(points).max() < -8
        assert fields[f"lung_{side}"].distance_mm(points).max() < 2.5
        assert fields["diaphragm"].distance_mm(points).min() > -1.0


def test_lobes_have_their_published_shares(person: Person):
    lobes = {name: person.mask(f"lobe_{name}").sum() for name in LOBE_SHARE}
    for name, (mean, sd) in LOBE_SHARE.items():
        assert 100 * lobes[name] / sum(lobes.values()) == pytest.approx(mean, abs=3 * sd), name


def test_lungs_lie_against_the_ribs_without_a_gap(person: Person):
    lung = person.mask(*LUNG)
    shell = ndimage.binary_dilation(lung, STRIP, iterations=3) & ~lung
    assert np.mean(person.mask("rib_", "intercostal", "costal_cartilage", "vertebra")[shell]) > 0.25
    assert not np.any(person.phantom.labels[shell] == 0)
    touching = ndimage.binary_dilation(lung, STRIP) & person.mask("subcutaneous", "skin", "spinal_c", "kidney")
    assert not touching.any()


def test_lungs_rest_on_the_diaphragm_and_it_on_the_organs(person: Person):
    p, diaphragm = person.phantom, person.names["diaphragm"]
    held = (p.labels == diaphragm) | ((p.neighbour == diaphragm) & (p.fraction > 0))
    lung, organ = person.mask(*LUNG), person.mask("liver", "stomach", "spleen")
    bottom = lung[4:] & ~lung[3:-1]

    def below(mask: np.ndarray) -> np.ndarray:  # within four voxels (12 mm)
        return mask[3:-1] | mask[2:-2] | mask[1:-3] | mask[:-4]

    resting = bottom & below(organ)
    assert resting.sum() > 1000
    assert np.mean(below(held)[resting]) > 0.75  # where it is steep and thin, a 3 mm voxel holds two other things


def test_scan_range_holds_both_lungs_whole(person: Person):
    low, high = person.scene.scan_range_mm["chest"]
    z = person.phantom.grid.world_mm(np.argwhere(person.mask("lobe_")))[:, 2]
    assert low + 5 < z.min()
    assert z.max() < high - 5
    assert person.scene.bounds_mm[0][2] <= low
    assert high <= person.scene.bounds_mm[1][2]


def test_air_runs_from_the_trachea_into_every_lobe(person: Person):
    carina = np.asarray(person.scene.landmarks["carina"])
    grid = Grid.covering(carina - (90, 60, 85), carina + (90, 60, 25), (1.2, 1.2, 1.2))
    air = np.isin(rasterize(person.scene, grid).labels, [person.names["trachea"], person.names["bronchi"]])
    parts, _ = ndimage.label(air)
    k, j, i = np.rint(grid.index_kji(carina + (0, 0, 12))).astype(int)
    assert air[k, j, i]
    points = grid.world_mm(np.argwhere(parts == parts[k, j, i]))
    for name in LOBE_SHARE:
        assert np.sum(person.scene.fields[f"lobe_{name}"].distance_mm(points) < -3) > 30, name


def test_heart_touches_diaphragm_and_is_closed_by_the_pericardium(person: Person):
    heart = person.mask("myocardium", "left_ventricle", "right_ventricle", "left_atrium", "right_atrium")
    around = ndimage.binary_dilation(heart, STRIP, iterations=4)
    assert (around & person.mask("diaphragm")).sum() > 30
    beside = ndimage.binary_dilation(heart, STRIP) & person.mask("lobe_")
    assert beside.sum() < 0.02 * heart.sum()  # fat and pericardium lie in between
    parts, count = ndimage.label(heart)
    sizes = np.bincount(parts.ravel())[1:]
    assert sizes.max() > 0.99 * sizes.sum(), count


def test_nothing_dents_the_descending_aorta(person: Person):
    height = person.subject.height_cm / 175
    labels = [person.names[n] for n in ("descending_aorta", "aortic_arch", "aortic_wall")]
    for z in (60, 45, 30, 10, -10, -40):  # reference mm above T8
        grid = Grid.covering((-25, -15, z * height - 0.5), (60, 60, z * height + 0.5), (1.0, 1.0, 1.0))
        parts, _ = ndimage.label(np.isin(rasterize(person.scene, grid).labels[0], labels))
        j, i = np.nonzero(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]))
        assert 4 / np.pi * len(j) > 0.8 * max(np.ptp(j) + 1, np.ptp(i) + 1) ** 2, z  # a disc fills pi/4 of its square


def test_cord_lies_in_its_canal(person: Person):
    cord = person.mask("spinal_cord")
    around = ndimage.binary_dilation(cord, IN_PLANE) & ~cord
    names = {n: name for name, n in person.names.items()}
    found = {names.get(int(n), "air") for n in np.unique(person.phantom.labels[around])}
    assert found <= {"spinal_canal", "epidural_fat"}


def test_organs_below_the_diaphragm_stay_there(person: Person):
    for name in ("liver", "spleen", "stomach", "kidney_left", "kidney_right"):
        points = person.phantom.grid.world_mm(np.argwhere(person.mask(name)))
        assert person.scene.fields["diaphragm"].distance_mm(points).max() < 3.0, name


def test_measured_volumes_are_what_the_spec_drew(person: Person):
    volume = person.phantom.volumes_ml()
    lungs = sum(volume[f"lobe_{n}"] for n in LOBE_SHARE)
    heart = sum(volume[n] for n in ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium"))
    # The lungs' vessels and airways, about 4 % of them, are counted apart.
    assert 1.04 * lungs == pytest.approx(person.spec["lung_ml"], rel=0.08)
    assert heart == pytest.approx(person.spec["heart_ml"], rel=0.15)
    assert volume["liver"] == pytest.approx(person.spec["liver_ml"], rel=0.10)
    assert volume["spleen"] == pytest.approx(person.spec["spleen_ml"], rel=0.25)
