from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medsynth.core.errors import DatasetError, GeometryError
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.export import nifti
from medsynth.export.nifti import FRACTION_SLOPE, read_nifti, rewrite_nifti, stored_voxels, write_nifti

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def itk_affine(image: sitk.Image) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return affine


def test_nibabel_reads_every_voxel_at_its_world_position(case, tmp_path, phantom_value, lps_points):
    write_nifti(case.image, tmp_path / "ct.nii.gz")
    image = nib.load(tmp_path / "ct.nii.gz")
    array = np.asarray(image.dataobj)
    assert array.dtype == np.int16
    for affine in (image.get_sform(), image.get_qform()):
        np.testing.assert_allclose(array, phantom_value(lps_points(array.shape, RAS_TO_LPS @ affine)), atol=1)


def test_simpleitk_reads_every_voxel_at_its_world_position(case, tmp_path, phantom_value, lps_points):
    write_nifti(case.image, tmp_path / "ct.nii.gz")
    image = sitk.ReadImage(str(tmp_path / "ct.nii.gz"))
    array = sitk.GetArrayFromImage(image).T
    np.testing.assert_allclose(array, phantom_value(lps_points(array.shape, itk_affine(image))), atol=1)


def test_sform_and_qform_agree_to_a_micrometre_and_carry_code_1(case, tmp_path):
    write_nifti(case.image, tmp_path / "ct.nii")
    image = nib.load(tmp_path / "ct.nii")
    corner = np.array([*(np.asarray(image.shape) - 1), 1.0])
    np.testing.assert_allclose(image.get_sform() @ corner, image.get_qform() @ corner, atol=1e-4)
    assert image.header["sform_code"] == 1
    assert image.header["qform_code"] == 1
    assert image.header.get_xyzt_units()[0] == "mm"


def test_own_reader_gives_back_array_grid_and_quantity(case, tmp_path):
    write_nifti(case.image, tmp_path / "ct.nii.gz")
    again = read_nifti(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(again.array, case.image.array)
    assert again.array.dtype == np.int16
    assert again.grid.is_close(case.image.grid, tolerance_mm=1e-3)
    assert again.quantity == "HU"


@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "float32"])
def test_each_supported_type_keeps_its_extreme_values(dtype, tmp_path):
    limits = np.finfo(dtype) if dtype == "float32" else np.iinfo(dtype)
    array = np.full((3, 5, 4), limits.min, dtype)
    array[2, 4, 3] = limits.max
    write_nifti(Volume(array, Grid((3, 5, 4), (3, 2, 1)), "label"), tmp_path / "x.nii.gz")
    again = nib.load(tmp_path / "x.nii.gz")
    assert again.get_data_dtype() == np.dtype(dtype)
    np.testing.assert_array_equal(np.asarray(again.dataobj).T, array)


@pytest.mark.parametrize("dtype", ["int64", "float64", "int32", "complex64"])
def test_types_that_other_tools_refuse_are_errors(dtype, tmp_path):
    with pytest.raises(DatasetError, match="dtype of a NIfTI volume must be"):
        write_nifti(Volume(np.zeros((2, 2, 2), dtype), Grid((2, 2, 2), (1, 1, 1)), "HU"), tmp_path / "x.nii.gz")


def test_a_fraction_image_reads_as_0_to_1_everywhere(tmp_path):
    array = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1)
    write_nifti(Volume(array, Grid((3, 1, 1), (1, 1, 1)), "fraction"), tmp_path / "f.nii.gz", slope=FRACTION_SLOPE)
    np.testing.assert_allclose(nib.load(tmp_path / "f.nii.gz").get_fdata().ravel(), [0, 0.2, 1], atol=1e-6)
    np.testing.assert_allclose(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "f.nii.gz"))).ravel(), [0, 0.2, 1],
                               atol=1e-6)
    np.testing.assert_allclose(read_nifti(tmp_path / "f.nii.gz").array.ravel(), [0, 0.2, 1], atol=1e-6)


def test_bytes_depend_on_the_volume_alone_not_on_threads_or_name(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(nifti, "_BLOCK_BYTES", 1000)  # many blocks for a small volume
    volume = Volume(rng.integers(-1000, 1000, (9, 33, 31)).astype(np.int16), Grid((9, 33, 31), (1, 1, 1)), "HU")
    for threads, name in ((1, "a.nii.gz"), (2, "b.nii.gz"), (5, "other-name.nii.gz")):
        monkeypatch.setattr(nifti, "_THREADS", threads)
        write_nifti(volume, tmp_path / name)
    first, *others = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert all(other == first for other in others)
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii.gz").array, volume.array)
    write_nifti(volume, tmp_path / "plain.nii")
    assert gzip.decompress(first) == (tmp_path / "plain.nii").read_bytes()


def test_foreign_float64_file_with_a_rounded_oblique_affine_is_read(case, tmp_path):
    affine = np.round(nifti.ras_affine(case.image.grid), 4)
    nib.save(nib.Nifti1Image(case.image.array.T.astype(np.float64), affine), tmp_path / "x.nii.gz")
    again = read_nifti(tmp_path / "x.nii.gz")
    assert again.array.dtype == np.float32
    assert again.grid.is_close(case.image.grid, tolerance_mm=0.01)


def test_a_sheared_affine_is_an_error(tmp_path):
    affine = np.eye(4)
    affine[0, 1] = 0.2
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.int16), affine), tmp_path / "x.nii.gz")
    with pytest.raises(GeometryError, match="orthonormal"):
        read_nifti(tmp_path / "x.nii.gz")


def test_files_that_are_no_3d_nifti_are_errors(tmp_path):
    (tmp_path / "text.nii.gz").write_text("no image")
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3, 2), np.int16), np.eye(4)), tmp_path / "4d.nii.gz")
    write_nifti(Volume(np.zeros((9, 9, 9), np.uint8), Grid((9, 9, 9), (1, 1, 1)), "label"), tmp_path / "cut.nii")
    (tmp_path / "cut.nii").write_bytes((tmp_path / "cut.nii").read_bytes()[:-100])
    for name in ("text.nii.gz", "4d.nii.gz", "cut.nii", "absent.nii"):
        with pytest.raises(DatasetError):
            read_nifti(tmp_path / name)


def test_a_name_that_readers_would_not_know_is_an_error(axial_case, tmp_path):
    with pytest.raises(DatasetError, match=r"\.nii\.gz"):
        write_nifti(axial_case.image, Path(tmp_path / "ct.nrrd"))


def test_left_handed_grids_keep_their_handedness(tmp_path):
    grid = Grid((3, 4, 5), (3, 2, 1), (1, 2, 3), ((0, 0, -1), (0, 1, 0), (1, 0, 0)))
    volume = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), grid, "HU")
    write_nifti(volume, tmp_path / "x.nii.gz")
    image = nib.load(tmp_path / "x.nii.gz")
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-5)
    assert read_nifti(tmp_path / "x.nii.gz").grid.is_close(replace(grid))


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_voxels_are_exchanged_on_an_affine_that_is_equal_to_the_bit(case, ending, tmp_path):
    before, after = tmp_path / f"before.{ending}", tmp_path / "after.nii.gz"
    write_nifti(case.organs, before)
    np.testing.assert_array_equal(stored_voxels(before), case.organs.array)
    rewrite_nifti(before, after, lambda voxels: (voxels > 100).astype(np.uint8))
    one, two = nib.load(before), nib.load(after)
    assert two.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(two.dataobj).T, case.organs.array > 100)
    for name in ("sform", "qform"):
        np.testing.assert_array_equal(*(getattr(image, f"get_{name}")(coded=True)[0] for image in (one, two)))
    assert two.header["descrip"] == one.header["descrip"]
    with pytest.raises(DatasetError, match="changed voxels"):
        rewrite_nifti(before, after, lambda voxels: voxels[1:])
    with pytest.raises(DatasetError, match="changed voxels"):
        rewrite_nifti(before, after, lambda voxels: voxels.astype(np.int64))


def test_a_damaged_file_is_one_clear_error(axial_case, tmp_path):
    write_nifti(axial_case.organs, tmp_path / "whole.nii.gz")
    whole = (tmp_path / "whole.nii.gz").read_bytes()
    for number, content in enumerate((whole[:-200], b"xx" + whole, b"", gzip.compress(b"no header"))):
        path = tmp_path / f"{number}.nii.gz"
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=f"{number}.nii.gz"):
            stored_voxels(path)
