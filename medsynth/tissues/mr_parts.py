"""From a structure's name, tissue and mixture to the MR materials that fill it, what flows in it and what enters it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.mr import material_names
from medsynth.tissues.reading import read_table

MrPhase = Literal["none", "arterial", "portal", "delayed"]
Agent = Literal["gadobutrol", "gadoteridol", "gadoterate"]


@dataclass(frozen=True, slots=True)
class Flow:
    """Blood in motion.

    Attributes
    ----------
    speed_mm_s : mean over lumen and heart beat.
    fresh : share of it that has not felt earlier pulses when a 3D slab is read after an inversion.
    arterial : whether it comes from the heart; angiography saturates the rest.
    """

    speed_mm_s: float = 0.0
    fresh: float = 0.0
    arterial: bool = False


@dataclass(frozen=True, slots=True)
class TextureResponse:
    """How a relative deviation of density t acts on MR properties.

    Attributes
    ----------
    pd, t1, t2 : relative change per t.
    partner : material that the texture stands for beyond `threshold`, up to all of it at `full`; empty for none.
    """

    pd: float
    t1: float
    t2: float
    partner: str = ""
    threshold: float = 0.0
    full: float = 1.0


@dataclass(frozen=True, slots=True)
class MrParts:
    """What a structure is to MR.

    Attributes
    ----------
    materials : (material, volume fraction); the fractions sum to 1.
    """

    materials: tuple[tuple[str, float], ...]
    flow: Flow
    enhancement: str
    texture: TextureResponse


def mr_parts(name: str, tissue: str, mixture: Sequence[tuple[str, float]] = (), enhancement: str = "") -> MrParts:
    """Return the MR materials of a structure.

    Parameters
    ----------
    name, tissue, mixture, enhancement : as the structure has them.

    Raises
    ------
    RecipeError
        If the MR table has no row for a tissue.

    Examples
    --------
    >>> mr_parts("putamen_left", "grey_matter").materials
    (('putamen', 1.0),)
    """
    own = _override(name)
    vessel = _vessels().get(enhancement) if tissue == "blood" else None
    material = name if own.get("material") == "=" else own.get("material")
    first = material or (vessel["material"] if vessel else material_of(tissue))
    rest = 1 - sum(share for _, share in mixture)
    if own.get("part") == "all" or not mixture:
        materials: tuple[tuple[str, float], ...] = ((first, 1.0),)
    else:
        materials = ((first, rest), *((material_of(other), share) for other, share in mixture))
    flow = Flow(float(vessel["speed_mm_s"]), float(vessel["fresh"]), vessel["arterial"] == "yes") if vessel else Flow()
    return MrParts(tuple((m, s) for m, s in materials if s > 0), flow, enhancement or own.get("enhancement", ""),
                   texture_response(tissue))


def material_of(tissue: str) -> str:
    """Return the MR material of a row of the tissue table."""
    material = _of_tissues().get(tissue, tissue)
    if material not in material_names():
        raise RecipeError(expected("tissue", tissue, "one with MR values (mr_tissues.csv, mr_of_tissues.csv)"))
    return material


def gadolinium_mmol_l(key: str, phase: MrPhase) -> float:
    """Return the concentration of the contrast agent in a structure; 0 for the empty key.

    Examples
    --------
    >>> gadolinium_mmol_l("liver", "none")
    0.0
    """
    if not key:
        return 0.0
    if key not in _gadolinium():
        raise RecipeError(expected("enhancement", key, f"one of {list(_gadolinium())}"))
    return float(_gadolinium()[key][phase])


def gadolinium_keys() -> tuple[str, ...]:
    """Return every key of the table of concentrations."""
    return tuple(_gadolinium())


def relaxivity(agent: Agent, field_T: float) -> tuple[float, float]:
    """Return r1 and r2 in L/mmol/s in plasma at 37 C; linear between the fields of the table, constant beyond."""
    rows = [row for row in read_table("mr_agents.csv") if row["agent"] == agent]
    if not rows:
        raise RecipeError(expected("agent", agent, "one of mr_agents.csv"))
    fields = [float(row["field_T"]) for row in rows]
    r1, r2 = (float(np.interp(field_T, fields, [float(row[key]) for row in rows])) for key in ("r1", "r2"))
    return r1, r2


@cache
def fat_peaks() -> tuple[tuple[float, float, str], ...]:
    """Return (shift from water in ppm, share, group) of the peaks of fat; the shares sum to 1."""
    rows = read_table("mr_fat_peaks.csv")
    total = sum(float(row["share"]) for row in rows)
    return tuple((float(row["shift_ppm"]), float(row["share"]) / total, row["group"]) for row in rows)


def texture_response(tissue: str) -> TextureResponse:
    """Return how textures of structures of this tissue act on MR properties."""
    row = _textures().get(tissue) or _textures()["other"]
    pd, t1, t2 = (float(row[key]) for key in ("pd", "t1", "t2"))
    if not row["partner"]:
        return TextureResponse(pd, t1, t2)
    return TextureResponse(pd, t1, t2, row["partner"], float(row["threshold"]), float(row["full"]))


@cache
def _overrides() -> tuple[Mapping[str, str], ...]:
    return tuple(read_table("mr_structures.csv"))


def _override(name: str) -> Mapping[str, str]:
    return next((row for row in _overrides() if fnmatchcase(name, row["pattern"])), {})


@cache
def _vessels() -> Mapping[str, Mapping[str, str]]:
    return {row["key"]: row for row in read_table("mr_vessels.csv")}


@cache
def _of_tissues() -> Mapping[str, str]:
    return {row["tissue"]: row["material"] for row in read_table("mr_of_tissues.csv")}


@cache
def _gadolinium() -> Mapping[str, Mapping[str, str]]:
    return {row["key"]: row for row in read_table("mr_gadolinium.csv")}


@cache
def _textures() -> Mapping[str, Mapping[str, str]]:
    return {row["tissue"]: row for row in read_table("mr_textures.csv")}
