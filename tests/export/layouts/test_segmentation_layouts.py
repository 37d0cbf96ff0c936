"""nnU-Net, Medical Segmentation Decathlon and MONAI, by their own rules and readers."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from medsynth.core.errors import DatasetError
from medsynth.export.layouts.labels import Target, Targets, write_label_image
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.run import export_dataset
from medsynth.export.layouts.source import open_source

CYST, TUMOUR = 1, 2  # in the order of the alphabet; the dataset numbers its lesions tumour 1, cyst 2


def check_as_nnunet_does(folder: Path) -> None:
    """The rules of nnunetv2's verify_dataset_integrity, written anew."""
    told = json.loads((folder / "dataset.json").read_text())
    assert {"labels", "channel_names", "numTraining", "file_ending"} <= told.keys()
    ending, channels = told["file_ending"], len(told["channel_names"])
    labels = sorted(told["labels"].values())
    assert labels == list(range(len(labels)))
    assert told["labels"]["background"] == 0
    images = sorted(path.name for path in (folder / "imagesTr").iterdir())
    names = sorted({name[:-len(ending) - 5] for name in images})
    assert len(names) == told["numTraining"]
    assert images == sorted(f"{name}_{c:04d}{ending}" for name in names for c in range(channels))
    assert sorted(path.name for path in (folder / "labelsTr").iterdir()) == [name + ending for name in names]
    for name in names:
        label = sitk.ReadImage(str(folder / "labelsTr" / (name + ending)))
        values = np.unique(sitk.GetArrayFromImage(label))
        assert set(values.tolist()) <= set(labels)
        for c in range(channels):
            image = sitk.ReadImage(str(folder / "imagesTr" / f"{name}_{c:04d}{ending}"))
            assert np.isfinite(sitk.GetArrayFromImage(image)).all()
            assert image.GetSize() == label.GetSize()
            for place in ("GetSpacing", "GetOrigin", "GetDirection"):
                assert getattr(image, place)() == getattr(label, place)()


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def test_nnunet_takes_lesions_by_default_and_numbers_their_families(dataset, exported):
    folder = exported("nnunet", acquisitions="ct")
    check_as_nnunet_does(folder)
    told = json.loads((folder / "dataset.json").read_text())
    assert told["channel_names"] == {"0": "CT"}
    assert told["labels"] == {"background": 0, "cyst": CYST, "tumour": TUMOUR}
    numbers = voxels(dataset / "case-00000" / "ct_lesions.nii.gz")
    assert set(np.unique(numbers)) == {0, 1, 2}
    np.testing.assert_array_equal(voxels(folder / "labelsTr" / "case-00000.nii.gz"),
                                  np.array([0, TUMOUR, CYST])[numbers])
    assert sorted(path.name for path in (folder / "imagesTs").iterdir()) == ["case-00002_0000.nii.gz"]
    assert json.loads((folder / "splits_final.json").read_text()) == [{"train": ["case-00000"],
                                                                      "val": ["case-00001"]}]


def test_nnunet_takes_organs_and_both_where_a_lesion_covers_its_organ(dataset, exported):
    organs = exported("nnunet", acquisitions="ct", labels="organs")
    check_as_nnunet_does(organs)
    assert json.loads((organs / "dataset.json").read_text())["labels"] == {"background": 0, "body": 1, "ball": 2}
    # Their numbers have no gap already: the label image stays the file it is.
    assert (organs / "labelsTr" / "case-00000.nii.gz").samefile(dataset / "case-00000" / "ct_labels.nii.gz")
    both = exported("nnunet", acquisitions="ct", labels="both")
    check_as_nnunet_does(both)
    table = {row["name"]: row["value"] for row in json.loads((both / "labels.json").read_text())["labels"]}
    assert table == {"background": 0, "body": 1, "ball": 2, "cyst": 3, "tumour": 4}
    anatomy, numbers = (voxels(dataset / "case-00000" / f"ct_{kind}.nii.gz") for kind in ("labels", "lesions"))
    np.testing.assert_array_equal(voxels(both / "labelsTr" / "case-00000.nii.gz"),
                                  np.where(numbers == 1, 4, np.where(numbers == 2, 3, anatomy)))


def test_parts_of_lesions_are_classes_where_asked_for(dataset, exported):
    parts = exported("nnunet", "parts=yes", acquisitions="ct")
    check_as_nnunet_does(parts)
    assert json.loads((parts / "dataset.json").read_text())["labels"] == {
        "background": 0, "cyst_solid": CYST, "tumour_solid": TUMOUR}
    # A lesion of one part is that part.
    whole = exported("nnunet", acquisitions="ct")
    np.testing.assert_array_equal(*(voxels(folder / "labelsTr" / "case-00000.nii.gz") for folder in (parts, whole)))
    both = exported("nnunet", "parts=yes", acquisitions="ct", labels="both")
    check_as_nnunet_does(both)
    np.testing.assert_array_equal(voxels(both / "labelsTr" / "case-00000.nii.gz"), voxels(
        exported("nnunet", acquisitions="ct", labels="both") / "labelsTr" / "case-00000.nii.gz"))


def test_channels_are_images_of_one_grid_in_the_order_asked_for(dataset, exported, tmp_path):
    folder = exported("nnunet", acquisitions="t2w,t1w")
    check_as_nnunet_does(folder)
    assert json.loads((folder / "dataset.json").read_text())["channel_names"] == {"0": "t2w", "1": "t1w"}
    assert (folder / "imagesTr" / "case-00000_0001.nii.gz").samefile(dataset / "case-00000" / "t1w.nii.gz")
    for layout in ("nnunet", "msd", "monai"):
        with pytest.raises(DatasetError, match=r"t1w and coarse of case-00000 do not lie on one grid .*--acquisition"):
            export_dataset(dataset, layout, tmp_path / "out", ExportOptions(("t1w", "coarse")))


def test_structures_of_a_projection_have_no_label_image_but_its_lesions_have(dataset, tmp_path):
    with pytest.raises(DatasetError, match="structures of the projection pa overlap"):
        export_dataset(dataset, "nnunet", tmp_path / "out", ExportOptions(("pa",), "organs"))
    flat = export_dataset(dataset, "nnunet", tmp_path / "Dataset002_Flat", ExportOptions(("pa",), "lesions"))
    check_as_nnunet_does(flat)


def test_a_folder_of_another_name_gets_a_dataset_inside(dataset, tmp_path):
    out = export_dataset(dataset, "nnunet", tmp_path / "nnUNet_raw", ExportOptions(("ct",), name="Spots", number=42))
    check_as_nnunet_does(out / "Dataset042_Spots")


def test_labels_with_gaps_are_closed_on_the_same_affine(dataset, tmp_path):
    case = open_source(dataset).cases[0]
    targets = Targets((Target(1, "ball", "organ", 2, "", ""),))
    write_label_image(case, case.acquisitions(["ct"])["ct"], targets, tmp_path / "out.nii.gz")
    before, after = nib.load(case.folder / "ct_labels.nii.gz"), nib.load(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(voxels(tmp_path / "out.nii.gz"), np.asarray(before.dataobj) == 2)
    assert after.get_data_dtype() == np.uint8
    for name in ("sform", "qform"):
        np.testing.assert_array_equal(*(getattr(image, f"get_{name}")() for image in (before, after)))


@pytest.mark.parametrize("layout", ["msd", "monai"])
def test_monai_reads_the_lists_and_every_file_in_them(layout, dataset, exported):
    from monai.data import load_decathlon_datalist

    folder = exported(layout, acquisitions="ct")
    file = folder / {"msd": "dataset.json", "monai": "datalist.json"}[layout]
    training = load_decathlon_datalist(str(file), True, "training")
    assert [Path(row["image"]).name[:10] for row in training] == (
        ["case-00000", "case-00001"] if layout == "msd" else ["case-00000"])
    for row in training:
        image, label = nib.load(row["image"]), nib.load(row["label"])
        assert image.shape == label.shape
        np.testing.assert_array_equal(image.affine, label.affine)
        assert set(np.unique(np.asarray(label.dataobj))) == {0, CYST, TUMOUR}
    told = json.loads(file.read_text())
    assert told["labels"] == {"0": "background", "1": "cyst", "2": "tumour"}
    if layout == "monai":
        assert training[0]["fold"] == 0
        assert len(load_decathlon_datalist(str(file), True, "validation")) == 1
        assert len(load_decathlon_datalist(str(file), True, "testing")) == 1
    else:
        test = load_decathlon_datalist(str(file), True, "test")
        assert [Path(row["image"]).exists() for row in test] == [True]


def test_channels_of_the_decathlon_are_a_fourth_axis_and_of_monai_a_list(dataset, exported):
    from monai.data import load_decathlon_datalist

    stacked = exported("msd", acquisitions="t1w,t2w")
    image = nib.load(stacked / "imagesTr" / "case-00000.nii.gz")
    single = [nib.load(dataset / "case-00000" / f"{name}.nii.gz") for name in ("t1w", "t2w")]
    assert json.loads((stacked / "dataset.json").read_text())["tensorImageSize"] == "4D"
    for channel, one in enumerate(single):
        np.testing.assert_array_equal(np.asarray(image.dataobj)[..., channel], np.asarray(one.dataobj))
    np.testing.assert_allclose(image.affine, single[0].affine, atol=1e-5)
    row, = load_decathlon_datalist(str(exported("monai", acquisitions="t1w,t2w") / "datalist.json"), True, "training")
    assert [Path(path).name for path in row["image"]] == ["case-00000_t1w.nii.gz", "case-00000_t2w.nii.gz"]
