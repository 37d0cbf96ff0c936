"""How long an export takes: 100 cases in every layout, and one large case where labels are written anew.

The 100 cases are one small test object, generated once and replicated by hard links, so that the time is that of the
layout and not of the disk. Bar: 2 s for nnU-Net. Run: python benchmarks/layouts.py
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.dataset.run import generate
from medsynth.export.layouts.files import place_tree
from medsynth.export.layouts.labels import Target, Targets, write_label_image
from medsynth.export.layouts.run import export_dataset
from medsynth.export.layouts.source import open_source
from medsynth.export.layouts.table import LAYOUTS
from medsynth.export.nifti import write_nifti

CASES = 100
BARS_S = {"nnunet": 2.0}
SETTINGS = {"phantom": {"body": "qa-water", "range": "module"}, "formats": ["nifti", "dicom"],
            "acquisitions": {"ct": {"modality": "ct", "pixel_mm": 4, "slice_thickness_mm": 10, "increment_mm": 10}}}
LARGE = (300, 512, 512)


def replicated(folder: Path) -> Path:
    """Return a dataset whose cases are links to the files of one."""
    generate(SETTINGS, 1, folder / "one")
    many = folder / "many"
    shutil.copytree(folder / "one", many)
    record = json.loads((many / "manifest.jsonl").read_text())
    lines = []
    for index in range(CASES):
        name = f"case-{index:05d}"
        if index:
            place_tree(many / "case-00000", many / name)
        lines.append(json.dumps({**record, "id": name, "index": index}, sort_keys=True))
    (many / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return many


def large_label_s(data: Path, folder: Path) -> float:
    """Return the time to write one large label image with other numbers."""
    case = open_source(data).cases[0]
    labels = np.kron(np.random.default_rng(0).integers(0, 80, tuple(n // 4 for n in LARGE)), np.ones((4, 4, 4)))
    grown = folder / "large" / case.name
    place_tree(case.folder, grown)
    (grown / "ct_labels.nii.gz").unlink()
    write_nifti(Volume(labels.astype(np.uint16), Grid.centred(LARGE, (1.0, 0.7, 0.7)), "label"),
                grown / "ct_labels.nii.gz")
    targets = Targets(tuple(Target(n, f"s{n}", "organ", n + 1, "", "") for n in range(1, 80)))
    begin = time.perf_counter()
    write_label_image(type(case)(case.name, grown, case.record, "train", False, case.name, 1),
                      case.acquisitions()["ct"], targets, folder / "large.nii.gz")
    return time.perf_counter() - begin


def main() -> None:
    """Print one line for each layout."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        many = replicated(folder)
        for layout in LAYOUTS:
            if layout in ("bids", "croissant"):  # no MR here; no metadata file
                continue
            # A study tree holds an object once: there one case stands for all.
            data, cases = (folder / "one", 1) if layout == "dicom" else (many, CASES)
            export_dataset(data, layout, folder / layout)  # warms imports and the file cache
            begin = time.perf_counter()
            export_dataset(data, layout, folder / f"{layout}-again")
            taken = time.perf_counter() - begin
            bar = BARS_S.get(layout)
            told = f"(bar {bar:g} s{'' if taken <= bar else ', MISSED'})" if bar else ""
            print(f"{layout:<11} {cases:3d} cases {taken:7.2f} s {told}".rstrip())
        print(f"label image {' x '.join(map(str, LARGE))}, renumbered {large_label_s(many, folder):.2f} s")


if __name__ == "__main__":
    main()
