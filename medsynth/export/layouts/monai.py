"""MONAI's data list: datalist.json with `training` and its folds, `validation` and `testing`, by relative paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth.export.layouts.channels import channel_names, channels_of, image_file, training_targets
from medsynth.export.layouts.files import place, write_json
from medsynth.export.layouts.labels import write_label_image
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source

_KEYS = {"train": "training", "val": "validation", "test": "testing"}


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:
    """Write the list and what it points at; several channels are a list of files, which `LoadImaged` stacks."""
    targets = training_targets(source, options)
    rows: dict[str, list[dict[str, Any]]] = {key: [] for key in _KEYS.values()}
    people: dict[str, int] = {}
    for case in source.cases:
        ordered = channels_of(case, options)
        images = [f"images/{case.name}_{one.name}.nii.gz" for one in ordered]
        for one, image in zip(ordered, images, strict=True):
            place(image_file(case, one), out / image)
        label = f"labels/{case.name}.nii.gz"
        write_label_image(case, ordered[0], targets, out / label)
        row: dict[str, Any] = {"image": images[0] if len(images) == 1 else images, "label": label}
        if case.split == "train":  # all images of a person lie in one fold
            row["fold"] = people.setdefault(case.person, len(people)) % options.folds
        rows[_KEYS[case.split]].append(row)
    write_json(out / "datalist.json", {
        "name": name,
        "description": "Synthetic images computed from an anatomical model (medsynth); no patient, no scanner",
        "modality": {str(n): words for n, words in enumerate(channel_names(source, options))},
        "labels": {"0": "background", **{str(row.value): row.name for row in targets.rows}},
        "numTraining": len(rows["training"]),
        **{key: found for key, found in rows.items() if found or key == "training"},
    })
    targets.write(out / "labels.json")
