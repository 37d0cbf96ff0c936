"""DICOM SEG: lesions and organs as segments on the slices of their image series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import highdicom as hd
import numpy as np
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from medsynth.core.errors import DatasetError, GeometryError, expected
from medsynth.core.findings import Finding
from medsynth.core.version import __version__
from medsynth.core.volume import Volume
from medsynth.export.colours import Rgb, lesion_colour, structure_colours
from medsynth.export.dicom.identity import StudyInfo, dicom_uid
from medsynth.export.dicom.marks import MANUFACTURER, PRIVATE_SCHEME, SERIAL_NUMBER, code_item, finish
from medsynth.scene.structure import Structure

SegEncoding = Literal["binary", "labelmap"]

_SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right}
# One bit a pixel has no lossless codec that viewers share. Label maps shrink some fifty times; of the codecs only
# RLE is read by DCMTK's segmentation reader (it takes JPEG-LS for lossy) and by validators (no deflated files).
_SYNTAX = {"binary": ExplicitVRLittleEndian, "labelmap": RLELossless}
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


def _segmentation(images: Sequence[Dataset], labels: Volume, values: list[int], descriptions: list[SegmentDescription],
                  study: StudyInfo, *, series: str, series_number: int, encoding: SegEncoding,
                  description: str) -> Dataset:
    """Return the SEG whose segments are the voxels of `labels` with the given values, in order."""
    if len(images) != labels.grid.shape_kji[0]:
        raise GeometryError(expected("slices of the labels", labels.grid.shape_kji[0], f"{len(images)} as the image"))
    segmentation: Dataset = Segmentation(
        source_images=images,
        pixel_array=_renumbered(labels.array, values, [d.SegmentNumber for d in descriptions]),
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
        transfer_syntax_uid=_SYNTAX[encoding],
        omit_empty_frames=False,  # other readers then give the image's own grid, not a cropped one
        content_label="SYNTHETIC_TRUTH",
        content_description=f"SYNTHETIC {description}",
        series_description=f"SYNTHETIC {description}",
    )
    segmentation.ContentCreatorName = "MEDSYNTH^TRUTH"
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
