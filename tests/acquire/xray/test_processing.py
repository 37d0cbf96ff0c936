import numpy as np
import pytest

from medsynth.acquire.xray.looks import LOOKS, looks
from medsynth.acquire.xray.processing import P_MAX, find_field, present, tone
from medsynth.acquire.xray.pyramid import decompose, recompose
from medsynth.core.seed import Seed

PIXEL = 0.5
AIR = 8000.0


@pytest.fixture(scope="module")
def readings():
    """A disc of tissue with an uneven inside in an open field with shutters, linear in the exposure, without noise."""
    y, x = np.meshgrid(np.arange(240), np.arange(300), indexing="ij")
    radius = np.hypot((y - 120) / 100, (x - 150) / 130)
    depth = np.where(radius < 1, 2.2 + 0.5 * np.cos(x / 17) * np.sin(y / 23) + 0.02 * np.sin(x / 1.5), 0.0)
    signal = (AIR * np.exp(-depth)).astype(np.float32)
    edges = (20.0, 15.0, 219.0, 284.0)
    shut = np.full(signal.shape, 5.0, np.float32)
    shut[20:220, 15:285] = signal[20:220, 15:285]
    return shut, edges, radius


@pytest.mark.parametrize("shape", [(64, 64), (65, 48), (101, 77), (7, 130), (5, 4)])
def test_a_pyramid_adds_up_to_its_image(shape):
    image = Seed(1).rng().standard_normal(shape).astype(np.float32)
    bands, rest = decompose(image, 6)
    assert recompose(bands, rest) == pytest.approx(image, abs=2e-6)


def test_a_wave_lies_in_the_band_of_its_width():
    x = np.arange(512)
    for n, period in enumerate((4, 8, 16, 32, 64)):
        wave = np.tile(np.sin(2 * np.pi * x / period), (64, 1)).astype(np.float32)
        power = [float((band**2).mean()) for band in decompose(wave, 6)[0]]
        assert int(np.argmax(power)) == n


def test_shutters_air_and_body_are_told_apart(readings):
    signal, edges, radius = readings
    field = find_field(signal, edges, AIR, PIXEL)
    (top, left), (height, width) = field.first_ji, field.shape_ji
    assert 20 < top < 28
    assert 212 < top + height <= 220
    assert 15 < left < 23
    assert 277 < left + width <= 285
    disc = radius[top:top + height, left:left + width]
    assert field.air[disc > 1.05].all()
    assert not field.air[disc < 0.95].any()
    whole = find_field(signal, (0.0, 0.0, 239.0, 299.0), AIR, PIXEL)
    assert (whole.first_ji, whole.shape_ji) == ((0, 0), (240, 300))
    assert field.interest == pytest.approx(np.median(signal[radius < 0.95]), rel=0.03)


@pytest.mark.parametrize("look", LOOKS)
def test_twice_the_exposure_is_the_same_image(readings, look):
    signal, edges, _ = readings
    one, two = (present(s, find_field(s, edges, air, PIXEL), looks()[look], PIXEL).astype(int)
                for s, air in ((signal, AIR), (2 * signal, 2 * AIR)))
    assert np.abs(one - two).max() <= 1


def test_a_piece_of_metal_changes_nothing_far_from_it(readings):
    """Which it would if the image were stretched between its least and its greatest value."""
    signal, edges, _ = readings
    metal = signal.copy()
    metal[60:66, 60:66] = 2.0
    before, after = (present(s, find_field(s, edges, AIR, PIXEL), looks()["standard"], PIXEL).astype(int)
                     for s in (signal, metal))
    assert np.abs(before - after)[150:, 200:].max() <= 0.01 * P_MAX
    assert after[62, 62] - before[62, 62] > 0.15 * P_MAX


def test_more_tissue_is_brighter():
    x = np.linspace(-3, 3, 200, dtype=np.float32)
    for look in looks().values():
        shown = tone(x, look).astype(int)
        assert (np.diff(shown) >= 0).all()
        assert shown[0] < 0.02 * P_MAX
        assert shown[-1] > 0.98 * P_MAX


def test_looks_differ_in_sharpness_as_their_names_say(readings):
    signal, edges, _radius = readings
    field = find_field(signal, edges, AIR, PIXEL)
    fine = {}
    for name in LOOKS:
        shown = present(signal, field, looks()[name], PIXEL).astype(np.float32)
        middle = shown[80:160, 100:200]
        fine[name] = float(decompose(middle, 2)[0][1].std())
    assert fine["soft"] < fine["standard"] < fine["bone"]


def test_noise_is_amplified_less_than_structure(readings):
    """The gain of a fine wave that stands out of the noise, against that of the noise alone, at equal frequency."""
    look = looks()["standard"]
    rng = Seed(4).rng()
    counts = 400.0
    flat = np.full((256, 256), counts)
    wave = flat * np.exp(0.5 * np.sin(2 * np.pi * np.arange(256) / 9)[None, :])

    def seen(mean):
        noisy = rng.poisson(mean).astype(np.float32)
        plain = look.model_copy(update={"noise": 0.0})
        full = find_field(noisy, (0.0, 0.0, 255.0, 255.0), 1e9, PIXEL)
        aware, blind = (present(noisy, full, one, PIXEL).astype(np.float32)[30:-30, 30:-30] for one in (look, plain))
        return aware, blind

    aware, blind = seen(flat)
    finest = [float(decompose(image, 1)[0][0].std()) for image in (aware, blind)]
    assert finest[0] < 0.7 * finest[1]
    aware, blind = seen(wave)
    finest = [float(decompose(image, 2)[0][1].std()) for image in (aware, blind)]
    assert finest[0] > 0.8 * finest[1]
