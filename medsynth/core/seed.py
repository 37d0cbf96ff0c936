"""Random streams keyed by name: a new draw in one place moves nothing elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from medsynth.core.errors import RecipeError, expected


@dataclass(frozen=True, slots=True)
class Seed:
    """A value and a path of names; equal seeds give equal streams on every machine and worker.

    A number in a path counts as its decimal text: `child(3)` and `child("3")` are the same stream.

    Raises
    ------
    RecipeError
        If the value is not a whole number.

    Examples
    --------
    >>> Seed(7).child("case", 3).child("noise").path
    ('case', '3', 'noise')
    """

    value: int
    path: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, int | np.integer):
            raise RecipeError(expected("seed", self.value, "a whole number"))
        object.__setattr__(self, "value", int(self.value))

    def child(self, *names: str | int) -> Seed:
        """Return the seed of the stream called `names` below this one."""
        return Seed(self.value, (*self.path, *(str(name) for name in names)))

    def digest(self) -> bytes:
        """Return 32 bytes that depend on the value and the path alone (blake2b)."""
        # The length of each name is hashed with it, so that ("ab", "c") and ("a", "bc") differ.
        text = "".join(f"{len(part)}:{part}/" for part in (str(self.value), *self.path))
        return hashlib.blake2b(text.encode(), digest_size=32).digest()

    def rng(self) -> np.random.Generator:
        """Return a fresh generator of this stream; two calls give the same numbers."""
        return np.random.Generator(np.random.PCG64(int.from_bytes(self.digest(), "little")))

    def integer(self, bits: int = 63) -> int:
        """Return one non-negative integer of at most `bits` bits (1..256), e.g. to key a lattice hash or a UID."""
        return int.from_bytes(self.digest(), "little") >> (256 - bits)
