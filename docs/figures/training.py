"""Make the figures of docs/training.md and print its tables: `python docs/figures/training.py` (5-20 minutes)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


def run(name: str, *arguments: str) -> None:
    """Run an example; what it prints are the page's figures."""
    print(f"\n{name} {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py"), *arguments], check=True)


def main() -> None:
    """Run all of them."""
    run("nodule_volume_bias", "--plot", str(HERE / "training-bias.png"))
    run("rare_cases", "--plot", str(HERE / "training-rare.png"))
    run("train_segmenter")


if __name__ == "__main__":
    main()
