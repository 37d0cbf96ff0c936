"""COCO: pictures, and annotations.json with boxes, masks and the keypoints of radiographs.

https://cocodataset.org
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth.core.version import __version__
from medsynth.export.layouts.classes import classes_of
from medsynth.export.layouts.files import Rows, write_json_lists
from medsynth.export.layouts.masks import box_xywh, packed, polygons, run_lengths
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.pictures import Picture, pictures
from medsynth.export.layouts.source import Source

KEYPOINTS = "landmarks_"  # begins the category of an image's keypoints; the acquisition's name follows
_SEEN, _ABSENT = 2, 0  # COCO's visibility


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:
    """Write `images/` and one list for each split: annotations/instances_train.json ..."""
    classes = classes_of(source, options)
    landmarks = _landmarks(source, options)
    first = len(classes.names) + 1
    categories: list[dict[str, Any]] = [{"id": number, "name": word, "supercategory": classes.kinds[word]}
                                        for number, word in enumerate(classes.names, start=1)]
    categories += [{"id": first + n, "name": KEYPOINTS + word, "supercategory": "landmarks", "keypoints": points,
                    "skeleton": []} for n, (word, points) in enumerate(landmarks.items())]
    told = {"info": {"description": f"{name}: synthetic images (medsynth); no patient, no scanner",
                     "version": __version__}, "licenses": [], "categories": categories}
    for split in ("train", "val", "test"):
        with Rows(out) as images, Rows(out) as annotations:
            for case in source.of_split(split):
                for one in case.acquisitions(options.acquisitions).values():
                    for picture in pictures(case, one, options, classes.labels, classes.flat, classes.lesions):
                        _add(picture, images, annotations, categories, landmarks, options)
                        picture.save(out / "images" / f"{picture.name}.png")
            if images.count or split == "train":
                write_json_lists(out / "annotations" / f"instances_{split}.json", told,
                                 {"images": images, "annotations": annotations})


def _add(picture: Picture, images: Rows, annotations: Rows, categories: list[dict[str, Any]],
         landmarks: dict[str, list[str]], options: ExportOptions) -> None:
    """Add a picture and what it shows to the lists."""
    ids = {row["name"]: row["id"] for row in categories}
    rows, columns = picture.pixels.shape[:2]
    number = images.count + 1
    images.add({"id": number, "file_name": f"{picture.name}.png", "width": columns, "height": rows,
                "case": picture.case.name, "acquisition": picture.one.name, "slice": picture.slice_k})
    for (word, instance), mask in picture.masks.items():
        segmentation: Any = polygons(mask) if options.masks == "polygon" else {
            "size": [rows, columns], "counts": packed(run_lengths(mask))}
        annotations.add({"id": annotations.count + 1, "image_id": number, "category_id": ids[word],
                         "bbox": list(box_xywh(mask)), "area": int(mask.sum()), "iscrowd": 0,
                         "segmentation": segmentation, "instance": instance})
    points = landmarks.get(picture.one.name)
    if points:
        annotations.add({"id": annotations.count + 1, "image_id": number,
                         "category_id": ids[KEYPOINTS + picture.one.name], "iscrowd": 0, "segmentation": [],
                         **_keypoints(picture, points)})


def _keypoints(picture: Picture, points: list[str]) -> dict[str, Any]:
    """Return the keypoints of a radiograph as x, y, visibility, with the box around those in the image."""
    told = picture.one.told["keypoints"]
    flat: list[float] = []
    places: list[tuple[float, float]] = []
    for name in points:
        if name in told and told[name]["in_image"]:
            row, column = told[name]["place_ji"]
            flat += [round(column, 2), round(row, 2), _SEEN]
            places.append((column, row))
        else:
            flat += [0, 0, _ABSENT]
    xs, ys = [p[0] for p in places] or [0.0], [p[1] for p in places] or [0.0]
    box = [round(v, 2) for v in (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))]
    return {"keypoints": flat, "num_keypoints": len(places), "bbox": box, "area": round(box[2] * box[3], 2)}


def _landmarks(source: Source, options: ExportOptions) -> dict[str, list[str]]:
    """Return the names of keypoints by acquisition, those of all cases."""
    found: dict[str, set[str]] = {}
    for case in source.cases:
        for one in case.acquisitions(options.acquisitions).values():
            if one.flat and one.told.get("keypoints"):
                found.setdefault(one.name, set()).update(one.told["keypoints"])
    return {name: sorted(points) for name, points in sorted(found.items())}


