"""Time and peak memory of whole cases with all files: each run is a fresh process, as a user starts it.

Bars: full case 60 s and 6 GiB on 2 cores; small recipe 8 s once compiled. Run: python benchmarks/case.py [RECIPE ...]
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
import json, resource, sys, time
begin = time.perf_counter()
import medsynth as ms
stages, last = [], [begin, "start"]
def told(stage):
    now = time.perf_counter()
    stages.append((last[1], now - last[0]))
    last[:] = [now, stage.name]
summary = ms.generate(sys.argv[1], 1, sys.argv[2], seed=11, progress=told)
assert summary.made == 1, summary.failures
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"s": time.perf_counter() - begin, "cpu_s": usage.ru_utime + usage.ru_stime,
                  "peak_gib": usage.ru_maxrss / 2**20, "stages": stages}))
"""
RECIPES = {"chest-ct-nodules-small": (8.0, None), "chest-ct-nodules": (60.0, 6.0)}


def measured(recipe: str) -> dict:
    """Return seconds, peak GiB and stages of one case in a fresh process, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", CHILD, recipe, folder], text=True, capture_output=True)
        if done.returncode:
            sys.exit(done.stderr)
        result = json.loads(done.stdout)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        result["files"], result["mb"] = len(files), sum(path.stat().st_size for path in files) / 1e6
    return result


def fill_s() -> float:
    """Return the time to fill 512 x 512 x 300 int16, the measure of this machine's memory."""
    import numpy as np

    array = np.empty((300, 512, 512), np.int16)
    begin = time.perf_counter()
    for value in range(5):
        array.fill(value)
    return (time.perf_counter() - begin) / 5


def main() -> None:
    """Print one line and the stages of each recipe; the small one runs twice, so that everything is compiled."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    unit = fill_s()
    for recipe in sys.argv[1:] or RECIPES:
        bar_s, bar_gib = RECIPES.get(recipe, (None, None))
        if recipe.endswith("-small"):
            print(f"{recipe}: first run {measured(recipe)['s']:.1f} s (compiles)")
        result = measured(recipe)
        bars = "".join(f", bar {bar:g} {of}" for bar, of in ((bar_s, "s"), (bar_gib, "GiB")) if bar)
        print(f"{recipe}: {result['s']:.1f} s ({result['cpu_s']:.1f} s of CPU) = {result['s'] / unit:.0f} x filling "
              f"512x512x300, "
              f"peak {result['peak_gib']:.2f} GiB, {result['files']} files, {result['mb']:.0f} MB{bars}")
        print("  " + ", ".join(f"{name} {taken:.1f} s" for name, taken in result["stages"]))


if __name__ == "__main__":
    main()
