"""What is fixed before any signal is made, and what a tier gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.clock import Clock, make_clock
from medsynth.acquire.mri.components import readout_of
from medsynth.acquire.mri.encode import Encoding, plan
from medsynth.acquire.mri.pools import Spins, spins
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.sequences.base import Images, Readout
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Scene
from medsynth.tissues.mr import TissueDraw


@dataclass(frozen=True, eq=False)
class Scan:
    """What is fixed before any signal is made.

    Attributes
    ----------
    spins : of the person, lesions included, with the contrast agent.
    readout : what the geometry says to the sequence; `clock` when each line is measured.
    seed : of the acquisition; noise of volume `name` comes from `seed.child("noise", name)`.
    """

    protocol: MriProtocol
    encoding: Encoding
    clock: Clock
    readout: Readout
    spins: Spins
    seed: Seed


@dataclass(frozen=True, eq=False)
class Made:
    """Complex volumes of a scan, by name of the contrast.

    Attributes
    ----------
    images : with the lesions; bare : without them, None unless asked for.
    targets : "noise_free", "artifact_free" -> the same volumes without noise, or without any imperfection.
    maps : further true maps of the scan, e.g. B0 in Hz.
    raw : k-space and its geometry.
    notes : what the engine tells about the scan (JSON values).
    """

    images: Images
    bare: Images | None
    targets: Mapping[str, Images]
    maps: Mapping[str, Volume]
    raw: Mapping[str, NDArray[Any]]
    notes: Mapping[str, Any]


def prepare(scene: Scene, phantom: Phantom, healthy: Phantom, protocol: MriProtocol, *, seed: Seed) -> Scan:
    """Return the scan of a phantom: geometry, times and spins.

    Raises
    ------
    RecipeError
        If the echo train is longer than the matrix, or its times do not fit.
    """
    sequence = SEQUENCES[protocol.sequence]
    options = protocol.kspace
    precession = max(sequence.precession_s(one) for one in sequence.contrasts(protocol).values())
    encoding = plan(phantom.grid, options, dimensions=protocol.dimensions, field_T=protocol.field_T,
                    bandwidth_hz_px=protocol.bandwidth_hz_px,
                    thickness_mm=_selected_mm(protocol, phantom),
                    dephasing_s=precession, epi_spacing_s=epi_spacing_s(protocol))
    readout = readout_of(encoding, protocol)
    if protocol.sequence == "tse" and protocol.single_shot:
        train = {"echo_train": readout.lines, "single_shot": False}
        protocol = protocol.model_copy(update=train)
        try:
            sequence.check(protocol)
        except ValueError as error:
            raise RecipeError(f"{error} (a single shot of the {readout.lines} lines of the matrix)") from error
    if protocol.sequence == "tse" and protocol.echo_train > readout.lines:
        raise RecipeError(f"echo_train must be <= the {readout.lines} phase-encoded lines of the matrix, got "
                          f"{protocol.echo_train}")
    clock = make_clock(encoding, sequence.timing(protocol, readout), options)
    return Scan(protocol, encoding, clock, readout, person_spins(scene, (phantom, healthy), protocol), seed)


def _selected_mm(protocol: MriProtocol, phantom: Phantom) -> float | None:
    """Return the thickness of a slice or slab; the pulses of MPRAGE select nothing."""
    if protocol.dimensions == 2:
        return protocol.slice_thickness_mm
    if protocol.sequence == "mprage":
        return None
    return phantom.grid.shape_kji[0] * phantom.grid.spacing_mm[0]


def epi_spacing_s(protocol: MriProtocol) -> float:
    """Return the time between neighbouring lines of k-space of an echo-planar train, 0 for other sequences."""
    if not SEQUENCES[protocol.sequence].epi:
        return 0.0
    return protocol.echo_spacing_ms / 1000 / protocol.kspace.acceleration.phase


def person_spins(scene: Scene, phantoms: tuple[Phantom, Phantom], protocol: MriProtocol) -> Spins:
    """Return the spins of the structures that either phantom shows, the one with lesions first, for this person.

    They are keyed to the body (its texture seed), not to the acquisition: every contrast sees the same person.
    """
    shown = np.zeros(65536, bool)
    for phantom in phantoms:
        shown[phantom.labels.ravel()] = True
        shown[phantom.neighbour.ravel()] = True
    structures = [s for s in phantoms[0].structures if shown[s.label]]
    seed = Seed(scene.texture_seed).child("mr", "tissues") if protocol.tissue_spread else None
    draw = TissueDraw(seed, scene.subject.age_years, protocol.tissue_spread)
    return spins(structures, protocol.field_T, draw, phase=protocol.phase, agent=protocol.agent)


def with_shown(scan: Scan, scene: Scene, phantoms: tuple[Phantom, Phantom]) -> Scan:
    """Return the scan with the spins of other phantoms of the same scene, which may show more structures."""
    return replace(scan, spins=person_spins(scene, phantoms, scan.protocol))
