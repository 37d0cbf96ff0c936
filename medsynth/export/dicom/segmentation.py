"""DICOM SEG: lesions and organs as segments on the slices of their image series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import highdicom as hd
import numpy as np
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medsynth.core.errors import DatasetError, GeometryError, expected
from medsynth.core.findings import Finding
from medsynth.core.version import __version__
from medsynth.core.volume import Volume
from medsynth.export.colours import Rgb, lesion_colour, structure_colours
from medsynth.export.dicom.identity import StudyInfo, dicom_uid
from medsynth.export.dicom.marks import MANUFACTURER, PRIVATE_SCHEME, SERIAL_NUMBER, code_item, finish
from medsynth.export.dicom.rle import compress
from medsynth.scene.structure import Code as Snomed
from medsynth.scene.structure import Laterality, Structure

SegEncoding = Literal["binary", "labelmap"]

_SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right}
LESION = "lesion_"  # begins the names of lesions' masks, their number follows
_BODY_STRUCTURE = Snomed("123037004", "Body structure")
_WHOLES = {"lung": Snomed("39607008", "Lung structure"), "heart": Snomed("80891009", "Heart structure"),
           "aorta": Snomed("15825003", "Aortic structure"), "mediastinum": Snomed("72410000", "Mediastinal structure")}
_TYPES = {"binary": SegmentationTypeValues.BINARY, "labelmap": SegmentationTypeValues.LABELMAP}


def lesion_segmentation(images: Sequence[Dataset], lesions: Volume, findings: Sequence[Finding], study: StudyInfo, *,
                        series: str, series_number: int, encoding: SegEncoding) -> Dataset:
    """Return the SEG with one segment per finding, in the order of their numbers.

    Segments are numbered 1, 2, ... without a gap, as the standard demands; so are the findings of a full image.

    Parameters
    ----------
    images : the datasets of the image series, one per slice of `lesions`, in its order.
    lesions : (k, j, i) integers, the value is the finding's number, 0 elsewhere.
    findings : at least one, each with a number of its own; without a voxel of its own it keeps an empty segment.
    """
    ordered = sorted(findings, key=lambda finding: finding.number)
    numbers = [finding.number for finding in ordered]
    if len(set(numbers)) != len(numbers):
        raise DatasetError(expected("numbers of the findings", numbers, "different"))
    descriptions = [_lesion_description(finding, n, study, series) for n, finding in enumerate(ordered, start=1)]
    return _segmentation(images, lesions, numbers, descriptions, study, series=series, series_number=series_number,
                         encoding=encoding, description="Lesions (truth)")


def organ_segmentation(images: Sequence[Dataset], organs: Volume, structures: Sequence[Structure], study: StudyInfo, *,
                       series: str, series_number: int, encoding: SegEncoding) -> Dataset:
    """Return the SEG with one segment per organ that occurs in `organs`.

    In a label map a pixel holds the structure's label; binary segments are numbered 1, 2, ... in the order of the
    labels, as the standard demands.
    """
    present = _values(organs.array)
    named = {s.label: s for s in structures}
    unknown = [label for label in present if label not in named]
    if unknown:
        raise DatasetError(expected("labels of the organ image", unknown, "labels of the given structures"))
    if not present:
        raise DatasetError("organs must hold at least one structure, got an empty image")
    numbers = present if encoding == "labelmap" else list(range(1, len(present) + 1))
    colours = structure_colours(s.name for s in structures)
    descriptions = [_organ_description(named[label], number, colours[named[label].name])
                    for label, number in zip(present, numbers, strict=True)]
    return _segmentation(images, organs, present, descriptions, study, series=series, series_number=series_number,
                         encoding=encoding, description="Organs (truth)")


def mask_segmentation(images: Sequence[Dataset], masks: Mapping[str, Volume], structures: Sequence[Structure],
                      study: StudyInfo, *, series: str, series_number: int) -> Dataset:
    """Return the BINARY SEG of a projection with one segment per structure; shadows overlap.

    Parameters
    ----------
    images : the dataset of the projection.
    masks : structure -> (1, rows, columns), 1 inside; at least one. Those of lesions are left out.
    structures : tell the codes of the masks' names.
    """
    names = [name for name in masks if not name.startswith(LESION)]
    colours, named = structure_colours(names), {s.name: s for s in structures}
    descriptions = [_organ_description(named.get(name) or _whole(name), number, colours[name])
                    for number, name in enumerate(names, start=1)]
    return _flat(images, masks, names, descriptions, study, series=series, series_number=series_number,
                 description="Organs (truth)")


def lesion_mask_segmentation(images: Sequence[Dataset], masks: Mapping[str, Volume], findings: Sequence[Finding],
                             study: StudyInfo, *, series: str, series_number: int) -> Dataset:
    """Return the BINARY SEG of a projection with one segment per finding, in the order of their numbers.

    Parameters
    ----------
    masks : has `lesion_<number>` for each finding.
    """
    ordered = sorted(findings, key=lambda finding: finding.number)
    descriptions = [_lesion_description(finding, n, study, series) for n, finding in enumerate(ordered, start=1)]
    return _flat(images, masks, [f"{LESION}{finding.number}" for finding in ordered], descriptions, study,
                 series=series, series_number=series_number, description="Lesions (truth)")


def _flat(images: Sequence[Dataset], masks: Mapping[str, Volume], names: Sequence[str],
          descriptions: list[SegmentDescription], study: StudyInfo, *, series: str, series_number: int,
          description: str) -> Dataset:
    """Return the SEG of masks that may overlap, on the one image that they lie in."""
    pixels = np.zeros((1, images[0].Rows, images[0].Columns, len(names)), np.uint8)
    for n, name in enumerate(names):  # one by one: a hundred masks of a radiograph take half a gigabyte
        pixels[..., n] = masks[name].array
    return _object(images, pixels, descriptions, study, series=series, series_number=series_number, encoding="binary",
                   description=description)


def _segmentation(images: Sequence[Dataset], labels: Volume, values: list[int], descriptions: list[SegmentDescription],
                  study: StudyInfo, *, series: str, series_number: int, encoding: SegEncoding,
                  description: str) -> Dataset:
    """Return the SEG whose segments are the voxels of `labels` with the given values, in order."""
    if len(images) != labels.grid.shape_kji[0]:
        raise GeometryError(expected("slices of the labels", labels.grid.shape_kji[0], f"{len(images)} as the image"))
    pixels = _renumbered(labels.array, values, [d.SegmentNumber for d in descriptions])
    return _object(images, pixels, descriptions, study, series=series, series_number=series_number, encoding=encoding,
                   description=description)


def _object(images: Sequence[Dataset], pixels: NDArray[np.integer], descriptions: list[SegmentDescription],
            study: StudyInfo, *, series: str, series_number: int, encoding: SegEncoding, description: str) -> Dataset:
    """Return the SEG of numbered pixels (k, j, i), or of masks (k, j, i, segment)."""
    segmentation: Dataset = Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=_TYPES[encoding],
        segment_descriptions=descriptions,
        series_instance_uid=study.series_uid(series),
        series_number=series_number,
        sop_instance_uid=study.instance_uid(series, 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="medsynth truth",
        software_versions=__version__,
        device_serial_number=SERIAL_NUMBER,
        omit_empty_frames=False,  # other readers then give the image's own grid, not a cropped one
        content_label="SYNTHETIC_TRUTH",
        content_description=f"SYNTHETIC {description}",
        series_description=f"SYNTHETIC {description}",
    )
    # One bit a pixel has no lossless codec that viewers share. Label maps shrink some fifty times; of the codecs only
    # RLE is read by DCMTK's segmentation reader (it takes JPEG-LS for lossy) and by validators (no deflated files).
    if encoding == "labelmap":
        compress(segmentation)
    segmentation.ContentCreatorName = "MEDSYNTH^TRUTH"
    if "PatientOrientation" in images[0]:  # of a projection, which has no other orientation
        segmentation.PatientOrientation = images[0].PatientOrientation
    finish(segmentation, study, dicom_uid(study.seed.child("series", series, "dimensions")))
    return segmentation


def _values(array: NDArray[np.integer]) -> list[int]:
    """Return the values above 0 that occur, slice by slice to spare memory."""
    return sorted(set().union(*(np.unique(plane).tolist() for plane in array)) - {0})


def _renumbered(array: NDArray[np.integer], values: list[int], numbers: list[int]) -> NDArray[np.integer]:
    """Return `array` with each of `values` replaced by its number and the rest by 0, in as few bytes as fit."""
    table = np.zeros(max(int(array.max()), *values) + 1, np.uint8 if max(numbers) < 256 else np.uint16)
    table[values] = numbers
    return table[array]


def _lesion_description(finding: Finding, number: int, study: StudyInfo, series: str) -> SegmentDescription:
    value, meaning = finding.code
    name = f"{finding.kind} {finding.number}"
    description = _description(number, name, codes.SCT.MorphologicallyAbnormalStructure,
                               Code(value, "SCT", meaning[:64]), lesion_colour(finding.number),
                               tracking=(study.tracking_uid(series, finding.number), name))
    region: Dataset = code_item(Code(finding.site_code[0], "SCT", finding.site_code[1][:64]))
    if finding.site_laterality:
        region.AnatomicRegionModifierSequence = [code_item(_SIDES[finding.site_laterality])]
    cast(Dataset, description).AnatomicRegionSequence = [region]
    return description


def _organ_description(structure: Structure, number: int, colour: Rgb) -> SegmentDescription:
    code = Code(structure.code.value, "SCT", structure.code.meaning[:64])
    description = _description(number, structure.name[:64], codes.SCT.AnatomicalStructure, code, colour)
    if structure.laterality:
        item = description.SegmentedPropertyTypeCodeSequence[0]
        item.SegmentedPropertyTypeModifierCodeSequence = [code_item(_SIDES[structure.laterality])]
    return description


def _whole(name: str) -> Structure:
    """Return what a name means that no structure has: an organ that readers name and bodies have in parts."""
    words = name.split("_")
    side: Laterality = "left" if "left" in words else "right" if "right" in words else ""
    return Structure(name, 1, "water", _WHOLES.get(words[0], _BODY_STRUCTURE), side)


def _description(number: int, label: str, category: Code, kind: Code, colour: Rgb, *,
                 tracking: tuple[str, str] | None = None) -> SegmentDescription:
    algorithm = hd.AlgorithmIdentificationSequence(
        name="medsynth ground truth", family=Code("TRUTH", PRIVATE_SCHEME, "Ground truth of a simulation"),
        version=__version__)
    uid, identifier = tracking or (None, None)
    return SegmentDescription(
        segment_number=number, segment_label=label, segmented_property_category=category,
        segmented_property_type=kind, algorithm_type="AUTOMATIC", algorithm_identification=algorithm,
        tracking_uid=uid, tracking_id=identifier, display_color=hd.color.CIELabColor.from_rgb(*colour))
