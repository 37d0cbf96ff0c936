"""Refining an acquisition: the gate decides; what it rejects is tried weaker, and then stays as the physics made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.annotate.masks import lesion_instances
from medsynth.core.seed import Seed
from medsynth.dataset.refine_part import RefinePart
from medsynth.refine.gate import Images, judge
from medsynth.refine.pair import RefinedPair, refine_pair
from medsynth.refine.refiner import IdentityRefiner, Refiner, Truth
from medsynth.refine.texture import TextureRefiner, texture_statistics
from medsynth.scene.acquired import Acquired
from medsynth.scene.structure import Lesion

WEAKER = 0.7  # the next strength over the last


def refined(one: Acquired, lesions: Sequence[Lesion], part: RefinePart, *, seed: Seed) -> Acquired:
    """Return an acquisition with its image and twin refined, or as they were where the gate rejects every try.

    Parameters
    ----------
    one : with its twin, which the gate needs.

    Raises
    ------
    RefineError
        If the refiner cannot work on such an image.
    """
    phantom = one.beside
    truth = Truth(phantom.organ_image(), lesion_instances(one.phantom, lesions),
                  {s.label: s.name for s in phantom.structures}, one.scanner.modality)
    refiner = refiner_of(part)
    if isinstance(refiner, TextureRefiner):
        refiner = refiner.meant_for(one.twin or one.image, truth, part.strength)
    tried: list[float] = []
    for attempt in range(part.retries + 1):
        strength = round(part.strength * WEAKER**attempt, 4)
        tried.append(strength)
        pair = refine_pair(refiner, one.image, one.twin, truth, strength=strength, seed=seed.child("refine"))
        gain = meant_gain(refiner, pair, one, truth)
        verdict = judge(Images(one.image, one.twin, pair, gain), truth)
        if verdict.accepted:
            break
    told = {"refiner": dict(refiner.told), "strength": strength if verdict.accepted else 0.0, "tried": tried,
            **verdict.as_json()}
    if not verdict.accepted:
        return replace(one, refinement=told)
    words = f"refined by a {part.refiner} refiner, strength {strength:g}"
    if part.sha256:
        words += f", SHA-256 {part.sha256[:16]}"
    processing = "" if part.refiner == "identity" else words
    return replace(one, image=pair.image, twin=pair.twin, refinement=told,
                   scanner=replace(one.scanner, processing=processing))


def meant_gain(refiner: Refiner, pair: RefinedPair, one: Acquired, truth: Truth) -> Mapping[str, float]:
    """Return by how much the noise was meant to grow at the strength at hand.

    A refiner says what its whole residual does, gain g. Of a share a of the residual's amplitude, noise variances
    being additive, the gain is sqrt(1 + a^2 (g^2 - 1)).
    """
    whole = refiner.spread.get("", 0.0)
    if not refiner.noise_gain or whole <= 0:
        return {}
    before, after = (one.twin, pair.twin) if one.twin is not None and pair.twin is not None else (one.image, pair.image)
    inside = truth.labels > 0
    added = float((after.array[inside].astype(np.float32) - before.array[inside]).std())
    share = min(1.0, added / whole)
    return {name: float(np.sqrt(max(0.01, 1 + share**2 * (gain**2 - 1)))) for name, gain in refiner.noise_gain.items()}


def origin_of(annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return the generation of a case, and what made it, from its annotations."""
    rows = [one["refinement"] for one in annotations["acquisitions"].values() if "refinement" in one]
    generation = max((int(row["refiner"]["generation"]) for row in rows if row["accepted"]), default=0)
    return {"generation": generation, "made_by": made_by(generation)}


def made_by(generation: int) -> str:
    """Return in words what made images of a generation."""
    return "simulation only" if generation == 0 else "simulation, refined"


@lru_cache(maxsize=2)
def refiner_of(part: RefinePart) -> Refiner:
    """Return the refiner of a recipe; it is loaded once in each process."""
    if part.model is not None:
        from medsynth.refine.diffusion import DiffusionRefiner

        return DiffusionRefiner.load(Path(part.model), steps=part.steps)
    if part.reference is not None:
        from medsynth.dataset.refine_data import reference_images, reference_pair

        paths, generation = reference_images(Path(part.reference))
        return TextureRefiner(texture_statistics(map(reference_pair, paths), generation=generation))
    return IdentityRefiner()
