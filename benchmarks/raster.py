"""Rasterising the real thorax against filling the same arrays, peak memory, and the time to build the scene.

Bars: rasterising (textures included) 20 x the filling, building 5 s. Run: python benchmarks/raster.py [--steps]
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable

import numba
import numpy as np

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene import rasterize as raster
from medsynth.scene.body import load_body
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject

CASES = {"512 x 512 x 400 of 0.8 mm": ((400, 512, 512), 0.8), "128^3 of 3.2 mm": ((128, 128, 128), 3.2)}
DTYPES = (np.uint16, np.uint16, np.uint8, np.int16)


def least_s(action: Callable[[], object], repeats: int) -> float:
    """Return the least of several wall-clock times: the one that other programs disturbed least."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times)


def print_steps(scene: Scene, grid: Grid, most: int = 15) -> None:
    """Print the slowest painting steps."""
    names = {s.label: s.name for s in scene.structures}
    least = np.full(len(scene.paints), np.inf)
    for _ in range(2):
        phantom = raster._empty(grid, scene.structures)
        for n, step in enumerate(scene.paints):
            begin = time.perf_counter()
            raster._paint(phantom, step)
            least[n] = min(least[n], time.perf_counter() - begin)
    for n in np.argsort(-least)[:most]:
        label = scene.paints[n].layers[0].label
        name = names[label if isinstance(label, int) else label[0]]
        print(f"  {least[n] * 1000:7.1f} ms  {type(scene.paints[n].shape).__name__:14} {name}")
    print(f"  {least.sum() * 1000:7.1f} ms  all painting steps, without textures")


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    body, subject = load_body("thorax"), Subject("male", 50, 175, 78)
    spec = body.sample_spec(subject, rng=Seed(1).rng())
    body.build(subject, spec)
    build_s = least_s(lambda: body.build(subject, spec), 3)
    scene = body.build(subject, spec)
    print(f"building the scene: {build_s:.1f} s, {len(scene.paints)} painting steps (bar 5 s)")
    middle = tuple(np.mean(scene.bounds_mm, axis=0).tolist())
    raster.rasterize(
        scene, Grid.centred((32, 32, 32), (12.0,) * 3, middle)
    )  # warm-up: compiles, or loads what was compiled
    raster.rasterize(scene, Grid.centred((200, 64, 64), (2.0, 8.0, 8.0), middle))
    print(f"{'grid':28} {'threads':>7} {'raster':>9} {'fill':>9} {'refill':>9} {'/ fill':>7} {'/ refill':>8}")
    for name, (shape, voxel_mm) in CASES.items():
        grid = Grid.centred(shape, (voxel_mm,) * 3, middle)
        arrays = [np.full(shape, 1, dtype) for dtype in DTYPES]
        refill_s = least_s(lambda arrays=arrays: [array.fill(2) for array in arrays], 5)
        del arrays
        fill_s = least_s(lambda shape=shape: [np.full(shape, 1, dtype) for dtype in DTYPES], 5)
        for threads in sorted({1, numba.get_num_threads()}):
            before = numba.get_num_threads()
            numba.set_num_threads(threads)
            raster_s = least_s(lambda grid=grid: raster.rasterize(scene, grid), 3)
            numba.set_num_threads(before)
            print(
                f"{name:28} {threads:7} {raster_s:7.2f} s {fill_s * 1000:6.1f} ms {refill_s * 1000:6.1f} ms "
                f"{raster_s / fill_s:7.0f} {raster_s / refill_s:8.0f}"
            )
    print("fill: the phantom's four arrays allocated and filled; refill: filled again, in place (bar 20 x fill)")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if "--steps" in sys.argv:
        print_steps(scene, Grid.covering(*scene.bounds_mm, (1.0,) * 3))


if __name__ == "__main__":
    main()
