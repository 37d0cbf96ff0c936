"""An nnU-Net dataset in five lines: `python examples/nnunet_dataset.py [CASES] [RECIPE]`."""

from __future__ import annotations

import sys
from pathlib import Path

import medsynth as ms


def main(cases: int = 4, recipe: str = "chest-ct-nodules-small", home: Path = Path("nnunet"), workers: int = 2) -> Path:
    """Make the dataset and return its folder."""
    from medsynth.export.layouts.run import export_dataset

    ms.generate(recipe, cases, home / "cases", seed=1, workers=workers, formats="nifti")
    folder = export_dataset(home / "cases", "nnunet", home / "nnUNet_raw")
    print(f"export nnUNet_raw={home / 'nnUNet_raw'}; nnUNetv2_plan_and_preprocess -d 1 --verify_dataset_integrity")
    return folder


if __name__ == "__main__":
    main(*(int(a) if a.isdigit() else a for a in sys.argv[1:3]))
