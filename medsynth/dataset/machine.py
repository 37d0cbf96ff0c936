"""What this machine lends to a run: cores, memory, and how many workers they bear."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

GIB = 1024**3
# A full chest CT case, 512 x 512 x 325 with all its files, peaks at 2.9 GiB (docs/validation.md), rounded up.
WORKER_GIB = 4.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return how many cores this process may use: those a batch system or container gave it."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def free_memory_bytes() -> int | None:
    """Return the memory that is left for this process, within its container's limit; None where nobody tells."""
    found = [value for value in (_available(), _left_in_group()) if value is not None]
    return min(found) if found else None


def free_disk_bytes(place: Path) -> int | None:
    """Return what is free on the disk of a folder, which need not exist yet."""
    for folder in [place.absolute(), *place.absolute().parents]:
        if folder.exists():
            return shutil.disk_usage(folder).free
    return None


def default_workers(worker_gib: float = WORKER_GIB) -> int:
    """Return how many worker processes cores and memory bear, at `worker_gib` each; at least one."""
    free = free_memory_bytes()
    fitting = usable_cores() if free is None else int(free / (worker_gib * GIB))
    return max(1, min(usable_cores(), fitting))


@contextlib.contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let processes that are started inside the block use this many threads: libraries read it as they are imported."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    for name, value in before.items():
        if not (value or "").isdigit() or int(value or 0) > threads:  # a stricter limit of the user's stays
            os.environ[name] = str(threads)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _available() -> int | None:
    """Return what Linux says is available, or the whole memory where only that is known."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _left_in_group() -> int | None:
    """Return what the control group (version 2) of a container leaves."""
    with contextlib.suppress(OSError, ValueError):
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (_CGROUP / "memory.current").read_text(encoding="ascii").strip()
        return max(0, int(limit) - int(used))
    return None
