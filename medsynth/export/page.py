"""The page of a preview: squares with pictures, their legend, a zoom on each lesion, words on dark plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medsynth.export.colours import Rgb

TILE_PX, ZOOM_PX, GAP_PX, HEAD_PX, LEGEND_PX = 420, 205, 6, 30, 190
ZOOMS_A_ROW, MOST_ZOOMS = 6, 18
TEXT, FAINT, GROUND = (225, 228, 232), (140, 146, 154), (0, 0, 0)
_LEAST_WIDTH_PX = 3 * TILE_PX  # the zooms and the title need that much


def compose(rows: Sequence[Sequence[Image.Image]], zooms: Sequence[Image.Image], legend: Mapping[str, Rgb], title: str,
          count: int, *, tile_px: int = TILE_PX) -> Image.Image:
    """Return the tiles on one page: title, planes with the legend beside them, zooms below.

    Parameters
    ----------
    rows : rows of square tiles with sides of `tile_px`.
    legend : family of structures -> colour.
    count : findings in the image.
    """
    step, small = tile_px + GAP_PX, ZOOM_PX + GAP_PX
    width = step * max(_LEAST_WIDTH_PX // tile_px, len(rows[0])) - GAP_PX + (LEGEND_PX if legend else 0)
    below = HEAD_PX + step * len(rows)
    height = below + small * -(-len(zooms) // ZOOMS_A_ROW)
    page = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(page)
    write(draw, (8, 7), title, size=14)
    more = f", {MOST_ZOOMS} shown" if count > MOST_ZOOMS else ""
    summary = f"SYNTHETIC   {count} lesion{'' if count == 1 else 's'}{more}"
    write(draw, (width - 8, 7), summary, size=14, colour=FAINT, anchor="ra")
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            page.paste(tile, (c * step, HEAD_PX + r * step))
    for n, tile in enumerate(zooms):
        page.paste(tile, (n % ZOOMS_A_ROW * small, below + n // ZOOMS_A_ROW * small))
    for n, (name, colour) in enumerate(legend.items()):
        x, y = width - LEGEND_PX + 14, HEAD_PX + 10 + 18 * n
        draw.rectangle([x, y + 2, x + 10, y + 10], fill=colour)
        write(draw, (x + 18, y - 1), name)
    return page


def ruler(draw: ImageDraw.ImageDraw, corner: tuple[int, int], px_per_mm: float, longest_px: float) -> None:
    """Draw a bar of 1, 2 or 5 times a power of ten mm that ends at `corner`, its length above it."""
    longest = longest_px / px_per_mm
    power = 10.0 ** np.floor(np.log10(longest))
    length = max(step * power for step in (1, 2, 5) if step * power <= longest)
    right, y = corner
    write(draw, (right, y - 5), f"{length:g} mm", anchor="rd")
    left = right - length * px_per_mm
    draw.rectangle([left - 1, y - 2, right + 1, y + 2], fill=GROUND)
    draw.line([(left, y), (right, y)], fill=TEXT, width=2)


def write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, *, size: int = 12, colour: Rgb = TEXT,
           anchor: str = "la") -> None:
    """Write on a dark plate, readable on any ground."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = draw.textbbox(place, text, font=font, anchor=anchor)
    draw.rectangle([left - 3, top - 2, right + 2, bottom + 2], fill=GROUND)
    draw.text(place, text, fill=colour, font=font, anchor=anchor)
