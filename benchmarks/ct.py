"""Time, memory and measured figures of the CT step (fast tier), without rasterising and files.

`python benchmarks/ct.py [slices]` prints seconds and memory for 512 x 512 x 300 voxels (kernels compile beforehand),
`python benchmarks/ct.py figures` the figures of docs/physics-ct.md.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from medsynth.acquire.ct.fast import RUN, image_phantom
from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.kernel import KERNELS, relative_variance
from medsynth.acquire.ct.level import noise_level
from medsynth.acquire.ct.mean_image import mean_hu
from medsynth.acquire.ct.noise import noise_filter, noise_run
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure
from medsynth.tissues.table import tissue

PIXELS, PIXEL_MM = 512, 0.75
TISSUES = ("adipose", "skeletal_muscle", "lung_tissue", "cortical_bone", "liver", "blood")


def body(slices: int) -> Phantom:
    """Return nested ellipses of six tissues with partial volume everywhere, as costly as a real body."""
    grid = Grid.centred((slices, PIXELS, PIXELS), (1.0, PIXEL_MM, PIXEL_MM))
    x = (np.arange(PIXELS) - (PIXELS - 1) / 2) * PIXEL_MM
    radius = np.hypot(x[None, :] / 180, x[:, None] / 125)
    plane = np.where(radius < 1, 1 + np.minimum(5, (radius * 6).astype(int)), 0).astype(np.uint16)
    labels = np.repeat(plane[None], slices, axis=0)
    fraction = np.full(labels.shape, 40, np.uint8)
    structures = tuple(Structure(name, n + 1, name, Code("0", name)) for n, name in enumerate(TISSUES))
    return Phantom(grid, labels, np.roll(labels, 1, axis=2), fraction, np.full(labels.shape, 50, np.int16), structures)


def water(radii_mm: tuple[float, float], pixel_mm: float, slices: int) -> Phantom:
    """Return an ellipse of water."""
    x = (np.arange(PIXELS) - (PIXELS - 1) / 2) * pixel_mm
    inside = np.hypot(x[None, :] / radii_mm[0], x[:, None] / radii_mm[1]) < 1
    labels = np.repeat(inside[None].astype(np.uint16), slices, axis=0)
    empty = np.zeros(labels.shape, np.uint16)
    return Phantom(Grid.centred(labels.shape, (3.0, pixel_mm, pixel_mm)), labels, empty, empty.astype(np.uint8),
                   empty.astype(np.int16), (Structure("water", 1, "water", Code("0", "water")),))


def figures() -> None:
    """Print HU by voltage, kernels, noise by place and the correlation of neighbouring pixels."""
    beams = [ct_beam(kV) for kV in (80, 100, 120, 140)]
    print("effective energy keV", *(f"{beam.energy_keV:7.1f}" for beam in beams))
    print("iodine HU per mg/mL ", *(f"{b.hounsfield(b.attenuation_per_cm(tissue('water'), 1.0)):7.1f}" for b in beams))
    for name in ("adipose", "brain", "skeletal_muscle", "liver", "blood", "cortical_bone", "teflon", "delrin"):
        values = [beam.hounsfield(beam.attenuation_per_cm(tissue(name))) for beam in beams]
        print(f"{name:20s}", *(f"{value:7.0f}" for value in values))
    phantom = water((170, 125), 0.98, 8)
    for name, kernel in KERNELS.items():
        f = np.linspace(0, 3, 3001)
        halves = [f[np.flatnonzero(kernel.mtf(f) > height)[-1]] for height in (0.5, 0.1)]
        protocol = CtProtocol(mas=125, slice_thickness_mm=3.0, kernel=name)
        image = image_phantom(phantom, phantom, protocol, seed=Seed(1)).image.array.astype(float)
        centre, air = image[:, 220:292, 220:292], image[:, 230:280, 60:75]
        lags = [(centre[:, :, n:] * centre[:, :, :-n]).mean() / centre.var() for n in (1, 2, 3, 4)]
        print(f"{name:9s} MTF50 {halves[0]:.2f}, MTF10 {halves[1]:.2f}/mm; variance x {relative_variance(name):.1f}; "
              f"SD centre {centre.std():.1f}, air beside {air.std():.1f} HU; correlation at 0.98 mm",
              *(f"{lag:.2f}" for lag in lags))


def main() -> None:
    """Print seconds per step and the peak memory, or the figures."""
    if sys.argv[1:] == ["figures"]:
        figures()
        return
    slices = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    protocol = CtProtocol(slice_thickness_mm=1.0)
    warm = body(2)
    image_phantom(warm, warm, protocol, seed=Seed(0))
    phantom = body(slices)
    runs = [(first, min(first + RUN, slices)) for first in range(0, slices, RUN)]

    def timed(name: str, work: object) -> None:
        started = time.perf_counter()
        work()  # type: ignore[operator]
        print(f"{name:28s} {time.perf_counter() - started:7.2f} s")

    level = noise_level(phantom, protocol)
    noise = noise_filter(protocol, (PIXELS, PIXELS), PIXEL_MM)
    timed("noise level (path lengths)", lambda: noise_level(phantom, protocol))
    timed("attenuation and sharpness", lambda: [mean_hu(phantom, protocol, *run) for run in runs])
    timed("noise", lambda: [noise_run(level, noise, (PIXELS, PIXELS), *run, seed=Seed(1)) for run in runs])
    timed("all, one image", lambda: image_phantom(phantom, phantom, protocol, seed=Seed(1)))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB, of which phantom "
          f"{7 * phantom.labels.size / 2**30:.2f}")


if __name__ == "__main__":
    main()
