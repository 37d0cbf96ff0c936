"""The physics tier as a whole: a body in, images out."""

import json
from dataclasses import replace

import numpy as np
import pytest

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.physics.images import scan_phantom
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.physics.scanner import scanner, scanners
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed

COARSE = {"fidelity": "physics", "slice_thickness_mm": 5.0, "pixel_mm": 2.0, "mas": 100.0}
QUIET = {"quantum_noise": False, "electronic_noise": False}


def protocol(physics: dict | None = None, **changes) -> CtProtocol:
    return CtProtocol(**{**COARSE, "physics": physics or {}, **changes})


def hu(phantom, protocol: CtProtocol, seed: int = 1) -> np.ndarray:
    return scan_phantom(phantom, phantom, phantom, phantom, protocol, seed=Seed(seed)).image.array.astype(float)


@pytest.mark.parametrize("radius_mm", [50.0, 110.0, 200.0])
def test_water_is_flat_and_zero_at_every_size(make_ellipse, radius_mm):
    """Cupping after the correction below 2 HU from 10 to 40 cm, with scatter, bowtie and the whole spectrum."""
    phantom = make_ellipse(1, 256, 1.8, (radius_mm, radius_mm), step_mm=5.0)
    image = hu(phantom, protocol(QUIET))[0]
    x = (np.arange(256) - 127.5) * 1.8
    r = np.hypot(x[None, :], x[:, None])
    rings = [image[(r >= low * radius_mm) & (r < (low + 0.2) * radius_mm)].mean() for low in (0.0, 0.2, 0.4, 0.6)]
    assert np.ptp(rings) < 2.0
    assert np.mean(rings) == pytest.approx(0.0, abs=2.0)
    assert image[(r > radius_mm + 15) & (r < 220)].mean() == pytest.approx(-1000.0, abs=2.0) or radius_mm > 190


def test_without_the_water_correction_water_is_not_flat(make_ellipse):
    """The middle's beam is hardened by water, the rim's already by the bowtie filter."""
    phantom = make_ellipse(1, 256, 1.6, (150, 150), step_mm=5.0)
    image = hu(phantom, protocol({**QUIET, "water_correction": False, "scatter": False}))[0]
    assert abs(image[118:138, 118:138].mean() - image[118:138, 45:55].mean()) > 15


def test_scatter_without_correction_darkens_the_middle(make_ellipse):
    phantom = make_ellipse(1, 256, 1.6, (150, 150), step_mm=5.0)
    corrected = hu(phantom, protocol(QUIET))[0]
    scattered = hu(phantom, protocol({**QUIET, "scatter_correction": False}))[0]
    assert scattered[118:138, 118:138].mean() < corrected[118:138, 118:138].mean() - 15


def test_noise_falls_as_one_over_the_root_of_the_charge(make_ellipse):
    phantom = make_ellipse(6, 160, 2.0, (110, 110), step_mm=5.0)
    quiet = {"electronic_noise": False}
    sd = {}
    for mas in (25.0, 100.0, 400.0):
        image = hu(phantom, protocol(quiet, mas=mas, reconstruction="fbp"))[:, 40:120, 40:120]
        sd[mas] = (image - image.mean(axis=0)).std()
    assert sd[25.0] / sd[100.0] == pytest.approx(2.0, rel=0.03)
    assert sd[100.0] / sd[400.0] == pytest.approx(2.0, rel=0.03)


def test_noise_grows_with_size_as_the_line_integral_asks(make_ellipse):
    """sigma ~ exp(mu D / 2); with the current's exponents at 0, hardening lowers mu to about 0.19."""
    flat = {"angular_exponent": 0.0, "longitudinal_exponent": 0.0, "electronic_noise": False, "scatter": False}
    sds = [hu(make_ellipse(6, 160, 2.0, (radius, radius), step_mm=5.0),
              protocol(flat, reconstruction="fbp"))[:, 70:90, 70:90].std() for radius in (80, 130)]
    assert np.log(sds[1] / sds[0]) == pytest.approx(0.19 * 10 / 2, rel=0.12)


@pytest.fixture
def short(scene):
    """Six slices about the lesion, which fills the middle ones."""
    return replace(scene, scan_range_mm={"chest": (-13.0, 17.0)})


def test_the_twin_equals_the_scan_where_no_lesion_is_in_the_slice(short, lesion):
    scene = short
    found = acquire_ct(scene, [lesion], protocol(), seed=Seed(7).child("ct"), twin=True)
    bare = acquire_ct(scene, [], protocol(), seed=Seed(7).child("ct"))
    assert np.array_equal(found.twin.array, bare.image.array)
    differ = (found.image.array != found.twin.array).any(axis=(1, 2))
    assert differ.any()
    assert not differ.all()
    inside = np.isin(found.phantom.labels, [s.label for s in lesion.structures])
    shadow = np.abs(found.image.array.astype(int) - found.twin.array)[:, ~inside.any(axis=0)]
    assert np.median(shadow) <= 3  # the same noise: only the lesion's shadow differs
    quick = acquire_ct(scene, [lesion], protocol(fidelity="fast"), seed=Seed(7).child("ct"), twin=True)
    added = [float((one.image.array[inside].astype(float) - one.twin.array[inside]).mean()) for one in (found, quick)]
    assert added[0] == pytest.approx(added[1], rel=0.2)  # the lesion's own matter, not a hole in the body


def test_a_scan_is_the_same_for_any_number_of_threads(short):
    import numba

    scene = short
    kept, images = numba.get_num_threads(), []
    try:
        for threads in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(threads)
            images.append(acquire_ct(scene, [], protocol(), seed=Seed(3)).image.array)
        assert np.array_equal(*images)
    finally:
        numba.set_num_threads(kept)


def test_a_small_field_of_view_shows_the_same_body(scene):
    scene = replace(scene, scan_range_mm={"chest": (-20.0, -15.0)})  # one slice
    wide = acquire_ct(scene, [], protocol(QUIET, pixel_mm=1.5, fov_mm=390.0, table=False), seed=Seed(1))
    zoomed = acquire_ct(scene, [], protocol(QUIET, pixel_mm=1.5, fov_mm=120.0, table=False), seed=Seed(1))
    middle = wide.image.array[0, 100:160, 100:160].mean()
    assert zoomed.image.array[0, 10:70, 10:70].mean() == pytest.approx(middle, abs=6)


def test_pairs_are_of_one_truth(make_ellipse):
    phantom = make_ellipse(4, 192, 1.25, (110, 90), step_mm=5.0)
    asked = protocol({"pairs": {"dose_percent": (25,), "kernels": ("sharp",), "thicknesses_mm": (10.0,),
                                "targets": ("noise_free", "artifact_free", "artifact_map")}}, reconstruction="fbp")
    found = scan_phantom(phantom, phantom, phantom, phantom, asked, seed=Seed(5))
    assert set(found.pairs) == {"dose_25", "sharp", "thickness_10", "noise_free", "artifact_free", "artifact_map"}
    middle = (slice(None), slice(76, 116), slice(76, 116))
    sd = {name: volume.array[middle].astype(float).std() for name, (volume, _) in found.pairs.items()}
    own = found.image.array[middle].astype(float).std()
    assert sd["dose_25"] == pytest.approx(2 * own, rel=0.25)
    assert sd["noise_free"] < 0.5 * own  # what is left are the edges of pixels
    assert sd["thickness_10"] < own < sd["sharp"]
    clean, free = (found.pairs[name][0].array.astype(int) for name in ("noise_free", "artifact_free"))
    assert np.abs(found.pairs["artifact_map"][0].array - (clean - free)).max() <= 1
    low = found.pairs["dose_25"][1].attributes
    assert low["Exposure"] == pytest.approx(0.25 * found.scanner.attributes["Exposure"])
    assert low["CTDIvol"] == pytest.approx(0.25 * found.scanner.attributes["CTDIvol"], rel=1e-3)


@pytest.mark.parametrize("physics", [{"ring_percent": 2.0}, {"motion": {"shift_mm": (12.0, 0.0)}},
                                     {"motion": {"breathing_mm": 15.0}}])
def test_each_imperfection_shows_in_the_noise_free_image(make_ellipse, physics):
    phantom = make_ellipse(1, 160, 2.0, (120, 90), step_mm=5.0)
    clean, flawed = (hu(phantom, protocol({**QUIET, **extra})) for extra in ({}, physics))
    assert np.abs(flawed - clean)[0].max() > 15
    assert np.abs(flawed - clean)[0].mean() < 60


def test_rings_are_round(make_ellipse):
    phantom = make_ellipse(1, 200, 1.6, (120, 120), step_mm=5.0)
    ring = hu(phantom, protocol({**QUIET, "ring_percent": 1.0}))[0] - hu(phantom, protocol(QUIET))[0]
    x = (np.arange(200) - 99.5) * 1.6
    r = np.hypot(x[None, :], x[:, None])
    inside = (r > 15) & (r < 105)
    index = (r / 1.6).astype(int)
    means = np.bincount(index[inside], ring[inside]) / np.maximum(np.bincount(index[inside]), 1)
    assert ring[inside].var() < 2.5 * means[index[inside]].var()  # most of the pattern depends on the radius alone


def test_truncation_warns_and_brightens_the_rim(make_ellipse):
    phantom = make_ellipse(1, 320, 2.0, (300, 150), step_mm=5.0)
    with pytest.warns(UserWarning, match="beyond the field"):
        found = scan_phantom(phantom, phantom, phantom, phantom, protocol(QUIET), seed=Seed(1))
    assert found.parameters["notes"]
    row = found.image.array[0, 160].astype(float)
    rim = int(160 - scanner("generic-64").field_mm / 2 / 2) + 3
    assert row[rim] > row[160] + 50


def test_the_sinogram_says_what_was_measured(make_ellipse):
    phantom = make_ellipse(2, 128, 2.5, (100, 100), step_mm=5.0)
    found = scan_phantom(phantom, phantom, phantom, phantom, protocol({**QUIET, "sinogram": True}), seed=Seed(1))
    raw = found.raw
    assert raw["line_integrals"].shape == (2, 1, len(raw["angle_rad"]), len(raw["channel"]))
    middle = raw["line_integrals"][0, 0, :, 450].mean()
    assert middle == pytest.approx(3.98, rel=0.03)  # 20 cm of water at 120 kV (facts of the polychromatic curve)


def test_a_counting_scanner_makes_images_and_iodine_maps(make_ellipse):
    phantom = make_ellipse(1, 128, 2.5, (100, 100), step_mm=5.0)
    asked = protocol({**QUIET, "scanner": "photon-counting", "spectral": {"iodine": True, "monoenergetic_keV": (50,)}})
    found = scan_phantom(phantom, phantom, phantom, phantom, asked, seed=Seed(1))
    middle = (0, slice(50, 78), slice(50, 78))
    assert found.image.array[middle].mean() == pytest.approx(0, abs=6)  # the disc of coarse pixels is small
    assert found.pairs["mono_50"][0].array[middle].mean() == pytest.approx(0, abs=9)
    assert found.pairs["iodine"][0].array[middle].mean() == pytest.approx(0, abs=0.2)


def test_what_the_files_say_is_what_was_simulated(make_ellipse):
    phantom = make_ellipse(3, 128, 2.5, (100, 80), step_mm=5.0)
    found = scan_phantom(phantom, phantom, phantom, phantom, protocol(kvp=100.0, kernel="sharp"), seed=Seed(1))
    told = found.scanner.attributes
    assert (told["KVP"], told["ConvolutionKernel"], told["ScanOptions"]) == (100.0, "SHARP", "AXIAL MODE")
    assert "SpiralPitchFactor" not in told
    assert np.mean(found.scanner.by_slice["Exposure"]) == pytest.approx(100.0)
    assert told["XRayTubeCurrent"] * told["RevolutionTime"] == pytest.approx(100.0, rel=0.01)
    json.dumps(found.parameters)


@pytest.mark.parametrize(("changes", "told"), [
    ({"mas": 2000.0}, "mas"), ({"physics": {"scanner": "generic"}}, "scanner"),
    ({"physics": {"spectral": {"iodine": True}}}, "second_kvp"),
])
def test_what_a_scanner_cannot_do_is_told_in_one_line(make_ellipse, changes, told):
    phantom = make_ellipse(1, 64, 5.0, (100, 80), step_mm=5.0)
    with pytest.raises(RecipeError, match=told) as error:
        hu(phantom, CtProtocol(**{**COARSE, **changes}))
    assert "\n" not in str(error.value)


def test_impossible_geometry_is_refused():
    with pytest.raises(RecipeError, match="sdd_mm must be > sid_mm"):
        scanner("generic-64", sdd_mm=500.0)
    with pytest.raises(RecipeError, match="generic-64"):
        scanner("generic-64", channels=3)
    with pytest.raises(ValueError, match="pitch"):
        PhysicsOptions(pitch=0.0)
    assert "parallel" in scanners()


@pytest.mark.slow
def test_a_helical_scan_shows_what_an_axial_one_does(make_ellipse):
    phantom = make_ellipse(4, 64, 3.0, (80, 60), step_mm=2.5)  # a helix reads many turns: small, and one energy
    asked = {"scanner": "generic-16", "polychromatic": False}
    axial, helical = (scan_phantom(phantom, phantom, phantom, phantom, protocol(
        {**asked, "mode": mode}, slice_thickness_mm=2.5, mas=25.0, reconstruction="fbp"), seed=Seed(1))
        for mode in ("axial", "helical"))
    told = helical.scanner.attributes
    assert (told["ScanOptions"], told["SpiralPitchFactor"]) == ("HELICAL MODE", 1.0)
    middle = (slice(1, 3), slice(22, 42), slice(22, 42))
    one, other = (scan.image.array[middle].astype(float) for scan in (axial, helical))
    assert other.mean() == pytest.approx(one.mean(), abs=2.0)
    assert other.std() == pytest.approx(one.std(), rel=0.25)  # the same charge reaches a slice of the same width
