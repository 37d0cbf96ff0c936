"""C-STORE: DICOM's own way to send objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medsynth.export.pacs.push import Outgoing, PushError

_TITLE = "MEDSYNTH"
_MOST_CONTEXTS = 128  # of one association (PS3.8)
_WAIT_S = 30
_OK = 0x0000
_WARNINGS = range(0xB000, 0xC000)  # the object is kept


def store_files(files: Sequence[Outgoing], host: str, port: int, aet: str) -> int:
    """Send files over one association, as they are on the disk, and return their number."""
    try:
        from pynetdicom import AE
    except ImportError as error:
        raise PushError("push needs the extra `pacs`: pip install medsynth-toolkit[pacs]") from error
    kinds = sorted({(one.sop_class, one.transfer_syntax) for one in files})
    if len(kinds) > _MOST_CONTEXTS:
        raise PushError(f"{len(kinds)} kinds of objects are more than the {_MOST_CONTEXTS} of one association; "
                        "push fewer folders at a time")
    entity = AE(ae_title=_TITLE)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = _WAIT_S
    for sop_class, transfer_syntax in kinds:
        entity.add_requested_context(sop_class, transfer_syntax)
    try:
        association = entity.associate(host, port, ae_title=aet)
    except (OSError, ValueError) as error:
        raise PushError(f"cannot reach {host}:{port} as {aet}: {error}") from error
    if not association.is_established:
        why = "it refused the association" if association.is_rejected else "no answer, or the connection was closed"
        raise PushError(f"cannot send to {host}:{port} as {aet}: {why}")
    try:
        for sent, one in enumerate(files):
            _send(association, one, f"{host}:{port} took {sent} of {len(files)} objects, then")
    finally:
        if association.is_established:
            association.release()
    return len(files)


def _send(association: Any, one: Outgoing, before: str) -> None:
    try:
        status = association.send_c_store(one.path)
    except (ValueError, RuntimeError) as error:  # a kind of object that it does not take
        raise PushError(f"{before} refused {one.path}: {' '.join(str(error).split())}") from error
    code = status.get("Status")
    if code is None:
        raise PushError(f"{before} closed the connection at {one.path}")
    if code != _OK and code not in _WARNINGS:
        words = f"{before} refused {one.path} with status 0x{code:04X} {status.get('ErrorComment', '')}"
        raise PushError(words.rstrip())
