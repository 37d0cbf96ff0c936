"""Time and memory of the CT step (fast tier) on 512 x 512 x 300 voxels, without rasterising and files.

Run it as `python benchmarks/ct.py [slices]`; the first lines also compile the kernels, outside the timings.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from medsynth.acquire.ct.fast import RUN, image_phantom
from medsynth.acquire.ct.mean_image import mean_hu
from medsynth.acquire.ct.noise import noise_filter, noise_run
from medsynth.acquire.ct.paths import noise_level
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure

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


def main() -> None:
    """Print seconds per step and the peak memory."""
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
