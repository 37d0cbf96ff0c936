"""The breast's structures and labels."""

from __future__ import annotations

from functools import partial

from phantoms.table import read_labels, read_structures

structures = partial(read_structures, "phantoms.breast")
labels = partial(read_labels, "phantoms.breast")
