"""Bodies as radiographs need them: hanging arms, a breath let out, lines and tubes, true places."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.torso import BODY, devices
from phantoms.torso.builder import individual_structures
from phantoms.torso.fitting import Position, fitted_frame, positioned
from phantoms.torso.girdle import Shoulder, clavicle_axis
from tests.phantoms.people import Person, whole_grid

MAN = Subject("male", 45.0, 176.0, 80.0)
EVERYTHING = {"ecg_leads": 1, "central_line": 1, "endotracheal_tube": 1, "nasogastric_tube": 1, "chest_drain": 1,
              "sternal_wires": 1}  # fmt: skip
BEDSIDE = {"arms_down": 1, "breath": 0.75, "endotracheal_tip_mm": 20.0, "central_line_tip_mm": 30.0, **EVERYTHING}


def spec_with(**numbers: float) -> dict:
    drawn = BODY.sample_spec(MAN, rng=Seed(5).child("thorax-test", "man").rng())
    return json.loads(json.dumps({**drawn, **numbers}))


@cache
def bedside() -> Person:
    """A man at the bedside with every line and tube, at 3 mm."""
    spec = spec_with(**BEDSIDE)
    scene = BODY.build(MAN, spec)
    return Person(MAN, spec, scene, rasterize(scene, whole_grid(scene, 3.0)))


@cache
def shoulder(arms: int) -> Shoulder:
    return Shoulder(fitted_frame(MAN, spec_with(arms_down=arms), -214.0, 236.0).frame)


# The shoulder girdle.


@pytest.mark.parametrize("arms", [1, 2])
def test_the_shoulders_are_as_wide_as_a_mans_and_their_bones_meet(arms: int):
    one = shoulder(arms)
    biacromial = 2 * (one.tip[0] + 6.0)
    assert 360.0 < biacromial < 440.0  # 400 +- 20 mm with the arms hanging
    joint = np.linalg.norm(one.head - one.glenoid)
    assert joint == pytest.approx(23.0 * one.frame.bone + 3.5)
    collar = clavicle_axis(one.frame, one)
    length = np.linalg.norm(np.diff(collar, axis=0), axis=1).sum()
    assert 130.0 < length < 180.0  # 152 +- 10 mm; the scale of bones of this man is 1.086
    assert np.linalg.norm(collar[-1] - one.joint) < 5.0
    assert 5.0 < collar[-1][2] - collar[0][2] < 45.0  # it rises a little to the side
    assert one.elbow[2] < -100.0


def test_rolling_the_shoulders_forwards_takes_the_blades_to_the_side():
    hanging, rolled = shoulder(1), shoulder(2)
    for row in range(len(hanging.blade)):
        assert rolled.blade[row, 0, 0] > hanging.blade[row, 0, 0] + 15.0  # medial border, mm from the midline
    assert rolled.glenoid[1] < hanging.glenoid[1] - 20.0
    depth = hanging.frame.cavity.distance_mm(np.concatenate([hanging.blade, rolled.blade]).reshape(-1, 3))
    assert depth.min() > 12.0  # never in the ribs


def test_arms_clear_the_chest_as_far_as_they_may_be_spread():
    one = shoulder(1)
    angle = np.degrees(np.arctan2(one.down[0], -one.down[2]))
    assert 10.0 < angle < 31.0
    assert np.degrees(np.arctan2(shoulder(2).down[0], -shoulder(2).down[2])) >= 29.0


def test_the_bodys_parts_are_whole_and_in_their_places():
    person = bedside()
    names, labels = person.names, person.phantom.labels
    for side, sign in (("right", -1), ("left", 1)):
        for part in ("humerus", "scapula", "clavicle"):
            _, count = ndimage.label(person.mask(f"{part}_{side}"), structure=np.ones((3, 3, 3)))
            # At 3 mm a thin plate may show gaps: its pieces are few and one is nearly all of it.
            assert 1 <= count <= 12, (part, side)
            assert person.centre_mm(f"{part}_{side}")[0] * sign > 40.0
        assert labels[labels == names[f"arm_flexors_{side}"]].size * 0.027 > 100.0
        head = ndimage.binary_dilation(person.mask(f"humerus_{side}"), iterations=1)
        assert not np.any(head & (labels == 0))  # flesh around the bone
    assert {"vertebra_C5", "vertebra_C6"} <= {person.phantom.structures[n].name for n in range(len(names))}
    assert person.mask("vertebra_C6").any()
    # Airway up to the upper border: air in the middle of the neck in every slice.
    air = person.mask("trachea", "endotracheal_tube")
    z = person.phantom.grid.world_mm(np.argwhere(air))[:, 2]
    assert z.max() > person.scene.bounds_mm[1][2] - 12.0
    assert np.all(np.diff(np.unique(np.argwhere(air)[:, 0])) == 1)


def test_no_bone_lies_in_a_lung_and_no_air_in_the_body():
    person = bedside()
    lung = person.mask("lobe_")
    bones = person.mask("scapula", "clavicle", "humerus")
    assert not np.any(ndimage.binary_erosion(ndimage.binary_closing(lung)) & bones)
    outside = person.phantom.labels == 0
    rooms, _ = ndimage.label(outside)
    edge = np.unique(np.concatenate([side.ravel() for side in (rooms[:, 0], rooms[:, -1], rooms[0], rooms[-1],
                                                               rooms[:, :, 0], rooms[:, :, -1])]))  # fmt: skip
    assert np.isin(rooms[outside], edge).all()


# Breath.


def test_breath_sets_the_lungs_volume_and_their_density_and_lifts_the_domes():
    person = bedside()
    held = sum(v for n, v in person.phantom.volumes_ml().items() if n.startswith("lobe_"))
    trees = person.spec["lung_ml"] * 0.75
    assert 0.84 * trees < held < 1.03 * trees  # vessels and airways take some 5-8 % of the lungs
    full = fitted_frame(MAN, spec_with(arms_down=1), -214.0, 236.0)
    out = [fitted_frame(MAN, spec_with(arms_down=1, breath=b), -214.0, 236.0) for b in (0.8, 0.6)]
    rise = [full.shift_mm, *(fit.shift_mm for fit in out)]
    assert 15.0 < rise[1] - rise[0] < 45.0
    assert rise[1] < rise[2]
    assert out[1].frame.width < full.frame.width
    assert out[1].frame.heart_narrow > full.frame.heart_narrow
    tissue = {s.name: dict(s.mixture)["air"] for s in person.scene.structures if s.name.startswith("lobe_")}
    assert tissue["lobe_left_upper"] == pytest.approx(1 - person.spec["lung_tissue"] / 0.75)


def test_standing_up_widens_the_lungs_and_lets_the_heart_hang():
    lying = fitted_frame(MAN, spec_with(arms_down=1), -214.0, 236.0)
    upright = fitted_frame(MAN, spec_with(arms_down=2, upright=1), -214.0, 236.0)
    assert -40.0 < upright.shift_mm - lying.shift_mm < -5.0
    assert upright.frame.heart_narrow < lying.frame.heart_narrow


@pytest.mark.parametrize(("name", "value"), [("arms_down", 3), ("breath", 0.2), ("breath", 1.2), ("upright", 2),
                                             ("ecg_leads", 2), ("chest_drain", 0.5), ("central_line", -1),
                                             ("endotracheal_tip_mm", 200.0)])  # fmt: skip
def test_a_wrong_number_is_named_before_anything_is_built(name: str, value: float):
    with pytest.raises(RecipeError, match=f"phantom.spec.{name}"):
        BODY.build(MAN, spec_with(**{name: value}))


def test_specs_from_before_these_numbers_still_stand():
    older = {k: v for k, v in spec_with().items() if k not in (*devices.NUMBERS, *devices.TIPS, "arms_down", "breath",
                                                                "upright")}  # fmt: skip
    assert positioned(older) == Position()
    fit = fitted_frame(MAN, older, -214.0, 200.0)
    assert (fit.frame.arms_down, fit.frame.heart_narrow, fit.frame.heart_lift_mm) == (0, 1.0, 0.0)
    assert devices.remarks(older) == {}
    names = {s.name for s in individual_structures("thorax", older)}
    assert not [n for n in names if n.startswith(tuple(devices.PREFIXES))]


# Places.


def test_ends_of_the_lungs_are_ends_of_the_lungs():
    person = bedside()
    places, fields = person.scene.landmarks, person.scene.fields
    for side in ("right", "left"):
        lung = fields[f"lung_{side}"]
        for name, way in ((f"lung_apex_{side}", 1.0), (f"costophrenic_angle_posterior_{side}", -1.0)):
            at = np.array(places[name])
            assert lung.distance_mm(at[None])[0] < 0
            beyond = at + np.array([[dx, dy, way * 1.0] for dx in (-6, -3, 0, 3, 6) for dy in (-6, -3, 0, 3, 6)])
            assert np.all(lung.distance_mm(beyond) > 0), name  # 1 mm on there is no lung, nor beside it
        lateral = np.array(places[f"costophrenic_angle_{side}"])
        assert lung.distance_mm(lateral[None])[0] < 0
        assert places[f"costophrenic_angle_posterior_{side}"][2] < lateral[2] < places[f"diaphragm_dome_{side}"][2]
        dome = np.array(places[f"diaphragm_dome_{side}"])
        above = person.scene.fields["diaphragm"].distance_mm(np.stack([dome - [0, 0, 4.0], dome + [0, 0, 4.0]]))
        assert above[0] < 0 < above[1]
        heart = fields["heart"].distance_mm(np.array(places[f"cardiophrenic_angle_{side}"])[None])[0]
        assert 0 < heart < 12.0
        assert abs(places[f"hilum_{side}"][0]) > 25.0
    assert places["diaphragm_dome_right"][2] > places["diaphragm_dome_left"][2]


def test_vertebrae_knob_and_collar_bones_lie_in_what_they_name():
    person = bedside()
    grid, labels = person.phantom.grid, person.phantom.labels

    def label_at(name: str) -> str:
        k, j, i = np.rint(grid.index_kji(np.array(person.scene.landmarks[name]))).astype(int)
        return {s.label: s.name for s in person.scene.structures}[int(labels[k, j, i])]

    for level in ("C6", "C7", "T1", "T4", "T8", "T12", "L1"):
        assert label_at(level).startswith(f"vertebra_{level}")
    for side in ("right", "left"):
        assert label_at(f"clavicle_medial_end_{side}").startswith(f"clavicle_{side}")
    knob, carina = person.scene.landmarks["aortic_knob"], person.scene.landmarks["carina"]
    assert 25.0 < knob[0] < 50.0
    assert 5.0 < knob[2] - carina[2] < 45.0


# Lines and tubes.


def test_tips_lie_where_they_were_asked_for_and_in_what_they_lie_in():
    person = bedside()
    places, scene = person.scene.landmarks, person.scene
    carina = np.array(places["carina"])
    assert places["endotracheal_tip"][2] - carina[2] == pytest.approx(20.0, abs=0.5)
    assert np.linalg.norm(np.array(places["endotracheal_tip"])[:2] - carina[:2]) < 8.0
    assert carina[2] - places["central_venous_tip"][2] == pytest.approx(30.0, abs=0.5)
    assert scene.fields["stomach"].distance_mm(np.array(places["nasogastric_tip"])[None])[0] < 0
    drain = np.array(places["chest_drain_tip_right"])
    assert drain[0] < -40.0
    assert abs(scene.fields["lung_right"].distance_mm(drain[None])[0]) < 12.0
    assert scene.remarks["endotracheal_tube"] == "tip 20 mm above the carina: too deep"
    assert scene.remarks["central_venous_catheter"].endswith("30 mm below the carina: well placed")


def test_cables_lie_on_the_skin_and_wires_around_the_breastbone():
    person = bedside()
    volumes = person.phantom.volumes_ml()
    assert set(EVERYTHING) >= set(devices.PREFIXES.values())
    for name in ("ecg_electrode", "ecg_cable", "central_venous_catheter", "endotracheal_tube", "nasogastric_tube",
                 "chest_drain_right", "sternal_wires"):  # fmt: skip
        assert volumes[name] > 0.02, name
    assert "chest_drain_left" not in volumes
    cables = [p.shape for p in person.scene.paints if p.layers[0].label == person.names["ecg_cable"]]
    for cable in cables:
        off = person.scene.fields["body"].distance_mm(cable.starts_mm)
        assert off.min() > -3.0
        assert np.median(off) < 25.0
    wires = np.concatenate([p.shape.starts_mm for p in person.scene.paints
                            if p.layers[0].label == person.names["sternal_wires"]])  # fmt: skip
    assert np.abs(wires[:, 0]).max() < 40.0
    assert wires[:, 2].max() < person.scene.landmarks["clavicle_medial_end_left"][2] + 10.0


@pytest.mark.parametrize(("numbers", "word"), [
    ({"endotracheal_tube": 1, "endotracheal_tip_mm": -10.0}, "tip 10 mm beyond the carina: in the right main bronchus"),
    ({"endotracheal_tube": 1, "endotracheal_tip_mm": 45.0}, "tip 45 mm above the carina: well placed"),
    ({"endotracheal_tube": 1, "endotracheal_tip_mm": 95.0}, "tip 95 mm above the carina: too high"),
])  # fmt: skip
def test_a_tube_is_judged_by_its_tip(numbers: dict, word: str):
    assert devices.remarks(numbers) == {"endotracheal_tube": word}
