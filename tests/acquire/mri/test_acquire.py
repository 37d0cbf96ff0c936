"""Whole acquisitions of a toy head: geometry, truth, twins, noise, fitted maps, files, random contrast."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from medsynth.acquire.mri.acquire import acquire_mri
from medsynth.acquire.mri.geometry import plane_direction, scan_grid
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.random_contrast import bias_field, resolution_rows
from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import Ellipsoid, Sphere

CODE = Code("0", "test")
NAMES = {"fat": ("adipose", 1), "white": ("white_matter", 2), "grey": ("grey_matter", 3), "csf": ("csf", 4)}
QUIET = {"noise": {"snr_density": None}, "fields": {"b1": False, "b0": False, "chemical_shift": False},
         "sampling": {"aperture_correction": False}}


@pytest.fixture(scope="module")
def scene():
    structures = tuple(Structure(name, label, tissue, CODE) for name, (tissue, label) in NAMES.items())

    def paint(radii, label, centre=(0.0, 0.0, 0.0)):
        return Paint(Ellipsoid(centre, radii), (Layer(label),), lattice_mm=2.0)

    paints = (paint((60.0, 70.0, 65.0), 1), paint((54.0, 64.0, 59.0), 3), paint((48.0, 58.0, 53.0), 2),
              paint((20.0, 26.0, 20.0), 4))
    return Scene("toy", "middle", Subject("male", 50, 175, 75), structures, paints, {}, {}, {"spot": (10.0, 5.0, 0.0)},
                 ((-62.0, -72.0, -67.0), (62.0, 72.0, 67.0)), {"head": (-24.0, 24.0)}, 11)


@pytest.fixture(scope="module")
def lesion():
    return Lesion(1, "test", CODE, (Structure("spot", 20001, "nodule_solid", CODE),),
                  (Paint(Sphere((35.0, 10.0, 0.0), 7.0), (Layer(20001),), lattice_mm=1.0),), "white", {}, {})


def protocol(**settings):
    given = {"sequence": "tse", "tr_ms": 4000, "te_ms": 50, "echo_train": 9, "pixel_mm": 2.0, "slice_thickness_mm": 4.0}
    return MriProtocol(**{**given, **settings})


def pure(acquired, name):
    """Voxels that hold nothing but one structure, away from walls."""
    from scipy import ndimage

    whole = (acquired.phantom.labels == NAMES[name][1]) & (acquired.phantom.fraction == 0)
    return ndimage.binary_erosion(whole, np.ones((1, 5, 5), bool))


def test_planes_run_as_radiologists_look_at_them(scene):
    axial, coronal, sagittal = (scan_grid(scene, protocol(plane=plane)) for plane in ("axial", "coronal", "sagittal"))
    columns = [np.asarray(grid.direction).T.tolist() for grid in (axial, coronal, sagittal)]
    assert columns[0] == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]  # slices up, rows to the back, columns to the left
    assert columns[1] == [[0, 1, 0], [0, 0, -1], [1, 0, 0]]  # slices to the back, rows down
    assert columns[2] == [[1, 0, 0], [0, 0, -1], [0, 1, 0]]  # slices to the left, rows down, columns to the back
    assert axial.shape_kji[0] * 4 == 48
    assert sagittal.shape_kji[0] * 4 == pytest.approx(124 + 16, abs=4)


def test_oblique_planes_turn_about_the_rows(scene):
    direction = plane_direction(protocol(tilt_deg=(20.0, 0.0)))
    np.testing.assert_allclose(direction[:, 2], [1, 0, 0], atol=1e-12)
    assert direction[:, 0] @ [0, 0, 1] == pytest.approx(np.cos(np.deg2rad(20)))
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    acquired = acquire_mri(scene, (), protocol(tilt_deg=(20.0, 10.0), pixel_mm=4.0), seed=Seed(1))
    assert acquired.image.grid.is_close(acquired.phantom.grid)


def test_fields_of_view_are_centred_where_asked(scene):
    grid = scan_grid(scene, protocol(fov_mm=(60, 40), slab_mm=20, centre_on="spot"))
    assert grid.shape_kji == (5, 30, 20)
    np.testing.assert_allclose(grid.centre_mm, [10, 5, 0])
    by_structure = scan_grid(scene, protocol(centre_on="csf"))
    np.testing.assert_allclose(by_structure.centre_mm, [0, 0, 0], atol=1.0)
    with pytest.raises(RecipeError, match="centre_on must be a structure"):
        scan_grid(scene, protocol(centre_on="moon"))
    with pytest.raises(RecipeError, match="scan_range"):
        scan_grid(scene, protocol(scan_range="toe"))


def test_image_and_truth_share_a_grid_and_the_contrast_is_right(scene):
    acquired = acquire_mri(scene, (), protocol(), seed=Seed(1))
    assert acquired.image.array.dtype == np.uint16
    assert acquired.image.quantity == "signal"
    assert acquired.image.grid == acquired.phantom.grid
    level = {name: float(acquired.image.array[pure(acquired, name)].mean()) for name in ("white", "csf")}
    assert level["csf"] > 1.4 * level["white"]
    air = (acquired.phantom.labels == 0) & (acquired.phantom.fraction == 0)
    assert np.median(acquired.image.array[air]) < 0.05 * level["white"]


def test_the_same_seed_gives_the_same_bytes_and_another_other_noise_alone(scene):
    one, same, other = (acquire_mri(scene, (), protocol(), seed=Seed(n)).image.array for n in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    level = one.astype(float) - other
    assert abs(level.mean()) < 0.1 * level.std()


def test_all_acquisitions_see_one_person(scene):
    """The noise-free image does not depend on the acquisition's seed, and does on the body's."""
    import dataclasses

    quiet = protocol(kspace=QUIET)
    one, other = (acquire_mri(scene, (), quiet, seed=Seed(n)).image.array for n in (1, 2))
    np.testing.assert_array_equal(one, other)
    someone = dataclasses.replace(scene, texture_seed=12)
    assert not np.array_equal(one, acquire_mri(someone, (), quiet, seed=Seed(1)).image.array)
    means = protocol(kspace=QUIET, tissue_spread=0)
    np.testing.assert_array_equal(acquire_mri(scene, (), means, seed=Seed(1)).image.array,
                                  acquire_mri(someone, (), means, seed=Seed(1)).image.array)


def test_a_twin_differs_where_the_lesion_reaches(scene, lesion):
    acquired = acquire_mri(scene, [lesion], protocol(), seed=Seed(3), twin=True)
    plain = acquire_mri(scene, (), protocol(), seed=Seed(3))
    difference = np.abs(acquired.image.array.astype(int) - acquired.twin.array)
    from scipy import ndimage

    near = ndimage.binary_dilation(acquired.phantom.labels == 20001, iterations=3)
    assert difference[near].max() > 60
    # ringing of the lesion's edge goes on along the encoded axes, far below its own signal
    assert difference[~near].max() < 0.08 * difference.max()
    assert np.abs(plain.image.array.astype(int) - acquired.twin.array).max() <= 1


def test_noise_has_the_promised_sd_and_the_air_is_rayleigh(scene):
    settings = protocol(kspace={"noise": {"snr_density": 4.0}, "fields": {"b1": False}})
    noisy = acquire_mri(scene, (), settings, seed=Seed(5))
    quiet = acquire_mri(scene, (), protocol(kspace={"noise": {"snr_density": None}, "fields": {"b1": False}}),
                        seed=Seed(5))
    lines = noisy.parameters["matrix_kji"][1]
    expected = noisy.parameters["gain"] / (4.0 * 2.0 * 2.0 * 4.0 * np.sqrt(lines / settings.bandwidth_hz_px))
    bright = pure(noisy, "csf")
    found = (noisy.image.array.astype(float) - quiet.image.array)[bright].std()
    assert found == pytest.approx(expected, rel=0.08)
    corner = noisy.image.array[:, :6, :6].astype(float)
    assert corner.mean() == pytest.approx(expected * np.sqrt(np.pi / 2), rel=0.06)
    assert corner.std() == pytest.approx(expected * np.sqrt(2 - np.pi / 2), rel=0.08)


def test_averages_lower_the_noise_by_their_root(scene):
    corner = [acquire_mri(scene, (), protocol(kspace={"noise": {"snr_density": 2.0}, "sampling": {"averages": n}}),
                          seed=Seed(5)).image.array[:, :6, :6] for n in (1, 4)]
    assert corner[0].mean() / corner[1].mean() == pytest.approx(2.0, rel=0.1)


def test_fat_moves_along_the_readout_by_its_shift_over_the_bandwidth(scene):
    """3 T, 100 Hz per pixel: fat at -424 Hz lies 4.2 pixels towards lower indices."""
    images = [acquire_mri(scene, (), MriProtocol(sequence="se", tr_ms=300, te_ms=10, pixel_mm=2.0, slice_thickness_mm=8,
                                                 bandwidth_hz_px=100, slab_mm=8, kspace={
                                                     "noise": {"snr_density": None},
                                                     "fields": {"b1": False, "chemical_shift": shift}}),
                          seed=Seed(1)).image.array.astype(float) for shift in (False, True)]
    row = images[0].shape[1] // 2
    profiles = [image[0, row] for image in images]
    half = profiles[0].max() / 2
    starts = [np.argmax(profile > half) for profile in profiles]
    assert starts[0] - starts[1] == pytest.approx(4.24, abs=1.0)


def test_t1_fits_the_truth(scene):
    settings = MriProtocol(sequence="t1_map", tr_ms=15, te_ms=2, flips_deg=(4, 20), spoiling="ideal", dimensions=3,
                           pixel_mm=3.0, slice_thickness_mm=4.0, extras=("maps",), kspace=QUIET, tissue_spread=1)
    acquired = acquire_mri(scene, (), settings, seed=Seed(1))
    fitted, true = acquired.pairs["t1"][0].array, acquired.pairs["map_t1"][0].array
    assert acquired.pairs["t1"][0].quantity == "T1_ms"
    for name in ("white", "csf"):
        inside = pure(acquired, name)
        assert np.median(fitted[inside]) == pytest.approx(np.median(true[inside]), rel=0.02)
    assert acquired.pairs["flip_4"][1].attributes["FlipAngle"] == 4


def test_t2_fits_the_truth(scene):
    settings = MriProtocol(sequence="t2_map", tr_ms=4000, te_ms=15, echo_train=8, echo_spacing_ms=15, pixel_mm=3.0,
                           slice_thickness_mm=6.0, extras=("maps",), kspace=QUIET)
    acquired = acquire_mri(scene, (), settings, seed=Seed(1))
    fitted, true = acquired.pairs["t2"][0].array, acquired.pairs["map_t2"][0].array
    inside = pure(acquired, "white")
    assert np.median(fitted[inside]) == pytest.approx(np.median(true[inside]), rel=0.02)
    assert acquired.pairs["echo_8"][1].attributes["EchoTime"] == 120


def test_diffusion_fits_the_truth_and_noise_biases_it_down(scene):
    def adc(kspace):
        settings = MriProtocol(sequence="dwi", tr_ms=5000, te_ms=90, echo_spacing_ms=0.5, b_values=(0, 800),
                               pixel_mm=3.0, slice_thickness_mm=8.0, fat_saturation="spectral", extras=("maps",),
                               kspace=kspace)
        acquired = acquire_mri(scene, (), settings, seed=Seed(1))
        assert acquired.pairs["adc"][1].attributes["DiffusionBValue"] == 800
        assert acquired.pairs["b0"][1].attributes["DiffusionBValue"] == 0
        inside = pure(acquired, "csf")
        return np.median(acquired.pairs["adc"][0].array[inside]), np.median(acquired.pairs["map_adc"][0].array[inside])

    fitted, true = adc(QUIET)
    assert fitted == pytest.approx(true, rel=0.02)
    fitted, true = adc({"noise": {"snr_density": 0.35}, "fields": {"b1": False}})
    assert fitted < 0.9 * true  # the magnitude does not fall below the noise floor


def test_dixon_separates_water_and_fat(scene):
    settings = MriProtocol(sequence="dixon", field_T=1.5, tr_ms=7, te_ms=4.6, flip_deg=10, dimensions=3, pixel_mm=2.0,
                           slice_thickness_mm=4.0, bandwidth_hz_px=2000, kspace={"noise": {"snr_density": None}})
    acquired = acquire_mri(scene, (), settings, seed=Seed(1))
    water, fat = acquired.image.array.astype(float), acquired.pairs["fat"][0].array.astype(float)
    white = pure(acquired, "white")
    rim = (acquired.phantom.labels == 1) & (acquired.phantom.fraction == 0)
    assert fat[white].mean() < 0.05 * water[white].mean()
    assert fat[rim].mean() > 2 * water[rim].mean()
    assert set(acquired.pairs) == {"in", "opposed", "fat"}


def test_targets_and_extras(scene):
    settings = MriProtocol(sequence="spgr", tr_ms=200, te_ms=5, flip_deg=60, pixel_mm=4.0, slice_thickness_mm=8,
                           extras=("maps", "phase", "complex"),
                           kspace={"targets": ["noise_free", "artifact_free"], "noise": {"snr_density": 10}})
    acquired = acquire_mri(scene, (), settings, seed=Seed(1))
    pairs = {name: volume for name, (volume, _) in acquired.pairs.items()}
    assert {"noise_free", "artifact_free", "map_pd", "map_t1", "map_t2", "map_t2_star", "map_adc", "map_b1", "phase",
            "real", "imaginary"} <= set(pairs)
    magnitude = np.hypot(pairs["real"].array, pairs["imaginary"].array)
    np.testing.assert_allclose(magnitude, acquired.image.array, atol=0.51)
    noise = acquired.image.array.astype(float) - pairs["noise_free"].array
    assert noise[pure(acquired, "csf")].std() > 5
    assert pairs["map_pd"].array.max() <= 1.05
    assert (pairs["map_t1"].array[acquired.phantom.labels == 0] >= 0).all()


def test_physics_tier_agrees_with_the_fast_one_where_nothing_is_imperfect(scene):
    settings = {"sequence": "se", "tr_ms": 600, "te_ms": 15, "pixel_mm": 3.0, "slice_thickness_mm": 8.0,
                "slab_mm": 16.0, "kspace": {**QUIET, "sampling": {"slice_samples": 2}}}
    fast, physics = (acquire_mri(scene, (), MriProtocol(**settings, fidelity=tier), seed=Seed(1))
                     for tier in ("fast", "physics"))
    a, b = fast.image.array.astype(float), physics.image.array.astype(float)
    assert np.sqrt(((a - b) ** 2).mean()) < 0.03 * a.max()
    for name in ("white", "csf"):
        inside = pure(fast, name)
        assert b[inside].mean() == pytest.approx(a[inside].mean(), rel=0.02)


def test_files_attributes_agree_with_the_protocol(scene):
    settings = protocol(ti_ms=2000, tr_ms=8000, phase="delayed", slice_gap_mm=1.0, fat_saturation="spectral",
                        kspace={"sampling": {"phase_axis": "i"}})
    acquired = acquire_mri(scene, (), settings, seed=Seed(1))
    found = acquired.scanner.attributes
    wanted = {"EchoTime": 50.0, "RepetitionTime": 8000.0, "InversionTime": 2000.0, "FlipAngle": 90.0,
              "EchoTrainLength": 9, "PixelBandwidth": 200.0, "MagneticFieldStrength": 3.0, "SliceThickness": 4.0,
              "SpacingBetweenSlices": 5.0, "MRAcquisitionType": "2D", "InPlanePhaseEncodingDirection": "ROW",
              "ParallelReductionFactorInPlane": 1.0, "ScanningSequence": ("SE", "IR"), "ScanOptions": ("FS",),
              "ContrastBolusAgent": "gadobutrol"}
    assert {key: found[key] for key in wanted} == wanted
    assert found["ImagingFrequency"] == pytest.approx(127.73, abs=0.01)
    assert acquired.scanner.modality == "MR"
    assert acquired.parameters["te_ms"] == 50


def test_a_train_longer_than_the_matrix_names_both(scene):
    with pytest.raises(RecipeError, match=r"echo_train must be <= the \d+ phase-encoded lines of the matrix, got 400"):
        acquire_mri(scene, (), protocol(echo_train=400, tr_ms=9000, te_ms=100), seed=Seed(1))
    with pytest.raises(RecipeError, match="ti_ms must hold the"):
        acquire_mri(scene, (), MriProtocol(preset="brain-t1w", plane="axial", ti_ms=30), seed=Seed(1))


def test_random_contrast_is_drawn_once_per_seed_and_scaled_to_its_range(scene, lesion):
    settings = MriProtocol(sequence="random", pixel_mm=2.0, slice_thickness_mm=4.0)
    one, same, other = (acquire_mri(scene, [lesion], settings, seed=Seed(n), twin=True) for n in (1, 1, 2))
    np.testing.assert_array_equal(one.image.array, same.image.array)
    assert one.parameters["drawn"] != other.parameters["drawn"]
    assert one.image.array.max() <= 2000
    means = one.parameters["drawn"]["mean"]
    assert all(25 <= value <= 225 for name, value in means.items() if name)
    assert np.abs(one.image.array.astype(int) - one.twin.array).max() > 20
    flat = MriProtocol(sequence="random", pixel_mm=2.0, slice_thickness_mm=4.0, random={
        "sd": [0, 0], "bias_sd": 0, "gamma_sd": 0, "native_chance": 1})
    levels = acquire_mri(scene, (), flat, seed=Seed(4))
    drawn = levels.parameters["drawn"]
    order = sorted(("white", "csf"), key=lambda name: drawn["mean"][name])
    assert levels.image.array[pure(levels, order[0])].mean() < levels.image.array[pure(levels, order[1])].mean()


def test_random_contrast_may_be_physical(scene):
    settings = MriProtocol(sequence="random", pixel_mm=3.0, slice_thickness_mm=6.0, random={"mode": "physical"})
    drawn = [acquire_mri(scene, (), settings, seed=Seed(n)) for n in range(4)]
    assert len({one.parameters["sequence"] for one in drawn}) > 1
    assert len({one.parameters["tr_ms"] for one in drawn}) == 4
    assert all(one.image.array.max() > 500 for one in drawn)


def test_random_resolution_keeps_levels_and_bias_is_smooth():
    for wanted in (1.0, 3.0, 7.5):
        starts, weights = resolution_rows(64, 1.0, wanted, 1.0)
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
        assert starts.min() >= 0
        assert (starts + weights.shape[1]).max() <= 64
    edge = (np.arange(64) >= 32).astype(np.float32)
    starts, weights = resolution_rows(64, 1.0, 6.0, 1.0)
    blurred = np.array([weights[n] @ edge[starts[n]:starts[n] + weights.shape[1]] for n in range(64)])
    slope = np.diff(blurred).max()
    assert 1 / (2 * 12) < slope < 1 / 6  # about one coarse voxel
    field = bias_field(np.log(np.array([[[1.0, 2.0]]], np.float32).repeat(2, 0).repeat(2, 1)), (4, 4, 8))
    assert field[0, 0, 0] < field[0, 0, -1]
    np.testing.assert_allclose(field[:, :, 3] * field[:, :, 4], 2.0, rtol=1e-5)


def test_random_ranges_must_be_ranges():
    with pytest.raises(ValidationError, match="mean must be two numbers"):
        MriProtocol(sequence="random", random={"mean": [200, 100]})


def test_a_structure_that_a_lesion_covers_whole_is_still_in_the_twin(scene):
    cover = Lesion(1, "test", CODE, (Structure("mass", 20001, "nodule_solid", CODE),),
                   (Paint(Sphere((0.0, 0.0, 0.0), 40.0), (Layer(20001),), lattice_mm=2.0),), "csf", {}, {})
    acquired = acquire_mri(scene, [cover], protocol(kspace=QUIET), seed=Seed(3), twin=True)
    plain = acquire_mri(scene, (), protocol(kspace=QUIET), seed=Seed(3))
    assert not (acquired.phantom.labels == NAMES["csf"][1]).any()
    assert np.abs(plain.image.array.astype(int) - acquired.twin.array).max() <= 5
