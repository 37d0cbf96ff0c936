"""Faults of the receive chain: spikes, radio lines, offsets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.clock import Clock
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.epi import add_nyquist_ghost
from medsynth.acquire.mri.options import Artifacts
from medsynth.acquire.mri.transform import frequencies
from medsynth.core.seed import Seed

SPIKES = 8  # at severity 1
LEAK_SHARE = 0.5  # of the strongest sample, at severity 1

Complex = NDArray[np.complex64]


def add_faults(kspace: Complex, options: Artifacts, encoding: Encoding, clock: Clock, times: NDArray[np.integer], *,
               seed: Seed) -> dict[str, object]:
    """Add the receiver's faults to the measured lines of k-space, in place; return each one's truth as JSON values.

    Parameters
    ----------
    kspace : (coils, k, phase, readout).
    times : (k, phase): how often each line was measured.
    seed : each fault draws from a stream of its own.
    """
    log: dict[str, object] = {}
    if not options.any:
        return log
    strongest = max(float(np.abs(coil).max()) for coil in kspace)
    if options.nyquist_ghost:
        log["nyquist_ghost"] = add_nyquist_ghost(kspace, options.nyquist_ghost, encoding, clock)
    if options.spike:
        log["spike"] = _add_spikes(kspace, options.spike * strongest, max(1, round(SPIKES * options.spike)), times,
                                   seed=seed.child("spike"))
    if options.zipper:
        log["zipper"] = _add_zipper(kspace, options.zipper, times, seed=seed.child("zipper"))
    if options.rf_leak:
        offset = LEAK_SHARE * options.rf_leak * strongest
        kspace += np.where(times > 0, np.float32(offset), np.float32(0))[:, :, None]
        log["rf_leak"] = {"offset": offset}
    return log


def _add_spikes(kspace: Complex, height: float, count: int, times: NDArray[np.integer], *,
                seed: Seed) -> list[dict[str, object]]:
    """Add bursts to single samples of measured lines; all coils of the receiver hear them."""
    rng = seed.rng()
    lines = np.argwhere(times > 0)
    spikes: list[dict[str, object]] = []
    for _ in range(count):
        k, row = (int(n) for n in lines[int(rng.integers(len(lines)))])
        sample, phase = int(rng.integers(kspace.shape[3])), float(rng.uniform(0, 2 * np.pi))
        kspace[:, k, row, sample] += np.complex64(height * np.exp(1j * phase))
        spikes.append({"k": k, "row": row, "sample": sample, "height": height, "phase_rad": round(phase, 6)})
    return spikes


def _add_zipper(kspace: Complex, severity: float, times: NDArray[np.integer], *, seed: Seed) -> dict[str, object]:
    """Add a radio wave of fixed frequency, whose phase differs from line to line as it knows nothing of the scan.

    In the image it is a dashed line along the phase axis, of rms 2 x `severity` x the rms of the whole image.
    """
    rng = seed.rng()
    coils, planes, rows, samples = kspace.shape
    position = float(rng.uniform(0.1, 0.9)) * samples
    energy = sum(float((coil.real**2 + coil.imag**2).sum(dtype=np.float64)) for coil in kspace)
    rms = np.sqrt(energy / (coils * planes * rows * samples))
    wave = np.exp(-2j * np.pi * frequencies(samples) * (position - samples // 2) / samples)
    phases = rng.uniform(0, 2 * np.pi, (planes, rows))
    height = 2 * severity * rms / np.sqrt(samples)  # the transform gathers a line's samples in one pixel
    line = np.where(times > 0, height * np.exp(1j * phases), 0).astype(np.complex64)
    kspace += line[:, :, None] * wave.astype(np.complex64)
    return {"pixel": round(position, 4), "height": height}
