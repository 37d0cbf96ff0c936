"""NIfTI files: the one place where LPS becomes RAS; fast, and the same bytes for the same volume."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from medsynth.core.errors import DatasetError, expected
from medsynth.core.grid import Grid, Matrix3, Vector
from medsynth.core.volume import Volume

DTYPES = ("int16", "uint8", "uint16", "float32")  # what FSL, SPM, ITK and nnU-Net all read
FRACTION_SLOPE = 1 / 255  # for uint8 fraction images: a stored 255 reads as 1.0

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NOTE = "synthetic (medsynth), no patient; "  # in `descrip`, before the quantity
_LABEL_INTENT = 1002  # NIFTI_INTENT_LABEL: viewers pick a colour table
_BLOCK_BYTES = 1 << 22  # the unit of parallel compression; fixed, so that threads do not change the bytes
_THREADS = 2
_HEAD_BYTES = 348
_SHEAR_TOLERANCE = 1e-3  # foreign affines are rounded: nearer to orthonormal than this is repaired


def write_nifti(volume: Volume, path: Path, *, level: int = 3, slope: float = 1.0) -> None:
    """Write `volume` as NIfTI-1 with sform = qform (both code 1, scanner), in mm.

    Parameters
    ----------
    volume : int16, uint8, uint16 or float32 voxels; a bool array is written as uint8.
    path : ends in `.nii` or `.nii.gz`; the latter is one gzip member with time 0 and no name.
    level : compression of isal, 0 (fastest) to 3.
    slope : what a stored 1 means (`scl_slope`), e.g. `FRACTION_SLOPE`.

    Raises
    ------
    DatasetError
        If the type or the file's name is none of the above.
    """
    array = volume.array.view(np.uint8) if volume.array.dtype == bool else volume.array
    if array.dtype.name not in DTYPES:
        raise DatasetError(expected("dtype of a NIfTI volume", array.dtype.name, f"one of {', '.join(DTYPES)}"))
    _write(array, volume, path, level, slope)


def write_nifti_stack(volumes: Sequence[Volume], path: Path, *, level: int = 3) -> None:
    """Write volumes on one grid as a 4D NIfTI-1 file, the number of the volume last.

    Parameters
    ----------
    volumes : at least one, of one type: those of `write_nifti`, or complex64.

    Raises
    ------
    DatasetError
        If the types differ or are none of those.
    """
    types = sorted({volume.array.dtype.name for volume in volumes})
    if len(types) != 1 or types[0] not in (*DTYPES, "complex64"):
        raise DatasetError(expected("dtypes of a NIfTI stack", types, f"one of {', '.join(DTYPES)}, complex64"))
    _write(np.stack([volume.array for volume in volumes]), volumes[0], path, level, 1.0)


def _write(array: NDArray[Any], volume: Volume, path: Path, level: int, slope: float) -> None:
    """Write an array (k, j, i) or (n, k, j, i) on the grid of `volume`."""
    if not path.name.endswith((".nii", ".nii.gz")):
        raise DatasetError(expected("path of a NIfTI file", str(path), "a name that ends in .nii or .nii.gz"))
    # NIfTI's first axis varies fastest: a C-contiguous [k, j, i] array is already in file order.
    voxels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    head = _header(volume, array, slope) + b"\0\0\0\0"  # no extensions
    with path.open("wb") as file:
        if path.name.endswith(".nii"):
            file.write(head)
            file.write(voxels.data)
        else:
            for piece in _gzipped(head, voxels, level):
                file.write(piece)


def read_nifti(path: Path, *, quantity: str = "HU") -> Volume:
    """Read a 3D NIfTI file of ours or anybody's into LPS, scaled values applied.

    Parameters
    ----------
    quantity : meaning of the values of files that do not tell; ours do.

    Raises
    ------
    DatasetError
        If it is not a readable 3D NIfTI file.
    GeometryError
        If its affine is sheared.
    """
    try:
        image = cast(nib.Nifti1Image, nib.load(path))
        stored = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise DatasetError(expected("path", str(path), f"a readable NIfTI file ({error})")) from error
    if stored.ndim > 3 and all(n == 1 for n in stored.shape[3:]):
        stored = stored.reshape(stored.shape[:3])
    if stored.ndim != 3:
        raise DatasetError(expected(f"number of axes of {path.name}", stored.ndim, "3"))
    if stored.dtype.kind == "f":
        stored = stored.astype(np.float32, copy=False)
    array = np.ascontiguousarray(stored.T, dtype=stored.dtype.newbyteorder("="))
    note = bytes(image.header["descrip"]).rstrip(b"\0").decode("latin-1")
    if note.startswith(_NOTE):
        quantity = note.removeprefix(_NOTE)
    return Volume(array, grid_of_affine(array.shape, np.asarray(image.affine)), quantity)


def stored_voxels(path: Path) -> NDArray[Any]:
    """Return the numbers (k, j, i) that a file of ours holds, as they are stored: nothing is scaled or turned.

    Raises
    ------
    DatasetError
        If it is no file that `write_nifti` wrote.
    """
    return _stored(path)[1]


def rewrite_nifti(source: Path, target: Path, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Write a file of ours with other voxels on the same grid; its affine stays equal to the bit.

    Parameters
    ----------
    change : gives the new voxels (k, j, i) of the stored ones, of a type that `write_nifti` takes.
    """
    head, voxels = _stored(source)
    changed = change(voxels)
    if changed.shape != voxels.shape or changed.dtype.name not in DTYPES:
        raise DatasetError(expected("changed voxels", (changed.shape, changed.dtype.name), f"{voxels.shape} as before"))
    header = nib.Nifti1Header(head[:_HEAD_BYTES], endianness="<")
    header.set_data_dtype(changed.dtype)
    whole = bytes(header.binaryblock) + b"\0\0\0\0"
    with target.open("wb") as file:
        for piece in _gzipped(whole, np.ascontiguousarray(changed, dtype=changed.dtype.newbyteorder("<")), 3):
            file.write(piece)


def _stored(path: Path) -> tuple[bytes, NDArray[Any]]:
    """Return the header of a file of ours and its voxels (k, j, i)."""
    try:
        raw = path.read_bytes()
        data = isal_zlib.decompress(raw, 31) if path.name.endswith(".gz") else raw
        if len(data) < _HEAD_BYTES:
            raise ValueError("no whole header")
        header = nib.Nifti1Header(data[:_HEAD_BYTES], endianness="<")
        first = int(header["vox_offset"])
        array = np.frombuffer(data, header.get_data_dtype(), offset=first).reshape(header.get_data_shape()[::-1])
    except (OSError, ValueError, IsalError, HeaderDataError) as error:  # type: ignore[misc]
        raise DatasetError(expected("path", str(path), f"a NIfTI file of medsynth ({error})")) from error
    return data[:first], array


def ras_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the 4 x 4 matrix from (i, j, k, 1) to RAS (x, y, z, 1) in mm that NIfTI stores."""
    return _LPS_TO_RAS @ grid.affine[:, [2, 1, 0, 3]]


def grid_of_affine(shape_kji: tuple[int, ...], affine: NDArray[np.float64]) -> Grid:
    """Return the grid of a NIfTI affine (i, j, k -> RAS), rounding of its directions repaired."""
    lps = _LPS_TO_RAS @ affine
    steps = lps[:3, [2, 1, 0]]
    spacing = np.linalg.norm(steps, axis=0)
    direction = steps / np.where(spacing > 0, spacing, 1)
    if np.allclose(direction.T @ direction, np.eye(3), atol=_SHEAR_TOLERANCE):
        left, _, right = np.linalg.svd(direction)
        direction = left @ right
    return Grid(cast(tuple[int, int, int], shape_kji), cast(Vector, tuple(spacing.tolist())),
                cast(Vector, tuple(lps[:3, 3].tolist())),
                cast(Matrix3, tuple(tuple(row) for row in direction.tolist())))


def _header(volume: Volume, array: NDArray[Any], slope: float) -> bytes:
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape[::-1])
    affine = ras_affine(volume.grid)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1, strip_shears=True)
    header.set_xyzt_units("mm")
    header.set_slope_inter(slope, 0.0)
    header["descrip"] = (_NOTE + volume.quantity).encode("latin-1", "replace")[:79]
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    if volume.quantity == "label":
        header["intent_code"] = _LABEL_INTENT
    return bytes(header.binaryblock)


def _gzipped(head: bytes, voxels: NDArray[np.generic], level: int) -> Iterator[bytes]:
    """Give one gzip member, its blocks deflated apart (RFC 1951) and joined by empty stored blocks."""
    data = voxels.data.cast("B")
    blocks: list[bytes | memoryview] = [head, *(data[at:at + _BLOCK_BYTES] for at in range(0, len(data), _BLOCK_BYTES))]

    def deflate(number: int) -> bytes:
        last = number == len(blocks) - 1
        stream = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
        return stream.compress(blocks[number]) + stream.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_SYNC_FLUSH)

    yield b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, time 0, unknown system
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(deflate, range(len(blocks)))
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(head))
    yield struct.pack("<II", checksum, (len(head) + len(data)) & 0xFFFFFFFF)
