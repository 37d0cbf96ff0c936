"""One dataset with every modality, two families of lesions and three splits, made once; exports of it by layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medsynth.dataset.run import generate
from medsynth.export.layouts.options import parse_options
from medsynth.export.layouts.run import export_dataset, layout_of
from tests.export.layouts.spots import installed

RECIPE = {
    "phantom": {"body": "two_balls", "range": "all"},
    "lesions": [{"kind": "tumour"}, {"kind": "cyst"}],
    "acquisitions": {
        "ct": {"modality": "spot"},
        "t1w": {"modality": "spot_mr", "te_ms": 12, "tr_ms": 550},
        "t2w": {"modality": "spot_mr", "te_ms": 95, "tr_ms": 4000},
        "coarse": {"modality": "spot_mr", "te_ms": 20, "tr_ms": 3000, "voxel_mm": 6},
        "dwi": {"modality": "spot_mr", "sequence": "dwi", "b_values": (0, 500, 1000)},
        "pa": {"modality": "spot_flat"},
    },
    "formats": ["nifti", "dicom"],
}
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("layouts") / "spots"
    with installed():
        assert generate(RECIPE, len(SPLITS), out, seed=5).failures == ()
    # The splits that a dataset's design writes.
    manifest = out / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    manifest.write_text("".join(json.dumps({**row, "split": split}, sort_keys=True) + "\n"
                                for row, split in zip(rows, SPLITS, strict=True)))
    return out


@pytest.fixture(scope="session")
def exported(dataset, tmp_path_factory) -> Callable[..., Path]:
    """Export the dataset, each way once."""
    done: dict[tuple[str, ...], Path] = {}

    def export(layout: str, *options: str, acquisitions: str = "", labels: str | None = None) -> Path:
        key = (layout, acquisitions, str(labels), *options)
        if key not in done:
            out = tmp_path_factory.mktemp(layout) / "Dataset007_Spots"
            chosen = parse_options([acquisitions], labels, options, layout_of(layout).options)
            done[key] = export_dataset(dataset, layout, out, chosen)
        return done[key]

    return export
