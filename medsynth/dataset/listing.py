"""What there is to choose from, as rows with a name and a description."""

from __future__ import annotations

from typing import Any, Literal

from medsynth.core.errors import RecipeError, expected

Listable = Literal["phantoms", "lesions", "recipes", "tissues", "protocols"]


def listing(kind: str) -> list[dict[str, Any]]:
    """Return the rows of one `Listable`, each with `name`, `description` and what else there is to tell."""
    if kind not in _LISTINGS:
        raise RecipeError(expected("what to list", kind, f"one of {', '.join(_LISTINGS)}"))
    return _LISTINGS[kind]()


def _phantoms() -> list[dict[str, Any]]:
    from medsynth.scene.body import bodies

    return [{"name": name, "description": body.description, "ranges": list(body.scan_ranges),
             "structures": len(body.structures())} for name, body in bodies().items()]


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

    return [{"name": name, "description": entry.description, "settings": list(entry.protocol().model_fields)}
            for name, entry in MODALITIES.items()]


_LISTINGS = {"phantoms": _phantoms, "lesions": _lesions, "recipes": _recipes, "tissues": _tissues,
             "protocols": _protocols}
