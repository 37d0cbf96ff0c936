"""The knee's structures and labels."""

from __future__ import annotations

from functools import partial

from phantoms.table import read_labels, read_structures

structures = partial(read_structures, "phantoms.knee")
labels = partial(read_labels, "phantoms.knee")
