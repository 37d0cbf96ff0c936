"""Sending a folder of DICOM files to a PACS: only what is marked as synthetic, and all of it is looked at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import MediaStorageDirectoryStorage

from medsynth.core.errors import MedsynthError, expected

_PREAMBLE, _MAGIC = 128, b"DICM"
_LARGEST_PORT = 65535


class PushError(MedsynthError):
    """A folder that cannot be sent, or an archive that does not take it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One file that may be sent."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str


def push_folder(folder: Path, *, to: str | None = None, aet: str = "ANY-SCP", stow: str | None = None) -> int:
    """Send every DICOM file below `folder` and return their number; an archive keeps an object that it has already.

    Parameters
    ----------
    to : `HOST:PORT` of an archive that takes C-STORE, known to it as `aet`.
    stow : URL of a DICOMweb service, e.g. `http://127.0.0.1:8042/dicom-web`; either this or `to`.

    Raises
    ------
    PushError
        If there is nothing to send, something is not marked as synthetic (then nothing is sent), or the archive
        refuses.
    """
    if (to is None) == (stow is None):
        raise PushError(expected("--to and --stow", (to, stow), "one of the two: HOST:PORT, or a URL"))
    if stow is not None:
        from medsynth.export.pacs.stow import stow_files

        return stow_files(outgoing(folder), stow)
    from medsynth.export.pacs.cstore import store_files

    host, port = _address(str(to))
    return store_files(outgoing(folder), host, port, aet)


def outgoing(folder: Path) -> list[Outgoing]:
    """Return the DICOM files below a folder, in order, after a look at the marks of each.

    Raises
    ------
    PushError
        If there is none, or one does not say that it is synthetic.
    """
    if not folder.is_dir():
        raise PushError(expected("DIR", str(folder), "a folder with DICOM files"))
    files = [one for path in sorted(folder.rglob("*")) if path.is_file() and _is_dicom(path)
             for one in _marked(path)]
    if not files:
        raise PushError(f"{folder} holds no DICOM file; make the dataset with --formats dicom")
    twice = {one.sop_instance: one for one in files}  # links of one object, e.g. a dataset and its export
    return list(twice.values())


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(_PREAMBLE)
        return file.read(len(_MAGIC)) == _MAGIC


def _marked(path: Path) -> Sequence[Outgoing]:
    """Return the file, nothing of an index, after a look at its mark."""
    try:
        header = dcmread(path, specific_tags=["SOPClassUID", "SOPInstanceUID", "SyntheticData"],
                         stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError) as error:
        raise PushError(expected("file", str(path), f"readable DICOM ({error})")) from error
    if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return ()
    if header.get("SyntheticData") != "YES":
        raise PushError(f"{path} is not marked as synthetic (0008,001C); nothing was sent: medsynth sends no images of "
                        "people")
    return (Outgoing(path, str(header.SOPClassUID), str(header.SOPInstanceUID),
                     str(header.file_meta.TransferSyntaxUID)),)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) <= _LARGEST_PORT:
        raise PushError(expected("--to", text, "HOST:PORT, e.g. 127.0.0.1:4242"))
    return host.strip("[]"), int(port)
