"""What contrast costs: the fast tier of MR beyond rasterising, and random contrast at 128^3.

A head is built once and painted at the size of each row; times are those of the scan alone (spins, signal tables,
component images, k-space, noise, magnitude), wall and CPU seconds, the best of three.

Run: python benchmarks/mri_contrast.py [--seed 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from medsynth.acquire.mri.acquire import finished
from medsynth.acquire.mri.fast_images import fast_images
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.random_contrast import acquire_random
from medsynth.acquire.mri.scan import prepare
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject

ROWS = (("brain-t1w", (160, 192, 192)), ("brain-t2w", (160, 192, 192)), ("brain-tof", (160, 192, 192)))
RANDOM_SHAPE = (128, 128, 128)
BARS_S = {"fast": 2.0, "random": 0.3}


def best_of(run: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Return the least wall and CPU seconds."""
    found = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(one[0] for one in found), min(one[1] for one in found)


def painted(scene: Scene, shape: tuple[int, int, int]) -> Phantom:
    """Return the body on a grid of this shape that holds the head."""
    low, high = (np.asarray(corner) for corner in scene.bounds_mm)
    low[2], high[2] = scene.scan_range_mm["head"]
    spacing = float(((high - low)[::-1] / np.asarray(shape)).max())
    middle = (low + high) / 2
    return rasterize(scene, Grid.centred(shape, (spacing,) * 3, (float(middle[0]), float(middle[1]), float(middle[2]))))


def main() -> None:
    """Print a row per protocol."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seed = Seed(arguments.seed)
    body, subject = load_body("head"), Subject("male", 45, 176, 76)
    scene = body.build(subject, body.sample_spec(subject, rng=seed.rng()))
    phantoms = {shape: painted(scene, shape) for shape in {ROWS[0][1], RANDOM_SHAPE}}
    print(f"{'scan':<24}{'matrix':<16}{'wall s':>8}{'CPU s':>8}{'bar s':>8}")
    for preset, shape in ROWS:
        phantom = phantoms[shape]
        settings = {"slice_gap_mm": 0.0, "plane": "axial", "slab_mm": None}
        protocol = MriProtocol(preset=preset, pixel_mm=phantom.grid.spacing_mm[2],
                               slice_thickness_mm=phantom.grid.spacing_mm[0], **settings)

        def scan(phantom: Phantom = phantom, protocol: MriProtocol = protocol) -> object:
            prepared = prepare(scene, phantom, phantom, protocol, seed=seed)
            return finished(prepared, phantom, phantom, fast_images(prepared, phantom, phantom, twin=False))

        _row(preset, shape, *best_of(scan), BARS_S["fast"])
    phantom = phantoms[RANDOM_SHAPE]
    for mode in ("gaussian", "physical"):
        protocol = MriProtocol(sequence="random", dimensions=3, random={"mode": mode})

        def draw(protocol: MriProtocol = protocol) -> object:
            return acquire_random(scene, phantom, phantom, protocol, seed=seed, twin=False)

        _row(f"random, {mode}", RANDOM_SHAPE, *best_of(draw), BARS_S["random"])


def _row(name: str, shape: tuple[int, int, int], wall: float, cpu: float, bar: float) -> None:
    print(f"{name:<24}{' x '.join(map(str, shape)):<16}{wall:>8.2f}{cpu:>8.2f}{bar:>8.1f}")


if __name__ == "__main__":
    main()
