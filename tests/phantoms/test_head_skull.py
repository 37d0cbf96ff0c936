"""The head's coordinates and the hollow of the skull, without a build: sizes, fossae, and the way there and back."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.seed import Seed
from medsynth.scene.subject import Subject
from medsynth.shapes.lattice import Lattice
from phantoms.head import BODY
from phantoms.head.frame import (
    CAVITY_HIGH_MM,
    CAVITY_LOW_MM,
    PETROUS_RIDGE,
    REFERENCE_CAVITY_ML,
    SELLA,
    Frame,
    cavity_mm,
)
from phantoms.head.people import INTRACRANIAL_ML, SINUS_ML
from tests.phantoms.head_people import SUBJECTS, spec_of

CUBE = Lattice(CAVITY_LOW_MM, CAVITY_HIGH_MM, 2.0)


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def frame(request: pytest.FixtureRequest) -> Frame:
    return Frame.of(spec_of(SUBJECTS[request.param], request.param))


def _cavity(x: float, y: float, z: float) -> float:
    point = [np.full((1, 1, 1), v, np.float32) for v in (x, y, z)]
    return float(cavity_mm(*point)[0, 0, 0])


def _floor_mm(x: float, y: float) -> float:
    """Return the height at which one leaves the cavity downwards from z = 10."""
    z = np.arange(10.0, -75.0, -0.5)
    column = cavity_mm(np.full((z.size, 1, 1), x), np.full((z.size, 1, 1), y), z[:, None, None]).ravel()
    return float(z[np.argmax(column > 0)])


def test_the_reference_cavity_holds_what_its_constant_says():
    whole = cavity_mm(*np.broadcast_arrays(CUBE.x, CUBE.y, CUBE.z))
    assert CUBE.volume_ml(whole) == pytest.approx(REFERENCE_CAVITY_ML, rel=0.006)


def test_a_head_holds_the_volume_it_was_drawn_with(frame: Frame):
    lattice = frame.box(CAVITY_LOW_MM, CAVITY_HIGH_MM, 2.0)
    drawn = frame.width * frame.depth * frame.height * REFERENCE_CAVITY_ML
    assert lattice.volume_ml(frame.inner_table(lattice)) == pytest.approx(drawn, rel=0.015)


def test_the_distance_to_the_inner_table_has_unit_slope_there(frame: Frame):
    lattice = frame.box(CAVITY_LOW_MM, CAVITY_HIGH_MM, 2.0)
    distance = frame.inner_table(lattice)
    slope = np.sqrt(sum(g**2 for g in np.gradient(distance, 2.0)))[np.abs(distance) < 1.5]
    assert np.percentile(slope, 5) > 0.85
    assert np.percentile(slope, 95) < 1.15


def test_three_fossae_lie_in_steps_and_the_middle_ones_are_paired():
    front, middle, behind = _floor_mm(27.0, -58.0), _floor_mm(40.0, -20.0), _floor_mm(20.0, 45.0)
    assert front > middle + 15
    assert middle > behind + 12
    assert _cavity(0.0, -20.0, -35.0) > 4  # the sphenoid parts the middle fossae
    assert _cavity(40.0, -20.0, -30.0) < -4
    assert _cavity(-40.0, -20.0, -30.0) < -4


def test_petrous_ridge_rises_between_the_middle_and_the_posterior_fossa():
    x, y, z = PETROUS_RIDGE[1]
    ridge = _floor_mm(x, y)
    assert ridge == pytest.approx(z, abs=3.5)
    assert _floor_mm(x + 8, y - 14) < ridge - 8
    assert _floor_mm(x - 8, y + 16) < ridge - 12


def test_the_foramen_magnum_and_the_sella_are_hollow_and_the_dorsum_is_not():
    assert _cavity(0.0, 29.0, -58.0) < -2
    assert _cavity(0.0, 29.0, -72.0) > 4
    assert _cavity(0.0, SELLA[0], SELLA[1]) < -3
    assert _cavity(0.0, -6.0, -23.0) > 0


def test_positions_and_reference_coordinates_are_inverse(frame: Frame):
    for point in ((30.0, -70.0, -36.0), (0.0, 12.0, -57.0), (-25.0, -60.0, -120.0)):
        there = frame.at(point)
        node = Lattice(tuple(there - 0.01), tuple(there + 0.01), 0.005)
        x, y, z = frame.reference(node)
        k, j, i = (n // 2 for n in x.shape)
        assert (x[k, j, i], y[k, j, i], z[k, j, i]) == pytest.approx(point, abs=0.05)


def test_drawn_cavities_and_sinuses_have_the_published_means_and_spread():
    rng = Seed(11).rng()
    for sex, height in (("male", 176.0), ("female", 163.0)):
        specs = [BODY.sample_spec(Subject(sex, 45.0, height, 70.0), rng=rng) for _ in range(150)]
        volumes = np.array([spec["intracranial_ml"] for spec in specs])
        mean, sd = INTRACRANIAL_ML[sex]
        assert volumes.mean() == pytest.approx(mean, rel=0.03)
        assert sd / 1.4 < volumes.std() < sd * 1.4
        for kind in ("maxillary", "sphenoid"):
            drawn = np.array([spec["sinus_ml"][f"{kind}_sinus_left"] for spec in specs])
            assert drawn.mean() == pytest.approx(SINUS_ML[kind][sex][0], rel=0.12)


def test_old_people_have_fewer_teeth_and_tighter_sutures():
    rng = Seed(12).rng()
    young, old = ([BODY.sample_spec(Subject("male", age, 175.0, 75.0), rng=rng) for _ in range(40)]
                  for age in (25.0, 80.0))
    lost = [np.mean([len(spec["teeth"]["missing"]) for spec in group]) for group in (young, old)]
    assert lost[0] < 4 < 7 < lost[1]
    assert np.mean([s["suture"] for s in young]) > 1.5 * np.mean([s["suture"] for s in old])
