"""Metal: present only where asked for, in the right host and on the right side, with the mass of usual products."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.dataset.recipe import load_recipe
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import Sphere
from medsynth.tissues.table import tissue
from phantoms.head import BODY as HEAD
from phantoms.head import fillings
from phantoms.head.frame import Frame as HeadFrame
from phantoms.head.table import structures as head_structures
from phantoms.head.teeth import build_teeth
from phantoms.torso import BODY as THORAX
from phantoms.torso import PELVIS, TORSO, implants
from phantoms.torso.builder import individual_structures
from phantoms.torso.fitting import fitted_frame
from phantoms.torso.frame import HIP_CENTRE_MM
from phantoms.torso.pelvis_bones import build_pelvis_bones, place

MAN = Subject("male", 62.0, 176.0, 82.0)
METAL = ("hip_cup", "hip_liner", "hip_head", "hip_stem", "hip_capsule", "pacemaker_", "amalgam_filling", "gold_crown")


def trunk_spec() -> dict:
    return json.loads(json.dumps(TORSO.sample_spec(MAN, rng=Seed(8).rng())))


def small_scene(structures: tuple[Structure, ...], paints: list[Paint]) -> Scene:
    nothing = Sphere((0.0, 0.0, 0.0), 1.0)
    return Scene("part", "", MAN, structures, tuple(paints), {"body": nothing}, {}, {}, nothing.bounds_mm(), {})


def with_and_without(scene: Scene, grid: Grid) -> tuple[Phantom, Phantom]:
    """The scene's voxels, and those of the scene without the painting steps of metal."""
    metal = {s.label for s in scene.structures if s.name.startswith(METAL)}

    def labels(paint: Paint) -> set[int]:
        return {n for layer in paint.layers for n in np.atleast_1d(layer.label).tolist()}

    bare = replace(scene, paints=tuple(p for p in scene.paints if not labels(p) & metal))
    assert len(bare.paints) < len(scene.paints)
    return rasterize(scene, grid), rasterize(bare, grid)


def mask(phantom: Phantom, *starts: str) -> np.ndarray:
    return np.isin(phantom.labels, [s.label for s in phantom.structures if s.name.startswith(starts)])


def grams(phantom: Phantom, *starts: str) -> float:
    total = 0.0
    for s in phantom.structures:
        if s.name.startswith(starts):
            own, beside = phantom.labels == s.label, phantom.neighbour == s.label
            share = np.where(own, 1 - phantom.fraction / 255, 0) + np.where(beside, phantom.fraction / 255, 0)
            total += float(share.sum()) * tissue(s.tissue).density_g_cm3
    return total * float(np.prod(phantom.grid.spacing_mm)) / 1000


@cache
def hips() -> tuple[Phantom, Phantom, np.ndarray, float]:
    """Both hip joints of a man, replaced and his own; the middle of the left one, and the scale of his bones."""
    spec = trunk_spec() | {"hip_implant": 3}
    frame = fitted_frame(MAN, spec, -500.0, -195.0).frame
    paints = [*build_pelvis_bones(frame).paints, *implants.paint_hips(frame, spec)]
    scene = small_scene(individual_structures("pelvis", spec), paints)
    centre = place(frame, HIP_CENTRE_MM)
    grid = Grid.covering((-150.0, -30.0, -500.0), (150.0, 90.0, -340.0), (1.5,) * 3)
    return *with_and_without(scene, grid), centre, frame.bone


@cache
def chest() -> tuple[Phantom, Phantom]:
    scene = THORAX.build(MAN, trunk_spec() | {"pacemaker": 1})
    low, _ = scene.bounds_mm
    return with_and_without(scene, Grid.covering((-60, low[1], -80), (130, 30, 165), (1.5,) * 3))


@cache
def mouth() -> tuple[Phantom, Phantom, HeadFrame]:
    spec = dict(HEAD.sample_spec(Subject("male", 35.0, 176.0, 80.0), rng=Seed(8).rng()))
    spec |= {"fillings": 4, "gold_crowns": 1}
    spec["teeth"] = {**spec["teeth"], "missing": ["36"], "filled": []}
    frame = HeadFrame.of(spec)
    scene = small_scene(head_structures(), [*build_teeth(frame, spec), *fillings.build_fillings(frame, spec)])
    return *with_and_without(scene, Grid.covering((-40, -90, -140), (40, -15, -70), (0.5,) * 3)), frame


@pytest.mark.parametrize("body", ["thorax", "abdomen", "pelvis", "torso"])
def test_a_trunk_has_no_metal_unless_asked_and_older_specs_have_none(body: str):
    spec = trunk_spec()
    older = {key: value for key, value in spec.items() if key not in ("hip_implant", "pacemaker")}
    for one in (spec, older):
        assert not [s.name for s in individual_structures(body, one) if s.name.startswith(METAL)]
        assert implants.asked(one) == ((), False)
    frame = fitted_frame(MAN, spec, -500.0, -195.0).frame
    assert implants.paint_hips(frame, spec) == []


def test_only_the_asked_side_is_replaced_and_only_where_the_body_reaches_the_hip():
    spec = trunk_spec() | {"hip_implant": 1}
    names = {s.name for s in individual_structures("pelvis", spec)}
    assert "hip_stem_right" in names
    assert "hip_stem_left" not in names
    assert "pacemaker_case" not in names
    fit = fitted_frame(MAN, spec, -500.0, -195.0).frame
    assert all(paint.shape.bounds_mm()[1][0] < 0 for paint in implants.paint_hips(fit, spec))
    assert implants.paint_hips(replace(fit, low_z_mm=-304.0), spec) == []  # the abdomen ends above


WRONG = [("hip_implant", 4), ("hip_implant", -1), ("pacemaker", 2), ("pacemaker", 0.5)]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_numbers_that_mean_nothing_are_refused(key: str, value: float):
    with pytest.raises(RecipeError, match=rf"phantom\.spec\.{key} must be .*got {value}"):
        PELVIS.build(MAN, trunk_spec() | {key: value})


def test_a_recipe_asks_for_metal():
    recipe = load_recipe("pelvis-ct-small", overrides={"phantom.spec.hip_implant": 1})
    assert recipe.phantom.spec == {"hip_implant": 1}
    assert load_recipe("chest-ct-small", overrides={"phantom.spec.pacemaker": 1}).phantom.spec["pacemaker"] == 1
    assert load_recipe("head-ct-small", overrides={"phantom.spec.fillings": 3}).phantom.spec["fillings"] == 3


def test_masses_of_a_hip_joint_are_those_of_products():
    """Cup 50-100 g, liner 10-30 g, 32 mm ball of cobalt-chromium 100-150 g, stem of titanium 70-180 g (unverified)."""
    new, _, _, _ = hips()
    for side in ("left", "right"):
        for part, low, high in (("cup", 50, 100), ("liner", 10, 30), ("head", 100, 150), ("stem", 70, 180)):
            assert low < grams(new, f"hip_{part}_{side}") < high, part


def test_the_ball_sits_in_the_middle_of_the_joint_and_has_its_diameter():
    new, _, centre, _ = hips()
    points = new.grid.world_mm(np.argwhere(mask(new, "hip_head_left")))
    assert points.mean(0) == pytest.approx(centre, abs=0.5)
    ml = grams(new, "hip_head_left") / tissue("cobalt_chromium").density_g_cm3
    assert ml == pytest.approx(4 / 3 * np.pi * 1.6**3, rel=0.02)


def test_the_cup_opens_to_the_side_down_and_forward():
    new, _, centre, _ = hips()
    lean = new.grid.world_mm(np.argwhere(mask(new, "hip_cup_left"))).mean(0) - centre  # away from the opening
    right = new.grid.world_mm(np.argwhere(mask(new, "hip_cup_right"))).mean(0) - centre * (-1, 1, 1)
    assert np.degrees(np.arctan2(-lean[0], lean[2])) == pytest.approx(42, abs=4)  # inclination
    assert np.degrees(np.arcsin(lean[1] / np.linalg.norm(lean))) == pytest.approx(15, abs=4)  # anteversion
    assert right == pytest.approx(lean * (-1, 1, 1), abs=0.5)


def test_the_stem_lies_in_the_thigh_bone_s_canal_and_nothing_of_the_old_head_is_left():
    new, old, centre, bone = hips()
    stem = mask(new, "hip_stem_left")
    k, j, i = np.nonzero(stem)
    z = new.grid.world_mm(np.stack([k, j, i], axis=1))[:, 2]
    below = z < centre[2] - 35
    assert np.isin(old.labels[k, j, i][below], old.labels[mask(old, "femur_left_m")]).mean() > 0.97
    own = mask(new, "femur_left")
    points = new.grid.world_mm(np.argwhere(own))
    assert np.linalg.norm(points - centre, axis=1).min() > 27 * bone


def test_a_hip_joint_changes_nothing_farther_than_itself():
    new, old, _, _ = hips()
    changed = (new.labels != old.labels) & ~mask(new, "hip_cup", "hip_liner", "hip_head", "hip_stem", "hip_capsule")
    assert changed.mean() < 1e-5  # voxels whose second share was covered


@pytest.mark.slow
def test_the_pacemaker_weighs_what_pacemakers_do_and_lies_in_the_left_chest_wall():
    """20-50 g (unverified)."""
    new, old = chest()
    assert 20 < grams(new, "pacemaker_case", "pacemaker_battery", "pacemaker_electronics") < 50
    case = mask(new, "pacemaker_case", "pacemaker_battery", "pacemaker_electronics")
    assert new.grid.world_mm(np.argwhere(case))[:, 0].min() > 30  # the left side
    soft = mask(old, "subcutaneous_fat", "intermuscular_fat", "pectoralis", "breast_left")
    assert soft[case].mean() > 0.97


@pytest.mark.slow
def test_the_lead_runs_through_veins_and_the_right_heart_and_never_through_lung_or_aorta():
    new, old = chest()
    lead = mask(new, "pacemaker_lead", "pacemaker_electrode")
    wrong = mask(old, "lobe_", "fissure", "aort", "ascending", "left_", "rib_", "clavicle", "trachea")
    assert wrong[lead].mean() < 0.05  # where two of them touch
    blood = mask(old, "subclavian_vein_left", "brachiocephalic_vein_left", "superior_vena_cava", "right_", "jugular")
    assert blood[lead].mean() > 0.6
    for name in ("subclavian_vein_left", "brachiocephalic_vein_left", "superior_vena_cava", "right_atrium",
                 "right_ventricle"):  # fmt: skip
        assert (mask(old, name) & lead).any(), name


@pytest.mark.slow
def test_the_electrode_is_at_the_lower_left_end_of_the_right_ventricle():
    new, old = chest()
    tip = new.grid.world_mm(np.argwhere(mask(new, "pacemaker_electrode"))).mean(0)
    room = new.grid.world_mm(np.argwhere(mask(old, "right_ventricle")))
    assert tip[0] > np.percentile(room[:, 0], 90)
    assert tip[2] < np.percentile(room[:, 2], 50)
    assert np.linalg.norm(room - tip, axis=1).min() < 5


def test_fillings_lie_in_the_first_molars_that_are_there_and_weigh_parts_of_a_gram():
    """46, 16, 26 and 37 where 36 is missing; a filling holds 0.2-1 g of amalgam (unverified)."""
    new, old, _ = mouth()
    own = mask(new, "amalgam_filling")
    names = {s.label: s.name for s in old.structures}
    teeth = {names[n][6:8] for n in np.unique(old.labels[own]) if n and names[n].startswith("tooth")}
    assert {"46", "16", "26", "37"} <= teeth
    assert "36" not in teeth
    assert 4 * 0.2 < grams(new, "amalgam_filling") < 4 * 1.0


def test_a_crown_of_gold_stands_in_for_the_enamel_of_the_last_molar():
    """2-5 g (unverified)."""
    new, old, _ = mouth()
    assert 2 < grams(new, "gold_crown") < 5
    enamel = mask(old, "tooth_27_enamel")
    assert (mask(new, "gold_crown") & enamel).sum() > 0.6 * enamel.sum()


def test_a_head_has_neither_unless_asked_and_counts_outside_the_molars_are_refused():
    spec = dict(HEAD.sample_spec(MAN, rng=Seed(3).rng()))
    assert (spec["fillings"], spec["gold_crowns"]) == (0, 0)
    assert not fillings.build_fillings(HeadFrame.of(spec), spec)
    assert not [s for s in head_structures() if s.name.startswith(METAL) and fillings.present(s, spec)]
    for count in (9, -1, 1.5):
        with pytest.raises(RecipeError, match=r"phantom\.spec\.fillings must be a whole number in 0\.\.8"):
            fillings.build_fillings(HeadFrame.of(spec), {**spec, "fillings": count})
