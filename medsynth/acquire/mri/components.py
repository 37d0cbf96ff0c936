"""From a phantom to the components of a scan: few images, and how each one's weight changes from line to line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri import contrast_kernels as kernels
from medsynth.acquire.mri.clock import Clock, measured_rows
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.pools import Pools, Spins
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.sequences.base import Readout, Signals
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.acquire.mri.signals import GAMMA_HZ_T
from medsynth.scene.phantom import Phantom
from medsynth.tissues.mr_parts import fat_peaks

RANK_ERROR = 1e-3  # of the strongest signal: what the compression of a train may leave out
B1_BINS = tuple(np.linspace(0.6, 1.4, 9).tolist())  # flip angle over the nominal one
B1_USUAL = 0.12  # SD of it over a body; the compression cares so much less for rarer ones
OFFSET_BINS = 65  # of one period of bSSFP's dependence on off-resonance
NUDGE = 0.01  # relative change of T1 and T2 for derivatives


@dataclass(frozen=True, eq=False)
class Recipe:
    """The signal of every structure, compressed: what one contrast needs to make its component images.

    Attributes
    ----------
    table, slope : (structures + 1, bins, components) complex64 signal and its change per unit of texture.
    partners : (partners, bins, components).
    states : (components, states) complex64 the weight of each component in each state of the train.
    shift_hz : (components,).
    """

    table: NDArray[np.complex64]
    slope: NDArray[np.complex64]
    partners: NDArray[np.complex64]
    states: NDArray[np.complex64]
    shift_hz: NDArray[np.float64]


def fat_shift_hz(field_T: float) -> float:
    """Return the resonance of the main peaks of fat less that of water, their mean weighted by their shares."""
    main = [(ppm, share) for ppm, share, group in fat_peaks() if group == "fat"]
    return sum(p * s for p, s in main) / sum(s for _, s in main) * 1e-6 * GAMMA_HZ_T * field_T


def fat_amplitudes(field_T: float, precession_s: float) -> tuple[complex, complex]:
    """Return what of the fat protons' signal goes with water and with the main peaks, after free precession.

    The main peaks' sum is told relative to their mean resonance, which stays with the component.
    """
    centre = fat_shift_hz(field_T)
    amplitude = {"water": 0j, "fat": 0j}
    for ppm, share, group in fat_peaks():
        hz = ppm * 1e-6 * GAMMA_HZ_T * field_T - (centre if group == "fat" else 0.0)
        amplitude[group] += share * np.exp(-2j * np.pi * hz * precession_s)
    return complex(amplitude["water"]), complex(amplitude["fat"])


def readout_of(encoding: Encoding, protocol: MriProtocol) -> Readout:
    """Return what the geometry says to the sequence."""
    options = protocol.kspace
    rows = measured_rows(encoding.phase.samples, options.partial_fourier.phase, options.acceleration.phase, options,
                         "phase")
    partitions, middle = 1, 0
    if encoding.dimensions == 3:
        through = measured_rows(encoding.slice.samples, options.partial_fourier.slice, options.acceleration.slice,
                                options, "slice")
        if options.sampling.partition_order == "reverse":
            through = through[::-1]
        partitions = len(through)
        # the middle partition is the first one of a centric train
        middle = 0 if options.sampling.partition_order == "centric" else int(
            np.flatnonzero(through == encoding.slice.samples // 2)[0])
    first = rows[::-1] if options.sampling.order == "reverse" else rows
    slab = encoding.slice.pixels * encoding.image_grid.spacing_mm[0]
    thickness = encoding.slice_thickness_mm if encoding.dimensions == 2 else slab
    return Readout(len(rows), int(np.flatnonzero(first == encoding.phase.samples // 2)[0]), partitions, middle,
                   thickness, encoding.slice.pixels if encoding.dimensions == 2 else 1)


def contrast_recipe(spins: Spins, protocol: MriProtocol, readout: Readout, *, b1: bool, offsets: bool,
                    error: float = RANK_ERROR) -> Recipe:
    """Return the compressed signal table of one contrast.

    Parameters
    ----------
    b1, offsets : whether contrast follows the transmit field or, for bSSFP, off-resonance: one bin or many.
    error : of the compression, relative to the strongest signal.
    """
    bins = _bins(protocol, b1=b1, offsets=offsets)
    fat = spins.pools.fat
    along, main = fat_amplitudes(protocol.field_T, SEQUENCES[protocol.sequence].precession_s(protocol))
    kept = 1.0 if protocol.fat_saturation == "none" else 1 - protocol.fat_saturation_share
    water_share = np.where(fat, along, 1.0)
    fat_share = np.where(fat, main * kept, 0.0)
    shift = fat_shift_hz(protocol.field_T)
    groups = [_group(spins, protocol, readout, bins, share, offset)
              for share, offset in ((water_share, 0.0), (fat_share, shift)) if np.any(share != 0)]
    brightest = max(float(np.abs(table).max()) for table, _, _ in groups)
    tables, slopes, partners, states, shifts = [], [], [], [], []
    for (table, slope, partner), offset in zip(groups, (0.0, shift), strict=False):
        if not np.any(table) and not np.any(partner):
            continue
        usual = np.array([np.exp(-0.5 * ((factor - 1) / B1_USUAL) ** 2) for factor, _ in bins])
        basis = compressed(table * usual[None, :, None], error, brightest)
        tables.append(table @ basis.conj().T)
        slopes.append(slope @ basis.conj().T)
        partners.append(partner @ basis.conj().T)
        states.append(basis)
        shifts += [offset] * len(basis)
    joined = [np.ascontiguousarray(np.concatenate(one, axis=2), np.complex64) for one in (tables, slopes, partners)]
    return Recipe(joined[0], joined[1], joined[2], np.concatenate(states).astype(np.complex64), np.array(shifts))


def _bins(protocol: MriProtocol, *, b1: bool, offsets: bool) -> list[tuple[float, float]]:
    """Return (flip angle over nominal, off-resonance in Hz) of each bin."""
    if offsets and protocol.sequence == "bssfp":
        return [(1.0, float(hz)) for hz in np.linspace(-0.5, 0.5, OFFSET_BINS) / protocol.tr_s]
    return [(float(value), 0.0) for value in B1_BINS] if b1 else [(1.0, 0.0)]


def _group(spins: Spins, protocol: MriProtocol, readout: Readout, bins: list[tuple[float, float]],
           share: NDArray[np.complex128], offset_hz: float) -> tuple[Signals, Signals, Signals]:
    """Return signal, slope and partners (rows, bins, states) of the pools weighted by `share`."""
    respond = SEQUENCES[protocol.sequence].respond
    used = np.flatnonzero((share != 0) & ((spins.density > 0).any(axis=0) | (spins.partners > 0).any(axis=0)))
    pools = Pools(*(getattr(spins.pools, name)[used] for name in Pools.__dataclass_fields__))
    density, partners = spins.density[:, used], spins.partners[:, used]
    amount = share[used]
    pd, t1, t2 = (spins.texture[:, n][:, None] for n in range(3))
    found = []
    for factor, hz in bins:

        def signal(one: Pools, factor: float = factor, hz: float = hz) -> Signals:
            return amount[:, None] * respond(one, protocol, readout, factor, hz + offset_hz)

        base = signal(pools)
        by_t1 = (signal(pools.scaled(1 + NUDGE, 1)) - signal(pools.scaled(1 - NUDGE, 1))) / (2 * NUDGE)
        by_t2 = (signal(pools.scaled(1, 1 + NUDGE)) - signal(pools.scaled(1, 1 - NUDGE))) / (2 * NUDGE)
        change = pd * (density @ base) + t1 * (density @ by_t1) + t2 * (density @ by_t2)
        found.append((density @ base, change, partners @ base))
    table, slope, partner = (np.stack([one[n] for one in found], axis=1) for n in range(3))
    return table, slope, partner


def compressed(table: Signals, error: float, largest: float | None = None) -> Signals:
    """Return orthonormal rows (components, states) that hold every signal of `table` (..., states).

    Taken greedily: the row that is worst so far becomes the next component, until no entry of the table is wrong by
    more than `error` of the largest one (or of `largest`). All sums have a fixed order; a singular value decomposition
    would need a component or two less and depend on threads.
    """
    flat = table.reshape(-1, table.shape[-1])
    largest = float(np.abs(flat).max()) if largest is None else largest
    if flat.shape[1] == 1 or largest == 0:
        return np.ones((1, flat.shape[1]), np.complex128) / np.sqrt(flat.shape[1])
    rest = flat.copy()
    kept: list[Signals] = []
    while len(kept) < flat.shape[1]:
        largest_left = int(np.argmax(np.abs(rest).max(axis=1)))
        if np.abs(rest[largest_left]).max() <= error * largest:
            break
        row = rest[largest_left].copy()
        for other in kept:  # once more, against rounding
            row -= (row * other.conj()).sum() * other
        row /= np.sqrt((np.abs(row) ** 2).sum())
        kept.append(row)
        rest -= (rest * row.conj()).sum(axis=1)[:, None] * row
    return np.array(kept, np.complex128).reshape(-1, flat.shape[1])


def images_of(phantom: Phantom, spins: Spins, recipe: Recipe,
              place: NDArray[np.float32] | None) -> NDArray[np.complex64]:
    """Return the component images, (components, k, j, i) complex64.

    Parameters
    ----------
    place : where between the recipe's bins each voxel lies; None where there is one.
    """
    out = np.empty((len(recipe.states), *phantom.grid.shape_kji), np.complex64)
    kernels.mix(phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture, spins.row, recipe.table,
                recipe.slope, spins.partner, spins.threshold, spins.full,
                recipe.partners if len(recipe.partners) else np.zeros((1, *recipe.table.shape[1:]), np.complex64),
                np.zeros((1, 1, 1), np.float32) if place is None else place, out)
    return out


def bin_places(protocol: MriProtocol, b1: NDArray[np.float32] | None,
               offset_hz: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """Return where between the bins of `contrast_recipe` each voxel lies."""
    if protocol.sequence == "bssfp" and offset_hz is not None:
        turns = offset_hz * np.float32(protocol.tr_s)
        return np.asarray((turns - np.round(turns) + 0.5) * (OFFSET_BINS - 1), np.float32)
    if b1 is None:
        return None
    step = (B1_BINS[-1] - B1_BINS[0]) / (len(B1_BINS) - 1)
    return np.asarray((b1 - B1_BINS[0]) / step, np.float32)


def components_of(images: NDArray[np.complex64], recipe: Recipe, clock: Clock) -> list[Component]:
    """Return the components with a weight for each line of the clock."""
    state = clock.echo if recipe.states.shape[1] > 1 else np.zeros(clock.lines, np.int64)
    return [Component(image, np.ascontiguousarray(weights[state]), float(shift))
            for image, weights, shift in zip(images, recipe.states, recipe.shift_hz, strict=True)]
