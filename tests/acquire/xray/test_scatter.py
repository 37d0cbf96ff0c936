"""Scatter against published ratios, and what grids, gaps and fields do to it."""

import numpy as np
import pytest

from medsynth.acquire.xray.detector import detector, response
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.scatter import glare, grid_transmission, scatter_grid, scatter_shares, scattered
from medsynth.acquire.xray.source import Technique, beam_of
from medsynth.core.errors import RecipeError
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue


def ratio(water_cm, inside, technique, sensor, gap_mm, pixel_mm):
    """Scatter over primary (rows, columns) behind a slab, in the beam that `inside` marks."""
    geometry = Geometry.facing((0, 1500, 0), (0, 0, 0), (0, 0, -1), pixel_mm, inside.shape)
    beam = beam_of(technique)
    signal = response(sensor, beam.energies_keV)[0]
    behind = np.exp(-water_cm * linear_attenuation(tissue("water"), beam.energies_keV))
    opened = np.where(inside, beam.photons @ signal, 1e-9).astype(np.float32)
    primary = np.where(inside, beam.photons @ (signal * behind), 1e-9).astype(np.float32)
    return scattered(primary, opened, geometry, technique, sensor, gap_mm) / primary


def square(count, half):
    x = np.abs(np.arange(count) - (count - 1) / 2)
    return (x[:, None] < half) & (x[None, :] < half)


@pytest.mark.parametrize("diameter_cm", [10, 20])
@pytest.mark.parametrize("thick_cm", [2, 4, 8])
def test_scatter_of_a_breast_matches_boone(thick_cm, diameter_cm):
    # Boone et al. 2000, "Scatter/primary in mammography: comprehensive results", Med Phys 27: semicircular field,
    # Mo/Mo, 15 mm gap.
    wanted = 1 / (-2.35452817439093 + 22.3960980055927 * diameter_cm**-1.5 + 8.85064260299289 * thick_cm**-0.5)
    pixel, count = 1.0, 260
    y, x = np.arange(count) - (count - 1) / 2, np.arange(count)
    inside = y[:, None] ** 2 + x[None, :] ** 2 < (5 * diameter_cm / pixel) ** 2
    found = ratio(thick_cm, inside, Technique(kvp=28, tube="mammography-mo-mo"), detector("selenium"), 15, pixel)
    middle = round(4 / (3 * np.pi) * 5 * diameter_cm)
    assert found[count // 2, middle] == pytest.approx(wanted, rel=0.12)


def test_scatter_of_slabs_has_the_known_size():
    # Behind 20 cm of water, 30 cm x 30 cm field: scatter is 3 to 5 times the primary radiation from 70 to 120 kV, a
    # scatter fraction of 0.75 to 0.83; it grows with field and thickness.
    field = {half: square(120, half / 3) for half in (50, 100, 150)}
    at = {(kvp, cm, half): float(ratio(cm, inside, Technique(kvp=kvp), detector("csi"), 20, 3.0)[60, 60])
          for kvp in (70, 120) for cm in (5, 10, 20) for half, inside in field.items()}
    assert 3 < at[70, 20, 150] < 5
    assert 3 < at[120, 20, 150] < 5
    for kvp in (70, 120):
        assert at[kvp, 5, 150] < at[kvp, 10, 150] < at[kvp, 20, 150]
        assert at[kvp, 20, 50] < at[kvp, 20, 100] < at[kvp, 20, 150]
    assert at[120, 5, 150] < 1


def test_an_air_gap_removes_scatter():
    found = [float(ratio(15, square(120, 50), Technique(kvp=120), detector("csi"), gap, 3.0)[60, 60])
             for gap in (0, 50, 150, 300)]
    assert np.all(np.diff(found) < 0)
    assert 0.2 < found[-1] / found[0] < 0.45


def test_a_grid_divides_scatter_by_its_selectivity():
    geometry = Geometry.facing((0, 1500, 0), (0, 0, 0), (0, 0, -1), 0.15, (6, 50))
    for name in ("r8", "r12"):
        line, share = grid_transmission(geometry, Technique(kvp=100, grid=name))
        assert 4 < float(line.mean()) / share < 10  # selectivity of grids of these ratios
        assert float(line.min()) == pytest.approx(scatter_grid(name).primary)
    assert grid_transmission(geometry, Technique(kvp=100))[1] == 1
    lines = grid_transmission(geometry, Technique(kvp=100, grid="r8", grid_lines=True))[0]
    power = np.abs(np.fft.rfft(lines[0] - lines.mean()))
    # 40 lines per cm are 0.6 cycles per pixel of 0.15 mm: beyond what pixels can show, they come back at 0.4.
    assert np.argmax(power) == round(0.4 * 50)
    off = grid_transmission(geometry, Technique(kvp=100, grid="r8", grid_offset_mm=30.0))[0]
    assert float(off.mean()) == pytest.approx(scatter_grid("r8").primary * (1 - 8 * 30 / 1500), rel=1e-5)


def test_scatter_is_a_smooth_and_local_answer_that_ends_with_the_beam():
    half = ratio(20, np.arange(120)[None, :] < np.full((120, 1), 60), Technique(kvp=100), detector("csi"), 50, 3.0)
    assert np.isfinite(half).all()
    assert half[60, 30] > half[60, 55] > 0
    assert np.abs(np.diff(half[60, 5:55])).max() < 0.1


def test_the_table_of_scatter_conserves_photons():
    # All scatter that leaves a slab: it grows with its thickness, and no gap changes it (less what misses the plane).
    water, _, near = scatter_shares(60.0, 0.0)
    far = scatter_shares(60.0, 100.0)[2]
    assert np.all(np.diff(near.sum(axis=1)) > 0)
    assert near[0].sum() == 0
    assert far.sum(axis=1) == pytest.approx(near.sum(axis=1), rel=0.02)
    # Single scatter in 1 cm: what 60 keV photons lose to scattering, forward half and a little more.
    assert 0.08 < near[list(water).index(1.0)].sum() < 0.19


def test_glare_keeps_the_signal_and_reaches_under_an_edge():
    sensor = detector("csi")
    image = np.ones((200, 300), np.float32)
    assert glare(image, sensor, 0.5) == pytest.approx(image, rel=1e-5)
    image[:, 150:] = 0
    found = glare(image, sensor, 0.5)[100]
    assert 0 < found[160] < sensor.glare_share
    assert found[250] < found[200] < found[160]


def test_an_unknown_grid_is_refused():
    with pytest.raises(RecipeError, match="grid must be one of"):
        scatter_grid("r99")
