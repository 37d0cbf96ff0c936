"""Random contrast: images of no particular scanner, for networks that shall not care which one made an image.

The Gaussian mode draws what SynthSeg draws (Billot 2023 doi:10.1016/j.media.2023.102789), on partial volume instead of
hard labels; deformation is left out, since the bodies differ already. The physical mode draws a sequence and its times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from medsynth.acquire.mri import random_kernels as kernels
from medsynth.acquire.mri.protocol import MriProtocol, RandomContrast
from medsynth.acquire.mri.receiver import FULL
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import BACKGROUND, Scene, Structure

Float32 = NDArray[np.float32]
CLIP = (0.0, 300.0)
ZERO_BACKGROUND, DARK_BACKGROUND = 0.05, 0.25  # chances of an air of 0, and of a dark one
DARK_MEAN, DARK_SD = 15.0, 5.0
BLUR_SHARE, JITTER = 0.75, 1.03  # SD of the blur in voxels per coarse voxel, times a uniform factor in 1/JITTER..JITTER
REACH = 3.0  # SDs


@dataclass(frozen=True, slots=True)
class Draw:
    """The numbers of one Gaussian image (JSON values).

    Attributes
    ----------
    mean, sd : by structure name; "" is the air around the body.
    bias : nodes of the logarithm of the bias field, nested (k, j, i) lists; empty for none.
    gamma : exponent.
    resolution_mm : along k, j and i.
    blur : factor on the blur.
    """

    mean: Mapping[str, float]
    sd: Mapping[str, float]
    bias: list[Any]
    gamma: float
    resolution_mm: tuple[float, float, float]
    blur: float


def acquire_random(scene: Scene, phantom: Phantom, healthy: Phantom, protocol: MriProtocol, *, seed: Seed,
                   twin: bool) -> Acquired:
    """Return an image of random contrast with the truth on its grid."""
    if protocol.random.mode == "physical":
        return _physical(scene, phantom, healthy, protocol, seed=seed, twin=twin)
    draw = sample_draw(phantom, protocol.random, rng=seed.child("contrast").rng())
    noise = seed.child("noise").rng().standard_normal(phantom.grid.shape_kji, np.float32)
    raw = intensities(phantom, draw, noise)
    limits = float(raw.min()), float(raw.max())
    image = Volume(_stored(degraded(raw, phantom, draw, limits)), phantom.grid, "signal")
    other = None
    if twin:
        bare = raw if healthy is phantom else intensities(healthy, draw, noise)
        other = image if healthy is phantom else Volume(_stored(degraded(bare, healthy, draw, limits)), phantom.grid,
                                                        "signal")
    record = ScannerRecord("MR", f"MR random contrast, {protocol.plane}", {
        "Manufacturer": "medsynth", "ManufacturerModelName": "medsynth MR random", "ScanningSequence": ("RM",),
        "SequenceVariant": ("NONE",), "MRAcquisitionType": f"{protocol.dimensions}D",
        "SliceThickness": protocol.slice_thickness_mm, "SpacingBetweenSlices": protocol.slice_step_mm,
        "PatientPosition": "HFS"}, (FULL / 2, FULL))
    drawn = {"mean": dict(draw.mean), "sd": dict(draw.sd), "bias": draw.bias, "gamma": draw.gamma,
             "resolution_mm": list(draw.resolution_mm), "blur": draw.blur}
    return Acquired(image, phantom, healthy, other, record, protocol.model_dump(mode="json") | {"drawn": drawn})


def sample_draw(phantom: Phantom, options: RandomContrast, *, rng: np.random.Generator) -> Draw:
    """Draw the numbers of one image."""
    means: dict[str, float] = {}
    sds: dict[str, float] = {}
    by_class: dict[str, tuple[float, float]] = {}

    def drawn() -> tuple[float, float]:
        return float(rng.uniform(*options.mean)), float(rng.uniform(*options.sd))

    kind = rng.uniform()
    if kind < ZERO_BACKGROUND:
        means[""], sds[""] = 0.0, 0.0
    elif kind < ZERO_BACKGROUND + DARK_BACKGROUND:
        means[""], sds[""] = float(rng.uniform(0, DARK_MEAN)), float(rng.uniform(0, DARK_SD))
    else:
        means[""], sds[""] = drawn()
    for structure in phantom.structures:
        key = _class_of(structure, options)
        if key not in by_class:
            by_class[key] = drawn()
        means[structure.name], sds[structure.name] = by_class[key]
    shape = [max(2, int(np.ceil(n * options.bias_share))) for n in phantom.grid.shape_kji]
    spread = float(rng.uniform(0, options.bias_sd))
    nodes = rng.normal(0, 1, shape) * spread
    bias = nodes.round(6).tolist() if rng.uniform() < options.bias_chance else []
    return Draw(means, sds, bias, float(np.exp(rng.normal(0, 1) * options.gamma_sd)),
                _resolution_mm(phantom, options, rng), float(rng.uniform(1 / JITTER, JITTER)))


def _class_of(structure: Structure, options: RandomContrast) -> str:
    return structure.name if options.per == "structure" else f"{structure.tissue} {structure.mixture}"


def _resolution_mm(phantom: Phantom, options: RandomContrast, rng: np.random.Generator) -> tuple[float, float, float]:
    native = phantom.grid.spacing_mm
    kind, coarse, thick, axis = rng.uniform(), rng.uniform(), rng.uniform(), int(rng.integers(3))
    found = list(native)
    if kind < options.native_chance:
        pass
    elif kind < options.native_chance + options.isotropic_chance:
        found = [max(mm, 1 + coarse * (options.isotropic_mm - 1)) for mm in native]
    else:
        found[axis] = max(native[axis], 1 + thick * (options.thick_mm - 1))
    return found[0], found[1], found[2]


def intensities(phantom: Phantom, draw: Draw, noise: Float32) -> Float32:
    """Return mean and texture of every voxel, (k, j, i) float32, times the bias field, clipped."""
    mean, sd = np.zeros(65536, np.float32), np.zeros(65536, np.float32)
    mean[BACKGROUND], sd[BACKGROUND] = draw.mean[""], draw.sd[""]
    for structure in phantom.structures:
        mean[structure.label], sd[structure.label] = draw.mean[structure.name], draw.sd[structure.name]
    out = np.empty(phantom.grid.shape_kji, np.float32)
    kernels.paint(phantom.labels, phantom.neighbour, phantom.fraction, mean, sd, noise, out)
    if draw.bias:
        out *= bias_field(np.asarray(draw.bias, np.float32), phantom.grid.shape_kji)
    np.clip(out, *CLIP, out=out)
    return out


def bias_field(nodes: Float32, shape_kji: tuple[int, int, int]) -> Float32:
    """Return the exponential of nodes interpolated linearly, the outermost ones on the faces of the image."""
    field = nodes
    for axis, count in enumerate(shape_kji):
        places = (np.arange(count) + 0.5) / count * (field.shape[axis] - 1)
        low = np.minimum(places.astype(int), field.shape[axis] - 2)
        share = (places - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        field = np.take(field, low, axis) * (1 - share) + np.take(field, low + 1, axis) * share
    return np.exp(field)


def degraded(image: Float32, phantom: Phantom, draw: Draw, limits: tuple[float, float]) -> Float32:
    """Return the image scaled from `limits` to 0..1, to the power of gamma, and at the drawn resolution."""
    span = max(limits[1] - limits[0], 1e-6)
    scaled = (image - np.float32(limits[0])) / np.float32(span)
    np.clip(scaled, 0, 1, out=scaled)
    np.power(scaled, np.float32(draw.gamma), out=scaled)
    for axis, run in enumerate((kernels.along_k, kernels.along_j, kernels.along_i)):
        starts, weights = resolution_rows(image.shape[axis], phantom.grid.spacing_mm[axis], draw.resolution_mm[axis],
                                          draw.blur)
        out = np.empty_like(scaled)
        run(scaled, starts, weights, out)
        scaled = out
    return scaled


def resolution_rows(count: int, native_mm: float, wanted_mm: float, factor: float
                    ) -> tuple[NDArray[np.int64], Float32]:
    """Return blur, nearest sampling at a coarser step and linear interpolation back as rows of weights along one axis.

    The blur has a SD of 0.75 coarse voxels, 0.5 voxels where the resolution stays.

    Returns
    -------
    first index (count,) and weights (count, width); every row sums to 1.
    """
    ratio = wanted_mm / native_mm
    sigma = (BLUR_SHARE * ratio if ratio > 1 else 0.5) * factor
    matrix = np.exp(-0.5 * ((np.arange(count)[:, None] - np.arange(count)[None, :]) / sigma) ** 2)
    matrix[np.abs(np.arange(count)[:, None] - np.arange(count)[None, :]) > REACH * sigma + 1] = 0
    matrix /= matrix.sum(axis=1, keepdims=True)
    if ratio > 1:
        coarse = max(2, round(count / ratio))
        centres = (np.arange(coarse) + 0.5) * count / coarse - 0.5
        sampled = matrix[np.clip(np.rint(centres).astype(int), 0, count - 1)]
        places = np.clip((np.arange(count) + 0.5) * coarse / count - 0.5, 0, coarse - 1)
        low = np.minimum(places.astype(int), coarse - 2)
        share = (places - low)[:, None]
        matrix = sampled[low] * (1 - share) + sampled[low + 1] * share
    used = matrix > 0
    first, last = used.argmax(axis=1), count - used[:, ::-1].argmax(axis=1)
    width = int((last - first).max())
    starts = np.minimum(first, count - width)
    weights = np.take_along_axis(matrix, starts[:, None] + np.arange(width)[None, :], axis=1)
    return starts.astype(np.int64), np.ascontiguousarray(weights, np.float32)


def _stored(image: Float32) -> NDArray[np.uint16]:
    return np.rint(image * np.float32(FULL)).astype(np.uint16)


# Physical mode: what may be drawn, lowest and highest (unverified: a little beyond what protocols use).
_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "se": {"tr_ms": (350, 4000), "te_ms": (8, 110)},
    "tse": {"tr_ms": (2500, 9000), "echo_spacing_ms": (5, 12), "refocusing_deg": (110, 180)},
    "flair": {"tr_ms": (6000, 11000), "echo_spacing_ms": (6, 10), "refocusing_deg": (120, 180)},
    "spgr": {"tr_ms": (4, 60), "flip_deg": (4, 60)},
    "mprage": {"ti_ms": (700, 1200), "flip_deg": (6, 14)},
    "bssfp": {"tr_ms": (3, 8), "flip_deg": (20, 70)},
}
_FIELDS_T = (0.55, 1.5, 3.0)


def _physical(scene: Scene, phantom: Phantom, healthy: Phantom, protocol: MriProtocol, *, seed: Seed, twin: bool
              ) -> Acquired:
    """Return the image of a drawn protocol in the fast tier."""
    from medsynth.acquire.mri.acquire import finished
    from medsynth.acquire.mri.fast_images import fast_images
    from medsynth.acquire.mri.scan import prepare

    drawn = sample_protocol(phantom, protocol, rng=seed.child("contrast").rng())
    scan = prepare(scene, phantom, healthy, drawn, seed=seed)
    return finished(scan, phantom, healthy, fast_images(scan, phantom, healthy, twin=twin))


def sample_protocol(phantom: Phantom, protocol: MriProtocol, *, rng: np.random.Generator) -> MriProtocol:
    """Draw a sequence, its times and a field; geometry and sampling stay those of the protocol."""
    name = str(rng.choice(list(_RANGES)))
    while name == "mprage" and protocol.dimensions == 2:
        name = str(rng.choice(list(_RANGES)))
    values: dict[str, Any] = {key: round(float(rng.uniform(*ends)), 3) for key, ends in _RANGES[name].items()}
    values |= {"sequence": name, "field_T": float(rng.choice(_FIELDS_T)), "preset": None,
               "tissue_spread": protocol.random.tissue_spread, "spoiling": "ideal",
               "fat_saturation": str(rng.choice(["none", "spectral"], p=[0.7, 0.3]))}
    share = float(rng.uniform())
    if name in ("tse", "flair"):
        train = int(rng.integers(6, 25))
        values |= {"sequence": "tse", "echo_train": train, "te_ms": (1 + train // 2) * values["echo_spacing_ms"]}
    if name == "flair":
        values["ti_ms"] = round(values["tr_ms"] * (0.24 + 0.04 * share), 1)
    if name == "spgr":
        values["te_ms"] = round(1.2 + share * min(25.0, 0.6 * values["tr_ms"] - 1.2), 3)
    if name == "bssfp":
        values["te_ms"] = values["tr_ms"] / 2
    if name == "mprage":
        spacing = min(8.0, 1.9 * values["ti_ms"] / phantom.grid.shape_kji[0])
        values |= {"tr_ms": round(values["ti_ms"] + 0.6 * phantom.grid.shape_kji[0] * spacing + 400 + 600 * share, 1),
                   "echo_spacing_ms": round(spacing, 3), "te_ms": round(0.4 * spacing, 3)}
    try:
        return MriProtocol(**{**protocol.model_dump(), **values})
    except ValidationError as error:  # a range above that contradicts a sequence's rules is our mistake
        raise AssertionError(f"drawn protocol {values}: {error}") from error
