"""What families are built of: hosts, forms of a given volume, matter of a given CT number, effects."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.acquire.ct.hu import structure_hu
from medsynth.core.errors import GeometryError, PlacementError, RecipeError
from medsynth.core.seed import Seed
from medsynth.lesions.effect import mass_effect
from medsynth.lesions.form import blob, grown_to, random_axes, turn_to
from medsynth.lesions.host import host, labels_of
from medsynth.lesions.matter import hu_of, lesion_part, mixture_for_hu
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Code
from medsynth.shapes.blend import Union
from medsynth.shapes.lattice_warp import LatticeWarp
from medsynth.shapes.primitives import Ellipsoid, Sphere
from tests.lesions.lungs import lungs_scene

CODE = Code("1", "x")


@pytest.fixture(scope="module")
def scene():
    return lungs_scene()


def test_a_host_has_the_volume_and_the_depth_of_its_structures(scene):
    lung = host(scene, "lobe_right_*", step_mm=3.0)
    whole = scene.fields["lung_right"]
    rng = Seed(1).rng()
    points = lung.points(400, rng=rng, depth_mm=(8.0, 20.0))
    depth = -np.asarray(whole.distance_mm(points))
    assert len(points) == 400
    assert depth.min() > 8 - 3
    assert np.abs(lung.depth_at(points) - 14).max() < 8
    assert lung.volume_ml == pytest.approx(sum(
        rasterize(scene, lung.grid.with_spacing((2.0,) * 3)).volumes_ml()[f"lobe_right_{part}"]
        for part in ("upper", "middle", "lower")), rel=0.01)
    assert host(scene, "lobe_right_*", step_mm=3.0) is lung
    assert lung.labels == labels_of(scene, "lobe_right_upper", "lobe_right_middle", "lobe_right_lower")


def test_an_unknown_host_is_refused_by_name(scene):
    with pytest.raises(PlacementError, match="spleen"):
        host(scene, "spleen")


@pytest.mark.parametrize("cut", [False, True])
def test_a_blob_has_the_volume_asked_for_also_where_its_host_cuts_it(cut):
    wall = Ellipsoid((0.0, 0.0, 0.0), (40.0, 30.0, 50.0))
    centre = (35.0, 0.0, 0.0) if cut else (5.0, 5.0, 5.0)
    body = blob(centre, 3000.0, axes=random_axes(0.2, rng=Seed(2).rng()), turn=turn_to((1.0, 2.0, 0.5)),
                lobulation=0.5, roughness=0.06, seed=Seed(3), host=wall, cut=cut)
    axis = np.arange(-30, 30, 0.5)
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1) + centre
    inside = (body.distance_mm(points) < 0) & (wall.distance_mm(points) < 0)
    assert inside.sum() * 0.125 == pytest.approx(3000.0, rel=0.02)


def test_any_shape_grows_to_a_volume():
    pair = Union(Sphere((-4.0, 0, 0), 5.0), Sphere((6.0, 0, 0), 3.0), 2.0)
    grown = grown_to(pair, 2500.0)
    axis = np.arange(-25, 25, 0.4)
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1)
    assert (grown.distance_mm(points) < 0).sum() * 0.064 == pytest.approx(2500.0, rel=0.02)
    with pytest.raises(PlacementError, match="does not fit"):
        grown_to(pair, 2500.0, host=Sphere((0, 0, 0), 6.0))


@pytest.mark.parametrize(("name", "hu"), [("blood", 70.0), ("nodule_solid", 20.0), ("water", -60.0), ("liver", -500.0),
                                          ("soft_tissue", 300.0)])
def test_a_mixture_has_the_ct_number_asked_for(name, hu):
    part = lesion_part(1, "solid", name, CODE, whole=True, mixture=mixture_for_hu(name, hu))
    assert structure_hu(part, 120.0, "none") == pytest.approx(hu, abs=max(2.5, 0.03 * abs(hu)))


def test_ct_numbers_of_tissues_are_those_of_the_scanner():
    for name in ("blood", "liver", "adipose", "csf", "grey_matter"):
        part = lesion_part(1, "solid", name, CODE, whole=True)
        assert hu_of(name) == pytest.approx(structure_hu(part, 120.0, "none"), abs=1.5)
    with pytest.raises(RecipeError, match="-1000"):
        mixture_for_hu("blood", -1200.0)


def test_a_mass_pushes_outwards_and_stops_at_the_border_of_what_may_move():
    cavity = Sphere((0.0, 0.0, 0.0), 70.0)
    push = mass_effect((40.0, 0.0, 0.0), 45.0, 8.0, within=cavity)
    inwards = np.array([[25.0, 0.0, 0.0]])
    assert push.warp.displacement_mm(inwards)[0, 0] < -5
    outside = np.array([[72.0, 0.0, 0.0], [40.0, 60.0, 30.0], [71.0, 10.0, 0.0]])
    assert not push.warp.displacement_mm(outside).any()
    rng = Seed(4).rng()
    points = rng.uniform(-30, 30, (500, 3)) + (40.0, 0, 0)
    there = points + push.warp.displacement_mm(points)
    assert np.abs(there + push.warp.inverse_displacement_mm(there) - points).max() < 0.02


def test_a_map_that_folds_is_refused():
    moves = np.zeros((3, 9, 9, 9), np.float32)
    moves[0, 4, 4, 4] = 3.0
    with pytest.raises(GeometryError, match="fold"):
        LatticeWarp(moves, (0.0, 0.0, 0.0), 1.0)
