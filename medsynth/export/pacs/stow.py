"""STOW-RS: sending objects over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom import dcmread
from pydicom.dataset import Dataset

from medsynth.export.pacs.push import Outgoing, PushError

_BATCH_BYTES = 32 << 20  # of one request; servers have limits


def stow_files(files: Sequence[Outgoing], url: str) -> int:
    """Send files in requests of some megabytes and return their number."""
    try:
        import requests
        from dicomweb_client.api import DICOMwebClient
    except ImportError as error:
        raise PushError("push needs the extra `pacs`: pip install medsynth-toolkit[pacs]") from error
    try:
        client = DICOMwebClient(url.rstrip("/"))
        client.set_http_retry_params(retry=False)  # a refusal is told at once
    except (ValueError, TypeError) as error:
        raise PushError(f"--stow must be the URL of a DICOMweb service, got {url!r} ({error})") from error
    sent = 0
    for batch in _batches(files):
        try:
            answer = client.store_instances([dcmread(one.path) for one in batch])
        except (requests.RequestException, OSError, ValueError) as error:
            words = " ".join(str(error).split())[:300]
            raise PushError(f"{url} took {sent} of {len(files)} objects, then: {words}") from error
        _check(answer, url, sent, len(files))
        sent += len(batch)
    return sent


def _batches(files: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    size = 0
    for one in files:
        batch.append(one)
        size += one.path.stat().st_size
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check(answer: Dataset, url: str, sent: int, count: int) -> None:
    failed = answer.get("FailedSOPSequence") or []
    if failed:
        reason = failed[0].get("FailureReason", 0)
        raise PushError(f"{url} took {sent} of {count} objects, then refused {len(failed)}, the first with reason "
                        f"0x{int(reason):04X}")
