"""Rasterising the bodies against filling the same arrays, peak memory, and the time to build the scenes.

Bars: rasterising (textures included) 20 x the filling of a trunk at 0.8 mm and 30 x of a head at 0.5 mm, 1 s at 128^3
on one core; building torso and head 10 s, the others 5 s. Run: python benchmarks/raster.py [BODY ...] [--steps]
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

# Body -> voxels (k, j, i) and voxel size in mm of a clinical image, and how often the filling its rasterising may take.
CASES: dict[str, tuple[tuple[int, int, int], float, float]] = {
    "thorax": ((400, 512, 512), 0.8, 20.0),
    "abdomen": ((400, 512, 512), 0.8, 20.0),
    "pelvis": ((400, 512, 512), 0.8, 20.0),
    "torso": ((400, 512, 512), 0.8, 20.0),
    "head": ((400, 400, 400), 0.5, 30.0),
    "knee": ((320, 320, 320), 0.5, 20.0),
    "breast": ((320, 320, 320), 0.5, 20.0),
}
MAN, WOMAN = Subject("male", 50, 175, 78), Subject("female", 50, 165, 66)
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
        phantom, tables = raster._empty(grid, scene.structures), raster._tables(scene.structures)
        for n, step in enumerate(scene.paints):
            begin = time.perf_counter()
            raster._paint(phantom, step, tables)
            least[n] = min(least[n], time.perf_counter() - begin)
    for n in np.argsort(-least)[:most]:
        label = scene.paints[n].layers[0].label
        name = names[label if isinstance(label, int) else label[0]]
        print(f"  {least[n] * 1000:7.1f} ms  {type(scene.paints[n].shape).__name__:14} {name}")
    print(f"  {least.sum() * 1000:7.1f} ms  all painting steps, without textures")


def measure(name: str, shape: tuple[int, int, int], voxel_mm: float, bar: float) -> None:
    """Build one body and print its lines of the table."""
    body, subject = load_body(name), WOMAN if name == "breast" else MAN
    spec = body.sample_spec(subject, rng=Seed(1).rng())
    body.build(subject, spec)
    build_s = least_s(lambda: body.build(subject, spec), 2)
    scene = body.build(subject, spec)
    middle = tuple(np.mean(scene.bounds_mm, axis=0).tolist())
    extent = np.subtract(scene.bounds_mm[1], scene.bounds_mm[0]).max()
    print(f"{name}: built in {build_s:.1f} s, {len(scene.structures)} structures, {len(scene.paints)} painting steps")
    raster.rasterize(scene, Grid.centred((32, 32, 32), (float(extent) / 32,) * 3, middle))  # compiles, or loads
    for size, voxel in ((shape, voxel_mm), ((128,) * 3, float(extent) / 128)):
        grid = Grid.centred(size, (voxel,) * 3, middle)
        fill_s = least_s(lambda size=size: [np.full(size, 1, dtype) for dtype in DTYPES], 5)
        for threads in sorted({1, numba.get_num_threads()}):
            before = numba.get_num_threads()
            numba.set_num_threads(threads)
            raster_s = least_s(lambda grid=grid: raster.rasterize(scene, grid), 2)
            numba.set_num_threads(before)
            text = f"{size[0]} x {size[1]} x {size[2]} of {voxel:.2f} mm"
            told = f"{raster_s / fill_s:5.0f} x (bar {bar:.0f})" if size == shape else "(bar 1 s on one thread)"
            print(f"  {text:28} {threads} threads {raster_s:6.2f} s   fill {fill_s * 1000:5.1f} ms   {told}")
    if "--steps" in sys.argv:
        print_steps(scene, Grid.covering(*scene.bounds_mm, (max(1.0, voxel_mm),) * 3))


def main() -> None:
    """Print the tables of the bodies named, or of all of `CASES`."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in [a for a in sys.argv[1:] if not a.startswith("-")] or CASES:
        measure(name, *CASES[name])
    print("fill: the phantom's four arrays allocated and filled")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
