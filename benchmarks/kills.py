"""SIGKILL at random moments: no half case, no lost line, and the same bytes at the end.

    python benchmarks/kills.py [KILLS] [WORKERS]

One dataset of tiny cases is made by runs that are killed, main process and workers together, again and again; when the
kills are spent, one run completes it. After every kill the folder is looked at: what has a case's name must be a whole
case. The body and scanner are the stub of the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "tests" / "dataset" / "stub"
RECIPE = {"phantom": {"body": "two_balls", "range": "all"}, "formats": ["nifti"],
          "acquisitions": {"ct": {"modality": "stub", "voxel_mm": 8}}}
# A server that has the program loaded, and forks runs: else a kill would mostly meet a process that is still starting.
SERVER = """
import json, os, sys
import two_balls
from medsynth.dataset.run import generate
import medsynth.dataset.croissant, medsynth.export.nifti, medsynth.export.preview
recipe, count, out, workers = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
if __name__ == "__main__":
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            code = 1
            try:
                generate(recipe, count, out, seed=5, workers=workers)
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)
"""


def tree(folder: Path) -> dict[str, bytes]:
    """Every file that a user sees, and the records, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith((".lock", ".manifest-lock"))}


def faults(folder: Path, wanted: dict[str, bytes]) -> list[str]:
    """Return what is wrong with a folder in which a run was killed just now."""
    found = []
    cases = {path.name for path in folder.glob("case-*")}
    whole = {name for name in wanted if name.startswith("case-")}
    for case in sorted(cases):
        files = {path.relative_to(folder).as_posix(): path for path in (folder / case).rglob("*") if path.is_file()}
        expected = {name for name in whole if name.startswith(f"{case}/")}
        found += [f"{name} is missing" for name in sorted(expected - set(files))]
        found += [f"{name} is not whole" for name in sorted(expected & set(files))
                  if files[name].read_bytes() != wanted[name]]
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / "manifest.jsonl").read_text().splitlines():
            if json.loads(line)["id"] not in cases:
                found.append(f"{line[:60]} has no case")
    return found


def torture(folder: Path, kills: int, workers: int, count: int, longest_s: float) -> dict[str, object]:
    """Kill `kills` runs, complete the dataset, and return what was seen."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(STUB), str(ROOT)]), "TWO_BALLS_STUB": "1"}
    script = folder / "server.py"
    script.write_text(SERVER)

    def server(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, str(script), json.dumps(RECIPE), str(count), str(folder / name),
                                 str(workers)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

    def run(process: subprocess.Popen[str], kill_after_s: float | None) -> int:
        process.stdin.write("go\n")
        process.stdin.flush()
        pid = int(process.stdout.readline())
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            with contextlib.suppress(ProcessLookupError):  # it was done before
                os.killpg(pid, signal.SIGKILL)
        return int(process.stdout.readline())

    with server("whole") as process:
        run(process, None)
        process.stdin.close()
    wanted = tree(folder / "whole")
    rng = np.random.default_rng(1)
    seen: list[str] = []
    interrupted, spread = 0, set()
    with server("killed") as process:
        for _ in range(kills):
            interrupted += run(process, float(rng.uniform(0.0, longest_s))) != 0
            seen += faults(folder / "killed", wanted)
            spread.add(len(list((folder / "killed").glob("case-*"))))
            if len(list((folder / "killed").glob("case-*"))) == count:  # start over: most kills must meet an open run
                (folder / "killed").rename(folder / f"done{len(list(folder.glob('done*')))}")
        last = run(process, None)
        process.stdin.close()
    whole = [name for name in folder.glob("done*") if set(tree(name)) >= {"README.md", "manifest.jsonl"}]
    ends = [tree(path) == wanted for path in [folder / "killed", *whole]]
    return {"kills": kills, "interrupted": interrupted, "faults": seen, "numbers of finished cases seen": len(spread),
            "last run's status": last, "datasets completed": len(ends),
            "of these with the same bytes": sum(ends),
            "same bytes at the end": tree(folder / "killed") == wanted}


if __name__ == "__main__":
    kills, workers = (int(word) for word in (sys.argv[1:] + ["200", "2"][len(sys.argv) - 1:])[:2])
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        found = torture(Path(place), kills, workers, count=12, longest_s=1.5 if workers == 1 else 5.0)
        print(json.dumps({**found, "seconds": round(time.perf_counter() - began)}, indent=1))
        sys.exit(bool(found["faults"]) or not found["same bytes at the end"])
