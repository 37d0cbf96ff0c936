"""Settings of the scanner that are drawn anew for every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from medsynth.core.errors import RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.dataset.parts import Model
from medsynth.dataset.wording import did_you_mean

Vary = Mapping[str, tuple[float, float] | Sequence[Any]]


def checked_vary(vary: Vary, acquisitions: Mapping[str, BaseModel]) -> dict[str, tuple[float, float] | list[Any]]:
    """Return the settings to draw, each end and each choice of which the protocols accept.

    Parameters
    ----------
    vary : dotted path below `acquisitions` -> (low, high), drawn uniformly, or a list, of which one is drawn, e.g.
        `{"ct.mas": (20.0, 200.0), "ct.kernel": ["soft", "sharp"]}`.

    Raises
    ------
    RecipeError
        One line that names the path, the value and what was expected.
    """
    found: dict[str, tuple[float, float] | list[Any]] = {}
    for path, values in sorted(vary.items()):
        name, _, field = path.partition(".")
        if name not in acquisitions or not field:
            raise RecipeError(expected("vary", path, "an acquisition's name, a dot and one of its settings")
                              + did_you_mean(name, list(acquisitions)))
        if isinstance(values, tuple) and (len(values) != 2 or not all(isinstance(v, int | float) for v in values)
                                          or values[0] > values[1]):
            raise RecipeError(expected(f"vary.{path}", values, "(low, high), or a list to choose from"))
        if isinstance(values, str) or not values:
            raise RecipeError(expected(f"vary.{path}", values, "(low, high), or a list to choose from"))
        found[path] = values if isinstance(values, tuple) else list(values)
        for value in found[path]:
            replaced(acquisitions[name], {field: value}, f"vary.{path}")
    return found


def varied(protocol: Model, name: str, vary: Mapping[str, tuple[float, float] | list[Any]], *, seed: Seed
           ) -> Model:
    """Return the protocol of acquisition `name` with what is drawn for one image; each setting has its own stream."""
    drawn: dict[str, Any] = {}
    for path, values in vary.items():
        own, _, field = path.partition(".")
        if own != name:
            continue
        rng = seed.child(path).rng()
        drawn[field] = float(rng.uniform(*values)) if isinstance(values, tuple) else values[rng.integers(len(values))]
    return replaced(protocol, drawn, f"vary.{name}") if drawn else protocol


def replaced(protocol: Model, changes: Mapping[str, Any], what: str) -> Model:
    """Return the protocol with other values at dotted paths, checked as a recipe's is."""
    data = protocol.model_dump()
    for path, value in changes.items():
        *parents, last = path.split(".")
        here: Any = data
        for key in parents:
            here = here.get(key) if isinstance(here, dict) else None
        if not isinstance(here, dict) or last not in here:
            known = here if isinstance(here, dict) else data
            raise RecipeError(expected(what, path, "a setting of the protocol") + did_you_mean(last, list(known)))
        here[last] = value
    try:
        return type(protocol)(**data)
    except ValidationError as error:
        raise RecipeError(f"{what}: {error.errors()[0]['msg']}, got {dict(changes)}") from error
