"""The breast between paddle and support: volumes stay, contact is flat, and the picture shows what it should."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.posture import posed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from phantoms.breast import BODY
from phantoms.breast.compression import Compression, Mounded, MusclePull, TurnedChest

WOMAN = Subject("female", 52.0, 164.0, 70.0)
MOUND = Mounded(16.0, 90.0, 62.0, 64.0, 2.15, 6.0, 4.0)
AXES = {"cc": (0.0, 0.0, -1.0), "mlo": (float(np.sin(0.85)), 0.0, -float(np.cos(0.85)))}


@cache
def breast(side: str) -> Scene:
    spec = {**BODY.sample_spec(WOMAN, rng=Seed(3).rng()), "side": side, "volume_ml": 520.0, "density_class": "B"}
    return BODY.build(WOMAN, json.loads(json.dumps(spec)))


@cache
def pressed(name: str) -> tuple[Scene, Phantom]:
    scene, _ = posed(breast("left"), (), name)
    low, high = scene.bounds_mm
    return scene, rasterize(scene, Grid.covering(low, high, (1.5,) * 3))


def points(seed: int = 0, count: int = 4000) -> np.ndarray:
    return np.random.default_rng(seed).uniform((-75, -85, -75), (75, 40, 75), (count, 3))


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_flattening_keeps_every_volume_and_has_an_inverse(axis: tuple[float, float, float]):
    warp, at, h = Compression(MOUND, axis, 55.0), points(), 1e-3
    moved = at + warp.displacement_mm(at)
    assert np.abs(moved + warp.inverse_displacement_mm(moved) - at).max() < 1e-8
    slope = np.empty((len(at), 3, 3))
    for k, step in enumerate(h * np.eye(3)):
        slope[:, :, k] = (2 * step + warp.displacement_mm(at + step) - warp.displacement_mm(at - step)) / (2 * h)
    factor = np.linalg.det(slope)
    # A few of the points lie across a kink of the tables, where a finite difference is none.
    assert np.percentile(np.abs(factor - 1), 99) < 0.01
    assert factor.min() > 0


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_the_flattened_mound_touches_both_plates_flatly_and_goes_nowhere_beyond(axis: tuple[float, float, float]):
    warp = Compression(MOUND, axis, 55.0)
    rng = np.random.default_rng(1)
    turn, phi = rng.uniform(0, 2 * np.pi, 20000), rng.uniform(0.2, 1, 20000)
    size = MOUND.section(phi * MOUND.depth_mm)
    skin = np.stack([MOUND.lean_mm * phi + 62 * size * np.cos(turn), 16 - 90 * phi,
                     -MOUND.droop_mm * phi**1.5 + 64 * size * np.sin(turn)], axis=1)  # fmt: skip
    skin = skin + warp.displacement_mm(skin)
    off = skin @ np.array(axis) - warp.middle_mm
    assert np.abs(off).max() < 27.5 + 0.1
    along = skin @ warp.along
    inner = np.abs(along - np.median(along)) < 0.6 * np.abs(along).max()
    inner &= skin[:, 1] > 16 - 0.65 * np.ptp(skin[:, 1])
    assert np.percentile(27.5 - np.abs(off[inner]), 90) < 1.5


def test_the_other_maps_are_undone_by_their_inverse():
    at = points(2)
    for warp in (MusclePull((0.7, 0.0, 0.714), -5.0, 80.0, 36.0, 13.0, (146.0, 100.0, -88.0, 80.0)),
                 TurnedChest((1.0, 0.0, 0.0), 0.4, -60.0)):  # fmt: skip
        moved = at + warp.displacement_mm(at)
        assert np.abs(moved + warp.inverse_displacement_mm(moved) - at).max() < 1e-8
        assert np.linalg.norm(warp.displacement_mm(at), axis=1).max() <= warp.reach_mm


@pytest.mark.parametrize("name", ["cc", "mlo"])
def test_the_built_breast_keeps_its_volume_and_fits_between_the_plates(name: str):
    scene, phantom = pressed(name)
    posture = breast("left").postures[name]
    low, high = breast("left").bounds_mm
    free = rasterize(breast("left"), Grid.covering((low[0], low[1], low[2]), (high[0], 3.0, high[2]), (1.5,) * 3))
    # The root of the breast is not between the plates: what lay before y = 0 is compared.
    for parts in (("fibroglandular_tissue", "lobules"), ("breast_fat", "fibroglandular_tissue", "lobules")):
        own = [scene.structure(n).label for n in parts]
        before = free.grid.world_mm(np.argwhere(np.isin(free.labels, own)))[:, 1]
        at = phantom.grid.world_mm(np.argwhere(np.isin(phantom.labels, own)))
        came_from = at[:, 1] + posture.warp.inverse_displacement_mm(at)[:, 1]
        assert np.count_nonzero(came_from < 0) == pytest.approx(np.count_nonzero(before < 0), rel=0.03)
    depth = at[came_from < 0] @ np.array(posture.axis)
    # The skin is uneven, and at the chest it is not yet held: a few voxels bulge over the plates.
    assert np.percentile(depth, 1.0) > posture.plates_mm[0] - 1.6
    assert np.percentile(depth, 99.0) < posture.plates_mm[1] + 1.6
    assert 38.0 < posture.thickness_mm < 65.0
    nipple = np.array(scene.landmarks["nipple"])
    assert nipple @ np.array(posture.inwards) > 60.0
    assert abs(nipple @ np.array(posture.axis) - np.mean(posture.plates_mm)) < 6.0


def test_the_pectoral_muscle_shows_in_the_oblique_view_down_to_about_the_nipple():
    scene, phantom = pressed("mlo")
    posture = breast("left").postures["mlo"]
    axis = np.array(posture.axis)
    along = np.array([-axis[2], 0.0, axis[0]])
    muscle = phantom.labels == scene.structure("pectoralis_major").label
    at = phantom.grid.world_mm(np.argwhere(muscle))
    at = at[(at @ axis > posture.plates_mm[0]) & (at @ axis < posture.plates_mm[1])]
    shown = at @ np.array(posture.inwards) - posture.edge_mm
    level = at @ along - np.array(scene.landmarks["nipple"]) @ along
    assert 18.0 < shown[(level > 45) & (level < 60)].max() < 60.0  # a wedge, thick at the top
    assert shown[np.abs(level) < 5].max() < 32.0  # at the nipple's level it is nearly gone, far below it is
    assert shown[level < -50].max(initial=0.0) < 12.0


def test_the_right_breast_is_pressed_as_the_mirror_image():
    left, right = breast("left").postures["mlo"], breast("right").postures["mlo"]
    assert right.axis == pytest.approx(np.array(left.axis) * (-1, 1, 1))
    assert right.plates_mm == pytest.approx(left.plates_mm)
    at = points(3, 200)
    flip = np.array([-1.0, 1.0, 1.0])
    assert np.allclose(right.warp.displacement_mm(at * flip), left.warp.displacement_mm(at) * flip)


def test_the_line_from_the_nipple_ends_on_the_muscle():
    scene = breast("left")
    end = np.array(scene.landmarks["posterior_nipple_line_end"])
    behind = np.array(scene.landmarks["nipple"]) - end
    assert 40.0 < np.linalg.norm(behind) < 140.0
    inside = scene.fields["breast"]
    way = behind / np.linalg.norm(behind)
    # Deep of the end there is no breast, right before it there is.
    assert inside.distance_mm((end - 3.0 * way)[None])[0] > 0
    assert inside.distance_mm((end + 3.0 * way)[None])[0] < 0


@pytest.mark.parametrize(("name", "value"), [("mlo_deg", 90.0), ("compression", 0.2)])
def test_numbers_out_of_range_are_named(name: str, value: float):
    spec = {**BODY.sample_spec(WOMAN, rng=Seed(3).rng()), name: value}
    with pytest.raises(RecipeError, match=name):
        BODY.build(WOMAN, spec)
