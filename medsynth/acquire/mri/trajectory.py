"""How patient, breath and heart move in continuous time, drawn once per scan."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.options import Motion, Pulsation, Respiration
from medsynth.core.seed import Seed

Floats = NDArray[np.float64]


def rigid_path(options: Motion, duration_s: float, *, seed: Seed) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return the function from times (n,) to rotation vectors (n, 3) in rad and shifts (n, 3) in mm, LPS.

    "nod" turns about the left-right axis; that its turn is about the neck, which shifts the body's centre as well, is
    left to `medsynth.acquire.mri.motion`.
    """
    rng = seed.rng()
    turn_rad, shift_mm = np.deg2rad(options.rotation_deg), options.translation_mm
    axes = _units(rng.standard_normal((options.events + 8, 2, 3)))
    sizes = rng.uniform(0.4, 1.0, (options.events + 8, 2))
    moments = np.sort(rng.uniform(0.05, 0.95, options.events)) * duration_s
    lengths = rng.uniform(0.02, 0.1, options.events) * duration_s
    if options.pattern == "none":
        return lambda t: (np.zeros((len(t), 3)), np.zeros((len(t), 3)))
    if options.pattern == "drift":
        return lambda t: ((t / duration_s)[:, None] * axes[0, 0] * turn_rad,
                          (t / duration_s)[:, None] * axes[0, 1] * shift_mm)
    if options.pattern == "random":  # knots of a walk, scaled so that its farthest point is the largest asked for
        knots = np.concatenate([np.zeros((1, 2, 3)), np.cumsum(axes[:8] * sizes[:8, :, None], axis=0)])
        knots /= np.linalg.norm(knots, axis=2).max(axis=0)[None, :, None]
        at = np.linspace(0, duration_s, len(knots))
        return lambda t: (_between(t, at, knots[:, 0]) * turn_rad, _between(t, at, knots[:, 1]) * shift_mm)
    sizes = sizes / sizes[: options.events].max(axis=0)
    if options.pattern == "nod":
        axes[:, 0] = (1.0, 0.0, 0.0)
        axes[:, 1] = 0.0
    targets = (axes * sizes[..., None])[: options.events]

    def jumps(t: Floats) -> tuple[Floats, Floats]:
        if options.pattern == "sudden":
            state = np.searchsorted(moments, t, side="right")
            table = np.concatenate([np.zeros((1, 2, 3)), targets])[state]
        else:
            table = np.zeros((len(t), 2, 3))
            for start, length, target in zip(moments, lengths, targets, strict=True):
                table += _bump((t - start) / length)[:, None, None] * target
            reach = np.linalg.norm(table, axis=2, keepdims=True)
            table /= np.maximum(reach, 1.0)  # where two movements meet
        return table[:, 0] * turn_rad, table[:, 1] * shift_mm

    return jumps


def breath_path(options: Respiration, duration_s: float, *, seed: Seed) -> Callable[[Floats], Floats]:
    """Return the function from times to depth of the breath, 0 at expiration and about 1 at inspiration.

    sin^(2 n) of pi times the phase (Lujan et al., Med. Phys. 26, 1999, 715), each breath with its length and depth.
    """
    rng = seed.rng()
    count = int(np.ceil(2 * duration_s / options.period_s)) + 4
    spread = options.irregularity
    periods = options.period_s * np.clip(1 + spread * rng.standard_normal(count), 0.5, 2.0)
    depths = np.clip(1 + spread * rng.standard_normal(count), 0.3, 1.5)
    starts = np.concatenate([[0.0], np.cumsum(periods)]) - rng.uniform(0, options.period_s)

    def depth(t: Floats) -> Floats:
        cycle = np.clip(np.searchsorted(starts, t, side="right") - 1, 0, count - 1)
        phase = (t - starts[cycle]) / periods[cycle]
        return depths[cycle] * np.sin(np.pi * phase) ** (2 * options.exponent)

    return depth


def pulse_factors(options: Pulsation, times_s: Floats, duration_s: float, *, seed: Seed) -> NDArray[np.complex64]:
    """Return the factor of arterial signal at each time, of mean 1: it falls and turns while blood flows fast.

    Flow peaks a quarter into each beat, 12 % of a beat wide.
    """
    rng = seed.rng()
    period = 60.0 / options.rate_per_min
    count = int(np.ceil(2 * duration_s / period)) + 4
    periods = period * np.clip(1 + options.irregularity * rng.standard_normal(count), 0.5, 2.0)
    starts = np.concatenate([[0.0], np.cumsum(periods)]) - rng.uniform(0, period)
    beat = np.clip(np.searchsorted(starts, times_s, side="right") - 1, 0, count - 1)
    phase = (times_s - starts[beat]) / periods[beat]
    flow = np.exp(-(((phase - 0.25) / 0.12) ** 2) / 2)
    factor = (1 - options.severity * flow) * np.exp(1j * options.severity * options.phase_rad * flow)
    mean = factor.mean()
    return (factor / mean if abs(mean) > 0.1 else factor).astype(np.complex64)


def eased(share: Floats) -> Floats:
    """Return a rise from 0 to 1 over `share` from 0 to 1 that starts and ends smoothly."""
    t = np.clip(share, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _units(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _bump(u: Floats) -> Floats:
    """Return a movement that takes 0 < u < 1: up, a stay, and back."""
    return eased(4 * u) * eased(4 * (1 - u))


def _between(t: Floats, at: Floats, knots: Floats) -> Floats:
    return np.stack([np.interp(t, at, knots[:, axis]) for axis in range(3)], axis=1)
