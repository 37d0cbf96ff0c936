"""Whole exposures against closed forms: attenuation, dose, noise, twins, and what the pairs promise."""

from dataclasses import replace

import numba
import numpy as np
import pytest

from medsynth.acquire.xray.chain import expose
from medsynth.acquire.xray.detector import detector, response
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.project import Device
from medsynth.acquire.xray.source import Technique, fluence, full_beam
from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.structure import Structure
from medsynth.shapes.tubes import Tubes
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue
from tests.acquire.xray.solids import CODE, WATER, ellipsoid, slab

SENSOR = detector("csi")
SEED = Seed(4)
BARE = {"scatter": False, "noise": False, "blur": False, "anode": "none"}


def facing(pixel_mm=2.0, shape=(100, 101), sid_mm=1500.0, behind_mm=100.0):
    return Geometry.facing((0, sid_mm - behind_mm, 0), (0, -behind_mm, 0), (0, 0, -1), pixel_mm, shape)


@pytest.fixture(scope="module")
def body():
    """A trunk of water with a bone and a lesion in it, the same without the lesion, and with soft tissue for bone."""
    structures = (WATER, Structure("bone", 2, "cortical_bone", CODE),
                  Structure("marrow", 3, "red_marrow", CODE, mixture=(("cortical_bone", 0.15),)),
                  Structure("lesion", 20001, "nodule_solid", CODE), Structure("soft", 5, "soft_tissue", CODE))
    grid = Grid.centred((60, 50, 64), (3.0, 3.0, 3.0))
    healthy = ellipsoid(grid, (85.0, 60.0, 80.0), structures=structures, sub=2)
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape_kji), indexing="ij"), axis=-1)
    x, _, z = np.moveaxis(grid.world_mm(places), -1, 0)
    labels = healthy.labels.copy()
    labels[(np.abs(x - 30) < 11) & (np.abs(z) < 50) & (healthy.fraction == 0) & (labels == 1)] = 2
    labels[(np.abs(x - 30) < 5) & (labels == 2)] = 3
    neighbour = np.where(labels > 1, labels, healthy.neighbour)
    healthy = replace(healthy, labels=labels, neighbour=neighbour)
    ill, boneless = labels.copy(), labels.copy()
    ill[28:34, 22:28, 12:18] = 20001
    boneless[np.isin(boneless, (2, 3))] = 5
    return (replace(healthy, labels=ill), healthy,
            replace(healthy, labels=boneless, neighbour=np.where(boneless == 5, 5, neighbour).astype(np.uint16)))


def take(phantom, technique, geometry=None, **kwargs):
    return expose(phantom, geometry or facing(), technique, SENSOR, seed=SEED, **kwargs)


@pytest.mark.parametrize(("tissue_name", "thick_mm", "kvp"), [("water", 200, 120), ("adipose", 100, 70),
                                                              ("cortical_bone", 30, 60), ("titanium", 10, 100)])
def test_the_primary_beam_obeys_beer_and_lambert(tissue_name, thick_mm, kvp):
    phantom = slab((80, thick_mm, 80), structures=(Structure("slab", 1, tissue_name, CODE),))
    geometry, technique = facing(4.0, (61, 61), behind_mm=150), Technique(kvp=kvp, mas=1.0, **BARE)
    shot = take(phantom, technique, geometry, pairs=False)
    open_beam = fluence(geometry, technique)
    beam = full_beam(technique)
    signal = beam.photons * response(SENSOR, beam.energies_keV)[0]
    behind = np.exp(-thick_mm / 10 * linear_attenuation(tissue(tissue_name), beam.energies_keV))
    found = shot.primary[30, 30] / shot.primary[30, 2] * open_beam[30, 2] / open_beam[30, 30]
    # Air makes room for the slab: it counts from the empty beam.
    air = np.exp(-thick_mm / 10 * linear_attenuation(tissue("air"), beam.energies_keV))
    wanted = -np.log((signal @ behind) / (signal @ air))
    assert -np.log(found) == pytest.approx(wanted, rel=0.005)
    if tissue_name == "water":
        assert float(shot.water_mm[30, 30]) == pytest.approx(thick_mm, rel=0.005)
        assert abs(float(shot.water_mm[30, 2])) < 0.5


def test_automatic_exposure_brings_its_dose_to_the_fields(body):
    fields = ((30, 25, 45, 40), (60, 60, 70, 70))
    technique = Technique(kvp=90, dose_ugy=3.0, fields_ji=fields, grid="r10")
    shot = take(body[1], technique)
    doses = [shot.noise_free[r0:r1 + 1, c0:c1 + 1].mean() / SENSOR.values_per_ugy for r0, c0, r1, c1 in fields]
    assert np.mean(doses) == pytest.approx(3.0, rel=0.01)
    fixed = take(body[1], replace(technique, mas=2 * shot.mas))
    assert np.mean([fixed.noise_free[40, 35] / shot.noise_free[40, 35]]) == pytest.approx(2, rel=1e-3)
    limited = take(body[1], replace(technique, mas_limits=(0.01, shot.mas / 3)))
    assert limited.mas == pytest.approx(shot.mas / 3)
    assert limited.deviation == pytest.approx(shot.deviation - 10 * np.log10(3), abs=0.01)
    with pytest.raises(RecipeError, match="measuring fields must lie on the detector"):
        take(body[1], replace(technique, fields_ji=((200, 200, 210, 210),)))


def test_the_exposure_index_of_a_calibrated_flat_field_is_a_hundred_per_microgray():
    # IEC 62494-1: at RQA5, EI = 100 x air kerma at the detector in uGy.
    technique = Technique(kvp=70, filter_mm={"aluminium": 21.0}, mas=5.0, dose_ugy=2.5, **BARE)
    shot = take(slab((900, 10, 900), (90.0, 5.0, 90.0)), technique, facing(8.0, (20, 21)), pairs=False)
    kerma = full_beam(technique).kerma_ugy * 5.0 / 1.5**2
    assert shot.kerma_ugy == pytest.approx(kerma, rel=1e-6)
    beam = full_beam(technique).behind({"water": 10.0})
    assert shot.index == pytest.approx(100 * beam.kerma_ugy * 5.0 / 1.5**2, rel=0.02)
    assert shot.deviation == pytest.approx(10 * np.log10(shot.index / 250), abs=1e-9)


def test_dose_area_product_is_kerma_times_area_at_any_distance(body):
    dap = {}
    for sid in (1000.0, 2000.0):
        geometry = facing(400.0 / 100 * sid / 2000, sid_mm=sid, shape=(100, 101))
        technique = Technique(kvp=80, mas=1.0, **BARE)
        dap[sid] = take(body[1], technique, geometry, pairs=False)
    assert dap[1000.0].dap_ugy_m2 == pytest.approx(dap[2000.0].dap_ugy_m2, rel=1e-4)
    area_m2 = 0.4 * 0.404
    kerma = full_beam(Technique(kvp=80)).kerma_ugy * 0.25
    assert dap[2000.0].dap_ugy_m2 == pytest.approx(kerma * area_m2, rel=0.03)  # less what obliquity takes
    at_skin = full_beam(Technique(kvp=80)).kerma_ugy * (1000 / (1900 - 60)) ** 2
    assert dap[2000.0].entrance_ugy == pytest.approx(at_skin, rel=0.01)


def test_values_are_linear_in_exposure_and_noise_falls_with_its_root():
    technique = Technique(kvp=80, mas=1.0, anode="none")
    phantom, geometry = slab((300, 100, 300), (20.0, 20.0, 20.0)), facing(0.4, (160, 161))
    doses, means, relative = np.array([0.5, 1.0, 2.0, 4.0, 8.0]), [], []
    for mas in doses:
        shot = expose(phantom, geometry, replace(technique, mas=mas), replace(SENSOR, electronic_ugy=0.0), seed=SEED)
        means.append(shot.raw.mean(dtype=float))
        relative.append(np.std(shot.raw / shot.noise_free))
    assert np.corrcoef(doses, means)[0, 1] ** 2 > 0.9999
    assert means[-1] / means[0] == pytest.approx(16, rel=2e-3)
    assert np.polyfit(np.log(doses), np.log(relative), 1)[0] == pytest.approx(-0.5, abs=0.02)


def test_the_twin_is_the_image_of_the_healthy_body_and_differs_in_the_shadow_alone(body):
    ill, healthy, _ = body
    technique = Technique(kvp=90, mas=2.0, scatter=False)
    shot, alone = take(ill, technique, healthy=healthy), take(healthy, technique)
    assert np.abs(shot.twin.astype(int) - alone.raw).max() <= 2
    scattering = take(ill, replace(technique, scatter=True), healthy=healthy)
    changed = np.argwhere(scattering.twin != scattering.raw)
    row, column = facing().project_mm(healthy.grid.world_mm(np.array([(27, 21, 11), (34, 28, 18)])))
    reach = 60 / 2.0  # pixels: interpolation, focal spot and the sensor's blur
    assert changed[:, 0].min() > row.min() - reach
    assert changed[:, 1].max() < column.max() + reach
    middle = tuple(np.rint([row.mean(), column.mean()]).astype(int))
    assert scattering.twin[middle] > scattering.raw[middle]
    same = take(healthy, technique, healthy=healthy)
    assert np.array_equal(same.twin, same.raw)


def test_without_bones_stands_soft_tissue_of_the_same_length(body):
    _, healthy, boneless = body
    technique = Technique(kvp=90, mas=2.0, scatter=False)
    suppressed = take(healthy, technique, bone_suppressed=True)
    wanted = take(boneless, technique)
    assert np.abs(suppressed.bone_suppressed / np.maximum(wanted.raw, 1.0) - 1).max() < 0.02
    assert np.median(suppressed.raw[40:60, 30:36] / suppressed.bone_suppressed[40:60, 30:36]) < 0.9


def test_images_without_noise_and_scatter_are_what_they_say(body):
    technique = Technique(kvp=90, mas=2.0)
    shot = take(body[1], technique)
    noise = shot.raw - shot.noise_free
    assert abs(noise.mean()) < 0.1 * noise.std()
    quiet = take(body[1], replace(technique, noise=False))
    assert np.abs(quiet.raw - np.minimum(quiet.noise_free, SENSOR.top)).max() <= 0.51
    dry = take(body[1], replace(technique, scatter=False, noise=False))
    assert shot.scatter_free == pytest.approx(dry.noise_free, rel=1e-4, abs=0.01)
    assert np.all(shot.scatter > 0)
    both = (shot.primary + shot.scatter).mean(dtype=float)
    assert shot.noise_free.mean(dtype=float) == pytest.approx(both, rel=0.02)


def test_beyond_the_shutters_there_is_scatter_and_hardly_any_primary(body):
    shot = take(body[1], Technique(kvp=90, mas=2.0, field_ji=(30, 30, 70, 70)))
    assert shot.primary[50, 50] > 30 * shot.primary[50, 20]
    assert shot.scatter[50, 20] > 5 * shot.primary[50, 20]


def test_the_focal_spot_blurs_by_its_size_times_magnification_less_one():
    # A wire in the middle plane: its shadow's variance grows by that of the focal spot's image.
    phantom = slab((60, 100, 60), (10.0, 10.0, 10.0))
    geometry = Geometry.facing((0, 500, 0), (0, -500, 0), (0, 0, -1), 0.2, (21, 401))
    wire = Tubes(np.array([[0.0, 0, -30]]), np.array([[0.0, 0, 30]]), np.array([0.3]), np.array([0.3]), np.array([-1]))
    spread = []
    for focus in (1e-6, 2.0):
        technique = Technique(kvp=90, mas=1.0, focus=focus, scatter=False, noise=False)
        with_wire, without = (take(phantom, technique, geometry, devices=devices, pairs=False).primary[10, 150:251]
                              for devices in ([Device("wire", wire, "platinum")], []))
        dip = 1 - with_wire / without
        at = np.arange(len(dip)) - dip @ np.arange(len(dip)) / dip.sum()
        spread.append(dip @ at**2 / dip.sum() * 0.04)
    assert np.sqrt(spread[1] - spread[0]) * 2.355 == pytest.approx(2.0 * (2 - 1), rel=0.06)


def test_lead_is_opaque_and_a_catheter_is_faint(body):
    def disc(y, radius):
        return Tubes(np.array([[-40.0, y, 0]]), np.array([[-40.0, y, 0]]), np.array([radius]), np.array([radius]),
                     np.array([-1]))

    technique = Technique(kvp=90, mas=2.0, scatter=False, noise=False)
    bare, metal, plastic = (take(body[1], technique, devices=devices) for devices in (
        [], [Device("marker", disc(70, 6.0), "platinum", displaces=False)], [Device("bead", disc(0, 6.0), "silicone")]))
    row, column = (int(v) for v in np.rint(facing().project_mm((-40, 70, 0))))
    assert metal.primary[row, column] < 1e-2 * bare.primary[row, column]
    row, column = (int(v) for v in np.rint(facing().project_mm((-40, 0, 0))))
    assert 0.6 < plastic.primary[row, column] / bare.primary[row, column] < 0.99


def test_an_exposure_is_the_same_for_any_number_of_threads(body):
    before, found = numba.get_num_threads(), []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        found.append(take(body[0], Technique(kvp=90, grid="r8"), healthy=body[1], bone_suppressed=True))
    numba.set_num_threads(before)
    for name in ("raw", "noise_free", "scatter_free", "twin", "bone_suppressed", "water_mm"):
        assert np.array_equal(*(getattr(shot, name) for shot in found))
    other = expose(body[0], facing(), Technique(kvp=90, grid="r8"), SENSOR, seed=Seed(5))
    assert not np.array_equal(other.raw, found[0].raw)


def test_a_source_within_the_body_is_refused(body):
    inside = Geometry.facing((0, 20, 0), (0, -200, 0), (0, 0, -1), 2.0, (50, 50))
    with pytest.raises(GeometryError, match="source"):
        take(body[1], Technique(kvp=80), inside)


def test_every_number_is_plain_and_finite(body):
    shot = take(body[1], Technique(kvp=80, grid="r8"), pairs=False)
    assert all(isinstance(v, str | float | int) and (isinstance(v, str) or np.isfinite(v))
               for v in shot.numbers.values())
    assert shot.raw.dtype == np.uint16
    assert shot.noise_free is None
