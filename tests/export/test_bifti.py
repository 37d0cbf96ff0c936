"""The phantom format of Bloch simulators, read back with nibabel by the format's own words."""

import json
import math
import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from medsynth.core.errors import DatasetError, GeometryError
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.export.bifti import MrTissue, tissue_of_maps, write_bifti


def volume(grid: Grid, scale: float, quantity: str = "PD", dtype=np.float32) -> Volume:
    """Return a map whose value tells where in the world a voxel lies: 1 + scale (x + 10 y + 100 z) / 1000."""
    return Volume((1 + scale * (grid.points_mm() @ [1.0, 10.0, 100.0]) / 1000).astype(dtype), grid, quantity)


def read(path, reference: str):
    file, at = re.fullmatch(r"(.+)\[(\d+)\]", reference).groups()
    image = nib.load(path.parent / file)
    return np.asarray(image.dataobj)[..., int(at)], image.affine


def test_maps_lie_where_they_were_with_axes_to_right_front_and_head(case, tmp_path, lps_points):
    grid = case.image.grid
    fat, water = (MrTissue(volume(grid, scale), t1_s=volume(grid, 2 * scale), t2_s=0.08, db0_hz=db0)
                  for scale, db0 in ((0.5, -440.0), (1.0, 0.0)))
    path = write_bifti(tmp_path, {"fat": fat, "water": water}, field_T=3.0)
    told = json.loads(path.read_text())
    assert told["system"] == {"gyro": pytest.approx(42.5775, abs=1e-3), "B0": 3.0}
    for name, scale in (("fat", 0.5), ("water", 1.0)):
        for key, factor in (("density", 1), ("T1", 2)):
            array, affine = read(path, told["tissues"][name][key])
            places = lps_points(array.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
            np.testing.assert_allclose(array, 1 + factor * scale * (places @ [1.0, 10.0, 100.0]) / 1000, atol=1e-5)
            assert np.all(np.diag(affine)[:3] >= -1e-6)  # RAS+: rising indices run to the right, front and head
    assert told["tissues"]["fat"]["dB0"] == -440.0
    assert "T2'" not in told["tissues"]["fat"]  # the format reads what is missing as infinite


def test_shared_maps_are_written_once_and_units_are_those_of_the_format(axial_case, tmp_path):
    grid = axial_case.image.grid
    field = volume(grid, 1.0, "Hz")
    adc = Volume(np.full(grid.shape_kji, 0.7e-3, np.float32), grid, "ADC")
    coil = Volume(np.exp(1j * volume(grid, 1.0).array).astype(np.complex64), grid, "B1")
    tissues = {name: MrTissue(volume(grid, 1.0), adc_mm2_s=value, db0_hz=field, b1_minus=(coil, 0.5))
               for name, value in (("a", adc), ("b", 3e-3))}
    path = write_bifti(tmp_path, tissues, field_T=1.5, name="body")
    told = json.loads(path.read_text())["tissues"]
    assert told["a"]["dB0"] == told["b"]["dB0"] == "body_dB0.nii.gz[0]"
    assert told["b"]["density"] == "body.nii.gz[1]"
    assert told["b"]["ADC"] == pytest.approx(3.0)
    np.testing.assert_allclose(read(path, told["a"]["ADC"])[0], 0.7, rtol=1e-6)
    assert told["a"]["B1-"] == ["body_B1-.nii.gz[0]", 0.5]
    assert read(path, told["a"]["B1-"][0])[0].dtype == np.complex64


def test_the_maps_of_an_acquisition_become_one_tissue_with_t2_prime():
    grid = Grid.centred((2, 3, 4), (1.0, 1.0, 1.0))
    constant = {"PD": 0.8, "T1_ms": 900.0, "T2_ms": 80.0, "T2star_ms": 50.0, "ADC_um2_s": 700.0, "Hz": 12.0,
                "label": 3.0}
    maps = [Volume(np.full(grid.shape_kji, value, np.float32), grid, name) for name, value in constant.items()]
    tissue = tissue_of_maps(iter(maps))
    assert tissue.t1_s.array.max() == pytest.approx(0.9)
    assert tissue.t2_prime_s.array.max() == pytest.approx(1 / (1 / 0.05 - 1 / 0.08))
    assert tissue.adc_mm2_s.array.max() == pytest.approx(0.7e-3)
    assert tissue.b1_plus == (1.0,)
    with pytest.raises(DatasetError, match="among them PD"):
        tissue_of_maps(maps[1:])


def test_maps_that_do_not_fit_are_refused(axial_case, tmp_path):
    grid = axial_case.image.grid
    good = volume(grid, 1.0)
    shifted = replace(good, grid=replace(grid, origin_mm=(0.0, 0.0, 0.0)))
    with pytest.raises(GeometryError, match="grid of the map T1"):
        write_bifti(tmp_path, {"a": MrTissue(good, t1_s=shifted)}, field_T=3.0)
    with pytest.raises(DatasetError, match="dtype of the map dB0"):
        write_bifti(tmp_path, {"a": MrTissue(good, db0_hz=volume(grid, 1.0, dtype=np.float64))}, field_T=3.0)
    with pytest.raises(DatasetError, match="at least one"):
        write_bifti(tmp_path, {}, field_T=3.0)
    assert math.isinf(MrTissue(good).t1_s)
