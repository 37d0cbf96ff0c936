"""The errors medsynth raises for input it cannot use; each message names the thing, the value and what was expected."""

from __future__ import annotations


class MedsynthError(ValueError):
    """Base of every error caused by input; the command line prints it as one line and exits with code 2."""


class GeometryError(MedsynthError):
    """A grid, direction or position that cannot be."""


class RecipeError(MedsynthError):
    """A recipe, subject, lesion or protocol value that cannot be used."""


class PlacementError(MedsynthError):
    """A lesion that finds no place in its host (too large, too many, or the host is missing)."""


class DatasetError(MedsynthError):
    """A dataset folder that cannot be written, or does not hold what it should."""


def expected(name: str, value: object, expectation: str) -> str:
    """Give the one-line message used throughout: `name must be <expectation>, got <value>`."""
    return f"{name} must be {expectation}, got {value!r}"
