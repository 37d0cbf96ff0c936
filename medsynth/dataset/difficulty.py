"""Lesions as easy or hard to see as a recipe asks: dose, size or contrast is turned until the index is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ValidationError

from medsynth.annotate.detect import noise_cnr, npw_dprime
from medsynth.annotate.masks import crop, lesion_box
from medsynth.core.errors import MedsynthError, PlacementError, RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.dataset.course import changed_spec
from medsynth.dataset.parts import Bounded, Part
from medsynth.dataset.tables import MODALITIES, Prober
from medsynth.lesions.families import family
from medsynth.scene.acquired import Probe
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Lesion, Scene

TOLERANCE = 0.05  # half of what is promised: the image is then measured on stored whole numbers
ROUNDS = 14
SIZES = (0.15, 8.0)  # of the drawn diameter
DOSES = (1 / 64, 64.0)  # of the protocol's


class DifficultyPart(Part):
    """What one entry's lesions shall be worth in an image.

    Attributes
    ----------
    acquisition : the image that it is measured in; fast-tier CT.
    npw_dprime : detectability of the non-prewhitening observer, drawn within this range.
    cnr : mean signal over the noise of a voxel, instead.
    adjust : what is turned. The dose is one for all lesions: it is set for the hardest of them.
    """

    acquisition: str
    npw_dprime: Bounded | None = None
    cnr: Bounded | None = None
    adjust: Literal["size", "contrast", "dose"] = "size"

    def target(self, *, rng: np.random.Generator) -> tuple[str, float]:
        """Return which index is asked for, and a value drawn evenly in its logarithm."""
        name = "npw_dprime" if self.npw_dprime is not None else "cnr"
        asked = self.npw_dprime or self.cnr
        if asked is None or (self.npw_dprime is not None and self.cnr is not None):
            raise RecipeError("difficulty: exactly one of npw_dprime and cnr must be given")
        if not asked.min > 0:
            raise RecipeError(expected(f"difficulty.{name}", asked.min, "> 0"))
        return name, float(np.exp(rng.uniform(np.log(asked.min), np.log(asked.max))))


@dataclass(frozen=True, eq=False)
class Dialled:
    """Specs and protocols that give what was asked for.

    Attributes
    ----------
    told : per lesion: its number, the index, what was asked for and got, and what was adjusted (JSON values).
    """

    specs: list[dict[str, Any]]
    protocols: dict[str, BaseModel]
    told: list[dict[str, Any]]


def dialled(specs: Sequence[dict[str, Any]], parts: Sequence[DifficultyPart | None], scene: Scene,
            protocols: Mapping[str, BaseModel], *, seed: Seed) -> Dialled:
    """Return specs and protocols turned so that each lesion's index is within 10 % of what its entry asks for.

    Parameters
    ----------
    parts : per lesion, that of its entry; None leaves it alone.

    Raises
    ------
    RecipeError
        If the acquisition is none that can be asked, or the family has no such dial.
    PlacementError
        If no setting gives what is asked for.
    """
    made, settings, told = [dict(spec) for spec in specs], dict(protocols), []
    probers: dict[str, Prober] = {}
    for at, part in enumerate(parts):
        if part is None:
            continue
        if part.acquisition not in probers:
            probers[part.acquisition] = _prober(part.acquisition, protocols, scene)
        name, wanted = part.target(rng=seed.child("difficulty", at).rng())
        ask = _asking(probers[part.acquisition], scene, at + 1, name)
        protocol = settings[part.acquisition]
        if part.adjust == "dose":
            settings[part.acquisition], value = _by_dose(ask, made[at], protocol, wanted)
        else:
            turn = _sized if part.adjust == "size" else _contrasted(made[at])
            made[at], value = _by_spec(ask, made[at], protocol, wanted, turn, part.adjust)
        told.append({"lesion": at + 1, "index": name, "wanted": round(wanted, 4), "adjusted": part.adjust,
                     "acquisition": part.acquisition, "got": round(value, 4)})
    return Dialled(made, settings, told)


Ask = Callable[[Mapping[str, Any], BaseModel], float]


def _prober(name: str, protocols: Mapping[str, BaseModel], scene: Scene) -> Prober:
    if name not in protocols:
        raise RecipeError(expected("difficulty.acquisition", name, f"one of {', '.join(protocols)}"))
    modality = MODALITIES[str(protocols[name].modality)]  # type: ignore[attr-defined]
    if modality.prober is None or getattr(protocols[name], "fidelity", "fast") != "fast":
        raise RecipeError(expected("difficulty.acquisition", name, "a fast-tier CT, which can be asked beforehand"))
    return modality.prober()(scene, protocols[name])


def _asking(prober: Prober, scene: Scene, number: int, name: str) -> Ask:
    """Return what tells the index of one lesion for a spec and a protocol."""
    index = npw_dprime if name == "npw_dprime" else noise_cnr

    def ask(spec: Mapping[str, Any], protocol: BaseModel) -> float:
        lesion = family(str(spec["kind"])).insert(spec, scene, number)
        probe, phantom = prober((lesion,), protocol)
        return _index(index, probe, phantom, lesion)

    return ask


def _index(index: Callable[..., float | None], probe: Probe, phantom: Phantom, lesion: Lesion) -> float:
    box = lesion_box(lesion, phantom.grid)
    if box is None:
        raise PlacementError(f"lesion {lesion.number} lies outside the image that its difficulty is asked in")
    part = crop(phantom, *box)
    share = part.occupancy(*part_labels(phantom.structures, lesion.number).values())
    value = index(probe, share, box[0])
    if value is None:
        raise PlacementError(f"lesion {lesion.number} adds nothing to the image that its difficulty is asked in")
    return float(value)


def _by_dose(ask: Ask, spec: Mapping[str, Any], protocol: BaseModel, wanted: float) -> tuple[BaseModel, float]:
    """Return the protocol whose tube current gives what is wanted: the index goes nearly with its root."""
    start = float(protocol.mas)  # type: ignore[attr-defined]
    mas = start
    for _ in range(ROUNDS):
        try:
            own = type(protocol).model_validate({**protocol.model_dump(), "mas": mas})
        except ValidationError as error:
            raise PlacementError(f"difficulty {wanted:.3g} needs {mas:.3g} mAs: {error.errors()[0]['msg']}") from error
        value = ask(spec, own)
        if abs(value / wanted - 1) <= TOLERANCE:
            return own, value
        mas *= (wanted / value) ** 2
        if not DOSES[0] * start <= mas <= DOSES[1] * start:
            raise PlacementError(f"difficulty {wanted:.3g} needs {mas:.3g} mAs, expected {DOSES[0] * start:.3g} to "
                                 f"{DOSES[1] * start:.3g}; at {start:g} mAs it is {value:.3g}")
    raise PlacementError(f"difficulty {wanted:.3g} was not reached by the dose within {ROUNDS} rounds")


Turn = Callable[[Mapping[str, Any], float], dict[str, Any]]


def _by_spec(ask: Ask, spec: Mapping[str, Any], protocol: BaseModel, wanted: float, turn: Turn, what: str
             ) -> tuple[dict[str, Any], float]:
    """Return the spec that gives what is wanted, by secants of logarithms between bounds."""
    low, high = SIZES
    factor, slope, last = 1.0, 2.0 if what == "size" else 1.0, None
    value = float("nan")
    for _ in range(ROUNDS):
        own = turn(spec, factor)
        try:
            value = ask(own, protocol)
        except (MedsynthError, ValidationError):
            high = min(high, factor)  # too large for its place, or beyond what the family allows
            factor = float(np.sqrt(low * high))
            last = None
            continue
        if abs(value / wanted - 1) <= TOLERANCE:
            return own, value
        low, high = (max(low, factor), high) if value < wanted else (low, min(high, factor))
        if last is not None and value != last[1] and factor != last[0]:
            slope = float(np.clip(np.log(value / last[1]) / np.log(factor / last[0]), 0.3, 4.0))
        last = factor, value
        step = factor * (wanted / value) ** (1 / slope)
        factor = step if low < step < high else float(np.sqrt(low * high))
        if high / low < 1.001:
            break
    raise PlacementError(f"difficulty {wanted:.3g} cannot be had by {what}: at {factor:.3g} times the drawn one it is "
                         f"{value:.3g}")


def _sized(spec: Mapping[str, Any], factor: float) -> dict[str, Any]:
    found = changed_spec(spec, factor, 0.0)
    if found is None:
        raise PlacementError("the lesion would be too small")
    return found


def _contrasted(spec: Mapping[str, Any]) -> Turn:
    """Return what scales a family's contrast: the distance of its CT number from the host's."""
    dial = family(str(spec["kind"])).contrast
    if dial is None:
        raise RecipeError(expected("difficulty.adjust", "contrast", f"size or dose: {spec['kind']} has no dial for it"))
    key, host_hu = dial

    def turn(own: Mapping[str, Any], factor: float) -> dict[str, Any]:
        return {**own, key: host_hu + (float(own[key]) - host_hu) * factor}

    return turn
