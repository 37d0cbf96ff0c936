"""The engine's own figures: scaling, overhead per case, memory and lists over 10,000 cases, and what a plan is worth.

Bars: 1 -> 2 workers >= 1.8x; overhead <= 50 ms a case; parent <= 300 MiB and flat; lists linear; plan within 25 %.

    python benchmarks/engine.py [scaling] [overhead] [many] [plan]

Scaling and overhead use the stub body and scanner of the tests, so that the engine is measured and not the physics. Run
it on an idle machine: scaling needs two free cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "tests" / "dataset" / "stub"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(STUB), str(ROOT)]), "TWO_BALLS_STUB": "1",
               "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

SCALING = """
import json, os, sys, time
import two_balls
from medsynth.dataset.run import generate
workers, slow_s, voxel_mm = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
if __name__ == "__main__":
    ends = []
    recipe = {"phantom": {"body": "two_balls", "range": "all"}, "formats": ["nifti"],
              "acquisitions": {"ct": {"modality": "stub", "slow_s": slow_s, "voxel_mm": voxel_mm}}}
    generate(recipe, 40, sys.argv[4], workers=workers,
             progress=lambda stage: ends.append(time.perf_counter()) if stage.name == "done" else None)
    # From the tenth case on: every worker has started by then.
    print((ends[-1] - ends[9]) / (len(ends) - 10))
"""
OVERHEAD = """
import sys, time
from pathlib import Path
import two_balls
from medsynth.dataset.case import generate_case
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.run import generate
from medsynth.dataset.write import write_case
recipe = load_recipe({"phantom": {"body": "two_balls", "range": "all"}, "formats": ["nifti"],
                      "acquisitions": {"ct": {"modality": "stub", "voxel_mm": 8}}})
out, count = Path(sys.argv[1]), 40
generate(recipe, 2, out / "warm")
def bare():
    began = time.perf_counter(), time.process_time()
    for index in range(count):
        folder = out / f"bare-{time.perf_counter_ns()}"
        folder.mkdir()
        write_case(generate_case(recipe, 0, index), folder, recipe.formats)
    return time.perf_counter() - began[0], time.process_time() - began[1]
def engine(number):
    began = time.perf_counter(), time.process_time()
    generate(recipe, count, out / f"engine{number}")
    return time.perf_counter() - began[0], time.process_time() - began[1]
pairs = [(bare(), engine(number)) for number in range(3)]
for clock in (0, 1):
    print(sorted((whole[clock] - part[clock]) / count for part, whole in pairs)[1])
print(min(part[0] for part, _ in pairs) / count)
"""
MANY = """
import json, resource, sys, time
from pathlib import Path
import two_balls
from medsynth.dataset import job, run
from medsynth.dataset.case import generate_case
from medsynth.dataset.folder import canonical_json
from medsynth.dataset.recipe import load_recipe
count, out = int(sys.argv[1]), Path(sys.argv[2])
recipe = load_recipe({"phantom": {"body": "two_balls", "range": "all"}, "formats": ["nifti"],
                      "acquisitions": {"ct": {"modality": "stub", "voxel_mm": 8}}})
one = generate_case(recipe, 0, 0)
def write_tiny(case, folder, formats):  # the physics is left out, everything of the engine is not
    (folder / "annotations.json").write_text(canonical_json(case.annotations))
job.generate_case = lambda *arguments, **options: one
job.write_case = write_tiny
peaks, times, began = [], [], time.perf_counter()
def told(stage):
    if stage.name == "done":
        times.append(time.perf_counter() - began)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
run.generate(recipe, count, out, progress=told)
whole = time.perf_counter() - began
closing = whole - times[-1]
began = time.perf_counter()
run.generate(recipe, count, out)
resumed = time.perf_counter() - began
part = max(1, count // 10)
print(json.dumps({"cases": count, "first_ms": times[part] / part * 1000,
                  "last_ms": (times[-1] - times[-part]) / (part - 1) * 1000,
                  "closing_ms_a_case": closing / count * 1000, "resume_ms_a_case": resumed / count * 1000,
                  "mib_at_a_tenth": peaks[part], "mib_at_the_end": peaks[-1],
                  "mib_after_closing": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def child(code: str, *arguments: object) -> list[str]:
    """Run a script in a fresh process; return its lines."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(code)
        done = subprocess.run([sys.executable, str(script), *map(str, arguments), str(Path(folder) / "out")],
                              env=ENVIRONMENT, text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip().splitlines()


def scaling() -> None:
    """Print cases a second with one and two workers: cases that wait, which is the engine alone, and that compute."""
    for name, slow_s, voxel_mm in (("waiting 0.3 s", 0.3, 8.0), ("computing", 0.0, 0.8)):
        seconds = [float(child(SCALING, workers, slow_s, voxel_mm)[0]) for workers in (1, 2)]
        print(f"scaling, {name}: {seconds[0]:.3f} s a case with 1 worker, {seconds[1]:.3f} with 2: "
              f"{seconds[0] / seconds[1]:.2f}x (bar 1.8x)")


def overhead() -> None:
    """Print what the engine adds to a case: hashes, record, fsync, rename, lists."""
    added, computed, bare = (float(line) for line in child(OVERHEAD))
    print(f"overhead: {added * 1000:.1f} ms a case, {computed * 1000:.1f} ms of them computing, beside "
          f"{bare * 1000:.1f} ms of the case itself (bar 50 ms)")


def many() -> None:
    """Print memory and lists over many cases."""
    for count in (1000, 10000):
        print(child(MANY, count)[0])


def plans() -> None:
    """Print plans beside the runs that they foretell, each a fresh process."""
    for recipe, count in (("chest-ct-nodules-small", 8), ("chest-xray-nodules-small", 8)):
        words = [sys.executable, "-m", "medsynth"]
        told = json.loads(subprocess.run([*words, "plan", recipe, "-n", str(count), "--json", "--seed", "2"],
                                         env=ENVIRONMENT, text=True, capture_output=True, check=True).stdout)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            subprocess.run([*words, "generate", recipe, "-n", str(count), "-o", folder, "--seed", "2"],
                           env=ENVIRONMENT, capture_output=True, check=True)
            seconds = time.perf_counter() - began
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files)
        print(f"plan of {recipe}, {count} cases, {told['workers']} workers: files {told['files']} / {len(files)}, "
              f"MB {told['size_bytes'] / 1e6:.1f} / {size / 1e6:.1f}, seconds {told['seconds']:.1f} / {seconds:.1f}")


if __name__ == "__main__":
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    parts = {"scaling": scaling, "overhead": overhead, "many": many, "plan": plans}
    for name in sys.argv[1:] or parts:
        parts[name]()
