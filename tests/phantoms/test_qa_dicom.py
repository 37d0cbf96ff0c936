"""The orientation phantom in a DICOM series, read by another program: every letter where and as it is read."""

from __future__ import annotations

import pytest

from medsynth.dataset.run import generate
from phantoms.qa.orientation import CELL_MM, CORONAL, LETTERS, PLACES_MM

sitk = pytest.importorskip("SimpleITK")

RECIPE = {
    "phantom": {"body": "qa-orientation", "range": "all"},
    "acquisitions": {"ct": {"modality": "ct", "mas": 500, "slice_thickness_mm": 1.25, "pixel_mm": 1.25}},
    "formats": ["dicom"],
}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    out = tmp_path_factory.mktemp("orientation")
    generate(RECIPE, 1, out, seed=2)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(out / "case-00000" / "dicom" / "ct")))
    return reader.Execute()


@pytest.mark.parametrize("letter", sorted(LETTERS))
def test_a_letter_is_read_in_its_place_at_the_world_positions_of_the_files(series, letter):
    rows = LETTERS[letter]
    for r, row in enumerate(rows):
        for c, mark in enumerate(row):
            right, down = (c + 0.5 - len(row) / 2) * CELL_MM, (r + 0.5 - len(rows) / 2) * CELL_MM
            x, y, z = PLACES_MM[letter]
            at = (x + right, y, z - down) if letter in CORONAL else (x + right, y + down, z)
            hu = series[series.TransformPhysicalPointToIndex(at)]
            assert (hu > 500) == (mark == "#"), (letter, r, c, hu)


def test_the_arms_tell_left_back_and_head_apart(series):
    def hu(*at):
        return series[series.TransformPhysicalPointToIndex(at)]

    assert hu(20.0, 0.0, 0.0) > 2000  # aluminium to the left
    assert hu(0.0, 18.0, 0.0) == pytest.approx(112, abs=60)  # acrylic to the back
    assert hu(0.0, 0.0, 14.0) == pytest.approx(-106, abs=60)  # polyethylene to the head
    for x, y, z in ((-20.0, 0.0, 0.0), (0.0, -18.0, 0.0), (0.0, 0.0, -14.0)):
        assert hu(x, y, z) == pytest.approx(0, abs=60)
