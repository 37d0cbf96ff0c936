"""MR properties of tissues, at any field, for one person: protons, relaxation, diffusion, susceptibility, fat."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.tissues.reading import read_table

FIELDS_T = (0.2, 7.0)  # where the table and its laws are used
FAT = "fat"  # the row of pure fat
IRON_AGE_YEARS = 45.0  # the age at which the table's nuclei hold
DRAW_LIMIT = 2.5  # a draw keeps within so many SDs
SUBJECT_SHARE = 0.5  # correlation of one quantity between two materials of a person (unverified)
T1_T2_CORRELATION = 0.5  # within a material: both follow its water (unverified)
QUANTITIES = ("pd", "fat_fraction", "t1_ms", "t2_ms", "t2_fse_ms", "t2_prime_ms", "adc_um2_ms", "chi_ppm")
_NEVER = 1e9  # a T2' in ms where nothing dephases


@dataclass(frozen=True, slots=True)
class MrNumber:
    """One row of the table: a quantity of a material, at a field where it depends on it.

    Attributes
    ----------
    field_T : 0 where the quantity does not depend on the field.
    mean, sd : over healthy adults, in the unit that the quantity's name tells.
    method : how it was measured, where the source tells.
    source : citation; starts with "unverified" where no publication was at hand.
    """

    material: str
    quantity: str
    field_T: float
    mean: float
    sd: float
    method: str
    source: str


@dataclass(frozen=True, slots=True)
class MrMaterial:
    """What one material is at one field.

    Attributes
    ----------
    pd : protons that give signal, relative to pure water, those of fat included.
    fat_fraction : share of `pd` that is fat; the times below are those of the water.
    t1_s, t2_s, t2_prime_s : 1 / T2* = 1 / T2 + 1 / T2'.
    t2_fse_s : T2 as trains of refocusing pulses see it, the same as `t2_s` where J-coupling plays no part.
    adc_mm2_s : apparent diffusion coefficient.
    chi_ppm : volume susceptibility less that of water, SI.
    """

    name: str
    pd: float
    fat_fraction: float
    t1_s: float
    t2_s: float
    t2_fse_s: float
    t2_prime_s: float
    adc_mm2_s: float
    chi_ppm: float


@cache
def _table() -> Mapping[str, Mapping[str, tuple[MrNumber, ...]]]:
    sources = {row["key"]: row["source"] for row in read_table("mr_sources.csv")}
    found: dict[str, dict[str, list[MrNumber]]] = {}
    for row in read_table("mr_tissues.csv"):
        number = MrNumber(row["material"], row["quantity"], float(row["field_T"] or 0), float(row["mean"]),
                          float(row["sd"] or 0), row["method"], sources[row["source"]])
        found.setdefault(number.material, {}).setdefault(number.quantity, []).append(number)
    return MappingProxyType({material: {q: tuple(sorted(n, key=lambda one: one.field_T)) for q, n in rows.items()}
                             for material, rows in found.items()})


def material_names() -> tuple[str, ...]:
    """Return the names of every material in the table, in its order."""
    return tuple(_table())


def numbers(material: str) -> tuple[MrNumber, ...]:
    """Return every row of one material, with spread and source.

    Examples
    --------
    >>> [n.mean for n in numbers("liver") if n.quantity == "t1_ms"]
    [586.0, 809.0]
    """
    if material not in _table():
        near = difflib.get_close_matches(material, material_names(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise RecipeError(expected("MR material", material, "a name of the MR tissue table") + hint)
    return tuple(number for rows in _table()[material].values() for number in rows)


@dataclass(frozen=True)
class TissueDraw:
    """The tissue values of one person: how many SDs each number of each material lies from its mean.

    Everything follows from the seed and the material's name, so that all acquisitions of a person, at any field, see
    the same tissues.

    Attributes
    ----------
    seed : of the person; None for the means of the table.
    age_years : nuclei gather iron with age.
    spread : factor on every SD.
    """

    seed: Seed | None = None
    age_years: float = IRON_AGE_YEARS
    spread: float = 1.0
    _known: dict[str, dict[str, float]] = field(default_factory=dict, repr=False, compare=False)

    def deviations(self, material: str) -> Mapping[str, float]:
        """Return quantity -> deviation from the mean in SDs, within `DRAW_LIMIT`."""
        if self.seed is None:
            return dict.fromkeys(QUANTITIES, 0.0)
        if material not in self._known:
            person = self.seed.child("person").rng().standard_normal(len(QUANTITIES))
            own = self.seed.child("material", material).rng().standard_normal(len(QUANTITIES))
            z = dict(zip(QUANTITIES, np.sqrt(SUBJECT_SHARE) * person + np.sqrt(1 - SUBJECT_SHARE) * own, strict=True))
            z["t2_ms"] = T1_T2_CORRELATION * z["t1_ms"] + np.sqrt(1 - T1_T2_CORRELATION**2) * z["t2_ms"]
            z["t2_fse_ms"] = z["t2_ms"]
            self._known[material] = {q: self.spread * float(np.clip(v, -DRAW_LIMIT, DRAW_LIMIT)) for q, v in z.items()}
        return self._known[material]

    def material(self, name: str, field_T: float) -> MrMaterial:
        """Return what a material is at this field in this person.

        Raises
        ------
        RecipeError
            If there is no such material, or the field lies outside `FIELDS_T`.
        """
        numbers(name)
        if not FIELDS_T[0] <= field_T <= FIELDS_T[1]:
            raise RecipeError(expected("field_T", field_T, f"in {FIELDS_T[0]:g}..{FIELDS_T[1]:g}"))
        z = self.deviations(name)
        iron = iron_ratio(name, self.age_years)
        t2_s = _drawn(name, "t2_ms", field_T, z) / 1000
        fse = _table()[name].get("t2_fse_ms")
        return MrMaterial(
            name, pd=_plain(name, "pd", z), fat_fraction=min(1.0, max(0.0, _plain(name, "fat_fraction", z))),
            t1_s=_drawn(name, "t1_ms", field_T, z) / 1000, t2_s=t2_s,
            t2_fse_s=_drawn(name, "t2_fse_ms", field_T, z) / 1000 if fse else t2_s,
            t2_prime_s=_drawn(name, "t2_prime_ms", field_T, z) / 1000 / iron,
            adc_mm2_s=max(0.0, _plain(name, "adc_um2_ms", z)) / 1000,
            chi_ppm=_plain(name, "chi_ppm", z) * iron)


MEAN = TissueDraw()


def iron_ratio(material: str, age_years: float) -> float:
    """Return the iron of a nucleus at this age over that at `IRON_AGE_YEARS`; 1 for other materials."""
    for row in read_iron():
        if row["material"] == material:
            a, b, c = (float(row[key]) for key in "abc")
            return float((a * -np.expm1(-b * age_years) + c) / (a * -np.expm1(-b * IRON_AGE_YEARS) + c))
    return 1.0


@cache
def read_iron() -> tuple[Mapping[str, str], ...]:
    """Return the rows of the table of iron by age."""
    return tuple(read_table("mr_iron.csv"))


def _plain(name: str, quantity: str, z: Mapping[str, float]) -> float:
    """Return a number that does not depend on the field; its spread is normal."""
    rows = _table()[name].get(quantity, ())
    return rows[0].mean + rows[0].sd * z[quantity] if rows else 0.0


def _drawn(name: str, quantity: str, field_T: float, z: Mapping[str, float]) -> float:
    """Return a relaxation time in ms: the mean at the field times a log-normal factor of the given SD."""
    mean, relative = at_field(name, quantity, field_T)
    if z[quantity] == 0.0:
        return mean
    sigma = np.sqrt(np.log1p(relative**2))
    return float(mean * np.exp(sigma * z[quantity] - sigma**2 / 2))


def at_field(name: str, quantity: str, field_T: float) -> tuple[float, float]:
    """Return mean in ms and relative SD of a relaxation time at a field.

    Between two fields of the table times follow a power of the field. Beyond them T1 goes on along that power (or along
    `t1_exponent` where the table has one field only), T2 stays, and 1 / T2' grows with the field.
    """
    rows = _table()[name].get(quantity, ())
    if not rows:
        return _NEVER, 0.0
    fields, means, sds = (np.array([getattr(row, key) for row in rows]) for key in ("field_T", "mean", "sd"))
    relative = float(np.interp(field_T, fields, sds / means))
    if field_T in fields:
        return float(means[fields == field_T][0]), relative
    if fields[0] <= field_T <= fields[-1]:
        return float(np.exp(np.interp(np.log(field_T), np.log(fields), np.log(means)))), relative
    low = field_T < fields[0]
    nearest = 0 if low else -1
    exponent = {"t1_ms": _t1_exponent(name, fields, means, low=low), "t2_prime_ms": -1.0}.get(quantity, 0.0)
    return float(means[nearest] * (field_T / fields[nearest]) ** exponent), relative


def _t1_exponent(name: str, fields: np.ndarray, means: np.ndarray, *, low: bool) -> float:
    given = _table()[name].get("t1_exponent")
    if given:
        return given[0].mean
    if len(fields) < 2:
        return 0.0
    a, b = (0, 1) if low else (-2, -1)
    return float(np.log(means[b] / means[a]) / np.log(fields[b] / fields[a]))
