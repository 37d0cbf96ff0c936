"""A lesion in somebody's image: what changes, what stays, and what is said of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.errors import PlacementError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.export.nifti import write_nifti
from medsynth.insertion.command import run_insert
from medsynth.insertion.files import read_image, read_mask
from medsynth.insertion.insert import Insertion, insert_lesion

TURN = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
SOLID = {"types": {"solid": 1}, "calcifications": {"none": 1}, "spiculation": {"probability": 0},
         "attachments": {"none": 1}, "solid_hu": 40}
NOISE, BLUR = 22.0, 0.9


def chest(shape=(30, 110, 120), spacing=(2.0, 1.0, 1.0), direction=None, seed=1) -> Volume:
    """A lung of -850 HU in soft tissue of 50 HU, blurred, with noise."""
    grid = Grid.centred(shape, spacing) if direction is None else Grid.centred(shape, spacing, direction=direction)
    _, j, i = np.indices(shape)
    lung = ((j - shape[1] / 2) / 30) ** 2 + ((i - shape[2] / 2) / 34) ** 2 < 1
    image = ndimage.gaussian_filter(np.where(lung, -850.0, 50.0), (0, BLUR, BLUR))
    air = (j < 6) | (j > shape[1] - 7)
    image = np.where(air, -1000.0, image)
    white = ndimage.gaussian_filter(Seed(seed).rng().standard_normal(shape), (0, 0.7, 0.7))
    return Volume(np.rint(image + NOISE * white / white.std()).astype(np.int16), grid, "HU")


def lung_of(image: Volume) -> Volume:
    smooth = ndimage.gaussian_filter(image.array.astype(float), 1.0)
    return Volume(((smooth < -600) & (smooth > -950)).astype(np.uint8), image.grid, "label")


@pytest.fixture(scope="module")
def image() -> Volume:
    return chest()


@pytest.fixture(scope="module")
def inserted(image):
    how = Insertion(at_mm=(0.0, 2.0, 0.0), options={**SOLID, "diameter_mm": 18})
    return insert_lesion(image, "lung_nodule", how=how, mask=lung_of(image), seed=Seed(3))


def test_the_lesion_has_the_value_and_the_noise_of_its_surroundings(image, inserted):
    inside = inserted.full(ndimage.binary_erosion(inserted.fraction > 0.99, iterations=2))
    values = inserted.image.array[inside]
    assert inside.sum() > 300
    assert values.mean() == pytest.approx(40, abs=6)
    deep = ndimage.binary_erosion(lung_of(image).array > 0, iterations=6)
    quiet = image.array[deep & ~ndimage.binary_dilation(inserted.full(inserted.fraction > 0), iterations=4)]
    assert values.std() == pytest.approx(quiet.std(), rel=0.1)
    assert inserted.noise.sd == pytest.approx(NOISE, rel=0.1)
    assert inserted.blur_px == pytest.approx(BLUR, rel=0.3)


def test_the_lesion_has_the_volume_asked_for_and_the_truth_agrees_with_the_image(image, inserted):
    wanted = np.pi / 6 * 18**3 / 1000
    assert inserted.record.true_volume_ml == pytest.approx(wanted, rel=0.05)
    # Mass of what was added, over its contrast, is its volume: blur keeps it and noise averages out.
    added = (inserted.image.array.astype(float) - image.array).sum() * image.grid.voxel_volume_mm3 / 1000
    assert added / 890 == pytest.approx(wanted, rel=0.04)
    middle = image.grid.world_mm(inserted.record.centre_kji)
    assert middle == pytest.approx(inserted.record.centre_mm, abs=1e-3)


def test_voxels_beyond_its_blur_stay_bit_for_bit(image, inserted):
    near = ndimage.binary_dilation(inserted.full(inserted.fraction > 0), iterations=5)
    assert np.array_equal(inserted.image.array[~near], image.array[~near])
    assert inserted.image.array.dtype == image.array.dtype
    assert inserted.image.grid == image.grid


def test_the_same_seed_gives_the_same_image_and_another_another(image, inserted):
    how = Insertion(at_mm=(0.0, 2.0, 0.0), options={**SOLID, "diameter_mm": 18})
    again, other = (insert_lesion(image, "lung_nodule", how=how, mask=lung_of(image), seed=Seed(s)) for s in (3, 4))
    assert np.array_equal(again.image.array, inserted.image.array)
    assert not np.array_equal(other.image.array, inserted.image.array)


def test_an_oblique_and_a_swapped_image_get_the_lesion_at_the_same_place():
    turned = chest((100, 110, 60), (1.0, 1.0, 1.5), direction=TURN)
    point = tuple(turned.grid.centre_mm.tolist())
    found = insert_lesion(turned, "lung_nodule", how=Insertion(at_mm=point, options={**SOLID, "diameter_mm": 14}),
                          seed=Seed(3))
    share = found.full(found.fraction)
    centre = turned.grid.world_mm(np.average(np.argwhere(share > 0), axis=0, weights=share[share > 0]))
    assert centre == pytest.approx(point, abs=1.5)


def test_ground_glass_lets_vessels_through(image):
    vessel = image.array.copy()
    vessel[:, 52:55, 40:80] = 40
    how = Insertion(at_mm=(0.0, -1.0, 0.0), options={"types": {"ground_glass": 1}, "diameter_mm": 22,
                                                      "attachments": {"none": 1}, "ground_glass_hu": -550})
    found = insert_lesion(Volume(vessel, image.grid, "HU"), "lung_nodule", how=how, seed=Seed(9))
    change = found.image.array.astype(float) - vessel
    filled = found.full(found.fraction) > 0.99
    tube = np.zeros(vessel.shape, bool)
    tube[:, 52:55, 40:80] = True
    assert np.abs(change[filled & tube]).mean() < 40
    assert change[filled & ~ndimage.binary_dilation(tube, iterations=3)].mean() == pytest.approx(315, abs=50)


def test_a_mass_in_mr_takes_the_scale_of_the_image_and_pushes_it_aside():
    shape = (40, 90, 90)
    white = ndimage.gaussian_filter(Seed(1).rng().standard_normal(shape), (0, 0.6, 0.6))
    _, _, i = np.indices(shape)
    lines = np.where((i % 15) < 3, 300.0, 400.0)  # stripes, to see them bend
    image = Volume((ndimage.gaussian_filter(lines, (0, 0.8, 0.8)) + 12 * white / white.std()).astype(np.float32),
                   Grid.centred(shape, (2.0, 1.5, 1.5)), "signal")
    how = Insertion(at_mm=(0.0, 0.0, 0.0), options={"diameter_mm": 11.9, "oedema_ratio": 1.0, "push": 0.4},
                    weighting="brain-t1w-gd", contrast=1.8)
    found = insert_lesion(image, "brain_metastasis", how=how, seed=Seed(2))
    assert found.displacement_mm is not None
    moved = np.linalg.norm(found.displacement_mm, axis=-1)
    assert 1.5 < moved.max() <= 2.4
    solid = found.full(ndimage.binary_erosion(found.parts["solid"] > 0.99).astype(np.float32)) > 0
    assert found.image.array[solid].mean() == pytest.approx(1.8 * 390, rel=0.08)
    # The image's own stripes now lie where the truth says they came from.
    low, size = found.low, found.fraction.shape
    at = tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))
    steps = np.linalg.inv(image.grid.steps_mm)
    source = np.indices(size) + np.moveaxis(found.displacement_mm @ steps.T, -1, 0)
    expected = ndimage.map_coordinates(image.array[at], source, order=1, mode="nearest")
    outside = ndimage.binary_dilation(found.fraction > 0, iterations=4)
    inner = (moved > 0.5) & ~outside
    assert inner.sum() > 500
    assert np.abs(found.image.array[at][inner] - expected[inner]).mean() < 12


@pytest.mark.parametrize(("change", "match"), [
    ({"at_mm": (0.0, 0.0, 900.0)}, "--at"), ({"at_mm": None}, "--in"),
    ({"options": {"diameter_mm": 500}}, "diameter_mm"), ({"options": {"colour": "red"}}, "colour")])
def test_what_cannot_be_done_is_said_in_one_line(image, change, match):
    how = Insertion(**{"at_mm": (0.0, 0.0, 0.0), **change})
    with pytest.raises((RecipeError, PlacementError), match=match):
        insert_lesion(image, "lung_nodule", how=how, seed=Seed(1))


def test_an_image_that_is_no_ct_or_not_finite_is_refused(image):
    with pytest.raises(RecipeError, match="-200"):
        insert_lesion(Volume(np.abs(image.array), image.grid, "HU"), "lung_nodule", how=Insertion(at_mm=(0, 0, 0)),
                      seed=Seed(1))
    bad = image.array.astype(np.float32)
    bad[3, 3, 3] = np.nan
    with pytest.raises(RecipeError, match="NaN"):
        insert_lesion(Volume(bad, image.grid, "HU"), "lung_nodule", how=Insertion(at_mm=(0, 0, 0)), seed=Seed(1))
    empty = Volume(np.zeros(image.array.shape, np.uint8), image.grid, "label")
    with pytest.raises(PlacementError, match="empty"):
        insert_lesion(image, "lung_nodule", how=Insertion(), mask=empty, seed=Seed(1))


def test_files_hold_what_was_inserted_and_nothing_is_left_when_it_fails(tmp_path, image):
    write_nifti(image, tmp_path / "scan.nii.gz")
    write_nifti(Volume(lung_of(image).array * 7, image.grid, "label"), tmp_path / "lung.nii.gz")
    call = {"at": None, "within": f"{tmp_path / 'lung.nii.gz'}:7", "diameter_mm": 12.0, "seed": 5, "modality": None,
            "contrast": None, "weighting": "brain-t1w", "phase": "none", "kvp": 120.0, "assignments": {}}
    written = run_insert(tmp_path / "scan.nii.gz", "lung_nodule", tmp_path / "out", **call)
    result = read_image(written).volume
    assert result.quantity == "HU"
    assert result.grid.is_close(image.grid)
    told = json.loads((tmp_path / "out" / "annotations.json").read_text())["lesions"][0]
    mask = read_mask(str(tmp_path / "out" / "scan_lesions.nii.gz"))
    share = read_image(tmp_path / "out" / "scan_lesion_fraction.nii.gz", hu=False).volume.array
    assert share.sum() * image.grid.voxel_volume_mm3 / 1000 == pytest.approx(told["volume_ml"], rel=0.01)
    low, high = np.asarray(told["box_kji"])
    at = np.argwhere(mask.array)
    assert at.min(0).tolist() == low.tolist()
    assert (at.max(0) + 1).tolist() == high.tolist()
    with pytest.raises(RecipeError, match="diameter"):
        run_insert(tmp_path / "scan.nii.gz", "lung_nodule", tmp_path / "bad", **{**call, "diameter_mm": -1.0})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lung.nii.gz", "out", "scan.nii.gz"]


def test_a_presets_weighting_tells_what_a_lesion_is_worth():
    from medsynth.insertion.site import ball_site, site_scene
    from medsynth.insertion.worth import mr_ratios
    from medsynth.lesions.families import family
    from medsynth.lesions.matter import lesion_part
    from medsynth.scene.structure import Code

    scene = site_scene(family("brain_metastasis"), ball_site((0.0, 0.0, 0.0), 60.0), seed=1)
    part = lesion_part(1, "core", "necrosis", Code("1", "x"), whole=True)
    ratios = {name: mr_ratios([part], scene.structures[0], scene, name)[part.label]
              for name in ("brain-t1w", "brain-t2w", "abdomen-t2-haste")}
    assert ratios["brain-t2w"] > 1.5  # fluid is bright on T2 and dark on T1 beside white matter
    assert ratios["abdomen-t2-haste"] > 1.5
    assert ratios["brain-t1w"] < 0.8
