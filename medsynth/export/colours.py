"""Colours of structures and lesions, the same in every file."""

from __future__ import annotations

import colorsys
import hashlib

Rgb = tuple[int, int, int]

# Lesions: bright, far from each other and from the muted organs; repeats after the last.
_LESIONS: tuple[Rgb, ...] = ((255, 70, 70), (255, 210, 50), (80, 230, 120), (90, 190, 255), (255, 120, 220),
                             (255, 150, 60), (170, 140, 255), (60, 235, 225))


def lesion_colour(number: int) -> Rgb:
    """Return the sRGB colour of lesion 1, 2, ..."""
    return _LESIONS[(number - 1) % len(_LESIONS)]


def structure_colour(name: str) -> Rgb:
    """Return the sRGB colour of a structure, fixed by its name alone.

    Examples
    --------
    >>> structure_colour("liver") == structure_colour("liver")
    True
    """
    digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
    red, green, blue = colorsys.hls_to_rgb(int.from_bytes(digest[:2], "little") / 65536, 0.55 + digest[2] / 1500,
                                           0.45 + digest[3] / 700)
    return round(red * 255), round(green * 255), round(blue * 255)
