"""The dataset folder: one writer at a time, whole cases or none, and what is finished already."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from medsynth.core.errors import DatasetError

RECORD = ".record.json"  # inside a case folder: its line of the manifest; there only when the case is finished
_TEMPORARY = ".tmp-"
_LOCK = ".lock"
_MANIFEST_LOCK = ".manifest-lock"
# The disk, not the case, is at fault: going on with the next case would fail in the same way.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


class DiskError(DatasetError):
    """The dataset folder cannot be written; the run ends, finished cases stay."""


def case_name(index: int) -> str:
    """Return the folder name of a case, e.g. `case-00007`."""
    return f"case-{index:05d}"


def canonical_json(value: object, indent: int | None = None) -> str:
    """Return JSON that is equal for equal values: sorted keys, no NaN."""
    return json.dumps(value, sort_keys=True, indent=indent, allow_nan=False, ensure_ascii=False)


def disk_fault(error: BaseException) -> OSError | None:
    """Return the disk's error behind `error`, if that is what it comes from."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


@contextlib.contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise DiskError(f"cannot write to {out}: {reason}; finished cases are kept, "
                        "the same command goes on from there") from error


@contextlib.contextmanager
def locked(out: Path, shard: tuple[int, int] | None) -> Iterator[None]:
    """Create `out` and hold it: one whole run alone, or several different shards beside each other."""
    with contextlib.ExitStack() as stack:
        with disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
            held = _flock(stack, out / _LOCK, shared=shard is not None, wait=False)
            if held and shard is not None:
                held = _flock(stack, out / f"{_LOCK}-{_tag(shard)}", shared=False, wait=False)
        if not held:
            raise DatasetError(f"another run is writing to {out}; wait for it, or choose another folder")
        yield


@contextlib.contextmanager
def manifest_lock(out: Path) -> Iterator[None]:
    """Hold the manifest while it is gathered and written: shards beside each other take turns."""
    with contextlib.ExitStack() as stack:
        _flock(stack, out / _MANIFEST_LOCK, shared=False, wait=True)
        yield


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write a text file, whole or in pieces, that is there as a whole or not at all, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{_writer()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def case_folder(out: Path, index: int, shard: tuple[int, int] | None) -> Iterator[Path]:
    """Give a hidden folder to write a case into; it gets its name only when the block ends well."""
    temporary = out / f"{_TEMPORARY}{_tag(shard)}-{case_name(index)}-{_writer()}"
    final = out / case_name(index)
    try:
        temporary.mkdir()
        yield temporary
        _sync_tree(temporary)
        if final.exists():  # left by hand or by another version: what has no valid record starts over
            replaced = temporary.with_name(f"{temporary.name}-replaced")
            with contextlib.suppress(FileNotFoundError):  # another worker of a cluster was given the same case
                final.rename(replaced)
            _name(temporary, final)
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            _name(temporary, final)
        _sync_folder(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _name(temporary: Path, final: Path) -> None:
    """Give a case its name, unless another worker of a cluster, given the same case, was quicker."""
    try:
        temporary.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not (final / RECORD).exists():
            raise


def _writer() -> str:
    """Return what tells this process from all others that write to the folder, also from other machines."""
    return f"{platform.node()}-{os.getpid()}"


def remove_stale(out: Path, shard: tuple[int, int] | None) -> None:
    """Remove what a killed run left half-written. Call it with the lock held."""
    own = f"{_TEMPORARY}{_tag(shard)}-" if shard is not None else _TEMPORARY
    for folder in out.glob(f"{own}*"):
        shutil.rmtree(folder, ignore_errors=True)
    if shard is None:
        for pattern in (".*.jsonl.*", ".*.json.*", ".*.md.*"):
            for file in out.glob(pattern):
                file.unlink(missing_ok=True)


def record_of(out: Path, index: int, fingerprint: str) -> Mapping[str, Any] | None:
    """Return the record of a finished case of this dataset, or None when it is absent, damaged or of another one."""
    folder = out / case_name(index)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = record["fingerprint"] == fingerprint and all((folder / name).exists() for name in record["hashes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if whole else None


def record_text(out: Path, index: int) -> str:
    """Return the line of the manifest that a finished case's folder holds."""
    return (out / case_name(index) / RECORD).read_text(encoding="utf-8").strip()


def finished_indices(out: Path) -> list[int]:
    """Return the indices of the case folders that carry a record, rising."""
    with os.scandir(out) as entries:
        names = [entry.name for entry in entries if entry.name.startswith("case-")]
    numbers = (name.removeprefix("case-") for name in names if (out / name / RECORD).exists())
    return sorted(int(number) for number in numbers if number.isdigit())


def _tag(shard: tuple[int, int] | None) -> str:
    return f"{shard[0]}of{shard[1]}" if shard is not None else "all"


def _flock(stack: contextlib.ExitStack, path: Path, *, shared: bool, wait: bool) -> bool:
    """Take a lock until the stack closes; tell whether it was free. File systems without locks count as free."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    file = stack.enter_context(path.open("a"))
    mode = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, mode)
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
    return True


def _sync_tree(folder: Path) -> None:
    """Force every file and folder below `folder` to the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
