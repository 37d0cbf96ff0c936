"""A study of rare cases with quotas: how often an algorithm fails on findings that a natural sample hardly holds.

    python examples/rare_cases.py [--quota 12] [--plot rare.png] [--small]

A natural sample has nodules as they occur, and few of the kinds on which a threshold fails. With quotas every kind
comes equally often, so that each failure rate has an interval that says something. The kinds are options of the
recipe; the bodies are the same in all of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from nodule_volume_bias import half_contrast_ml

from medsynth.annotate.masks import lesion_fraction
from medsynth.dataset.items import ItemMaker
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.reuse import Reuse

KINDS: dict[str, dict[str, Any]] = {
    "solid, free in the lung": {"types": {"solid": 1}, "attachments": {"none": 1}},
    "solid, at the pleura": {"types": {"solid": 1}, "attachments": {"juxtapleural": 1}},
    "solid, at a vessel": {"types": {"solid": 1}, "attachments": {"juxtavascular": 1}},
    "part-solid": {"types": {"part_solid": 1}, "attachments": {"none": 1}},
    "ground glass": {"types": {"ground_glass": 1}, "attachments": {"none": 1}},
    "popcorn calcification": {"types": {"solid": 1}, "calcifications": {"popcorn": 1}, "attachments": {"none": 1}},
}
NATURAL = "natural sample"
TOLERANCE = 0.3  # a volume that is off by more than this share counts as failed


@dataclass(frozen=True)
class Rate:
    """How often the algorithm failed on a kind, with the Wilson interval of 95 %."""

    kind: str
    count: int
    failed: int

    @property
    def interval(self) -> tuple[float, float]:
        """Return the lower and upper end."""
        z, n = 1.96, max(self.count, 1)
        share = self.failed / n
        middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)


def kind_of(spec: Mapping[str, Any]) -> str:
    """Return the kind of a nodule of the natural sample, by its spec; "other" for none of them."""
    for kind, options in KINDS.items():
        wanted = {"type": options["types"], "attachment": options.get("attachments", {}),
                  "calcification": options.get("calcifications", {"none": 1})}
        if all(not choices or spec[name] in choices for name, choices in wanted.items()):
            return kind
    return "other"


def study(quota: int, *, voxel_mm: float, bodies: int, seed: int = 3) -> tuple[list[Rate], dict[str, int]]:
    """Return the failure rate of every kind and of the natural sample, and how often each kind came in the latter."""
    common = {"acquisitions.ct.pixel_mm": voxel_mm, "acquisitions.ct.slice_thickness_mm": voxel_mm,
              "acquisitions.ct.increment_mm": voxel_mm, "lesions.0.count": 3,
              "lesions.0.diameter_mm": {"min": 6.0 + voxel_mm, "max": 20.0}, "lesions.0.spiculation.probability": 0.0}
    reuse = Reuse(images=-(-quota // (3 * bodies)), bodies=bodies)
    first: ItemMaker | None = None
    rates, met = [], dict.fromkeys([*KINDS, "other"], 0)
    for kind, options in {**KINDS, NATURAL: {}}.items():
        recipe = load_recipe("chest-ct-nodules-small", overrides=common
                             | {f"lesions.0.{key}": value for key, value in options.items()})
        maker = ItemMaker(recipe, seed, reuse=reuse, bodies_of=first)
        first = first or maker
        failed = count = 0
        for number in range(reuse.block):
            item = maker(number)
            image = item.acquired["ct"]
            for lesion in item.lesions:
                if count == quota:
                    break
                voxels = float(lesion_fraction(image.phantom, lesion.number).sum())
                truth = voxels * image.image.grid.voxel_volume_mm3 / 1000
                measured = half_contrast_ml(image.image, lesion.spec["centre_mm"], float(lesion.spec["diameter_mm"]))
                failed += abs(measured / truth - 1) > TOLERANCE
                count += 1
                if kind == NATURAL:
                    met[kind_of(lesion.spec)] += 1
        rates.append(Rate(kind, count, failed))
    return rates, met


def plot(rates: list[Rate], path: Path) -> None:
    """Draw the failure rates with their intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7.5, 3.2))
    for row, rate in enumerate(reversed(rates)):
        low, high = rate.interval
        colour = "tab:orange" if rate.kind == NATURAL else "tab:blue"
        axis.plot([100 * low, 100 * high], [row, row], color=colour)
        axis.plot(100 * rate.failed / max(rate.count, 1), row, "o", color=colour)
    axis.set_yticks(range(len(rates)), [f"{rate.kind} ({rate.count})" for rate in reversed(rates)])
    axis.set_xlabel(f"volumes off by more than {TOLERANCE:.0%}, in %, with the interval of 95 %")
    axis.set_xlim(-2, 102)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> list[Rate]:
    """Run the study and print its table."""
    ask = argparse.ArgumentParser(description="Failure rates of a threshold on rare kinds of nodules, with quotas.")
    ask.add_argument("--quota", type=int, default=36, help="nodules of every kind")
    ask.add_argument("--plot", type=Path, help="PNG file for the figure (needs matplotlib)")
    ask.add_argument("--small", action="store_true", help="few nodules on coarse voxels, some ten seconds")
    given = ask.parse_args(arguments)
    rates, met = study(3, voxel_mm=4.0, bodies=1) if given.small else study(given.quota, voxel_mm=2.0, bodies=2)
    print(f"{'kind':28s}{'n':>5s}{'failed':>8s}   interval of 95 %{'':6s}in the natural sample")
    for rate in rates:
        low, high = rate.interval
        natural = "" if rate.kind == NATURAL else f"{met[rate.kind]}"
        share = rate.failed / max(rate.count, 1)
        print(f"{rate.kind:28s}{rate.count:5d}{share:8.0%}   {low:4.0%} to {high:4.0%}{natural:>18s}")
    if given.plot:
        plot(rates, given.plot)
    return rates


if __name__ == "__main__":
    main()
