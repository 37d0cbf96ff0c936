"""The tissue table: elemental composition and density of everything that a structure can be made of."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.reading import read_table

_NOT_ELEMENTS = ("name", "density_g_cm3", "source")


@dataclass(frozen=True, slots=True)
class Tissue:
    """A row of the tissue table, or a mixture of rows.

    Attributes
    ----------
    name : as structures name it.
    density_g_cm3 : mass density.
    mass_fractions : element symbol -> fraction of the mass; they sum to 1.
    source : where the numbers come from; starts with "unverified" where no publication was at hand.
    """

    name: str
    density_g_cm3: float
    mass_fractions: Mapping[str, float]
    source: str


@cache
def _table() -> Mapping[str, Tissue]:
    tissues = {}
    for row in read_table("tissues.csv"):
        fractions = {k: float(v) for k, v in row.items() if k not in _NOT_ELEMENTS and v}
        total = sum(fractions.values())  # published percentages are rounded, so that they sum to 1 only nearly
        tissues[row["name"]] = Tissue(row["name"], float(row["density_g_cm3"]),
                                      MappingProxyType({k: v / total for k, v in fractions.items()}), row["source"])
    return MappingProxyType(tissues)


def tissue_names() -> tuple[str, ...]:
    """Return the names of every tissue in the table, in its order."""
    return tuple(_table())


def tissue(name: str) -> Tissue:
    """Return the tissue called `name`.

    Examples
    --------
    >>> tissue("liver").density_g_cm3
    1.06
    """
    if name not in _table():
        near = difflib.get_close_matches(name, tissue_names(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise RecipeError(expected("tissue", name, "a name of the tissue table") + hint)
    return _table()[name]


def mixed(name: str, parts: Sequence[tuple[Tissue, float]]) -> Tissue:
    """Return the mixture of tissues by volume fraction: volumes add, masses add.

    Parameters
    ----------
    parts : (tissue, volume fraction); the fractions sum to 1.
    """
    total = sum(fraction for _, fraction in parts)
    if any(fraction < 0 for _, fraction in parts) or abs(total - 1) > 1e-6:
        raise RecipeError(expected(f"volume fractions of {name}", [f for _, f in parts], ">= 0 with the sum 1"))
    density = sum(part.density_g_cm3 * fraction for part, fraction in parts)
    elements: dict[str, float] = {}
    for part, fraction in parts:
        for symbol, mass in part.mass_fractions.items():
            elements[symbol] = elements.get(symbol, 0.0) + mass * part.density_g_cm3 * fraction / density
    sources = "; ".join(dict.fromkeys(part.source for part, _ in parts))
    return Tissue(name, density, MappingProxyType(elements), sources)


def iodine_solution(iodine_mg_per_ml: float, base: str = "water") -> Tissue:
    """Return `base` with dissolved iodine; the base keeps its volume, which holds to 0.3 % below 15 mg/mL."""
    if not 0 <= iodine_mg_per_ml < 500:
        raise RecipeError(expected("iodine_mg_per_ml", iodine_mg_per_ml, "in 0..500"))
    solvent = tissue(base)
    density = solvent.density_g_cm3 + iodine_mg_per_ml / 1000
    elements = {symbol: mass * solvent.density_g_cm3 / density for symbol, mass in solvent.mass_fractions.items()}
    elements["I"] = elements.get("I", 0.0) + iodine_mg_per_ml / 1000 / density
    return Tissue(f"{base}+{iodine_mg_per_ml:g} mg/mL I", density, MappingProxyType(elements), solvent.source)
