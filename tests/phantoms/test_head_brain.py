"""The brain of one man and one woman: volumes, folding, what lies where, and vessels that hang together."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.brain import GATES, GROUPS, PUBLISHED, surface_measures, white_in_one_piece
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from medsynth.shapes.sampled import SampledShape
from phantoms.head import BODY
from phantoms.head.brain import DURA_MM, build_brain
from phantoms.head.brain_numbers import sample_brain
from phantoms.head.frame import CAVITY_HIGH_MM, CAVITY_LOW_MM, Frame

SUBJECTS = {"man": Subject("male", 45.0, 176.0, 80.0), "woman": Subject("female", 55.0, 163.0, 68.0)}
SIDED = ("cerebral_cortex", "cerebral_white_matter", "caudate", "putamen", "pallidum", "thalamus", "hippocampus",
         "amygdala", "accumbens", "lateral_ventricle", "cerebellar_cortex", "middle_cerebral_artery")  # fmt: skip


@dataclass(frozen=True)
class Brain:
    """A built brain, its cavity, its vessels and its voxels."""

    inside: SampledShape
    fields: dict
    trees: dict
    scene: Scene
    phantom: Phantom
    intracranial_ml: float

    def label(self, name: str) -> int:
        return self.scene.structure(name).label

    def mask(self, *starts: str) -> np.ndarray:
        return np.isin(self.phantom.labels, [s.label for s in self.scene.structures if s.name.startswith(starts)])

    def centre_mm(self, *starts: str) -> np.ndarray:
        return self.phantom.grid.world_mm(np.argwhere(self.mask(*starts)).mean(axis=0))

    def volumes_ml(self) -> dict[str, float]:
        own = self.phantom.volumes_ml()
        groups = {g: sum(ml for n, ml in own.items() if n.startswith(starts)) for g, starts in GROUPS.items()}
        return {**groups, "intracranial": self.intracranial_ml}


def built(subject: Subject, seed: int, icv_ml: float | None = None, step_mm: float = 1.2) -> Brain:
    spec = json.loads(json.dumps(BODY.sample_spec(subject, rng=Seed(seed).rng())))
    if icv_ml is not None:
        spec["intracranial_ml"] = icv_ml
    frame = Frame.of(spec)
    lattice = frame.box(np.subtract(CAVITY_LOW_MM, 4.0), np.add(CAVITY_HIGH_MM, 4.0), 2.0)
    inner = frame.inner_table(lattice)
    inside = lattice.shape_of(inner + np.float32(DURA_MM))
    fields, trees, paints = build_brain(frame, lattice, inside.values_mm, spec["brain"], Seed(seed).child("brain"))
    low, high = lattice.shape_of(inner).bounds_mm()
    scene = Scene("head", "", subject, BODY.structures(), tuple(paints), fields, trees, {}, (low, high), {}, 1)
    phantom = rasterize(scene, Grid.covering(low, high, (step_mm,) * 3))
    return Brain(inside, fields, trees, scene, phantom, lattice.volume_ml(inner))


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def brain(request: pytest.FixtureRequest) -> Brain:
    return built(SUBJECTS[request.param], 5)


def test_volumes_lie_within_two_standard_deviations_of_published_adults(brain: Brain):
    own = brain.volumes_ml()
    wrong = {n: round(own[n], 1) for n, (mean, sd) in PUBLISHED.items() if abs(own[n] - mean) > 2 * sd}
    assert not wrong


def test_cortex_is_as_thick_as_large_and_as_folded_as_a_real_one(brain: Brain):
    own = brain.volumes_ml()
    found = surface_measures(brain.fields["cerebrum"], brain.fields["ribbon"], own["cortex"])
    found["cortex/white"] = own["cortex"] / own["white matter"]
    wrong = {n: round(v, 2) for n, v in found.items() if n in GATES and not GATES[n][0] <= v <= GATES[n][1]}
    assert not wrong


def test_white_matter_is_one_piece(brain: Brain):
    assert white_in_one_piece(brain.phantom) > 98


def test_sulci_are_ten_to_twenty_five_mm_deep(brain: Brain):
    """Fluid and cortex walls under the brain's closing: the deepest tenth of the sulcal fluid."""
    from scipy import ndimage

    grid = brain.phantom.grid
    tissue = brain.mask("cerebral_", "caudate", "putamen", "thalamus", "corpus", "lateral_ventricle", "third")
    fluid = brain.mask("subarachnoid", "middle_cerebral")
    size = grid.spacing_mm[0]
    hull = ndimage.binary_closing(np.pad(tissue, 16), iterations=round(12 / size))[16:-16, 16:-16, 16:-16]
    depth = ndimage.distance_transform_edt(hull) * size
    x, _, z = np.moveaxis(grid.world_mm(np.argwhere(hull & fluid)), 1, 0)
    depths = depth[hull & fluid][(np.abs(x) > 20) & (z > 5)]
    assert 9 < np.percentile(depths, 95) < 26


def test_left_is_left_and_the_sides_differ(brain: Brain):
    for name in SIDED:
        for side, sign in (("left", 1), ("right", -1)):
            where = brain.phantom.grid.world_mm(np.argwhere(brain.mask(f"{name}_{side}")))
            assert np.mean(where[:, 0] * sign > -1.5) > 0.99, name
    own = brain.mask("cerebral_cortex_left")
    other = brain.mask("cerebral_cortex_right")[:, :, ::-1]
    n = min(own.shape[2], other.shape[2])
    shared = 2 * np.mean(own[:, :, :n] & other[:, :, :n]) / (np.mean(own) + np.mean(other))
    assert 0.3 < shared < 0.85


def test_deep_parts_lie_where_they_belong(brain: Brain):
    at = brain.centre_mm
    for side, sign in (("left", 1), ("right", -1)):
        x = {n: sign * at(f"{n}_{side}")[0] for n in ("putamen", "pallidum", "thalamus")}
        assert x["putamen"] > x["pallidum"] > x["thalamus"]
        assert at(f"amygdala_{side}")[1] < at(f"hippocampus_{side}")[1] < at(f"lateral_ventricle_{side}")[1] + 10
        assert at(f"hippocampus_{side}")[2] < at(f"thalamus_{side}")[2] < at(f"caudate_{side}")[2] + 8
        assert at(f"caudate_{side}")[1] < at(f"thalamus_{side}")[1]
    assert abs(at("third_ventricle")[0]) < 1
    assert abs(at("fourth_ventricle")[0]) < 1
    assert at("pons")[1] < at("fourth_ventricle")[1] < at("vermis")[1]
    assert at("midbrain")[2] > at("pons")[2] > at("medulla")[2]
    assert at("corpus_callosum")[2] > at("third_ventricle")[2] > at("pituitary")[2]
    assert at("cerebellar_cortex")[2] < at("tentorium")[2] < at("cerebral_cortex")[2]


def test_nothing_of_the_brain_leaves_its_cavity(brain: Brain):
    inside = brain.mask("cerebral_", "cerebellar_", "vermis", "midbrain", "pons", "caudate", "putamen", "falx",
                        "lateral_ventricle", "tentorium", "middle_cerebral", "anterior_cerebral")  # fmt: skip
    where = brain.phantom.grid.world_mm(np.argwhere(inside))
    assert brain.inside.distance_mm(where).max() < 1.0


def test_ventricles_are_open_from_the_lateral_ones_to_the_fourth(brain: Brain):
    from scipy import ndimage

    fine = rasterize(brain.scene, Grid.covering((-45, -55, -50), (45, 75, 40), (0.8, 0.8, 0.8)))
    own = [s.label for s in brain.scene.structures
           if s.name.startswith(("lateral_ventricle", "third_ventricle", "fourth_ventricle", "choroid"))]  # fmt: skip
    water = np.isin(fine.labels, own) | (np.isin(fine.neighbour, own) & (fine.fraction > 60))
    parts, _ = ndimage.label(water, np.ones((3, 3, 3)))
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    for name in ("lateral_ventricle_left", "lateral_ventricle_right", "third_ventricle", "fourth_ventricle"):
        own_part = parts[fine.labels == brain.label(name)]
        assert np.mean(own_part == largest) > 0.6, name


def test_the_arteries_of_the_circle_meet(brain: Brain):
    def ends(name: str) -> np.ndarray:
        tubes = brain.trees[name]
        return np.concatenate([tubes.starts_mm, tubes.ends_mm])

    def gap(a: str, b: str) -> float:
        return float(np.linalg.norm(ends(a)[:, None] - ends(b)[None], axis=-1).min())

    for side in ("left", "right"):
        assert gap(f"internal_carotid_artery_{side}", f"middle_cerebral_artery_{side}") < 2
        assert gap(f"internal_carotid_artery_{side}", f"anterior_cerebral_artery_{side}") < 2
        assert gap(f"posterior_communicating_artery_{side}", f"posterior_cerebral_artery_{side}") < 3
        assert gap("basilar_artery", f"posterior_cerebral_artery_{side}") < 3
        assert gap("basilar_artery", f"vertebral_artery_{side}") < 3
        assert gap("anterior_communicating_artery", f"anterior_cerebral_artery_{side}") < 3


def test_no_two_people_have_the_same_folds(brain: Brain):
    other = built(Subject("male", 45.0, 176.0, 80.0), 6, brain.intracranial_ml, 2.0)
    grid = other.phantom.grid
    here = rasterize(brain.scene, grid)
    cortex = [brain.label("cerebral_cortex_left"), brain.label("cerebral_cortex_right")]
    a, b = np.isin(here.labels, cortex), np.isin(other.phantom.labels, cortex)
    assert 2 * np.mean(a & b) / (np.mean(a) + np.mean(b)) < 0.85


def test_age_thins_the_cortex_widens_sulci_and_ventricles_and_brings_lesions():
    def drawn(age: float) -> list[dict]:
        return [sample_brain(Subject("female", age, 165.0, 65.0), Seed(n).rng()) for n in range(40)]

    young, old = drawn(25.0), drawn(80.0)

    def mean(people: list[dict], name: str) -> float:
        return float(np.mean([p[name] for p in people]))

    assert mean(old, "cortex_share") < 0.93 * mean(young, "cortex_share")
    assert 1.8 < mean(old, "lateral_ml") / mean(young, "lateral_ml") < 3.2
    assert mean(old, "width_mm") > mean(young, "width_mm") + 0.5
    assert mean(young, "lesions_ml") == 0
    assert mean(old, "lesions_ml") > 3
    assert mean(old, "choroid_calcified") > mean(young, "choroid_calcified")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("age", "sex", "icv"), [(18.0, "female", 1120.0), (95.0, "male", 1850.0), (95.0, "female", 1100.0)]
)
def test_the_smallest_and_the_largest_heads_of_any_age_hold_a_whole_brain(age: float, sex: str, icv: float):
    brain = built(Subject(sex, age, 165.0, 65.0), 11, icv, 2.0)
    own = brain.phantom.volumes_ml()
    assert min(own[f"{name}_{side}"] for name in SIDED[:8] for side in ("left", "right")) > 0.3
    assert white_in_one_piece(brain.phantom) > 97
    assert 0.5 < own["cerebral_cortex_left"] / own["cerebral_cortex_right"] < 2


@pytest.mark.slow
def test_a_spec_alone_rebuilds_the_same_brain():
    one, two = (built(SUBJECTS["man"], 5, step_mm=3.0) for _ in range(2))
    assert np.array_equal(one.fields["ribbon"].values_mm, two.fields["ribbon"].values_mm)
    assert np.array_equal(one.phantom.labels, two.phantom.labels)
