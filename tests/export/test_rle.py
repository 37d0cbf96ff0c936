"""Run-length coding, judged by pydicom's decoder and encoder."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_encoder
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from medsynth.export.dicom.rle import compress, rle_frame


def frames(dtype, shape):
    """Rows of runs whose lengths lie around 1, 2 and the longest run, 128; and noise, which has hardly a run."""
    rng = np.random.default_rng(5)
    lengths = rng.choice([1, 1, 2, 3, 127, 128, 129, 130, 256, 257], size=4 * shape[0] * shape[1])
    values = rng.integers(0, np.iinfo(dtype).max, size=len(lengths), endpoint=True)
    size = shape[0] * shape[1]
    yield np.repeat(values, lengths)[:size].reshape(shape).astype(dtype)
    yield rng.integers(0, np.iinfo(dtype).max, size=shape, endpoint=True).astype(dtype)
    yield np.zeros(shape, dtype)


@pytest.mark.parametrize("shape", [(5, 601), (3, 1), (7, 128), (4, 129)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_frames_come_back_and_are_no_longer_than_pydicoms(dtype, shape):
    bits = 8 * np.dtype(dtype).itemsize
    for frame in frames(dtype, shape):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.Rows, dataset.Columns = shape
        dataset.NumberOfFrames = dataset.SamplesPerPixel = 1
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, "MONOCHROME2"
        dataset.PixelData = frame.tobytes() + b"\0" * (frame.nbytes % 2)
        compress(dataset)
        assert np.array_equal(dataset.pixel_array, frame)
        theirs = get_encoder(RLELossless).encode(
            frame, encoding_plugin="pydicom", rows=shape[0], columns=shape[1], number_of_frames=1, samples_per_pixel=1,
            bits_allocated=bits, bits_stored=bits, pixel_representation=0, photometric_interpretation="MONOCHROME2")
        assert len(rle_frame(frame)) <= len(theirs)
