"""The anatomy cache's policy: how many images one body gives, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.core.errors import RecipeError, expected


@dataclass(frozen=True, slots=True)
class Place:
    """Where a number of the endless row of images belongs: its body, the pose, and which image of the body it is."""

    body: int
    pose: int
    image: int


@dataclass(frozen=True, slots=True)
class Reuse:
    """How bodies are used again. The default uses none twice.

    Lesions, noise and, where `vary` names some, settings of the scanner are new in every image.

    Attributes
    ----------
    images : of every body.
    poses : different positions of a body in the scanner; images that share one share its voxels, too.
    turn_deg, shift_mm : greatest turn about each of the patient's axes, and greatest shift along each, of a pose.
    bodies : open at a time, and held in memory: neighbouring images are of different ones.

    Raises
    ------
    RecipeError
        If a number cannot be used.
    """

    images: int = 1
    poses: int = 1
    turn_deg: float = 0.0
    shift_mm: float = 0.0
    bodies: int = 1

    def __post_init__(self) -> None:
        for name in ("images", "poses", "bodies"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise RecipeError(expected(f"reuse.{name}", value, "a whole number >= 1"))
        if self.poses > self.images:
            raise RecipeError(expected("reuse.poses", self.poses, f"<= reuse.images ({self.images})"))
        for name, limit in (("turn_deg", 30.0), ("shift_mm", 200.0)):
            value = getattr(self, name)
            if not (np.isfinite(value) and 0 <= value <= limit):
                raise RecipeError(expected(f"reuse.{name}", value, f"in 0..{limit:g}"))

    @property
    def block(self) -> int:
        """Neighbouring numbers that share bodies: whoever makes them all builds no body that another builds."""
        return self.images * self.bodies

    @property
    def moves(self) -> bool:
        """Whether poses differ."""
        return self.turn_deg > 0 or self.shift_mm > 0

    def place(self, number: int) -> Place:
        """Return where image `number` belongs.

        Examples
        --------
        >>> [Reuse(images=2, bodies=2).place(n).body for n in range(6)]
        [0, 1, 0, 1, 2, 3]
        """
        block, within = divmod(number, self.block)
        image, body = divmod(within, self.bodies)
        return Place(block * self.bodies + body, image * self.poses // self.images, image)
