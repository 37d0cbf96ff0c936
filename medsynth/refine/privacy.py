"""Whether a model that saw real images gives pieces of them back: correlation and nearest neighbours of texture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.refine.refiner import RefineError

Float32 = NDArray[np.float32]

TILE = 32  # pixels of the pieces that are looked for
FINE_SIGMA = 4.0  # pixels; coarser structure is anatomy that all people share
MARGIN = 0.1  # of correlation, beyond the best match with images that were not trained on
SMALL = 8  # pixels of a tile's side where distances are measured
LEAST_SD = 1e-3


@dataclass(frozen=True)
class Memorisation:
    """What was found.

    Attributes
    ----------
    copied : share of the output's pieces that match a training image better than any held-out image by the margin.
    correlation, held_out_correlation : the best match with training and with held-out images, of all pieces.
    nearer : share of the pieces whose nearest training piece is nearer than their nearest held-out piece; about the
        share of training images among all, where nothing is memorised.
    pieces : how many were looked for.
    """

    copied: float
    correlation: float
    held_out_correlation: float
    nearer: float
    pieces: int

    @property
    def passed(self) -> bool:
        """Whether no piece was copied."""
        return self.copied == 0


def memorisation(outputs: Sequence[NDArray[np.generic]], training: Sequence[NDArray[np.generic]],
                 held_out: Sequence[NDArray[np.generic]]) -> Memorisation:
    """Look for pieces of the training slices in the outputs, in every place, mirrored or not.

    Parameters
    ----------
    outputs, training, held_out : slices (j, i); what was held out stands for what chance gives.

    Raises
    ------
    RefineError
        If one of them is empty or too small.
    """
    for name, slices in (("outputs", outputs), ("training", training), ("held_out", held_out)):
        if not slices or min(min(one.shape) for one in slices) < TILE:
            raise RefineError(f"{name} must be slices of at least {TILE} x {TILE} pixels")
    tiles = [tile for one in outputs for tile in _tiles(_fine(one))]
    if not tiles:
        raise RefineError("outputs hold no texture to look for")
    best = [np.max([_best_match(tiles, _fine(one)) for one in slices], axis=0) for slices in (training, held_out)]
    near = [_nearest(tiles, [tile for one in slices for tile in _tiles(_fine(one))]) for slices in (training, held_out)]
    copied = best[0] > np.maximum(best[1], np.quantile(best[1], 0.95)) + MARGIN
    return Memorisation(float(copied.mean()), float(best[0].max()), float(best[1].max()),
                        float((near[0] < near[1]).mean()), len(tiles))


def _fine(image: NDArray[np.generic]) -> Float32:
    """Return a slice less its smooth part, over its local spread."""
    values = image.astype(np.float32)
    high = values - ndimage.gaussian_filter(values, FINE_SIGMA)
    spread = np.sqrt(ndimage.gaussian_filter(np.square(high), FINE_SIGMA))
    return np.where(spread > LEAST_SD, high / np.maximum(spread, LEAST_SD), 0).astype(np.float32)


def _tiles(fine: Float32) -> list[Float32]:
    """Return the pieces of a slice that lie side by side and hold texture throughout."""
    rows, columns = fine.shape
    pieces = [fine[a:a + TILE, b:b + TILE] for a in range(0, rows - TILE + 1, TILE)
              for b in range(0, columns - TILE + 1, TILE)]
    return [piece for piece in pieces if (piece != 0).mean() > 0.9]


def _best_match(tiles: Sequence[Float32], fine: Float32) -> NDArray[np.float64]:
    """Return for each tile its largest normalised correlation with any place of a slice, mirrored or not."""
    shape = [scipy.fft.next_fast_len(n, real=True) for n in fine.shape]
    area = (slice(0, fine.shape[0] - TILE + 1), slice(0, fine.shape[1] - TILE + 1))
    box = np.ones((TILE, TILE), np.float32)
    sums, squares = (_correlated(scipy.fft.rfft2(x, shape, workers=1), box, shape)[area]
                     for x in (fine, np.square(fine)))
    spread = np.sqrt(np.maximum(squares - np.square(sums) / TILE**2, 1e-3))
    spectrum = scipy.fft.rfft2(fine, shape, workers=1)
    found = []
    for tile in tiles:
        centred = tile - tile.mean()
        norm = float(np.sqrt(np.square(centred).sum()))
        sums_of = [_correlated(spectrum, one, shape)[area] for one in
                   (centred, centred[::-1], centred[:, ::-1], centred[::-1, ::-1])]
        found.append(max(float((one / spread).max()) for one in sums_of) / max(norm, LEAST_SD))
    return np.array(found)


def _correlated(spectrum: NDArray[np.complexfloating], tile: Float32, shape: list[int]) -> Float32:
    product = spectrum * np.conj(scipy.fft.rfft2(tile, shape, workers=1))
    return np.asarray(scipy.fft.irfft2(product, shape, workers=1), np.float32)


def _nearest(tiles: Sequence[Float32], others: Sequence[Float32]) -> NDArray[np.float64]:
    """Return the distance of each tile to its nearest other, both shrunk; infinite where there is none."""
    if not others:
        return np.full(len(tiles), np.inf)
    ours, theirs = (np.stack([_shrunk(tile) for tile in group]) for group in (tiles, others))
    squared = np.square(ours).sum(1)[:, None] + np.square(theirs).sum(1)[None] - 2 * ours @ theirs.T
    return np.sqrt(np.maximum(squared, 0)).min(axis=1)


def _shrunk(tile: Float32) -> NDArray[np.float64]:
    step = TILE // SMALL
    return tile.reshape(SMALL, step, SMALL, step).mean(axis=(1, 3)).ravel().astype(np.float64)
