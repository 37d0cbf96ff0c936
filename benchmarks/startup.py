"""How long `import medsynth` and `medsynth --help` take, and as a multiple of an empty Python.

Bars: import 0.4 s, help 0.5 s. Run: python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPEATS = 7


def median_s(*command: str) -> float:
    """Return the median wall time of a command in s, after one call that warms the file cache."""
    times = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main() -> None:
    """Print one line for each."""
    empty = median_s(sys.executable, "-c", "pass")
    print(f"python -c pass        {empty:6.3f} s")
    rows = (("import medsynth", ("-c", "import medsynth"), 0.4),
            ("medsynth --help", ("-m", "medsynth", "--help"), 0.5),
            ("medsynth list recipes", ("-m", "medsynth", "list", "recipes"), None))
    for name, arguments, bar in rows:
        taken = median_s(sys.executable, *arguments)
        limit = f"(bar {bar} s)" if bar else ""
        print(f"{name:<21} {taken:6.3f} s = {taken / empty:5.1f} x {limit}".rstrip())


if __name__ == "__main__":
    main()
