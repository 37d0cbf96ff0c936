"""Colours of structures and lesions, the same in every file."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable

Rgb = tuple[int, int, int]

_NUMBER = re.compile(r"[A-Z]?\d+")  # 5, T10, L1

# Lesions: bright, far from each other and from the muted organs; repeats after the last.
_LESIONS: tuple[Rgb, ...] = ((255, 70, 70), (255, 210, 50), (80, 230, 120), (90, 190, 255), (255, 120, 220),
                             (255, 150, 60), (170, 140, 255), (60, 235, 225))


def lesion_colour(number: int) -> Rgb:
    """Return the sRGB colour of lesion 1, 2, ..."""
    return _LESIONS[(number - 1) % len(_LESIONS)]


def family(name: str) -> str:
    """Return a structure's name without its side and its number, as words.

    Examples
    --------
    >>> family("rib_left_5"), family("vertebra_T10"), family("lobe_right_upper")
    ('rib', 'vertebra', 'lobe upper')
    """
    words = [word for word in name.split("_") if word not in ("left", "right") and not _NUMBER.fullmatch(word)]
    return " ".join(words) or name


def structure_colours(names: Iterable[str]) -> dict[str, Rgb]:
    """Return the sRGB colour of every structure of a body; a family shares one, neighbours in the alphabet differ.

    Examples
    --------
    >>> colours = structure_colours(["rib_left_5", "rib_right_6", "liver"])
    >>> colours["rib_left_5"] == colours["rib_right_6"] != colours["liver"]
    True
    """
    names = sorted(names)
    rank = {word: n for n, word in enumerate(sorted({family(name) for name in names}))}
    return {name: _spread(rank[family(name)]) for name in names}


def _spread(number: int) -> Rgb:
    """Return colour 0, 1, ...: hues in steps of the golden section, in three lightnesses."""
    lightness, saturation = ((0.62, 0.75), (0.74, 0.60), (0.52, 0.60))[number % 3]
    red, green, blue = colorsys.hls_to_rgb(number * 0.6180339887 % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
