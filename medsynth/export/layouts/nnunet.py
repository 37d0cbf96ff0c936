"""nnU-Net v2 raw: imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, dataset.json.

https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md
"""

from __future__ import annotations

import re
from pathlib import Path

from medsynth.export.layouts.channels import channel_names, channels_of, image_file, training_targets
from medsynth.export.layouts.files import place, write_json
from medsynth.export.layouts.labels import write_label_image
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source

_FOLDER = re.compile(r"Dataset\d{3}_\w+")


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:
    """Write the dataset; a folder that is not called DatasetNNN_Name gets one of such a name inside."""
    if not _FOLDER.fullmatch(name) or options.name:
        title = options.name or "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", source.title))
        out = out / f"Dataset{options.number:03d}_{title or 'Medsynth'}"
    targets, trained = training_targets(source, options), 0
    for case in source.cases:
        part = "Ts" if case.split == "test" else "Tr"
        trained += part == "Tr"
        ordered = channels_of(case, options)
        for number, one in enumerate(ordered):
            place(image_file(case, one), out / f"images{part}" / f"{case.name}_{number:04d}.nii.gz")
        write_label_image(case, ordered[0], targets, out / f"labels{part}" / f"{case.name}.nii.gz")
    write_json(out / "dataset.json", {
        "channel_names": {str(n): words for n, words in enumerate(channel_names(source, options))},
        "labels": {"background": 0, **targets.names},
        "numTraining": trained,
        "file_ending": ".nii.gz",
        "name": out.name if _FOLDER.fullmatch(out.name) else name,
        "description": "Synthetic images computed from an anatomical model (medsynth); no patient, no scanner.",
        "licence": "see the dataset that it was exported from",
    })
    targets.write(out / "labels.json")
    if any(case.divided and case.split == "val" for case in source.cases):
        write_json(out / "splits_final.json", [{"train": [case.name for case in source.of_split("train")],
                                                "val": [case.name for case in source.of_split("val")]}])
