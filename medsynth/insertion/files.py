"""Reading somebody's image, and writing it with its lesion beside masks and annotations."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.annotate.record import finding, record_json
from medsynth.core.errors import DatasetError, GeometryError, RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.version import __version__
from medsynth.core.volume import Volume
from medsynth.export.nifti import FRACTION_SLOPE, read_nifti, write_nifti
from medsynth.export.preview import write_preview
from medsynth.insertion.insert import Inserted, InsertedShadow, Insertion
from medsynth.scene.lesion_parts import PART_INDEX

HU_MODALITIES = ("CT",)
AIRY_HU = -500.0  # an image that goes below this holds HU; resampled MR images dip below 0 too
# What a family says of its place in a body, which an image without anatomy cannot know.
PLACES = ("segment", "lobe", "side", "zone", "sector", "level", "site", "territory", "laterality", "region", "posture")
FLAT_MODALITIES = ("DX", "CR", "MG", "RG")
# A radiograph has no place in the patient: x runs along its rows of pixels, y down its columns, from the first pixel.
FLAT_DIRECTION = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class Source:
    """An image and where it came from.

    Attributes
    ----------
    volume : HU of CT, stored values times slope of others.
    modality : of DICOM, e.g. `"CT"`; empty for NIfTI.
    paths : the series' files in the order of its slices; empty for NIfTI.
    """

    volume: Volume
    modality: str
    paths: tuple[Path, ...]


def read_image(path: Path, *, hu: bool | None = None) -> Source:
    """Read a NIfTI file, or a folder with one DICOM series.

    Parameters
    ----------
    hu : whether a NIfTI file holds HU; None guesses: a least value below -500.

    Raises
    ------
    DatasetError
        If it is neither, or the series cannot be read as one volume.
    """
    if not path.exists():
        raise DatasetError(expected("IMAGE", str(path), "an existing NIfTI file or a folder with a DICOM series"))
    if path.is_dir():
        return _read_series(path)
    volume = read_nifti(path, quantity="signal")
    if hu is None and volume.quantity == "signal":
        hu = bool(np.min(volume.array) < AIRY_HU)
    return Source(replace(volume, quantity="HU") if hu else volume, "", ())


def read_mask(text: str) -> Volume:
    """Read `PATH` or `PATH:LABEL`: the voxels that are not 0, or those of one label.

    Raises
    ------
    DatasetError
        If the file cannot be read, or has no such label.
    """
    path, _, label = text.rpartition(":") if not Path(text).exists() else (text, "", "")
    if not path:
        path, label = text, ""
    volume = read_nifti(Path(path), quantity="label")
    array = volume.array != 0
    if label:
        if not label.isdecimal():
            raise DatasetError(expected("--in", text, "MASK or MASK:LABEL with a whole number"))
        array = volume.array == int(label)
        if not array.any():
            there = np.unique(volume.array)
            raise DatasetError(expected("label of --in", label, f"one of {there[there != 0][:30].tolist()}"))
    return Volume(array.astype(np.uint8), volume.grid, "label")


def write_inserted(source: Source, result: Inserted, out: Path, name: str, *, seed: int, how: Insertion) -> None:
    """Write image, masks, annotations and preview into a folder that is there as a whole or not at all.

    NIfTI input gives `NAME.nii.gz`; a DICOM series gives a derived series in `dicom/` too.

    Raises
    ------
    DatasetError
        If the folder exists and is not empty, or cannot be written.
    """
    with _whole_folder(out) as work:
        _write_all(source, result, work, name, seed=seed, how=how)


@contextlib.contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """Give a hidden folder to write into; it gets its name only when the block ends well."""
    if out.exists() and any(out.iterdir()):
        raise DatasetError(expected("-o", str(out), "a folder that is absent or empty"))
    work = out.with_name(f".{out.name}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        yield work
        if out.exists():
            out.rmdir()
        work.rename(out)
    except OSError as error:
        raise DatasetError(f"cannot write to {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_all(source: Source, result: Inserted, out: Path, name: str, *, seed: int, how: Insertion) -> None:
    grid = source.volume.grid
    number = result.lesion.number
    write_nifti(_storable(result.image), out / f"{name}.nii.gz")
    fraction = result.full(np.rint(result.fraction * 255).astype(np.uint8))
    labels = Volume(np.where(fraction > 127, number, 0).astype(np.uint8), grid, "label")
    write_nifti(labels, out / f"{name}_lesions.nii.gz")
    write_nifti(Volume(fraction, grid, "fraction"), out / f"{name}_lesion_fraction.nii.gz", slope=FRACTION_SLOPE)
    parts = np.zeros(grid.shape_kji, np.uint8)
    most = np.zeros(grid.shape_kji, np.float32)
    for part, share in result.parts.items():
        whole = result.full(share)
        parts[whole > np.maximum(most, 0.25)] = PART_INDEX[part]
        np.maximum(most, whole, out=most)
    write_nifti(Volume(parts, grid, "label"), out / f"{name}_lesion_parts.nii.gz")
    if result.displacement_mm is not None:
        np.savez_compressed(out / f"{name}_displacement.npz", displacement_mm=result.displacement_mm,
                            low_kji=np.asarray(result.low))
    (out / "annotations.json").write_text(json.dumps(document(source, result, seed=seed, how=how), indent=1,
                                                     allow_nan=False) + "\n", encoding="utf-8")
    write_preview(out / "preview.png", result.image, lesions=labels, findings=[finding(result.record)],
                  title=f"{name}: {result.lesion.kind.replace('_', ' ')} inserted")
    if source.paths:
        _write_series(source, result.image, result.lesion.kind, out / "dicom", Seed(seed).child("insert", name))


def document(source: Source, result: Inserted, *, seed: int, how: Insertion) -> dict[str, Any]:
    """Return annotations.json of an insertion as JSON values."""
    head = _head(source, seed, how)
    head["image"] |= {"noise_sd": round(result.noise.sd, 4), "blur_px": round(result.blur_px, 4)}
    told = record_json(result.record)
    told["host"] = {"name": "site of the image"}
    told["attributes"] = {key: value for key, value in told["attributes"].items() if key not in PLACES}
    return head | {"lesions": [told], "part_values": dict(PART_INDEX),
                   "displaced": result.displacement_mm is not None}


def _head(source: Source, seed: int, how: Insertion) -> dict[str, Any]:
    """Return what every annotation of an insertion tells."""
    return {
        "generator": f"medsynth {__version__}", "synthetic": "a computed lesion in an image given by the user",
        "seed": seed,
        "image": {"quantity": source.volume.quantity, "modality": source.modality,
                  "shape_kji": list(source.volume.grid.shape_kji)},
        "how": {"at_mm": how.at_mm, "options": dict(how.options or {}), "kvp": how.kvp, "phase": how.phase,
                "weighting": how.weighting, "contrast": how.contrast},
    }


def _storable(image: Volume) -> Volume:
    """Return the image in a type that NIfTI files of ours may have."""
    array = image.array
    if array.dtype.name in ("int16", "uint8", "uint16", "float32"):
        return image
    if array.dtype.kind in "iu" and array.min() >= -32768 and array.max() <= 32767:
        return replace(image, array=array.astype(np.int16))
    return replace(image, array=array.astype(np.float32))


def _read_series(folder: Path) -> Source:
    import pydicom

    found: dict[str, list[tuple[Path, Any]]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            data = pydicom.dcmread(path, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, OSError):
            continue
        if "Rows" in data and ("ImagePositionPatient" in data or str(data.get("Modality")) in FLAT_MODALITIES):
            found.setdefault(str(data.SeriesInstanceUID), []).append((path, data))
    if not found:
        raise DatasetError(expected("IMAGE", str(folder), "a folder with a DICOM series of slices"))
    if len(found) > 1:
        raise DatasetError(f"{folder} holds {len(found)} series: expected one; give the folder of one of them")
    slices = next(iter(found.values()))
    first = slices[0][1]
    if "ImagePositionPatient" not in first:
        return _read_radiograph(folder, [path for path, _ in slices], first)
    along_row, along_column = (np.asarray(first.ImageOrientationPatient[n:n + 3], float) for n in (0, 3))
    normal = np.cross(along_row, along_column)
    slices.sort(key=lambda one: float(np.dot(normal, np.asarray(one[1].ImagePositionPatient, float))))
    depth = [float(normal @ np.asarray(data.ImagePositionPatient, float)) for _, data in slices]
    gaps = np.diff(depth)
    if len(gaps) and (gaps.min() <= 1e-4 or np.ptp(gaps) > 0.02 * gaps.mean() + 1e-3):
        raise DatasetError(f"slices of {folder} must be evenly spaced, got distances from {gaps.min():g} to "
                           f"{gaps.max():g} mm")
    arrays = [_pixels(path) for path, _ in slices]
    if len({a.shape for a in arrays}) > 1:
        raise DatasetError(f"slices of {folder} must be of one size, got {sorted({a.shape for a in arrays})}")
    spacing = (float(gaps.mean()) if len(gaps) else float(first.get("SliceThickness") or 1),
               float(first.PixelSpacing[0]), float(first.PixelSpacing[1]))
    direction = np.stack([normal, along_column, along_row], axis=1)
    array = np.stack(arrays)
    origin = tuple(float(v) for v in slices[0][1].ImagePositionPatient)
    try:
        from medsynth.core.grid import as_direction

        grid = Grid(array.shape, spacing, origin, as_direction(direction))  # type: ignore[arg-type]
    except GeometryError as error:
        raise DatasetError(f"{folder}: {error}") from error
    hu = str(first.Modality) in HU_MODALITIES
    whole = array.astype(np.int16) if hu and np.array_equal(array, np.rint(array)) else array.astype(np.float32)
    return Source(Volume(whole, grid, "HU" if hu else "signal"), str(first.Modality), tuple(p for p, _ in slices))


def _read_radiograph(folder: Path, paths: list[Path], first: Any) -> Source:
    """Read one radiograph; dense structures are bright in what is returned."""
    if len(paths) != 1:
        raise DatasetError(f"{folder} holds {len(paths)} radiographs: expected one")
    spacing = first.get("ImagerPixelSpacing") or first.get("PixelSpacing")
    if not spacing:
        raise DatasetError(f"{paths[0].name} tells no pixel spacing: expected ImagerPixelSpacing or PixelSpacing")
    plane = _pixels(paths[0])
    if _inverted(first):
        plane = float(1 << int(first.BitsStored)) - 1 - plane
    rows, columns = (float(v) for v in spacing)
    grid = Grid((1, *plane.shape), (columns, rows, columns), (0.0, 0.0, 0.0), FLAT_DIRECTION)
    return Source(Volume(plane[None].astype(np.float32), grid, "P-value"), str(first.Modality), tuple(paths))


def _inverted(data: Any) -> bool:
    """Tell whether a radiograph is stored with dense structures dark."""
    return bool(str(data.get("PhotometricInterpretation", "")) == "MONOCHROME1")


def write_shadow(source: Source, result: InsertedShadow, out: Path, name: str, *, seed: int, how: Insertion) -> None:
    """Write a radiograph, its mask and thickness, and annotations, into a folder that is there as a whole or not."""
    with _whole_folder(out) as work:
        number = result.lesion.number
        grid = result.image.grid
        write_nifti(_storable(result.image), work / f"{name}.nii.gz")
        write_nifti(Volume(np.where(result.mask, number, 0).astype(np.uint8), grid, "label"),
                    work / f"{name}_lesions.nii.gz")
        write_nifti(Volume(result.thickness_mm, grid, "thickness_mm"), work / f"{name}_lesion_thickness.nii.gz")
        at = np.argwhere(result.mask[0])
        told = {
            "id": number, "kind": result.lesion.kind, "attributes": dict(result.lesion.attributes),
            "spec": dict(result.lesion.spec), "contrast": round(result.contrast, 4),
            "area_mm2": round(float(result.mask.sum()) * grid.spacing_mm[1] * grid.spacing_mm[2], 3),
            "thickness_mm": round(float(result.thickness_mm.max()), 3),
            "box_ji": [at.min(0).tolist(), (at.max(0) + 1).tolist()] if len(at) else None}
        content = _head(source, seed, how) | {"lesions": [told]}
        (work / "annotations.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        write_preview(work / "preview.png", result.image,
                      lesions=Volume(result.mask.astype(np.uint8) * number, grid, "label"),
                      title=f"{name}: {result.lesion.kind.replace('_', ' ')} inserted")
        if source.paths:
            _write_series(source, result.image, result.lesion.kind, work / "dicom", Seed(seed).child("insert", name))


def _pixels(path: Path) -> NDArray[np.float64]:
    import pydicom

    data = pydicom.dcmread(path)
    try:
        stored = np.asarray(data.pixel_array, np.float64)
    except (RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
        raise DatasetError(f"{path.name}: its pixels cannot be read ({' '.join(str(error).split())[:160]})") from error
    if stored.ndim != 2:
        raise DatasetError(expected(f"axes of the pixels of {path.name}", stored.ndim, "2: one frame, grey"))
    return stored * float(data.get("RescaleSlope") or 1) + float(data.get("RescaleIntercept") or 0)


def _write_series(source: Source, image: Volume, kind: str, folder: Path, seed: Seed) -> None:
    """Write a derived series: every header but what must change is the source's, and refers to it."""
    import pydicom
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes
    from pydicom.uid import UID, ExplicitVRLittleEndian

    from medsynth.export.dicom.marks import MANUFACTURER, code_item, file_meta

    folder.mkdir()
    series = _uid(seed.child("series"))
    what = f"a computed {kind.replace('_', ' ')} was inserted"
    for number, (path, plane) in enumerate(zip(source.paths, image.array, strict=True), start=1):
        data = pydicom.dcmread(path)
        data.remove_private_tags()
        referred = Dataset()
        referred.ReferencedSOPClassUID, referred.ReferencedSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
        referred.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.SourceImageForImageProcessingOperation)]
        data.SourceImageSequence = [referred]
        data.ImageType = ["DERIVED", "SECONDARY", *list(data.get("ImageType", []))[2:]]
        data.DerivationDescription = f"SYNTHETIC content: {what} by medsynth {__version__}"
        data.SyntheticData = "YES"
        data.SeriesDescription = f"SYNTHETIC LESION {data.get('SeriesDescription', '')}".strip()[:64]
        data.SeriesInstanceUID = UID(series)
        data.SOPInstanceUID = UID(_uid(seed.child("slice", number)))
        equipment = Dataset()
        equipment.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.SynthesizingEquipment)]
        equipment.Manufacturer, equipment.ManufacturerModelName = MANUFACTURER, "medsynth"
        equipment.SoftwareVersions, equipment.ContributionDescription = __version__, what
        data.ContributingEquipmentSequence = [*data.get("ContributingEquipmentSequence", []), equipment]
        slope, intercept = float(data.get("RescaleSlope") or 1), float(data.get("RescaleIntercept") or 0)
        signed = bool(data.PixelRepresentation)
        bits = int(data.BitsStored)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if "ImagePositionPatient" not in data and _inverted(data):
            plane = float(1 << bits) - 1 - plane
        stored = np.clip(np.rint((plane.astype(np.float64) - intercept) / slope), low, high)
        data.BitsAllocated = 16 if bits > 8 else 8
        kind = f"<{'i' if signed else 'u'}{data.BitsAllocated // 8}"
        data.PixelData = stored.astype(kind).tobytes()
        data["PixelData"].VR = "OW" if data.BitsAllocated == 16 else "OB"
        for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue"):
            data.pop(keyword, None)
        data.file_meta = file_meta(data.SOPClassUID, data.SOPInstanceUID, ExplicitVRLittleEndian)
        data.save_as(folder / f"IM{number:05d}.dcm", enforce_file_format=True)


def _uid(seed: Seed) -> str:
    return f"2.25.{seed.integer(127)}"


def option_values(diameter_mm: float | None, assignments: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return the family's options of a call: `--diameter-mm` is one of them.

    Raises
    ------
    RecipeError
        If the family has no diameter, or it is not > 0.
    """
    options = dict(assignments)
    if diameter_mm is not None:
        if not (np.isfinite(diameter_mm) and diameter_mm > 0):
            raise RecipeError(expected("--diameter-mm", diameter_mm, "> 0"))
        if "diameter_mm" not in known:
            raise RecipeError(f"this lesion has no diameter: expected options are {', '.join(known)}")
        options["diameter_mm"] = diameter_mm
    return options
