"""The helical mode: the whole volume is read out along a helix, and then reconstructed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.physics import reconstruct
from medsynth.acquire.ct.physics.basis import basis_maps, sharpened
from medsynth.acquire.ct.physics.helix import Helix, project_helix
from medsynth.acquire.ct.physics.helix_recon import reconstruct_helix
from medsynth.acquire.ct.physics.scan import Output, Scan
from medsynth.acquire.ct.physics.source import heel
from medsynth.acquire.ct.physics.tier import chain_of, readings_of, smoothed, to_hu
from medsynth.core.progress import silent
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]
VIEWS_AT_ONCE = 123  # bounds the memory, and is part of what seeds the noise
READING_SHARE = 0.7  # of the time goes into the readings, the rest into the reconstruction: for progress alone


def volumes(scan: Scan, body: Phantom, outputs: tuple[Output, ...], *,
            progress: Callable[[float], None] | None = None) -> dict[str, Float32]:
    """Return the image (k, j, i) of every output in HU.

    Raises
    ------
    RecipeError
        If a slice is thinner than a detector row, or the pitch leaves gaps.
    """
    helix = helix_of(scan)
    shares = {one.readings: one.dose_share for one in outputs}
    told = progress or silent
    lines = read(scan, body, helix, shares, progress=lambda share: told(READING_SHARE * share))
    found: dict[str, Float32] = {}
    for n, one in enumerate(outputs):
        chain = chain_of(scan, one.readings)
        seen = replace(helix, first_rad=helix.first_rad - chain.delay_rad())
        response = reconstruct.kernel_response(one.kernel, scan.scanner, scan.spacing_mm,
                                               focal=chain.options.detector_blur)
        image = to_hu(scan, reconstruct_helix(lines[one.readings], seen, scan.grid, response, one.thickness_mm))
        if scan.protocol.iterative and one.readings in scan.noisy:
            thin = np.sqrt(scan.grid.spacing_mm[0] / one.thickness_mm / one.dose_share)
            image = smoothed(scan, image, one.kernel, scan.noise_sd_hu(0, len(image)) * np.float32(thin))
        found[one.name] = image
        told(READING_SHARE + (1 - READING_SHARE) * (n + 1) / len(outputs))
    return found


def helix_of(scan: Scan) -> Helix:
    """Return the helix that sees every slice of the image from all sides."""
    grid = scan.grid
    half = grid.shape_kji[0] * grid.spacing_mm[0] / 2
    isocentre = np.subtract(grid.centre_mm[:2], scan.centre_mm)
    return Helix.covering(scan.scanner, scan.options.pitch,
                          (float(grid.centre_mm[2] - half), float(grid.centre_mm[2] + half)),
                          isocentre_mm=(float(isocentre[0]), float(isocentre[1])))


def read(scan: Scan, body: Phantom, helix: Helix, shares: dict[str, float], *,
         progress: Callable[[float], None]) -> dict[str, Float32]:
    """Return corrected line integrals (view, row, channel) by kind of readings.

    shares : kind of readings -> share of the scan's tube current.
    """
    shape = (helix.views, scan.scanner.rows, scan.scanner.channels)
    found = {name: np.empty(shape, np.float32) for name in shares}
    mas = charge(scan, helix)
    middles = (helix.row_heights_mm()[1:] + helix.row_heights_mm()[:-1]) / 2
    fluence = heel(scan.scanner, scan.protocol.kvp, middles)  # rows on the anode's side get less
    names = len(scan.basis.names)

    def slab(first: int, last: int) -> Float32:
        maps = sharpened(basis_maps(scan.basis, body, first, last), scan.protocol.kernel, scan.spacing_mm)
        return maps.reshape(*maps.shape[:2], last - first, names)

    for number, begin in enumerate(range(0, helix.views, VIEWS_AT_ONCE)):
        views = slice(begin, min(begin + VIEWS_AT_ONCE, helix.views))
        paths = project_helix(slab, body.grid, helix, views)
        for row in range(scan.scanner.rows):
            own = readings_of(scan, np.ascontiguousarray(paths[:, row]), mas[views] * fluence[row], shares,
                              (number, row))
            for name, lines in own.items():
                found[name][views, row] = lines
        progress(views.stop / helix.views)
    return found


def charge(scan: Scan, helix: Helix) -> NDArray[np.float64]:
    """Return the (views,) mAs of every view: at its height and angle that of an axial turn, times the pitch."""
    z = scan.grid.world_mm([(k, 0, 0) for k in range(scan.grid.shape_kji[0])])[:, 2]
    order = np.argsort(z)
    at = np.interp(helix.z_mm(), z[order], np.arange(len(z))[order])
    return np.asarray(scan.mas[np.rint(at).astype(int), np.arange(helix.views) % scan.scanner.views] * helix.pitch)
