"""The fast tier beside the physics tier, and both beside closed forms: sharpness, noise, HU behind much water."""

import numpy as np
import pytest

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.hu import hardening_per_cm, structure_hu
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.level import noise_level
from medsynth.acquire.ct.paths import hardening
from medsynth.acquire.ct.physics.basis import sharpening_taps
from medsynth.acquire.ct.physics.images import scan_phantom
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure
from medsynth.tissues.table import tissue

CODE = Code("0", "test")
WATER = Structure("water", 1, "water", CODE)
AORTA = Structure("aorta", 2, "blood", CODE, enhancement="aorta")
BONE = Structure("bone", 3, "cortical_bone", CODE)
FAT = Structure("fat", 4, "adipose", CODE)
NOISELESS = {"quantum_noise": False, "electronic_noise": False}


def scanned(phantom, protocol):
    if protocol.fidelity == "fast":
        return image_phantom(phantom, phantom, protocol, seed=Seed(1)).image.array.astype(float)
    return scan_phantom(phantom, phantom, phantom, phantom, protocol, seed=Seed(1)).image.array.astype(float)


def disc(pixels, pixel_mm, radius_mm):
    """A disc of water with exact partial volume (8 x 8 points a pixel)."""
    x = (np.arange(pixels * 8) + 0.5) / 8 * pixel_mm - pixels * pixel_mm / 2
    inside = np.hypot(x[None, :], x[:, None]) < radius_mm
    return inside.reshape(pixels, 8, pixels, 8).mean(axis=(1, 3))[None]


def half_height(image, pixel_mm, radius_mm):
    """Frequency per mm at which the transfer of a disc's rim has fallen to a half."""
    x = (np.arange(image.shape[-1]) - (image.shape[-1] - 1) / 2) * pixel_mm
    distance = (np.hypot(x[None, :], x[:, None]) - radius_mm).ravel()
    edges = np.arange(-8, 8.01, 0.1)
    (count, _), (total, _) = np.histogram(distance, edges), np.histogram(distance, edges, weights=image.ravel())
    profile = np.interp(np.arange(len(count)), np.flatnonzero(count), total[count > 0] / count[count > 0])
    line = -np.diff(profile) * np.hanning(len(profile) - 1)
    transfer = np.abs(np.fft.rfft(line, 4096))
    return np.fft.rfftfreq(4096, 0.1)[np.argmax(transfer < transfer[0] / 2)]


@pytest.mark.parametrize(("kernel", "pixel_mm"), [("soft", 0.9), ("standard", 0.7), ("sharp", 0.5)])
def test_both_tiers_have_the_same_mtf50_through_voxels_within_5_percent(make_phantom, kernel, pixel_mm):
    phantom = make_phantom(disc(round(110 / pixel_mm), pixel_mm, 40.0), (3.0, pixel_mm, pixel_mm))
    wanted = {"soft": 0.351, "standard": 0.420, "sharp": 0.715}[kernel]
    assert KERNELS[kernel].mtf(wanted) == pytest.approx(0.5, abs=0.003)
    protocol = CtProtocol(kernel=kernel, mas=2000.0, slice_thickness_mm=3.0, reconstruction="fbp")
    fast = half_height(scanned(phantom, protocol)[0], pixel_mm, 40.0)
    quiet = protocol.model_copy(update={"fidelity": "physics", "mas": 100.0, "physics": PhysicsOptions(**NOISELESS)})
    assert half_height(scanned(phantom, quiet)[0], pixel_mm, 40.0) == pytest.approx(fast, rel=0.05)
    assert fast == pytest.approx(wanted, rel=0.08)  # a sharp rim's bins are narrow for its noise


@pytest.mark.parametrize("pixel_mm", [0.4, 0.8, 1.5, 3.0])
@pytest.mark.parametrize("kernel", list(KERNELS))
def test_weights_that_sharpen_voxels_keep_mass_and_never_ring_beyond_the_nyquist_gain(kernel, pixel_mm):
    taps = sharpening_taps(kernel, pixel_mm)
    assert taps.sum() == pytest.approx(1, abs=1e-6)
    assert np.array_equal(taps, taps[::-1])
    cycles = np.linspace(0, 0.5, 101)
    response = sum(tap * np.cos(2 * np.pi * cycles * n) for n, tap in enumerate(taps, -(len(taps) // 2)))
    assert response.min() > 0.99
    assert response.max() < 2.5  # 1 / sinc^2 at the Nyquist frequency


@pytest.mark.parametrize("kvp", [80.0, 120.0])
@pytest.mark.parametrize("radius_mm", [70.0, 160.0])
def test_contrasts_in_the_middle_of_water_are_those_of_a_beam_behind_its_diameter(kvp, radius_mm):
    pixels, pixel_mm = 180, 2.0
    x = (np.arange(pixels) - (pixels - 1) / 2) * pixel_mm
    labels = (np.hypot(x[None, :], x[:, None]) < radius_mm).astype(np.uint16)[None]
    rods = {AORTA: (-12.0, 0.0), BONE: (12.0, 0.0), FAT: (0.0, 14.0)}
    for structure, (right, down) in rods.items():
        labels[0][np.hypot(x[None, :] - right, x[:, None] - down) < 5] = structure.label
    empty = np.zeros_like(labels)
    phantom = Phantom(Grid.centred(labels.shape, (3.0, pixel_mm, pixel_mm)), labels, empty, empty.astype(np.uint8),
                      empty.astype(np.int16), (WATER, *rods))
    protocol = CtProtocol(kvp=kvp, mas=2000.0, slice_thickness_mm=20.0, phase="arterial")
    image = scanned(phantom, protocol)[0]
    assert image[labels[0] == 1].mean() == pytest.approx(0, abs=1)  # rods' rims aside
    through_cm = radius_mm / 5 + 0.35 * (hardening_per_cm(tissue("cortical_bone"), kvp) - 1)  # mean chord of the rod
    for structure, (right, down) in rods.items():
        middle = np.hypot(x[None, :] - right, x[:, None] - down) < 2.2
        expected = structure_hu(structure, kvp, "arterial", through_cm)
        assert image[middle].mean() == pytest.approx(expected, abs=6, rel=0.03), structure.name


def test_a_rim_is_less_hard_than_a_middle(make_ellipse):
    hard = hardening(make_ellipse(1, 128, 3.0, (160, 160)), CtProtocol()).x[0]
    middle, edge = hard[len(hard) // 2, len(hard) // 2], hard[len(hard) // 2, len(hard) // 2 - 150 // 15]
    assert middle == pytest.approx(np.log(41 / 29), abs=0.02)  # behind 32 cm of water
    assert edge < middle - 0.01


def test_noise_of_both_tiers_agrees_within_6_percent_all_over_a_water_ellipse(make_ellipse):
    phantom = make_ellipse(6, 320, 1.25, (170, 125))
    settings = {"mas": 125.0, "slice_thickness_mm": 3.0, "reconstruction": "fbp", "kernel": "soft"}
    level = noise_level(phantom, CtProtocol(**settings))
    image = scanned(phantom, CtProtocol(fidelity="physics", **settings))
    noise = (image - image.mean(axis=0)) * np.sqrt(6 / 5)
    computed = np.kron(level.total_hu()[0], np.ones((level.block, level.block)))
    for y_mm, x_mm in ((0, 0), (0, 60), (0, 130), (55, 0), (100, 0), (60, 95)):
        parts = []
        for j in {160 + round(y_mm / 1.25), 160 - round(y_mm / 1.25)}:
            for i in {160 + round(x_mm / 1.25), 160 - round(x_mm / 1.25)}:
                parts.append(noise[:, j - 12:j + 12, i - 12:i + 12])
        j, i = 160 + round(y_mm / 1.25), 160 + round(x_mm / 1.25)
        assert computed[j, i] == pytest.approx(np.std(parts), rel=0.06), (y_mm, x_mm)
