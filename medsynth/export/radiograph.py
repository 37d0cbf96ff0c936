"""preview.png of a projection: the image as a viewer shows it, and once more with the truth drawn in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from medsynth.core.findings import Finding
from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.export.colours import Rgb, family, lesion_colour, structure_colours
from medsynth.export.page import FAINT, GROUND, MOST_ZOOMS, ZOOM_PX, compose, ruler, write

Points = NDArray[np.float64]

_PANEL_PX = 630
_SUPERSAMPLING = 2  # lines are drawn this much larger and then averaged
_SMALLEST_ZOOM_MM = 40.0
_KEYPOINT = (80, 235, 255)
# What a reader looks for, by what the names begin with; where nothing of it is in the image, the largest shadows.
_CHEST = ("lung", "heart", "aort", "rib", "clavicle", "trachea")
_ELSEWHERE = ("rib", "vertebra", "sacrum", "hip_bone", "femur", "tibia", "fibula", "patella", "skull", "mandible",
              "maxilla", "frontal_bone", "parietal_bone", "temporal_bone", "occipital_bone", "kidney", "liver",
              "nipple", "pectoral", "glandular", "implant")
_LARGEST = 6
_HIDING = ("skin", "fat", "muscle", "soft_tissue", "body", "air")


def write_radiograph(path: Path, image: Volume, masks: Mapping[str, Volume],
                     keypoints: Mapping[str, tuple[float, float]], scanner: ScannerRecord, *,
                     findings: Sequence[Finding] = (), title: str = "") -> None:
    """Write a PNG with the projection, the same with outlines, lesions and keypoints, and a zoom on each lesion.

    Parameters
    ----------
    image : (1, rows, columns).
    masks : structure -> mask on the image's grid; `lesion_<number>` of the findings.
    keypoints : (row, column) by name.
    scanner : tells the window, and whether it is a sigmoid.
    """
    grey = _shown(image, scanner)
    frame = _Frame.fitting(grey.shape, _PANEL_PX)
    outlined = _chosen(masks, _CHEST if scanner.attributes.get("BodyPartExamined") == "CHEST" else _ELSEWHERE)
    palette = structure_colours(name for name in masks if not name.startswith("lesion_"))
    lines = [(palette[name], line) for name in outlined for line in frame.outlines(masks[name].array[0])]
    lesions = [(lesion_colour(f.number), line) for f in findings
               for line in frame.outlines(masks[f"lesion_{f.number}"].array[0])]
    plain = frame.draw(grey, [], {})
    drawn = frame.draw(grey, [*lines, *lesions], keypoints)
    pixel_mm = image.grid.spacing_mm[2]
    tiles = [_panel(picture, words, frame.scale / pixel_mm) for picture, words in (
        (plain, _window_words(scanner)), (drawn, "structures, lesions, keypoints"))]
    zooms = [_zoom(grey, image, finding) for finding in sorted(findings, key=lambda f: f.number)[:MOST_ZOOMS]]
    legend = {family(name): palette[name] for name in outlined}
    compose([tiles], zooms, legend, title or "medsynth", len(findings), tile_px=_PANEL_PX).save(
        path, format="PNG", compress_level=6)


def _shown(image: Volume, scanner: ScannerRecord) -> NDArray[np.float32]:
    """Return (rows, columns) in 0..1 as a viewer shows the values (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    centre, width = scanner.window
    off = (image.array[0].astype(np.float32) - centre) / max(width, 1e-6)
    if scanner.attributes.get("VOILUTFunction") == "SIGMOID":
        return (1 / (1 + np.exp(np.clip(-4 * off, -30, 30)))).astype(np.float32)
    return np.clip(off + 0.5, 0, 1)


def _window_words(scanner: ScannerRecord) -> str:
    kind = "sigmoid  " if scanner.attributes.get("VOILUTFunction") == "SIGMOID" else ""
    return f"{kind}C {scanner.window[0]:.0f}  W {scanner.window[1]:.0f}"


def _chosen(masks: Mapping[str, Volume], wanted: tuple[str, ...]) -> list[str]:
    """Return the structures to outline."""
    organs = [name for name in masks if not name.startswith("lesion_")]
    known = [name for name in organs if name.startswith(wanted)]
    if known:
        return known
    plain = [name for name in organs if not any(word in name for word in _HIDING)] or organs
    return sorted(plain, key=lambda name: (-int(masks[name].array.sum()), name))[:_LARGEST]


class _Frame:
    """What an image is drawn into: `scale` pixels of the picture for one of the image."""

    def __init__(self, shape: tuple[int, int], scale: float) -> None:
        self.scale = scale
        self.size = max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))
        self.large = self.size[0] * _SUPERSAMPLING, self.size[1] * _SUPERSAMPLING
        self.zoom = np.array([self.large[1] / shape[0], self.large[0] / shape[1]])

    @classmethod
    def fitting(cls, shape: tuple[int, ...], side_px: int) -> _Frame:
        return cls((shape[0], shape[1]), side_px / max(shape))

    def outlines(self, mask: NDArray[np.uint8]) -> list[Points]:
        """Return the outlines of a mask (row, column) in the frame's large pixels."""
        small = np.asarray(Image.fromarray(mask * np.uint8(255)).resize(self.large, Image.Resampling.BOX))
        lines = find_contours(np.pad(small.astype(np.float32) / 255, 1), 0.5)  # type: ignore[no-untyped-call]
        return [line - 0.5 for line in lines]  # the pad's pixel less the half from centre to corner

    def draw(self, grey: NDArray[np.float32], lines: Sequence[tuple[Rgb, Points]],
             keypoints: Mapping[str, tuple[float, float]]) -> Image.Image:
        resampling = Image.Resampling.BOX if self.zoom.max() < 1 else Image.Resampling.BICUBIC
        values = np.clip(np.asarray(Image.fromarray(grey).resize(self.large, resampling)), 0, 1)
        picture = Image.fromarray((values * 255 + 0.5).astype(np.uint8)).convert("RGB")
        pen = ImageDraw.Draw(picture)
        for colour, line in lines:
            pen.line([(x, y) for y, x in line], fill=colour, width=_SUPERSAMPLING, joint="curve")
        for row, column in keypoints.values():
            y, x = (np.array([row, column]) + 0.5) * self.zoom
            pen.line([(x - 9, y), (x + 9, y)], fill=_KEYPOINT, width=3)
            pen.line([(x, y - 9), (x, y + 9)], fill=_KEYPOINT, width=3)
        return picture.resize(self.size, Image.Resampling.BOX)


def _panel(picture: Image.Image, words: str, px_per_mm: float) -> Image.Image:
    tile = Image.new("RGB", (_PANEL_PX, _PANEL_PX), GROUND)
    tile.paste(picture, ((_PANEL_PX - picture.width) // 2, (_PANEL_PX - picture.height) // 2))
    pen = ImageDraw.Draw(tile)
    write(pen, (6, 4), words, colour=FAINT)
    ruler(pen, (_PANEL_PX - 6, _PANEL_PX - 6), px_per_mm, _PANEL_PX / 5)
    return tile


def _zoom(grey: NDArray[np.float32], image: Volume, finding: Finding) -> Image.Image:
    """Return a square about a lesion's shadow with its outline, number and sizes on the detector."""
    tile = Image.new("RGB", (ZOOM_PX, ZOOM_PX), GROUND)
    shadow, pixel_mm = finding.shadow, image.grid.spacing_mm[2]
    if shadow is None:
        return tile
    half = max(2, round(max(_SMALLEST_ZOOM_MM, 3 * shadow.long_axis_mm) / pixel_mm / 2))
    row, column = (int(np.clip(round(at) - half, 0, max(0, n - 2 * half - 1)))
                   for at, n in zip(shadow.centre_ji, grey.shape, strict=True))
    part = grey[row:row + 2 * half + 1, column:column + 2 * half + 1]
    frame, colour = _Frame.fitting(part.shape, ZOOM_PX), lesion_colour(finding.number)
    outline = (np.array(shadow.outline_ji).reshape(-1, 2) - [row, column] + 0.5) * frame.zoom
    picture = frame.draw(part, [(colour, outline)], {})
    tile.paste(picture, ((ZOOM_PX - picture.width) // 2, (ZOOM_PX - picture.height) // 2))
    pen = ImageDraw.Draw(tile)
    write(pen, (6, 4), f"{finding.number}  {finding.kind.replace('_', ' ')}", colour=colour)
    write(pen, (6, ZOOM_PX - 20),
          f"shadow {shadow.long_axis_mm:.0f} x {shadow.short_axis_mm:.0f} mm  {finding.volume_ml:.2g} ml")
    ruler(pen, (ZOOM_PX - 8, 24), frame.scale / pixel_mm, ZOOM_PX / 3.5)
    return tile
