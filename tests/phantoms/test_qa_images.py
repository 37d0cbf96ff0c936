"""Test objects in images: CT numbers, line pairs, ramps, letters after a round trip through NIfTI."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.hu import structure_hu
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid, orientation
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.export.nifti import write_nifti
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.qa import CTP404, CTP528, MITA, MR, ORIENTATION, SHEPP_LOGAN, WATER
from phantoms.qa.modules import BAR_LENGTH_MM
from phantoms.qa.mr import relaxation, vials_mm
from phantoms.qa.orientation import AXIS_OF, LETTERS

SOMEONE = Subject("female", 50.0, 165.0, 65.0)


def scanned(body, spec=None, **settings):
    usual = {"scan_range": "module", "mas": 2000, "pixel_mm": 1.0, "slice_thickness_mm": 4.0}
    protocol = CtProtocol(**{**usual, **settings})
    return acquire_ct(body.build(SOMEONE, spec or {}), (), protocol, seed=Seed(3))


def inside(acquired, centre_mm, radius_mm, half_mm):
    """Values within a rod about z."""
    points = acquired.image.grid.points_mm() - np.asarray(centre_mm)
    rod = (np.hypot(points[..., 0], points[..., 1]) < radius_mm) & (np.abs(points[..., 2]) < half_mm)
    return acquired.image.array[rod].astype(float)


@pytest.fixture(scope="module")
def sensitometry():
    return scanned(CTP404)


@pytest.mark.parametrize("insert", ["air", "pmp", "ldpe", "polystyrene", "acrylic", "delrin", "teflon", "water"])
def test_an_insert_has_the_hu_of_its_material(sensitometry, insert):
    structure = next(s for s in CTP404.structures() if s.name == f"ctp404_{insert}")
    at = CTP404.build(SOMEONE, {}).landmarks[insert]
    # Module and bowtie harden the beam as 18 to 24 cm of water do.
    low, high = sorted(structure_hu(structure, 120.0, "none", water_cm) for water_cm in (18.0, 24.0))
    assert low - 2.5 <= inside(sensitometry, at, 3.5, 6.0).mean() <= high + 2.5


# Nominal values of the module's inserts, as given for analysis programs; tolerance as in acceptance tests.
@pytest.mark.parametrize(("insert", "nominal"), [
    ("air", -1000), ("pmp", -200), ("ldpe", -100), ("polystyrene", -35), ("acrylic", 120), ("delrin", 340),
    ("teflon", 990)])
def test_inserts_have_their_published_hu_within_15(insert, nominal):
    structure = next(s for s in CTP404.structures() if s.name == f"ctp404_{insert}")
    assert structure_hu(structure, 120.0, "none") == pytest.approx(nominal, abs=15)


def test_the_table_lies_under_the_cylinder_and_does_not_enter_it(sensitometry):
    phantom = sensitometry.phantom
    couch = np.isin(phantom.labels, [s.label for s in phantom.structures if s.name.startswith("couch")])
    points = phantom.grid.points_mm()
    assert couch.any()
    assert np.hypot(points[couch][:, 0], points[couch][:, 1]).min() > 99.0
    assert points[couch][:, 1].min() > 60.0


@pytest.mark.parametrize("thickness_mm", [2.0, 5.0])
def test_the_wire_ramps_show_the_slice_thickness(thickness_mm):
    scene = CTP404.build(SOMEONE, {})
    step = 0.25
    phantom = rasterize(scene, Grid.centred((int(thickness_mm / step), 60, 240), (step, step, step), (0.0, -38.0, 0.0)))
    label = next(s.label for s in scene.structures if s.name == "ctp404_ramps")
    x = phantom.grid.world_mm(np.argwhere(phantom.occupancy(label) > 0))[:, 0]
    assert np.ptp(x) * np.tan(np.radians(23.0)) == pytest.approx(thickness_mm, abs=0.5)


@pytest.mark.parametrize("gauge", [1, 5, 9, 14, 21])
def test_bars_repeat_with_the_period_that_their_name_says(gauge):
    scene, told = CTP528.build(SOMEONE, {}), CTP528.truth().details["gauges"][str(gauge)]
    period, angle = 10.0 / gauge, np.radians(told["angle_deg"])
    step = period / 16
    across, outward = np.array([np.sin(angle), np.cos(angle), 0.0]), np.array([np.cos(angle), -np.sin(angle), 0.0])
    direction = np.stack([[0.0, 0.0, 1.0], outward, across], axis=1)
    columns = 16 * (told["bars"] + 2)
    grid = Grid.centred((2, 8, columns), (0.5, BAR_LENGTH_MM / 16, step), tuple(told["centre_mm"]), direction)
    label = next(s.label for s in scene.structures if s.name == f"ctp528_gauge_{gauge}")
    alone = tuple(paint for paint in scene.paints if paint.layers[0].label == label)
    profile = rasterize(replace(scene, paints=alone), grid).occupancy(label).mean(axis=(0, 1))
    rising = np.flatnonzero((profile[:-1] < 0.5) & (profile[1:] >= 0.5))
    assert len(rising) == told["bars"]
    assert np.diff(rising) * step == pytest.approx(period, abs=1.01 * step)
    assert profile.sum() * step == pytest.approx(told["bars"] * period / 2, rel=0.01)


@pytest.mark.parametrize(("rod", "contrast"), [(3, 14.0), (5, 7.0), (7, 5.0), (10, 3.0)])
def test_low_contrast_rods_differ_from_the_body_by_their_hu_at_every_voltage(rod, contrast):
    by_name = {s.name: s for s in MITA.structures()}
    for kv in (80.0, 120.0):
        hu = [structure_hu(by_name[name], kv, "none") for name in (f"mita_rod_{rod}", "mita_body")]
        assert hu[0] - hu[1] == pytest.approx(contrast, abs=0.05)


def test_a_scanned_rod_of_10_mm_shows_its_3_hu():
    image = scanned(MITA, pixel_mm=1.5)
    rod = inside(image, MITA.build(SOMEONE, {}).landmarks["rod_10"], 4.0, 12.0)
    around = inside(image, (0.0, 0.0, 0.0), 30.0, 12.0)
    assert rod.mean() - around.mean() == pytest.approx(3.0, abs=4 * rod.std() / np.sqrt(rod.size / 8))


@pytest.mark.parametrize("diameter", [120.0, 320.0])
def test_a_water_cylinder_of_any_size_is_water(diameter):
    image = scanned(WATER, {"diameter_mm": diameter}, pixel_mm=2.0, mas=500)
    values = inside(image, (0.0, 0.0, 0.0), diameter / 2 - 10.0, 40.0)
    assert values.mean() == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("kv", [80.0, 140.0])
def test_shepp_logan_values_are_hu_at_every_voltage(kv):
    densities = SHEPP_LOGAN.truth().details["sum_relative_to_water"]
    for structure in SHEPP_LOGAN.structures():
        expected = 1000 * (densities[structure.name] - 1)
        assert structure_hu(structure, kv, "none") == pytest.approx(expected, abs=0.002 * abs(expected) + 0.05)


def test_vials_have_relaxation_times_and_stand_apart_from_each_other_and_the_grid():
    times, places = relaxation(), vials_mm()
    assert times.keys() == places.keys()
    assert len(times) == 28
    for field in ("1.5T", "3T"):
        assert all(0 < t[f"t2_ms_{field}"] < t[f"t1_ms_{field}"] for t in times.values())
    assert times["mr_t1_vial_1"]["t1_ms_3T"] == 1989
    assert times["mr_t2_vial_14"]["t2_ms_3T"] == 5.59
    points, balls = np.array(list(places.values())), np.array(MR.truth().details["grid_mm"])
    assert len(balls) == 57
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e3 * np.eye(len(points))
    assert apart.min() > 15.0
    assert np.linalg.norm(points[:, None] - balls[None], axis=-1).min() > 12.5
    assert np.linalg.norm(points, axis=1).max() + 7.5 < 95.0


def test_balls_of_the_grid_are_found_where_the_truth_says():
    scene, step = MR.build(SOMEONE, {}), 1.0
    phantom = rasterize(scene, Grid.centred((90, 90, 90), (step, step, step), (0.3, -0.2, 0.1)))
    share = phantom.occupancy(next(s.label for s in scene.structures if s.name == "mr_grid"))
    points = phantom.grid.points_mm()
    for at in ([0, 0, 0], [40, 0, 0], [0, -40, 0], [0, 0, 40]):
        near = np.linalg.norm(points - at, axis=-1) < 9.0
        weight = share[near]
        assert (points[near].T @ weight / weight.sum()) == pytest.approx(at, abs=0.35 if max(np.abs(at)) else 0.02)


# Axial, sagittal, coronal, and an axial series from head to feet with rows to the front.
@pytest.mark.parametrize("letters", ["SPL", "LPI", "AIR", "IAR"])
def test_letters_are_where_and_as_they_are_read_after_a_nifti_round_trip(letters, tmp_path):
    scene = ORIENTATION.build(SOMEONE, {})
    low, high = scene.bounds_mm
    direction = orientation(letters)
    shape = (np.abs(np.asarray(direction)).T @ np.subtract(high, low) / 2.0).round().astype(int) + 4
    grid = Grid.centred(tuple(shape.tolist()), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), direction)
    phantom = rasterize(scene, grid)
    write_nifti(Volume(phantom.labels, grid, "label"), tmp_path / "labels.nii.gz")
    read = nib.as_closest_canonical(nib.load(tmp_path / "labels.nii.gz"))  # RAS+, by another library
    labels = np.asarray(read.dataobj)
    numbers = {s.name: s.label for s in scene.structures}
    for letter, (axis, sign) in AXIS_OF.items():
        voxels = np.argwhere(labels == numbers[f"letter_{letter}"])
        middle = nib.affines.apply_affine(read.affine, voxels.mean(0)) * [-1, -1, 1]  # LPS
        assert np.argmax(np.abs(middle)) == axis
        assert np.sign(middle[axis]) == sign
        assert _as_read(labels == numbers[f"letter_{letter}"], letter) == LETTERS[letter]


def _as_read(mask: np.ndarray, letter: str) -> tuple[str, ...]:
    """Return the letter's picture as a radiologist sees it: patient's left at the right, front or head at the top."""
    box = tuple(slice(a, b + 1) for a, b in zip(np.argwhere(mask).min(0), np.argwhere(mask).max(0), strict=True))
    flat = mask[box].any(axis=1 if letter in "si" else 2)  # along RAS y or z
    picture = flat[::-1, ::-1].T  # rows from the front or the head, columns from right to left
    rows, columns = (np.linspace(0, n, m + 1) for n, m in zip(picture.shape, (5, len(LETTERS[letter][0])), strict=True))
    cells = [[picture[int((rows[r] + rows[r + 1]) / 2), int((columns[c] + columns[c + 1]) / 2)]
              for c in range(len(columns) - 1)] for r in range(5)]
    return tuple("".join("#" if cell else "." for cell in row) for row in cells)


def test_python_blocks_of_the_page_about_test_objects_run_in_order():
    page = (Path(__file__).parents[2] / "docs" / "qa-objects.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    for code in blocks:
        exec(compile(code, "qa-objects.md", "exec"), names)
    projection = np.asarray(names["projection"])
    assert len(blocks) == 2
    assert projection.shape == (181,)
    assert projection.max() == pytest.approx(2.85, abs=0.1)  # 13.8 cm of head: 1.02 x 0.192 / cm, and the skull
