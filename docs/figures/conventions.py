"""Draw docs/figures/conventions.png: axes and indices, partial volume, and streams of random numbers.

Run from the repository root: `python docs/figures/conventions.py`. The fractions in the middle panel are computed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medsynth.core.seed import Seed

WIDTH, HEIGHT = 1740, 620
INK, SOFT, RED, BLUE, GREEN = "#1f2933", "#9aa5b1", "#c0392b", "#1f6fb2", "#1e8449"


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, so that the figure is the same on every machine."""
    return ImageFont.load_default(size)


def arrow(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    """Draw a straight arrow."""
    tail, tip = np.asarray(start, float), np.asarray(end, float)
    along = (tip - tail) / np.linalg.norm(tip - tail)
    across = np.array([-along[1], along[0]])
    draw.line([*tail, *(tip - 12 * along)], fill=colour, width=5)
    barbs = (tip - 22 * along + 10 * across, tip - 22 * along - 10 * across)
    draw.polygon([tuple(point) for point in (tip, *barbs)], fill=colour)


def axes(draw: ImageDraw.ImageDraw, left: int) -> None:
    """Draw an axial slice as a viewer shows it, and where indices and coordinates rise."""
    draw.text((left, 20), "World: patient LPS, mm.  Arrays: [k, j, i]", font=font(26), fill=INK)
    x0, y0, x1, y1 = left + 90, 130, left + 430, 360
    draw.ellipse([x0, y0, x1, y1], outline=INK, width=4)
    draw.ellipse([x0 + 50, y0 + 50, x0 + 140, y0 + 180], outline=SOFT, width=3)
    draw.ellipse([x1 - 140, y0 + 50, x1 - 50, y0 + 180], outline=SOFT, width=3)
    draw.ellipse([(x0 + x1) / 2 - 28, y1 - 80, (x0 + x1) / 2 + 28, y1 - 30], outline=SOFT, width=3)
    for text, at in (("anterior", ((x0 + x1) / 2, y0 - 22)), ("posterior", ((x0 + x1) / 2, y1 + 20)),
                     ("right", (x0 - 44, (y0 + y1) / 2)), ("left", (x1 + 36, (y0 + y1) / 2))):
        draw.text(at, text, font=font(20), fill=SOFT, anchor="mm")
    corner = (left + 60, 420)
    arrow(draw, corner, (corner[0] + 150, corner[1]), RED)
    arrow(draw, corner, (corner[0], corner[1] + 130), BLUE)
    draw.ellipse([corner[0] - 13, corner[1] - 13, corner[0] + 13, corner[1] + 13], fill="white", outline=GREEN, width=4)
    draw.ellipse([corner[0] - 4, corner[1] - 4, corner[0] + 4, corner[1] + 4], fill=GREEN)
    draw.text((corner[0] + 165, corner[1]), "i, columns: +x = to the left", font=font(22), fill=RED, anchor="lm")
    draw.text((corner[0] + 26, corner[1] + 115), "j, rows: +y = to the back", font=font(22), fill=BLUE, anchor="lm")
    draw.text((corner[0] + 26, corner[1] + 42), "k, slices: +z = to the head", font=font(22), fill=GREEN, anchor="lm")
    draw.text((left, 580), "the origin is the CENTRE of voxel (0, 0, 0)", font=font(20), fill=INK)


def partial_volume(draw: ImageDraw.ImageDraw, left: int) -> None:
    """Draw the voxels at an organ's edge with what is stored in each."""
    draw.text((left, 20), "Partial volume: label, neighbour, fraction", font=font(26), fill=INK)
    count, size, top = 5, 88, 90
    centre, radius = np.array([-0.4, count + 0.3]), 4.15  # in voxels, from the panel's upper left corner
    fine = (np.arange(50) + 0.5) / 50
    cells = [(row, column) for row in range(count) for column in range(count)]
    for layer in ("shade", "arc", "words"):
        if layer == "arc":
            reach = [left + (centre[0] - radius) * size, top + (centre[1] - radius) * size,
                     left + (centre[0] + radius) * size, top + (centre[1] + radius) * size]
            draw.arc(reach, -84.2, -4.3, fill=INK, width=4)
            continue
        for row, column in cells:
            dx, dy = np.meshgrid(column + fine - centre[0], row + fine - centre[1])
            inside = float(np.mean(dx**2 + dy**2 < radius**2))
            shade = tuple(int(a + (b - a) * inside) for a, b in zip((252, 235, 200), (178, 74, 60), strict=True))
            box = [left + column * size, top + row * size, left + (column + 1) * size, top + (row + 1) * size]
            if layer == "shade":
                draw.rectangle(box, fill=shade, outline="white", width=2)
                continue
            name = "liver" if inside > 0.5 else "fat"
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            words = f"{name}\nf {round(min(inside, 1 - inside) * 255)}"
            draw.text(middle, words, font=font(19), fill="white" if inside > 0.5 else INK, anchor="mm", align="center")
    draw.text((left, 548), "label: fills most;  neighbour: the other one", font=font(20), fill=INK)
    draw.text((left, 580), "voxel = (1 - f/255) label + f/255 neighbour", font=font(20), fill=INK)


def streams(draw: ImageDraw.ImageDraw, left: int) -> None:
    """Draw a tree of seeds with the first number of each stream."""
    draw.text((left, 20), "Seeds: one stream per name", font=font(26), fill=INK)
    root = Seed(7)
    rows = [(0, root), (1, root.child("case", 0)), (1, root.child("case", 3)), (2, root.child("case", 3, "lesions")),
            (2, root.child("case", 3, "ct")), (3, root.child("case", 3, "ct", "noise"))]
    for line, (depth, seed) in enumerate(rows):
        x, y = left + 30 + 40 * depth, 110 + 70 * line
        if depth:
            parent = max(n for n in range(line) if rows[n][0] == depth - 1)
            draw.line([x - 32, 110 + 70 * parent + 22, x - 32, y, x - 10, y], fill=SOFT, width=3)
        draw.ellipse([x - 9, y - 9, x + 9, y + 9], fill=GREEN if depth == 3 else INK)
        draw.text((x + 22, y), "/".join((str(seed.value), *seed.path)), font=font(22), fill=INK, anchor="lm")
        draw.text((left + 500, y), f"{seed.rng().random():.4f}", font=font(20), fill=SOFT, anchor="rm")
    draw.text((left + 500, 72), "first draw", font=font(18), fill=SOFT, anchor="rm")
    draw.text((left, 548), "another lesion draws from 7/case/3/lesions:", font=font(20), fill=INK)
    draw.text((left, 580), "the noise in 7/case/3/ct/noise stays", font=font(20), fill=INK)


def main() -> None:
    """Write the figure beside this file."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    axes(draw, 30)
    partial_volume(draw, 650)
    streams(draw, 1190)
    image.save(Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
