"""YOLO: one text beside each picture, a line an object; `detect` has boxes, `segment` polygons.

A trainer finds labels by putting `labels` for `images` into a picture's path. https://docs.ultralytics.com/datasets/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from medsynth.export.layouts.classes import Classes, classes_of
from medsynth.export.layouts.files import place, write_text
from medsynth.export.layouts.masks import box_xywh, polygons
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.pictures import Picture, pictures
from medsynth.export.layouts.source import Source

TASKS = ("detect", "segment")


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:  # noqa: ARG001 - as every layout
    """Write both tasks; their pictures are the same files. A picture without objects has an empty text."""
    classes, used = classes_of(source, options), []
    for split in ("train", "val", "test"):
        for case in source.of_split(split):
            for one in case.acquisitions(options.acquisitions).values():
                for picture in pictures(case, one, options, classes.labels, classes.flat, classes.lesions):
                    _write(picture, classes, out, split)
                    used.append(split)
    for task in TASKS:
        # Both lists are demanded; without a split of its own validation sees the training pictures. Without a `path`
        # the root is this file's own folder; a relative one would count from the trainer's.
        head = {"train": "images/train", "val": "images/val" if "val" in used else "images/train",
                **({"test": "images/test"} if "test" in used else {})}
        names = dict(enumerate(classes.names))
        write_text(out / task / "data.yaml", yaml.safe_dump({**head, "names": names}, sort_keys=False))


def _write(picture: Picture, classes: Classes, out: Path, split: str) -> None:
    first = out / TASKS[0] / "images" / split / f"{picture.name}.png"
    picture.save(first)
    place(first, out / TASKS[1] / "images" / split / first.name)
    rows, columns = picture.pixels.shape[:2]
    numbers = {word: number for number, word in enumerate(classes.names)}
    boxes, outlines = [], []
    for (word, _), mask in picture.masks.items():
        left, top, width, height = box_xywh(mask)
        middle = ((left + width / 2) / columns, (top + height / 2) / rows, width / columns, height / rows)
        boxes.append(_line(numbers[word], middle))
        outlines += [_line(numbers[word], list(_shares(outline, rows, columns))) for outline in polygons(mask)]
    for task, lines in zip(TASKS, (boxes, outlines), strict=True):
        write_text(out / task / "labels" / split / f"{picture.name}.txt", "".join(lines))


def _shares(outline: Sequence[float], rows: int, columns: int) -> Iterator[float]:
    for place_in, value in enumerate(outline):
        yield value / (rows if place_in % 2 else columns)


def _line(number: int, shares: Sequence[float]) -> str:
    return " ".join([str(number), *(f"{share:.7g}" for share in shares)]) + "\n"
