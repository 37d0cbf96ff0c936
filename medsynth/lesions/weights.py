"""Relative weights of a recipe: what is drawn with which chance."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

Weight = Annotated[float, Field(ge=0)]


def some_weight(weights: dict[Any, float]) -> dict[Any, float]:
    """Return the weights, of which one at least must be above 0; a pydantic validator."""
    if not sum(weights.values()) > 0:
        raise ValueError(f"a weight > 0 is expected, got {weights}")
    return weights
