"""The layout of the Medical Segmentation Decathlon: dataset.json, imagesTr, labelsTr, imagesTs.

http://medicaldecathlon.com
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medsynth.export.layouts.channels import channel_names, channels_of, image_file, training_targets
from medsynth.export.layouts.files import place, write_json
from medsynth.export.layouts.labels import write_label_image
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source, SourceAcquisition, SourceCase
from medsynth.export.nifti import read_nifti, write_nifti_stack


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:
    """Write the dataset; several channels become one file of four axes."""
    targets = training_targets(source, options)
    rows: dict[str, list[dict[str, str]]] = {"Tr": [], "Ts": []}
    for case in source.cases:
        part = "Ts" if case.split == "test" else "Tr"
        ordered, file = channels_of(case, options), f"{case.name}.nii.gz"
        _write_image(case, ordered, out / f"images{part}" / file)
        write_label_image(case, ordered[0], targets, out / f"labels{part}" / file)
        rows[part].append({"image": f"./images{part}/{file}", "label": f"./labels{part}/{file}"})
    flat = channels_of(source.cases[0], options)[0].flat
    write_json(out / "dataset.json", {
        "name": name,
        "description": "Synthetic images computed from an anatomical model; no patient, no scanner",
        "reference": "medsynth",
        "licence": "see the dataset that it was exported from",
        "release": "1.0",
        "tensorImageSize": "2D" if flat else "4D" if len(channel_names(source, options)) > 1 else "3D",
        "modality": {str(n): words for n, words in enumerate(channel_names(source, options))},
        "labels": {"0": "background", **{str(row.value): row.name for row in targets.rows}},
        "numTraining": len(rows["Tr"]),
        "numTest": len(rows["Ts"]),
        "training": rows["Tr"],
        "test": [row["image"] for row in rows["Ts"]],
    })
    targets.write(out / "labels.json")


def _write_image(case: SourceCase, ordered: Sequence[SourceAcquisition], target: Path) -> None:
    files = [image_file(case, one) for one in ordered]
    if len(files) == 1:
        place(files[0], target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    write_nifti_stack([read_nifti(file) for file in files], target)
