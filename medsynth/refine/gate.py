"""The gate: a refined image is taken only where every label is still true, and the numbers say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import expected
from medsynth.core.volume import Volume
from medsynth.refine.gate_case import confinement, drift, organ_shift, strongest_blob
from medsynth.refine.gate_lesion import AROUND_MM, Place, measure_lesion
from medsynth.refine.pair import RefinedPair
from medsynth.refine.refiner import RefineError, Truth

NOISE_SD = 6.0  # what the strongest blob of millions of voxels of noise alone reaches
SIGNIFICANT = 5  # digits that are kept of a number


@dataclass(frozen=True)
class Limits:
    """How far a measured number may move.

    Attributes
    ----------
    contrast : relative change of a lesion's contrast, or two standard errors, whichever is more.
    signal : relative change of what the lesion adds, which its twin shows without noise.
    cnr, dprime : factor by which contrast to noise and detectability may change in either direction, beyond what the
        noise is meant to gain, two standard errors allowed.
    edge_voxels : shift of a lesion's edge or centre.
    volume : relative change of a lesion's volume at half contrast, or half a voxel, whichever is more.
    blob_sd : how far a change may stand out of the changes around it.
    confined : least share of the difference to the twin that lies at the lesions.
    drift_voxels : between the images before and after.
    organ_sd : change of a structure's mean over the spread of its values.
    """

    contrast: float = 0.20
    signal: float = 0.20
    cnr: float = 1.5
    dprime: float = 1.25
    edge_voxels: float = 0.5
    volume: float = 0.10
    blob_sd: float = 7.5
    confined: float = 0.95
    drift_voxels: float = 0.25
    organ_sd: float = 0.25


@dataclass(frozen=True)
class Verdict:
    """What the gate found.

    Attributes
    ----------
    accepted : whether nothing moved beyond its limit.
    fidelity : 1 where nothing moved, 0.5 where something is at its limit, 0 where it is at twice that.
    failed : what was beyond its limit, e.g. `lesion 3: contrast`.
    case, lesions : the numbers, of the case and by number of the lesion; each lesion's own `fidelity` is among them.
    """

    accepted: bool
    fidelity: float
    failed: tuple[str, ...]
    case: Mapping[str, float]
    lesions: Mapping[int, Mapping[str, float]]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"accepted": self.accepted, "fidelity": self.fidelity, "failed": list(self.failed),
                "case": dict(self.case), "lesions": [{"id": n, **found} for n, found in self.lesions.items()]}


@dataclass(frozen=True, eq=False)
class Images:
    """What the gate compares; the twins may be absent, then what needs them is not measured."""

    before: Volume
    twin_before: Volume | None
    after: RefinedPair
    noise_gain: Mapping[str, float] = field(default_factory=dict)


def judge(images: Images, truth: Truth, limits: Limits | None = None) -> Verdict:
    """Compare an image before and after, and its lesion-free twin, lesion by lesion and as a whole.

    Raises
    ------
    RefineError
        If the refined image is not finite or lies on another grid.
    """
    allowed = limits or Limits()
    before, after = _floats(images.before), _floats(images.after.image, images.before)
    bare_before = None if images.twin_before is None else _floats(images.twin_before, images.before)
    bare_after = None if images.after.twin is None else _floats(images.after.twin, images.before)
    if bare_before is None or bare_after is None:
        bare_before = bare_after = None
    case, moved = _case(before, after, bare_before, bare_after, truth, images, allowed)
    gain = {label: images.noise_gain[name] for label, name in truth.names.items() if name in images.noise_gain}
    gain[0] = images.noise_gain.get("", 1.0)
    lesions: dict[int, dict[str, float]] = {}
    boxes = ndimage.find_objects(truth.lesions)
    for number, box in enumerate(boxes, start=1):
        if box is None:
            continue
        place = _cut(number, box, before, after, bare_before, bare_after, truth, images.before.grid.spacing_mm)
        found = measure_lesion(place, gain)
        own = _lesion_moves(found, allowed)
        lesions[number] = {**_rounded(found), "fidelity": _fidelity(own)}
        moved |= {f"lesion {number}: {name}": amount for name, amount in own.items()}
    failed = tuple(name for name, amount in moved.items() if not amount <= 1)
    return Verdict(not failed, _fidelity(moved), failed, _rounded(case), lesions)


def _case(before: NDArray[np.float32], after: NDArray[np.float32], bare_before: NDArray[np.float32] | None,
          bare_after: NDArray[np.float32] | None, truth: Truth, images: Images, allowed: Limits
          ) -> tuple[dict[str, float], dict[str, float]]:
    """Return the numbers of the case, and how far each moved over how far it may."""
    nothing = np.zeros(before.shape, bool)
    if bare_before is not None and bare_after is not None:
        case = strongest_blob(bare_before, bare_after, truth.labels, nothing)
        case["blob_sd"] = max(case["blob_sd"], strongest_blob(
            before, after, truth.labels, ndimage.binary_dilation(truth.lesions > 0, iterations=2))["blob_sd"])
        case |= confinement(before, after, bare_before, bare_after, truth, images.before.grid.spacing_mm)
    else:
        case = strongest_blob(before, after, truth.labels, nothing)
    case |= drift(before, after) | organ_shift(before, after, truth)
    moved = {"blob": max(0.0, case["blob_sd"] - NOISE_SD) / (allowed.blob_sd - NOISE_SD),
             "drift": case["drift_voxels"] / allowed.drift_voxels,
             "organ mean": case["organ_shift_sd"] / allowed.organ_sd}
    if "confined" in case:
        moved["confined"] = (1 - case["confined"]) / (1 - allowed.confined)
    return case, moved


def _lesion_moves(found: Mapping[str, float], allowed: Limits) -> dict[str, float]:
    """Return how far each measure of a lesion moved over how far it may."""
    change, before = abs(found["contrast_change"]), abs(found["contrast_before"])
    moved = {"contrast": _over(change, max(allowed.contrast * before, 2 * found["contrast_se"]))}
    if "signal_ratio" in found:
        moved["signal"] = abs(found["signal_ratio"] - 1) / allowed.signal
    for name, factor in (("cnr", allowed.cnr), ("dprime", allowed.dprime)):
        if f"{name}_ratio" in found:
            ratio = found[f"{name}_ratio"]
            distance = abs(np.log(ratio)) if ratio > 0 else np.inf
            moved[name] = float(distance / (np.log(factor) + 2 * found[f"{name}_se"]))
    if "edge_voxels" in found:
        moved["edge"] = found["edge_voxels"] / allowed.edge_voxels
    if "volume_ratio" in found:
        moved["volume"] = abs(found["volume_ratio"] - 1) / max(allowed.volume, found["volume_tolerance"])
    return moved


def _over(amount: float, limit: float) -> float:
    return 0.0 if amount == 0 else (amount / limit if limit > 0 else np.inf)


def _fidelity(moved: Mapping[str, float]) -> float:
    worst = max(moved.values(), default=0.0)
    return round(float(np.clip(1 - worst / 2, 0, 1)), SIGNIFICANT) if np.isfinite(worst) else 0.0


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.{SIGNIFICANT}g}") for name, value in found.items() if np.isfinite(value)}


def _cut(number: int, box: tuple[slice, ...], before: NDArray[np.float32], after: NDArray[np.float32],
         bare_before: NDArray[np.float32] | None, bare_after: NDArray[np.float32] | None, truth: Truth,
         spacing_mm: tuple[float, float, float]) -> Place:
    around = tuple(slice(max(0, part.start - round(AROUND_MM / step)), part.stop + round(AROUND_MM / step))
                   for part, step in zip(box, spacing_mm, strict=True))

    def cut(image: NDArray[np.float32]) -> NDArray[np.float64]:
        return image[around].astype(np.float64)

    lesions = truth.lesions[around]
    return Place(cut(before), cut(after), None if bare_before is None else cut(bare_before),
                 None if bare_after is None else cut(bare_after), lesions == number, lesions > 0,
                 truth.labels[around], spacing_mm)


def _floats(volume: Volume, like: Volume | None = None) -> NDArray[np.float32]:
    if like is not None and volume.array.shape != like.array.shape:
        raise RefineError(expected("shape of a refined image", volume.array.shape, f"{like.array.shape}"))
    array = volume.array.astype(np.float32)
    if not np.isfinite(array).all():
        raise RefineError("a refined image must hold finite numbers only, got NaN or infinity")
    return array
