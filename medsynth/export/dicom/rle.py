"""RLE Lossless, compiled: pydicom's encoder works byte by byte in Python."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from medsynth.export.dicom.rle_kernels import pack_rows

_HEADER = 16  # uint32: the number of byte planes and where each begins


def compress(dataset: Dataset) -> None:
    """Turn the native pixels of a dataset, whole bytes of one sample, into RLE Lossless; its file header says so."""
    dtype = np.dtype(f"<u{dataset.BitsAllocated // 8}")
    size = dataset.NumberOfFrames * dataset.Rows * dataset.Columns
    frames = np.frombuffer(dataset.PixelData, dtype, size).reshape(-1, dataset.Rows, dataset.Columns)
    dataset.add_new("PixelData", "OB", encapsulate([rle_frame(frame) for frame in frames]))
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = RLELossless


def rle_frame(frame: NDArray[np.unsignedinteger]) -> bytes:
    """Return one frame (row, column) of uint8 or uint16 as a header and its coded byte planes, the high bytes first."""
    size = frame.dtype.itemsize
    planes = np.ascontiguousarray(frame.astype(frame.dtype.newbyteorder(">"), copy=False))
    planes = planes.view(np.uint8).reshape(*frame.shape, size)
    header, coded = np.zeros(_HEADER, "<u4"), []
    header[0], place = size, header.nbytes
    for n in range(size):
        out = np.empty(2 * frame.size, np.uint8)
        used = pack_rows(np.ascontiguousarray(planes[..., n]), out)
        data = out[:used].tobytes() + b"\0" * (used % 2)  # a plane has an even length
        header[1 + n] = place
        place += len(data)
        coded.append(data)
    return header.tobytes() + b"".join(coded)
