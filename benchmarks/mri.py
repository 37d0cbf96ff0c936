"""Speed and memory of the k-space engine on a head-sized object, 192 x 192 x 160 voxels of 1 mm.

`python benchmarks/mri.py [single] [array]`. Each case runs in a process of its own, once to compile or load kernels on
a small object and then twice; the figures are the better run's wall and CPU seconds and the process's peak memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np

from medsynth.acquire.mri.clock import Timing, make_clock
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import object_grid, plan
from medsynth.acquire.mri.engine import acquire_kspace
from medsynth.acquire.mri.fields import b0_map
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed

CASES = {
    "single": ({}, 2.0),
    "array": ({"coils": {"count": 8}, "motion": {"pattern": "random", "poses": 16}}, 25.0),
}
MEMORY_GIB = 6.0


def head(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the brain and the fat around it (k, j, i), each of a sharp ellipsoid and shell."""
    x, y, z = np.moveaxis(grid.points_mm().astype(np.float32), -1, 0)
    inner = (x / 66) ** 2 + (y / 84) ** 2 + (z / 66) ** 2 < 1
    outer = (x / 74) ** 2 + (y / 92) ** 2 + (z / 74) ** 2 < 1
    return inner.astype(np.complex64), (outer & ~inner).astype(np.complex64)


def run(name: str, shape: tuple[int, int, int]) -> tuple[float, float]:
    """Return wall and CPU seconds of one scan, the object's making left out."""
    options = KspaceOptions.model_validate(CASES[name][0])
    image = Grid.centred(shape, (160 / shape[0], 192 / shape[1], 192 / shape[2]))
    encoding = plan(image, options, dimensions=3, field_T=3.0, bandwidth_hz_px=200.0, dephasing_s=0.003)
    grid = object_grid(encoding, options, (-75, -93, -75), (75, 93, 75))
    clock = make_clock(encoding, Timing(0.01), options)
    ones = np.ones(clock.lines, np.complex64)
    water, fat = head(grid)
    body = (water + fat).real > 0.5
    chi = np.where(body, -9.05, 0.36).astype(np.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    if name == "single":
        components, field = [Component(water, ones)], None
    else:
        components, field = [Component(water, ones), Component(fat, ones, -447.0)], b0_map(chi, body, grid, 3.0,
                                                                                         options.fields)
    made = acquire_kspace(components, encoding, clock, options, grid=grid, body=body, b0_hz=field, seed=Seed(1))
    if not np.isfinite(made.magnitude).all():
        raise RuntimeError("the image must be finite")
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Run the cases named on the command line, all of them by default."""
    if len(sys.argv) == 3 and sys.argv[1] == "--case":
        run(sys.argv[2], (24, 32, 32))
        runs = [run(sys.argv[2], (160, 192, 192)) for _ in range(2)]
        wall, cpu = min(runs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_gib": peak}))
        return
    for name in sys.argv[1:] or CASES:
        done = subprocess.run([sys.executable, __file__, "--case", name], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        bar = CASES[name][1]
        print(f"{name}: {found['wall_s']:.1f} s wall, {found['cpu_s']:.1f} s CPU (bar {bar:g} s), "
              f"{found['peak_gib']:.2f} GiB (bar {MEMORY_GIB:g})")


if __name__ == "__main__":
    main()
