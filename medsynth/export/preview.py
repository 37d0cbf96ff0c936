"""preview.png: what a person looks at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from medsynth.core.findings import Finding
from medsynth.core.volume import Volume
from medsynth.export.colours import Rgb, family, lesion_colour, structure_colours
from medsynth.export.page import FAINT, GROUND, MOST_ZOOMS, TILE_PX, ZOOM_PX, compose, ruler, write
from medsynth.export.slices import Cut, cuts, paint, upright, zoom
from medsynth.scene.structure import Structure

Window = tuple[str, float, float]  # name, centre, width

SOFT, LUNG = ("soft tissue", 40.0, 400.0), ("lung", -600.0, 1500.0)
# Tissues of coverings, fillings and furniture, whose outlines would hide the organs.
_UNLINED = ("skin", "adipose", "fat", "muscle", "air", "water", "carbon_fibre", "foam",
            "mattress")
_LEGEND_LINES = 22


def write_preview(path: Path, image: Volume, *, labels: Volume | None = None, structures: Sequence[Structure] = (),
                  lesions: Volume | None = None, findings: Sequence[Finding] = (), title: str = "",
                  windows: Sequence[Window] = ()) -> None:
    """Write a PNG with three planes in each window, organ outlines, and a zoom on each lesion.

    Parameters
    ----------
    image : any volume; the planes pass through its largest finding, or else through the middle of what is labelled.
    labels : organ labels on the image's grid, outlined in the first window.
    lesions : finding numbers on the image's grid.
    windows : default to soft tissue and lung for HU, and to the range of the values otherwise.
    """
    preview(image, labels=labels, structures=structures, lesions=lesions, findings=findings, title=title,
            windows=windows).save(path, format="PNG", compress_level=6)


def preview(image: Volume, *, labels: Volume | None = None, structures: Sequence[Structure] = (),
            lesions: Volume | None = None, findings: Sequence[Finding] = (), title: str = "",
            windows: Sequence[Window] = ()) -> Image.Image:
    """Return the picture that `write_preview` writes, RGB."""
    image, labels, lesions = upright(image), labels and upright(labels), lesions and upright(lesions)
    windows = tuple(windows) or ((SOFT, LUNG) if image.quantity == "HU" else (_range_window(image),))
    planes = cuts(image, labels, lesions, _centre_kji(image, labels, findings))
    colours, legend = _organ_colours(planes, structures)
    marks = {f.number: lesion_colour(f.number) for f in findings}
    rows = [[_tile(cut, window, TILE_PX, colours if n == 0 else {}, marks) for cut in planes]
            for n, window in enumerate(windows)]
    zooms = _zoom_tiles(image, lesions, findings, windows[-1], marks)
    return compose(rows, zooms, legend, title or "medsynth", len(findings))


def _range_window(image: Volume) -> Window:
    low, high = np.percentile(image.array[::2, ::2, ::2], [1, 99])
    return "full range", float(low + high) / 2, max(float(high - low), 1e-6)


def _centre_kji(image: Volume, labels: Volume | None, findings: Sequence[Finding]) -> tuple[int, int, int]:
    """Return the voxel the planes pass through."""
    shape = np.asarray(image.grid.shape_kji)
    middle = (shape - 1) / 2
    if findings:
        middle = image.grid.index_kji(max(findings, key=lambda f: (f.volume_ml, -f.number)).centre_mm)
    elif labels is not None:
        inside = np.argwhere(labels.array[::4, ::4, ::4] > 0)
        middle = inside.mean(axis=0) * 4 if len(inside) else middle
    k, j, i = np.clip(np.rint(middle), 0, shape - 1).astype(int).tolist()
    return k, j, i


def _organ_colours(planes: Sequence[Cut], structures: Sequence[Structure]) -> tuple[dict[int, Rgb], dict[str, Rgb]]:
    """Return the colour of every outlined label, and those of the legend, the largest families first."""
    lined = {s.label: s.name for s in structures if not any(word in s.tissue for word in _UNLINED)}
    area: dict[str, int] = {}
    for cut in planes:
        counts = np.bincount(cut.labels.ravel()) if cut.labels is not None else np.zeros(0, int)
        for label in np.flatnonzero(counts):
            if int(label) in lined:
                name = family(lined[int(label)])
                area[name] = area.get(name, 0) + int(counts[label])
    shown = sorted(area, key=lambda name: (-area[name], name))[:_LEGEND_LINES]
    palette = structure_colours(s.name for s in structures)
    colours = {label: palette[name] for label, name in lined.items() if family(name) in shown}
    return colours, {name: next(palette[n] for n in palette if family(n) == name) for name in shown}


def _tile(cut: Cut, window: Window, side_px: int, labels: Mapping[int, Rgb], lesions: Mapping[int, Rgb]) -> Image.Image:
    """Return a square with one plane in its middle, its edges named, and a length to compare with."""
    tile = Image.new("RGB", (side_px, side_px), GROUND)
    picture = paint(cut, window[1:], (side_px, side_px), labels=labels, lesions=lesions)
    tile.paste(picture, ((side_px - picture.width) // 2, (side_px - picture.height) // 2))
    draw = ImageDraw.Draw(tile)
    write(draw, (6, 4), f"{cut.name}  {cut.place}")
    write(draw, (6, 20), f"{window[0]}  C {window[1]:.0f}  W {window[2]:.0f}", colour=FAINT)
    near, middle, far = 6, side_px // 2, side_px - 6
    places = ((middle, near), (middle, far), (near, middle), (far, middle))
    for letter, place, anchor in zip(cut.edges, places, ("ma", "md", "lm", "rm"), strict=True):
        write(draw, place, letter, anchor=anchor)
    ruler(draw, (far, far), picture.width / cut.size_mm[1], side_px / 5)
    return tile


def _zoom_tiles(image: Volume, lesions: Volume | None, findings: Sequence[Finding], window: Window,
                marks: Mapping[int, Rgb]) -> list[Image.Image]:
    """Return a square per lesion, the axial plane through its centre, with its number and sizes."""
    tiles = []
    for finding in sorted(findings, key=lambda f: f.number)[:MOST_ZOOMS]:
        index = image.grid.index_kji(finding.centre_mm)
        k, j, i = np.clip(np.rint(index), 0, np.asarray(image.grid.shape_kji) - 1).astype(int).tolist()
        axial = cuts(image, None, lesions, (k, j, i))[0]
        part = zoom(axial, (float(index[1]), float(index[2])), max(36.0, 3 * finding.long_axis_mm))
        tile = Image.new("RGB", (ZOOM_PX, ZOOM_PX), GROUND)
        picture = paint(part, window[1:], (ZOOM_PX, ZOOM_PX), labels={}, lesions=marks)
        tile.paste(picture, ((ZOOM_PX - picture.width) // 2, (ZOOM_PX - picture.height) // 2))
        draw = ImageDraw.Draw(tile)
        write(draw, (6, 4), f"{finding.number}  {finding.kind.replace('_', ' ')}", colour=marks[finding.number])
        value, unit = (finding.mean_hu, " HU") if finding.mean_signal is None else (finding.mean_signal, "")
        mean = "" if value is None else f"  {value:.0f}{unit}"
        write(draw, (6, ZOOM_PX - 20),
              f"{finding.long_axis_mm:.1f} x {finding.short_axis_mm:.1f} mm  {finding.volume_ml:.2g} ml{mean}")
        ruler(draw, (ZOOM_PX - 8, 24), picture.width / part.size_mm[1], ZOOM_PX / 3.5)
        tiles.append(tile)
    return tiles
