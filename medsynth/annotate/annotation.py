"""Annotations of a case: every lesion measured, every structure's volume, as annotations.json holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from medsynth.annotate.measure import measure_lesion
from medsynth.annotate.projected import PlaneTruth, plane_truth
from medsynth.annotate.record import LesionRecord, finding, record_json
from medsynth.core.findings import Finding
from medsynth.core.grid import Grid
from medsynth.scene.acquired import Acquired
from medsynth.scene.lesion_parts import FIRST_LESION_LABEL
from medsynth.scene.projection import MASK_MM
from medsynth.scene.structure import Lesion, Scene

SCHEMA_VERSION = "1"


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is true of one acquisition.

    Attributes
    ----------
    body : name of the phantom.
    subject : sex, age_years, height_cm, weight_kg, bmi.
    grid : of the image.
    scanner : modality, description and parameters of the acquisition.
    lesions : measured, by number.
    structure_volumes_ml : fraction-weighted volume within the image, of every anatomical structure in it; for a
        projection within the voxels that its rays crossed.
    quantity : what the image's values mean, e.g. `"HU"`.
    refinement : what a refiner did to the image, and what its gate found.
    plane : what is true in the plane of a projection, else None.
    """

    body: str
    subject: Mapping[str, Any]
    grid: Grid
    scanner: Mapping[str, Any]
    lesions: tuple[LesionRecord, ...]
    structure_volumes_ml: Mapping[str, float]
    quantity: str = "HU"
    plane: PlaneTruth | None = None
    refinement: Mapping[str, Any] | None = None


def annotate(acquired: Acquired, lesions: Sequence[Lesion], scene: Scene) -> Annotation:
    """Measure every lesion and structure of one acquisition from its truth."""
    anatomy = {s.name for s in acquired.phantom.structures if s.label < FIRST_LESION_LABEL}
    volumes = {name: ml for name, ml in acquired.phantom.volumes_ml().items() if name in anatomy and ml > 0}
    subject = {**asdict(scene.subject), "bmi": scene.subject.bmi}
    scanner = {"modality": acquired.scanner.modality, "description": acquired.scanner.description,
               "parameters": dict(acquired.parameters)}
    plane = None if acquired.projection is None else plane_truth(acquired.projection, acquired.image.grid)
    return Annotation(scene.body, subject, acquired.image.grid, scanner,
                      tuple(measure_lesion(acquired, lesion, scene) for lesion in lesions), volumes,
                      acquired.image.quantity, plane, acquired.refinement)


def findings(annotation: Annotation) -> list[Finding]:
    """Return the lesions that lie in the image as the DICOM writers take them."""
    return [finding(record) for record in annotation.lesions if record.in_image]


def document(annotations: Mapping[str, Annotation], *, specs: Mapping[str, Any] | None = None, index: int = 0,
             seed: int = 0) -> dict[str, Any]:
    """Return annotations.json of a case as JSON values.

    Parameters
    ----------
    annotations : by name of the acquisition; the first is the primary one, whose measurements stand at the top level.
    specs : what rebuilds the case (JSON values).
    index, seed : number of the case in its dataset, and the dataset's seed.
    """
    names = list(annotations)
    first = annotations[names[0]]
    return {
        "schema_version": SCHEMA_VERSION,
        "synthetic": True,
        "index": index,
        "seed": seed,
        "body": first.body,
        "subject": {key: round(v, 4) if isinstance(v, float) else v for key, v in first.subject.items()},
        "primary_acquisition": names[0],
        "lesions": _lesions(first),
        "structure_volumes_ml": _volumes(first),
        "acquisitions": {name: _acquisition(item, primary=name == names[0]) for name, item in annotations.items()},
        "specs": dict(specs or {}),
    }


def annotation_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of annotations.json that comes with this version."""
    text = (files("medsynth") / "annotate" / "annotations.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _acquisition(item: Annotation, *, primary: bool) -> dict[str, Any]:
    grid = {"shape_kji": list(item.grid.shape_kji), "spacing_mm": list(item.grid.spacing_mm),
            "origin_mm": list(item.grid.origin_mm), "direction": [list(row) for row in item.grid.direction]}
    own: dict[str, Any] = {} if primary else {"lesions": _lesions(item), "structure_volumes_ml": _volumes(item)}
    unit = {} if item.quantity == "HU" else {"quantity": item.quantity}
    if item.refinement is not None:
        own["refinement"] = dict(item.refinement)
    return {**item.scanner, **unit, "grid": grid, **own, **({} if item.plane is None else _plane(item.plane))}


def _plane(plane: PlaneTruth) -> dict[str, Any]:
    return {"mask_threshold_mm": MASK_MM, "structures": dict(plane.structures), "keypoints": dict(plane.keypoints),
            "measures": dict(plane.measures)}


def _lesions(item: Annotation) -> list[dict[str, Any]]:
    return [record_json(record) for record in item.lesions]


def _volumes(item: Annotation) -> dict[str, float]:
    return {name: round(ml, 5) for name, ml in item.structure_volumes_ml.items()}
