"""One labelled chest CT, written and read back: run it with `python examples/first_case.py [FOLDER]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import medsynth as ms


def main(folder: Path) -> None:
    """Make the case, and print what its annotations tell."""
    recipe = ms.load_recipe("chest-ct-nodules-small", overrides={"lesions.0.count": 2, "subject.sex": "female"})
    ms.generate(recipe, 1, folder, seed=7, formats="nifti")
    case = folder / "case-00000"
    annotations = json.loads((case / "annotations.json").read_text())
    print("subject:", annotations["subject"])
    for lesion in annotations["lesions"]:
        print(f"lesion {lesion['id']}: {lesion['kind']}, {lesion['volume_ml']:.2f} ml, at {lesion['centre_mm']} mm")
    print("look at", case / "preview.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
