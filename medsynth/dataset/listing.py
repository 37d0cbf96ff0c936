"""What there is to choose from, as rows with a name and a description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from medsynth.core.errors import RecipeError, expected

if TYPE_CHECKING:
    from medsynth.scene.body import Body
    from medsynth.scene.structure import Structure

Listable = Literal["phantoms", "lesions", "recipes", "tissues", "protocols", "layouts"]


def listing(kind: str) -> list[dict[str, Any]]:
    """Return the rows of one `Listable`, each with `name`, `description` and what else there is to tell."""
    if kind not in _LISTINGS:
        raise RecipeError(expected("what to list", kind, f"one of {', '.join(_LISTINGS)}"))
    return _LISTINGS[kind]()


def _phantoms() -> list[dict[str, Any]]:
    from medsynth.scene.body import bodies

    return [{"name": name, "description": body.description, "ranges": list(body.scan_ranges), **_drawn_for(body),
             "structures": [_structure(structure) for structure in body.structures()]}
            for name, body in bodies().items()]


def _structure(structure: Structure) -> dict[str, Any]:
    """Return what a label means; `organ` is what it counts to."""
    return {"name": structure.name, "label": structure.label, "organ": structure.part_of or structure.name,
            "laterality": structure.laterality, "snomed": structure.code.value, "meaning": structure.code.meaning,
            "tissue": structure.tissue}


def _drawn_for(body: Body) -> dict[str, Any]:
    """Return the numbers of a body's spec, and what of a subject they follow, with its limits.

    A covariate counts where two people who differ in it alone, and draw the same random numbers, get different specs;
    the sex also where the body is of one sex only.
    """
    from medsynth.core.seed import Seed
    from medsynth.scene.subject import LIMITS, SEXES, Sex, Subject

    def spec_of(sex: Sex, **changed: float) -> Mapping[str, Any] | None:
        usual = {"age_years": 50.0, "height_cm": 170.0, "weight_kg": 75.0}
        try:
            return body.sample_spec(Subject(sex, **{**usual, **changed}), rng=Seed(0).rng())
        except RecipeError:  # not of this sex
            return None

    by_sex = {sex: spec for sex in SEXES if (spec := spec_of(sex)) is not None}
    sex, usual = next(iter(by_sex.items()))
    covariates: dict[str, Any] = {}
    if len(by_sex) == 1 or by_sex["male"] != by_sex["female"]:
        covariates["sex"] = list(by_sex)
    for name, other in {"age_years": 75.0, "height_cm": 180.0, "weight_kg": 95.0}.items():
        if spec_of(sex, **{name: other}) != usual:
            low, high = LIMITS[name]
            covariates[name] = {"min": low, "max": high}
    return {"spec": [name for name in usual if name not in ("version", "seed")], "covariates": covariates}


def _lesions() -> list[dict[str, Any]]:
    from medsynth.lesions.families import FAMILIES

    return [{"name": name, "description": family.description,
             "options": [key for key in family.options.model_fields if key != "family"]}
            for name, family in FAMILIES.items()]


def _recipes() -> list[dict[str, Any]]:
    from medsynth.dataset.reading import built_in_recipes, read_recipe

    return [{"name": name, "description": read_recipe(name).get("description", "")} for name in built_in_recipes()]


def _tissues() -> list[dict[str, Any]]:
    from medsynth.tissues.table import tissue, tissue_names

    rows = [tissue(name) for name in tissue_names()]
    return [{"name": row.name, "description": f"{row.density_g_cm3:.4g} g/cm3, {row.source}",
             "density_g_cm3": row.density_g_cm3, "mass_fractions": dict(row.mass_fractions), "source": row.source}
            for row in rows]


def _protocols() -> list[dict[str, Any]]:
    from medsynth.dataset.tables import MODALITIES

    rows: list[dict[str, Any]] = []
    for name, entry in MODALITIES.items():
        rows.append({"name": name, "description": entry.description, "settings": list(entry.protocol().model_fields)})
        rows += [{"name": f"{name}: {preset}", "description": words, "settings": []}
                 for preset, words in entry.scanners().items()]
    return rows


def _layouts() -> list[dict[str, Any]]:
    from medsynth.export.layouts.table import LAYOUTS

    return [{"name": name, "description": layout.description, "options": list(layout.options)}
            for name, layout in LAYOUTS.items()]


_LISTINGS = {"phantoms": _phantoms, "lesions": _lesions, "recipes": _recipes, "tissues": _tissues,
             "protocols": _protocols, "layouts": _layouts}
