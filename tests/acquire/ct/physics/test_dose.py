"""Dose: CTDIvol, DLP and the size-specific estimate against published numbers."""

import numpy as np
import pytest

from medsynth.acquire.ct.physics import dose
from medsynth.core.errors import RecipeError


def test_ctdi_per_mas_is_the_mean_of_published_scanners_and_follows_mas_and_voltage():
    # 43 scanners at 120 kV: 78 +- 22 (32 cm) and 167 +- 44 uGy per mAs (16 cm); four times at 140 of 80 kV.
    assert dose.ctdi_vol_mGy(120, 1, 32) == pytest.approx(0.078)
    assert dose.ctdi_vol_mGy(120, 1, 16) == pytest.approx(0.167)
    assert dose.ctdi_vol_mGy(120, 200) == pytest.approx(200 * dose.ctdi_vol_mGy(120, 1))
    assert dose.ctdi_vol_mGy(140, 1) / dose.ctdi_vol_mGy(80, 1) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("effective_mas", "published_mGy"), [(186, 18.7), (134, 11.8), (266, 19.2), (112, 8.8)])
def test_chest_scans_of_64_row_scanners_had_about_this_ctdi(effective_mas, published_mGy):
    # doi:10.1259/bjr/13320880, table 2: four adult chest scans at 120 kV, effective mAs and CTDIvol
    assert dose.ctdi_vol_mGy(120, effective_mas) == pytest.approx(published_mGy, rel=0.3)


def test_dose_length_product_is_dose_times_centimetres():
    assert dose.dlp_mGy_cm(10.0, 350.0) == 350.0


@pytest.mark.parametrize(("phantom_cm", "diameter_cm", "factor"), [
    (32, 8, 2.76), (32, 10, 2.57), (32, 20, 1.78), (32, 30, 1.23), (32, 40, 0.85), (32, 45, 0.71),
    (16, 6, 1.49), (16, 10, 1.27), (16, 16, 1.01), (16, 20, 0.86), (16, 30, 0.59)])
def test_size_factors_are_those_of_AAPM_report_204(phantom_cm, diameter_cm, factor):
    assert dose.size_factor(10 * diameter_cm, phantom_cm) == pytest.approx(factor, abs=0.006)
    assert dose.size_specific_dose_mGy(10.0, 10 * diameter_cm, phantom_cm) == pytest.approx(10 * factor, abs=0.06)


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (0.7, 0.9)])
@pytest.mark.parametrize(("hu", "scale"), [(0.0, 1.0), (-500.0, np.sqrt(0.5)), (50.0, np.sqrt(1.05))])
def test_the_water_equivalent_diameter_of_a_disc_is_its_own_times_the_root_of_its_attenuation(pixel_mm, hu, scale):
    y, x = ((np.arange(n) - (n - 1) / 2) * size for n, size in ((512, pixel_mm[0]), (480, pixel_mm[1])))
    image = np.where(np.hypot(y[:, None], x[None, :]) < 150, hu, -1000.0)
    assert dose.water_equivalent_diameter_mm(image, pixel_mm) == pytest.approx(300 * scale, rel=2e-3)
    stack = np.stack([image, image])
    assert dose.water_equivalent_diameter_mm(stack, pixel_mm) == pytest.approx(300 * scale, rel=2e-3)


def test_what_lies_outside_the_body_can_be_left_out_of_the_diameter():
    image = np.full((200, 200), -1000.0)
    image[40:120, 60:140] = 0
    body = image > -500
    image[180:190] = 100  # a table
    with_table = dose.water_equivalent_diameter_mm(image, (2.0, 2.0))
    without = dose.water_equivalent_diameter_mm(image, (2.0, 2.0), body)
    assert without == pytest.approx(2 * np.sqrt(80 * 80 * 4 / np.pi))
    assert with_table > without
    assert dose.water_equivalent_diameter_mm(np.full((10, 10), -1024.0), (1.0, 1.0)) == 0


def test_other_voltages_and_phantoms_are_refused():
    with pytest.raises(RecipeError, match=r"kvp must be in 70\.\.150"):
        dose.ctdi_vol_mGy(60, 100)
    with pytest.raises(RecipeError, match="phantom_cm must be one of"):
        dose.ctdi_vol_mGy(120, 100, 10)
    with pytest.raises(RecipeError, match="phantom_cm must be one of"):
        dose.size_factor(300, 20)
