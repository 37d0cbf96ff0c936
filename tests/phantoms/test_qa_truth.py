"""The closed-form truth of the test objects, against plain sampling and against their voxels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection
from medsynth.shapes.primitives import Capsule, Cylinder, Ellipsoid, RoundBox, Sphere, rotation
from phantoms.qa import CTP404, MITA, OBJECTS, RESOLUTION, SHEPP_LOGAN, WATER
from phantoms.qa.closed_form import crossing_mm, volume_mm3
from phantoms.qa.shepp_logan import ELLIPSOIDS, OVERLAPS, ellipsoid

SOMEONE = Subject("female", 50.0, 165.0, 65.0)
SOLIDS: list[Shape] = [
    Sphere((3.0, -2.0, 1.0), 7.0),
    Ellipsoid((-1.0, 4.0, 2.0), (9.0, 4.0, 6.0), rotation(20, -35, 50)),
    Cylinder((1.0, 1.0, -2.0), 5.0, 8.0, (0.3, -0.4, 0.8)),
    RoundBox((0.0, 3.0, -1.0), (6.0, 3.0, 8.0), 0.0, rotation(10, 20, 30)),
    Capsule((-4.0, -3.0, -2.0), (5.0, 2.0, 6.0), 3.0, 3.0),
    Intersection(Sphere((0.0, 0.0, 0.0), 6.0), Ellipsoid((4.0, 0.0, 1.0), (5.0, 9.0, 4.0), rotation(0, 0, 30))),
]


def lines(count: int, reach_mm: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    along = rng.standard_normal((count, 3))
    return rng.uniform(-reach_mm, reach_mm, (count, 3)), along / np.linalg.norm(along, axis=1, keepdims=True)


@pytest.fixture(params=OBJECTS, ids=lambda body: body.name)
def body(request):
    return request.param


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: type(s).__name__)
def test_chords_and_volumes_of_solids_are_those_of_their_signed_distance(solid):
    points, along = lines(60, 6.0)
    enter, leave = crossing_mm(solid, points, along)
    t = np.arange(-40.0, 40.0, 0.004)
    for p, d, a, b in zip(points, along, enter, leave, strict=True):
        inside = t[solid.distance_mm(p + t[:, None] * d) < 0]
        assert max(b - a, 0) == pytest.approx(0.004 * inside.size, abs=0.01)
        if inside.size > 2:
            assert (a, b) == pytest.approx((inside[0], inside[-1]), abs=0.01)
    low, high = solid.bounds_mm()
    cloud = np.random.default_rng(2).uniform(low, high, (400_000, 3))
    share = float((solid.distance_mm(cloud) < 0).mean())
    assert volume_mm3(solid) == pytest.approx(share * float(np.prod(np.subtract(high, low))), rel=0.01)


def test_lines_along_an_axis_or_a_face_have_their_plain_chords():
    rod, box = Cylinder((0.0, 0.0, 0.0), 5.0, 8.0), RoundBox((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))
    points = np.array([[1.0, 0.0, 0.0], [6.0, 0.0, 0.0]])
    up = np.broadcast_to([0.0, 0.0, 1.0], (2, 3))
    enter, leave = crossing_mm(rod, points, up)
    assert np.maximum(leave - enter, 0).tolist() == [16.0, 0.0]
    enter, leave = crossing_mm(box, points * 0.5, up)
    assert np.maximum(leave - enter, 0).tolist() == [6.0, 0.0]


def test_shapes_without_a_closed_form_are_refused():
    with pytest.raises(GeometryError, match="rounded"):
        volume_mm3(RoundBox((0, 0, 0), (2, 2, 2), 1.0))
    with pytest.raises(GeometryError, match="tapers"):
        crossing_mm(Capsule((0, 0, 0), (0, 0, 9), 1.0, 2.0), *lines(1, 1.0))


def test_chords_of_every_object_are_those_of_points_along_the_line(body):
    truth = body.truth()
    points, along = lines(12, 50.0, seed=3)
    chords = truth.chords_mm(points, along)
    t = np.arange(-220.0, 220.0, 0.02)
    for n, (p, d) in enumerate(zip(points, along, strict=True)):
        name = np.full(t.size, "", object)
        for part in truth.parts:
            for solid in part.solids:
                name[solid.distance_mm(p + t[:, None] * d) < 0] = part.structure
        for structure in truth.structures:
            assert chords[structure.name][n] == pytest.approx(0.02 * (name == structure.name).sum(), abs=0.08)


def test_a_chord_does_not_depend_on_where_on_the_line_the_point_lies_or_on_how_many_are_asked(body):
    truth = body.truth()
    points, along = lines(20, 40.0, seed=4)
    whole = truth.chords_mm(points, along)
    moved = truth.chords_mm((points + 17.0 * along).reshape(4, 5, 3), -2.5 * along.reshape(4, 5, 3))
    for name, chord in whole.items():
        assert moved[name].shape == (4, 5)
        np.testing.assert_allclose(moved[name].ravel(), chord, atol=1e-9)


def test_a_line_through_the_middle_of_the_water_cylinder_is_its_diameter():
    truth = WATER.truth({"diameter_mm": 320.0, "length_mm": 100.0, "wall_mm": 4.0})
    assert truth.line_integral([0, 0, 0], [1, 0, 0], lambda s: 1.0) == pytest.approx(320.0)
    assert truth.line_integral([0, 0, 0], [1, 1, 0], lambda s: s.tissue == "water") == pytest.approx(312.0)
    assert truth.line_integral([0, 100, 0], [1, 0, 0], lambda s: s.tissue == "water") == pytest.approx(
        2 * np.sqrt(156**2 - 100**2))


def test_shepp_logan_integrals_are_the_sum_of_ten_ellipsoids():
    truth, points, along = SHEPP_LOGAN.truth(), *lines(400, 40.0, seed=5)
    density = dict(truth.details["sum_relative_to_water"])
    whole = truth.line_integral(points, along, lambda s: density[s.name])
    added = np.zeros(len(points))
    for letter, (radii, _, _, value) in ELLIPSOIDS.items():
        solid = ellipsoid(letter, 100.0)
        turn = np.asarray(solid.turn)
        to, d = (points - solid.centre_mm) @ turn / (100 * np.array(radii)), along @ turn / (100 * np.array(radii))
        a, b, c = (d * d).sum(1), (to * d).sum(1), (to * to).sum(1) - 1
        added += value * 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a
    np.testing.assert_allclose(whole, added, atol=1e-8)


def test_shepp_logan_volumes_hold_the_mass_of_ten_ellipsoids():
    truth = SHEPP_LOGAN.truth()
    volumes, density = truth.volumes_ml(), truth.details["sum_relative_to_water"]
    mass = sum(4 / 3 * np.pi * np.prod(radii) * 1000 * value for radii, _, _, value in ELLIPSOIDS.values())
    assert sum(density[name] * ml for name, ml in volumes.items()) == pytest.approx(mass, rel=1e-4)
    assert sum(volumes.values()) == pytest.approx(4 / 3 * np.pi * 0.69 * 0.92 * 0.90 * 1000)


def test_only_the_named_pairs_of_shepp_logan_overlap():
    inner = [x for x in ELLIPSOIDS if x not in "ab"]
    cloud = np.random.default_rng(6).uniform(-95, 95, (1_500_000, 3))
    inside = {x: ellipsoid(x, 100.0).distance_mm(cloud) < 0 for x in inner}
    found = {(x, y) for n, x in enumerate(inner) for y in inner[n + 1:] if np.any(inside[x] & inside[y])}
    assert found == set(OVERLAPS)
    assert all(np.all(ellipsoid("b", 100.0).distance_mm(cloud[inside[x]]) < 0) for x in inner)


def test_densities_of_shepp_logan_structures_are_the_sums_of_the_table():
    truth = SHEPP_LOGAN.truth()
    for structure in truth.structures:
        relative = 1 + sum(part for name, part in structure.mixture if name == "dense_water")
        assert relative == pytest.approx(truth.details["sum_relative_to_water"][structure.name])


# What is thinner than the voxels of the next test, or lies where three others meet, and what is allowed.
LOOSE = {"ctp404_ramps": 0.03, "sl_ce": 0.03, "sl_f": 0.02, "sl_ef": 0.01}


def test_volumes_of_voxels_are_the_exact_ones_within_half_a_percent(body):
    scene = body.build(SOMEONE, {})
    low, high = scene.bounds_mm
    phantom = rasterize(scene, Grid.covering(np.subtract(low, 1.3), np.add(high, 1.3), (1.0, 1.0, 1.0)))
    measured, exact = phantom.volumes_ml(), body.truth().volumes_ml()
    for name, ml in exact.items():
        if name not in ("resolution_bead", "resolution_wire"):  # a few steps of 1/255 voxel: see the next test
            assert measured[name] == pytest.approx(ml, rel=LOOSE.get(name, 0.005)), name
    assert sum(measured.values()) == pytest.approx(sum(exact.values()), rel=2e-4)


def test_bead_and_wire_hold_their_volume_and_place_at_the_voxels_of_a_small_field():
    scene, truth = RESOLUTION.build(SOMEONE, {}), RESOLUTION.truth()
    for name, solid in (("wire", Capsule((45.0, 0.0, -25.0), (45.0, 0.0, 25.0), 0.1, 0.1)),
                        ("bead", Sphere((0.0, -45.0, 0.0), 0.14))):
        at = np.array(scene.landmarks[name])
        phantom = rasterize(scene, Grid.centred((24, 40, 40), (0.25, 0.2, 0.2), tuple(at + 0.03)))
        share = phantom.occupancy(next(s.label for s in truth.structures if s.name == f"resolution_{name}"))
        length = 24 * 0.25 if name == "wire" else 0.0
        exact = np.pi * 0.1**2 * length if name == "wire" else volume_mm3(solid)
        assert share.sum() * phantom.grid.voxel_volume_mm3 == pytest.approx(exact, rel=0.03)
        middle = phantom.grid.world_mm(np.argwhere(share > 0)[:, :]).T @ share[share > 0] / share.sum()
        assert middle[:2] == pytest.approx(at[:2], abs=0.03)


def test_truth_is_plain_json_with_every_structure_and_its_solids(body):
    told = json.loads(json.dumps(body.truth().as_json()))
    assert told["body"] == body.name
    assert set(told["structures"]) == {s.name for s in body.structures()}
    assert all(entry["volume_ml"] > 0 and entry["solids"] for entry in told["structures"].values())


def test_solids_of_the_truth_hold_positions_and_sizes():
    teflon = CTP404.truth().as_json()["structures"]["ctp404_teflon"]["solids"]
    assert len(teflon) == 1
    assert teflon[0]["kind"] == "Cylinder"
    assert teflon[0]["radius_mm"] == 6.0
    assert np.hypot(*teflon[0]["centre_mm"][:2]) == pytest.approx(58.7)


def test_an_object_is_the_same_for_every_subject(body):
    other = Subject("male", 90.0, 190.0, 120.0)
    specs = [body.sample_spec(who, rng=np.random.default_rng(n)) for n, who in enumerate((SOMEONE, other))]
    assert specs[0] == specs[1] == json.loads(json.dumps(specs[0]))
    one, two = (body.build(who, specs[0]) for who in (SOMEONE, other))
    assert one.structures == two.structures
    assert one.landmarks == two.landmarks


@pytest.mark.parametrize(("body", "spec", "told"), [
    (WATER, {"diameter_mm": -3}, "spec.diameter_mm must be a number in 10..600, got -3"),
    (WATER, {"wall_mm": 80, "diameter_mm": 100}, "spec.wall_mm must be less than 50"),
    (WATER, {"diameter": 100}, "spec.diameter is unknown to qa-water: it has diameter_mm, length_mm, wall_mm"),
    (WATER, {"version": 2}, "spec.version must be 1, got 2"),
    (MITA, {"diameter_mm": float("nan")}, "spec.diameter_mm"),
    (RESOLUTION, {"slant_deg": True}, "spec.slant_deg"),
])
def test_numbers_that_make_no_object_are_refused(body, spec, told):
    with pytest.raises(RecipeError) as caught:
        body.build(SOMEONE, spec)
    assert told in str(caught.value)
