"""The physics tier as a scanner: what test objects show of its contrast, sharpness, dose and artifacts."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import j1, ndtr

from medsynth.acquire.common.basis import Basis
from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.physics import detector, reconstruct
from medsynth.acquire.ct.physics.chain import Chain
from medsynth.acquire.ct.physics.images import scan_phantom
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import beam
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure
from medsynth.scene.subject import Subject
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

QUIET = {"quantum_noise": False, "electronic_noise": False}
# Nominal HU of the inserts of the Catphan CTP404 module.
CTP404 = {"air": -1000, "pmp": -200, "ldpe": -100, "polystyrene": -35, "water": 0, "acrylic": 120, "delrin": 340,
          "teflon": 990}
MACHINE = scanner("generic-64")
PIXEL_MM, WIRE_MM = 0.1, 0.2


def mean_chord_cm(x_mm, y_mm, radius_mm):
    """(view, channel) mean chord of a disc over the width of every channel of `MACHINE`, in closed form."""
    edges = MACHINE.edges()[None]
    theta = MACHINE.angles_rad()[:, None] - edges
    away = MACHINE.sid_mm * np.sin(edges) - x_mm * np.cos(theta) - y_mm * np.sin(theta)
    part = np.clip(away / radius_mm, -1, 1)
    area = radius_mm**2 * (part * np.sqrt(1 - part**2) + np.arcsin(part))
    return np.diff(area, axis=1) / np.diff(away, axis=1) / 10


def chain(*names, kvp=120.0, **options):
    settings = PhysicsOptions(scatter=False, **QUIET, **options)
    materials = tuple(tissue(name) for name in names)
    return Chain(MACHINE, settings, kvp, Basis(materials, np.zeros((2, len(names)), np.float32)), 3.0, 0.5)


def image(made, paths_cm, kernel, matrix, pixel_mm, centre_mm=(0.0, 0.0)):
    """HU above air of noise-free paths; no pixel of an object blurs."""
    mas = np.full(MACHINE.views, 0.1)
    lines = made.corrected(made.lines(*made.expected(paths_cm.astype(np.float32), mas), mas, seed=None))
    rays = reconstruct.turned(reconstruct.parallel_of(MACHINE), -made.delay_rad())
    filtered = reconstruct.filtered(reconstruct.to_parallel(lines, MACHINE), rays.step_mm,
                                    reconstruct.kernel_response(kernel, MACHINE))
    found = reconstruct.back_projected(filtered[:, :, None], rays, matrix, pixel_mm, centre_mm)[:, :, 0].astype(float)
    scale = ct_beam(made.kvp)
    return found * 1000 / (scale.water_per_cm - scale.air_per_cm)


def wire(kernel, x_mm, y_mm):
    """Frequencies per mm and the transfer of a wire of water: mean of all directions, along x, along y."""
    matrix = 256
    spread = image(chain("water", polychromatic=False), mean_chord_cm(x_mm, y_mm, WIRE_MM)[:, :, None], kernel, matrix,
                   PIXEL_MM, (x_mm, y_mm))
    f = np.fft.fftfreq(1024, PIXEL_MM)
    middle = (matrix - 1) / 2 * PIXEL_MM  # the phase counts from the wire
    transfer = np.real(np.fft.fft2(spread, (1024, 1024)) * np.exp(2j * np.pi * middle * (f[None, :] + f[:, None])))
    edges = np.arange(0, 1.6, 0.02) - 0.01
    radius, at = np.hypot(f[:, None], f[None, :]), (edges[1:] + edges[:-1]) / 2
    mean = np.histogram(radius, edges, weights=transfer)[0] / np.histogram(radius, edges)[0]
    phase = 2 * np.pi * WIRE_MM * np.maximum(at, 1e-6)
    own = 2 * j1(phase) / phase * transfer[0, 0]
    return at, mean / own, *(np.interp(at, f[:512], part[:512]) / own for part in (transfer[0], transfer[:, 0]))


def half_height(f, transfer):
    n = int(np.argmax(transfer < 0.5))
    return float(np.interp(0.5, transfer[n:n - 2:-1], f[n:n - 2:-1]))


@pytest.fixture(scope="module")
def transfers():
    return {kernel: wire(kernel, 3.13, -2.27) for kernel in KERNELS}


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_transfer_of_a_wire_is_the_product_of_focal_spot_channel_cross_talk_and_filter(transfers, kernel):
    f, measured, _, _ = transfers[kernel]
    spot_mm = MACHINE.focal_mm[0] * (MACHINE.sdd_mm - MACHINE.sid_mm) / MACHINE.sdd_mm  # FWHM at the isocentre
    pitch_mm = MACHINE.channel_mm * MACHINE.sid_mm / MACHINE.sdd_mm
    focal = np.exp(-((np.pi * spot_mm * f) ** 2) / (4 * np.log(2)))
    talk = 1 - 2 * MACHINE.cross_talk * (1 - np.cos(2 * np.pi * f * pitch_mm))
    before = np.sinc(pitch_mm * f) * talk * np.sinc(pitch_mm / 2 * f) ** 2  # linear between samples of half a channel
    product = focal * before * reconstruct.kernel_response(kernel, MACHINE)(f)
    used = (f > 0) & (f < 0.65) & (product > 0.1)
    np.testing.assert_allclose(measured[used], product[used], rtol=0.03)
    # beyond, the spot's blur is one of whole channels
    taps = detector.focal_taps(MACHINE)
    channels = np.cos(2 * np.pi * np.outer(f, pitch_mm * (np.arange(len(taps)) - len(taps) // 2))) @ taps
    product *= channels / focal
    used = (f > 0) & (product > 0.1)
    np.testing.assert_allclose(measured[used], product[used], rtol=0.03)


def test_kernels_have_their_nominal_sharpness_at_the_isocentre_and_their_order(transfers):
    for kernel, (f, measured, _, _) in transfers.items():
        assert half_height(f, measured) == pytest.approx(half_height(f, KERNELS[kernel].mtf(f)), rel=0.05)
    soft, standard, sharp = (transfers[kernel][1][5:40] for kernel in ("soft", "standard", "sharp"))
    assert (soft < standard).all()
    assert (standard < sharp).all()


def test_off_the_isocentre_the_turn_blurs_around_it_and_not_towards_it():
    f, _, radial, azimuthal = wire("standard", 150.0, 0.0)
    nominal = KERNELS["standard"].mtf(f)
    assert half_height(f, radial) == pytest.approx(half_height(f, nominal), rel=0.05)
    per_view = 150.0 * 2 * np.pi / MACHINE.views * f  # cycles of the object that pass between two views
    x = np.linspace(-2, 2, 4001)
    away = np.abs(x)
    keys = np.where(away <= 1, 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2)
    between = np.trapezoid(keys * np.cos(2 * np.pi * per_view[:, None] * x), x)  # interpolation between views
    assert half_height(f, azimuthal) == pytest.approx(half_height(f, nominal * np.sinc(per_view) * between), rel=0.05)


def test_afterglow_does_not_turn_the_image():
    rod = mean_chord_cm(150.0, 0.0, 5.0)[:, :, None]
    spread = image(chain("water", polychromatic=False), rod, "standard", 120, 0.2, (150.0, 0.0))
    steps = (np.arange(120) - 59.5) * 0.2
    part = spread * (np.hypot(steps[None, :], steps[:, None]) < 7)
    assert (part * steps[:, None]).sum() / part.sum() == pytest.approx(0, abs=0.03)
    assert (part * steps[None, :]).sum() / part.sum() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("kvp", [80.0, 120.0])
def test_the_contrast_of_iodine_behind_water_is_that_of_the_beam_that_arrives(kvp):
    made, mg_per_ml = chain("water", "iodine", kvp=kvp), 2.0
    per_cm = mg_per_ml / 1000 / tissue("iodine").density_g_cm3
    water = mean_chord_cm(0.0, 0.0, 100.0)[:, :, None] * [1.0, 0.0]
    rod = mean_chord_cm(0.0, 0.0, 6.0)[:, :, None] * [0.0, per_cm]
    steps = (np.arange(32) - 15.5) * 0.5
    inside = np.hypot(steps[None, :], steps[:, None]) < 4
    contrast = (image(made, water + rod, "standard", 32, 0.5) - image(made, water, "standard", 32, 0.5))[inside].mean()
    tube = beam(MACHINE, kvp)
    mu_water, mu_iodine = (linear_attenuation(tissue(name), tube.energies_keV) for name in ("water", "iodine"))
    arrives = tube.photons[450] * detector.response(MACHINE, tube.energies_keV).signal[0] * np.exp(-20 * mu_water)
    scale = ct_beam(kvp)
    hu = 1000 * scale.water_per_cm / (scale.water_per_cm - scale.air_per_cm)
    assert contrast == pytest.approx(hu * per_cm * (arrives @ mu_iodine) / (arrives @ mu_water), rel=0.01)
    assert contrast / mg_per_ml == pytest.approx({80.0: 44, 120.0: 28}[kvp], rel=0.04)  # published


def scanned_object(name, slices, protocol):
    """Scan the middle of a test object."""
    person = load_body(name)
    subject = Subject("male", 50.0, 175.0, 78.0)
    scene = person.build(subject, person.sample_spec(subject, rng=Seed(1).rng()))
    half = slices * protocol.slice_thickness_mm / 2
    scene = dataclasses.replace(scene, scan_range_mm={"module": (-half, half)})
    return acquire_ct(scene, [], protocol, seed=Seed(1)), scene


def distance_mm(grid, x_mm, y_mm):
    x = grid.world_mm([(0, 0, i) for i in range(grid.shape_kji[2])])[:, 0]
    y = grid.world_mm([(0, j, 0) for j in range(grid.shape_kji[1])])[:, 1]
    return np.hypot(x[None, :] - x_mm, y[:, None] - y_mm)


def module(**changes):
    return CtProtocol(**{"fidelity": "physics", "scan_range": "module", "table": False, "fov_mm": 220.0, "matrix": 256,
                         "kernel": "soft", "reconstruction": "fbp", "mas": 100.0, **changes})


def test_ctp404_inserts_lie_within_15_hu_of_nominal():
    found, scene = scanned_object("qa-ctp404", 1, module(slice_thickness_mm=2.0, physics=QUIET))
    measured = {}
    for name in CTP404:
        x, y, _ = scene.landmarks[name]
        measured[name] = found.image.array[0][distance_mm(found.image.grid, x, y) < 4.0].mean()
    assert measured == pytest.approx(CTP404, abs=15)
    assert measured["water"] == pytest.approx(0, abs=2)


@pytest.mark.slow
def test_low_contrast_rods_are_detected_the_better_the_higher_the_dose():
    """Non-prewhitening matched filter on the four MITA rods; its SNR goes with the root of the dose."""
    doses = (20, 50, 100)
    asked = module(slice_thickness_mm=4.0, physics={"pairs": {"dose_percent": doses[:-1]}})
    found, scene = scanned_object("qa-mita", 8, asked)
    grid, pixel_mm = found.image.grid, found.image.grid.spacing_mm[2]
    stacks = {100: found.image.array, **{dose: found.pairs[f"dose_{dose}"][0].array for dose in doses[:-1]}}
    middle = distance_mm(grid, 0.0, 0.0)
    for diameter, contrast_hu in {3: 14.0, 5: 7.0, 7: 5.0, 10: 3.0}.items():
        x, y, _ = scene.landmarks[f"rod_{diameter}"]
        steps = (np.arange(-12, 13)) * pixel_mm
        shown = contrast_hu * ndimage.gaussian_filter(
            np.clip((diameter / 2 - np.hypot(steps[None, :], steps[:, None])) / pixel_mm + 0.5, 0, 1), 0.535 / pixel_mm)
        shown -= shown[0, 0]
        snr = []
        for dose in doses:
            images = stacks[dose].astype(float)
            noise = (images - images.mean(axis=0)) * np.sqrt(8 / 7)
            answers = np.array([ndimage.correlate(one, shown) for one in noise])
            snr.append((shown**2).sum() / answers[:, (middle > 40) & (middle < 60)].std())
        assert snr[0] < snr[1] < snr[2]
        assert (np.diff(ndtr(np.array(snr) / np.sqrt(2))) > 0).all()  # the share of right answers of two choices
        assert snr[2] / snr[0] == pytest.approx(np.sqrt(5), rel=0.12)  # electronic noise makes low doses worse still
        if diameter > 3:
            mean = stacks[100].astype(float).mean(axis=0)
            near = distance_mm(grid, x, y)
            seen = mean[near < 0.35 * diameter].mean() - mean[(near > diameter) & (near < 25)].mean()
            assert seen == pytest.approx(contrast_hu, abs=1.5)


def two_rods(material, radius_mm, pixels=160, pixel_mm=1.8):
    """Water, 22 cm across, with two rods 10 cm apart along x; the image of its truth without imperfections too."""
    x = (np.arange(pixels) - (pixels - 1) / 2) * pixel_mm
    labels = (np.hypot(x[None, :], x[:, None]) < 110).astype(np.uint16)[None]
    for side in (-50, 50):
        labels[0, np.hypot(x[None, :] - side, x[:, None]) < radius_mm] = 2
    empty = np.zeros(labels.shape, np.uint16)
    structures = tuple(Structure(name, n, name, Code("0", "test")) for n, name in enumerate(("water", material), 1))
    return Phantom(Grid.centred(labels.shape, (3.0, pixel_mm, pixel_mm)), labels, empty, empty.astype(np.uint8),
                   empty.astype(np.int16), structures), x


def scan(phantom, **physics):
    asked = CtProtocol(fidelity="physics", slice_thickness_mm=3.0, mas=100.0, kernel="soft", reconstruction="fbp",
                       physics={"pairs": {"targets": ("noise_free", "artifact_free")}, **physics})
    found = scan_phantom(phantom, phantom, phantom, phantom, asked, seed=Seed(2))
    return (found.image.array[0].astype(float),
            *(found.pairs[name][0].array[0].astype(float) for name in ("noise_free", "artifact_free")))


def test_between_two_bones_lies_a_dark_band_that_the_artifact_free_image_lacks():
    phantom, x = two_rods("cortical_bone", 15.0)
    noisy, clean, free = scan(phantom)
    band = (np.abs(x[:, None]) < 5) & (np.abs(x[None, :]) < 20)
    beside = (np.abs(x[:, None]) > 50) & (np.abs(x[:, None]) < 70) & (np.abs(x[None, :]) < 20)
    assert clean[band].mean() < clean[beside].mean() - 15
    assert free[band].mean() == pytest.approx(0, abs=2)
    assert free[beside].mean() == pytest.approx(0, abs=2)
    assert (noisy - clean)[beside].std() < 30


@pytest.mark.slow
def test_metal_casts_streaks_and_noise_that_the_artifact_free_image_lacks():
    phantom, x = two_rods("cobalt_chromium", 9.0)
    noisy, clean, free = scan(phantom)
    water = (np.hypot(x[None, :], x[:, None]) < 95) & (np.hypot(np.abs(x[None, :]) - 50, x[:, None]) > 25)
    assert clean[water].std() > 40
    assert free[water].std() < 0.2 * clean[water].std()
    band = (np.abs(x[:, None]) < 5) & (np.abs(x[None, :]) < 20)
    assert clean[band].mean() < -200  # hardly a photon passes both
    assert (noisy - clean)[water].std() > 60  # starved rays; between bones it is below 30


def test_the_artifact_free_image_is_as_sharp_as_the_scan_and_stands_still():
    """Its edges neither overshoot nor turn, and a patient's shift does not smear it."""
    pixels, x = 240, (np.arange(240) - 119.5) * 1.2
    labels = (np.hypot(x[None, :] - 110, x[:, None]) < 15).astype(np.uint16)[None]
    empty = np.zeros(labels.shape, np.uint16)
    phantom = Phantom(Grid.centred((1, pixels, pixels), (3.0, 1.2, 1.2)), labels, empty, empty.astype(np.uint8),
                      empty.astype(np.int16), (Structure("water", 1, "water", Code("0", "test")),))
    plain = {"polychromatic": False, "scatter": False}
    _, clean, free = scan(phantom, **plain)
    # along the radius nothing but the kernel blurs; a kernel that makes up for a blur that is not there gives 40 HU
    assert np.abs((free - clean)[118:122]).max() < 22
    _, smeared, still = scan(phantom, **plain, motion={"shift_mm": (12.0, 0.0)})
    assert np.abs(smeared - clean).max() > 200
    np.testing.assert_array_equal(still, free)


def test_a_slice_does_not_depend_on_how_many_are_scanned_with_it(make_ellipse):
    images = {}
    for slices in (1, 3):
        phantom = make_ellipse(slices, 96, 2.5, (100, 80))
        asked = CtProtocol(fidelity="physics", slice_thickness_mm=3.0, mas=100.0)
        images[slices] = scan_phantom(phantom, phantom, phantom, phantom, asked, seed=Seed(2)).image.array.astype(int)
    assert np.abs(images[3][0] - images[1][0]).max() <= 1
    middle = np.s_[32:64, 32:64]  # every slice has noise of its own: a difference has both variances
    noise = [images[3][k][middle].std() for k in (0, 1)]
    assert (images[3][1] - images[3][0])[middle].std() == pytest.approx(np.hypot(*noise), rel=0.15)
