"""The engine as a whole: faults and their truth, targets, raw data, linearity, determinism, bad input."""

import numba
import numpy as np
import pytest

from medsynth.acquire.mri.clock import Timing, make_clock
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import object_grid, plan
from medsynth.acquire.mri.engine import acquire_kspace
from medsynth.acquire.mri.streams import combined
from medsynth.acquire.mri.transform import to_image
from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from tests.acquire.mri.objects import fraction, nrmse, options, scan

GRID = Grid.centred((8, 32, 28), (4.0, 3.0, 3.0), (10.0, -20.0, 5.0))
SEMI, CENTRE = (24.0, 30.0, 12.0), (10.0, -20.0, 5.0)
ALL = {"coils": {"count": 4}, "noise": {"snr_density": 30.0}, "raw": True, "targets": ["noise_free", "artifact_free"],
       "motion": {"pattern": "sudden", "rotation_deg": 5, "translation_mm": 4, "poses": 4,
                  "respiration": {"anterior_posterior_mm": 3}, "pulsation": {"severity": 0.5}},
       "artifacts": {"spike": 0.3, "zipper": 0.3, "rf_leak": 0.1}, "fields": {"nonlinearity": 0.5}}


def everything(seed=1, **parts):
    return scan(GRID, options(**(ALL | parts)), SEMI, CENTRE, sub=1, seed=seed, dephasing_s=0.004,
                field_hz=lambda p: 0.4 * p[..., 0]).result


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads():
    threads = numba.get_num_threads()
    results = []
    for count in (numba.config.NUMBA_NUM_THREADS, 1):
        numba.set_num_threads(count)
        results.append(everything())
    numba.set_num_threads(threads)
    for name in ("image", "noise_sd", "shading"):
        assert getattr(results[0], name).tobytes() == getattr(results[1], name).tobytes()
    assert results[0].raw["kspace"].tobytes() == results[1].raw["kspace"].tobytes()
    assert results[0].log == results[1].log
    assert not np.array_equal(results[0].image, everything(seed=2).image)


def test_noise_stays_when_anything_else_changes():
    noise = []
    for value in (0.0, 1.0):
        noisy, quiet = (scan(GRID, options(raw=True, noise={"snr_density": snr}), SEMI, CENTRE, sub=1,
                             value=value).result.raw["kspace"] for snr in (30.0, None))
        noise.append(noisy - quiet)
    assert np.abs(noise[1] - noise[0]).max() < 1e-5 * np.abs(noisy).max()


def test_targets_are_the_scan_without_what_they_leave_out():
    found = everything()
    assert found.image.shape == GRID.shape_kji
    clean = scan(GRID, options(coils={"count": 4}), SEMI, CENTRE, sub=1).result
    assert nrmse(found.targets["artifact_free"], clean.image) < 2e-3
    residue = (found.image - found.targets["noise_free"]) * found.targets["noise_free"].conj()
    along = (residue / np.abs(found.targets["noise_free"])).real
    inside = fraction(GRID, (18.0, 24.0, 8.0), CENTRE, 1) > 0.5
    assert np.std(along[inside] / found.noise_sd[inside]) == pytest.approx(1, abs=0.05)


def test_scans_add_up():
    semi, other = (20.0, 22.0, 10.0), (6.0, 7.0, 5.0)
    opts = options(raw=True, coils={"count": 3}, motion={"pattern": "drift", "poses": 3})
    encoding = plan(GRID, opts, dimensions=3, field_T=3.0, bandwidth_hz_px=200.0)
    grid = object_grid(encoding, opts, np.subtract(CENTRE, 26), np.add(CENTRE, 26))
    clock = make_clock(encoding, Timing(0.01), opts)
    body = fraction(grid, semi, CENTRE, 1) > 0.5
    decay = np.exp(-np.arange(clock.lines) / 100).astype(np.complex64)
    parts = [Component(fraction(grid, semi, CENTRE, 1), np.ones(clock.lines), 0.0),
             Component(fraction(grid, other, CENTRE, 1), decay, -200.0)]

    def kspace(components):
        return acquire_kspace(components, encoding, clock, opts, grid=grid, body=body, seed=Seed(1)).raw["kspace"]

    together = kspace(parts)
    assert np.abs(together - kspace(parts[:1]) - kspace(parts[1:])).max() < 2e-5 * np.abs(together).max()


def test_many_weights_that_change_smoothly_need_few_images():
    times = np.arange(64) * 0.01
    rng = np.random.default_rng(1)
    weights = np.stack([np.exp(-times / t2) for t2 in np.linspace(0.04, 2.0, 14)]).astype(np.complex64)
    images = [rng.random((3, 4, 5)).astype(np.complex64) for _ in range(14)]
    few = combined(images, weights)
    assert len(few) <= 6
    whole = sum(w[:, None, None, None] * i for w, i in zip(weights, images, strict=True))
    less = sum(w[:, None, None, None] * i for i, w in few)
    assert np.abs(whole - less).max() < 2e-3 * np.abs(whole).max()
    assert len(combined(images, np.ones((14, 64), np.complex64))) == 1


def test_weights_of_lines_are_a_filter_along_their_axis():
    decay = np.exp(-np.arange(32) / 10.0)
    opts = options(raw=True)
    encoding = plan(GRID, opts, dimensions=2, field_T=3.0, bandwidth_hz_px=200.0)
    grid = object_grid(encoding, opts, np.subtract(CENTRE, 32), np.add(CENTRE, 32))
    clock = make_clock(encoding, Timing(4.0, 0.0, 32, 0.01), opts)
    share = fraction(grid, SEMI, CENTRE, 1)
    plain, filtered = (acquire_kspace([Component(share, w[clock.echo])], encoding, clock, opts, grid=grid,
                                      body=share > 0.5, seed=Seed(1)).raw["kspace"][0]
                       for w in (np.ones(32), decay))
    assert filtered == pytest.approx(plain * decay[None, :, None], abs=1e-4 * float(np.abs(plain).max()))


def test_spikes_lie_where_the_log_says():
    clean, spiked = (scan(GRID, options(raw=True, artifacts={"spike": s}), SEMI, CENTRE, sub=1).result
                     for s in (0.0, 0.5))
    difference = np.abs(spiked.raw["kspace"][0] - clean.raw["kspace"][0])
    assert len(spiked.log["spike"]) == 4
    for one in spiked.log["spike"]:
        assert difference[one["k"], one["row"], one["sample"]] == pytest.approx(one["height"], rel=1e-3)
    assert np.count_nonzero(difference > 1e-4 * np.abs(clean.raw["kspace"]).max()) == 4
    assert spiked.log["spike"][0]["height"] == pytest.approx(0.5 * np.abs(clean.raw["kspace"]).max(), rel=1e-4)


def test_a_radio_line_is_a_line_along_phase_and_an_offset_a_point_in_the_middle():
    clean, zipper, leak = (scan(GRID, options(artifacts=a), SEMI, CENTRE, sub=1).result
                           for a in ({}, {"zipper": 0.5}, {"rf_leak": 0.5}))
    added = np.abs(zipper.image - clean.image)
    column = zipper.log["zipper"]["pixel"]
    profile = (added**2).mean(axis=(0, 1))
    assert abs(int(profile.argmax()) - column) <= 1
    near = np.abs(np.arange(28) - column) < 2
    assert profile[near].sum() > 0.7 * profile.sum()
    assert np.sqrt(profile.sum()) == pytest.approx(np.sqrt((np.abs(clean.image) ** 2).mean()), rel=0.01)
    added = np.abs(leak.image - clean.image)
    assert np.unravel_index(added.argmax(), added.shape) == (4, 16, 14)
    assert added[4, 16, 14] > 0.99 * np.sqrt((added**2).sum())


def test_a_nyquist_ghost_is_half_a_field_of_view_away_and_as_bright_as_its_phase_says():
    grid = Grid.centred((2, 64, 48), (5.0, 3.0, 3.0))
    sequence = {"dimensions": 2, "epi_spacing_s": 0.5e-3, "timing": Timing(2.0, 0.005, 64, 0.5e-3), "sub": 1}
    clean, ghost = (scan(grid, options(artifacts={"nyquist_ghost": s}), (30.0, 36.0, 12.0), **sequence).result
                    for s in (0.0, 1.0))
    # at the middle of the readout the delay has no effect
    middle, far = np.abs(ghost.image[1, :, 23:25]).mean(axis=1), np.abs(clean.image[1, :, 23:25]).mean(axis=1)
    assert middle[31:33].mean() / far[31:33].mean() == pytest.approx(np.cos(0.4), abs=0.03)
    assert middle[[0, 63]].mean() / far[31:33].mean() == pytest.approx(np.sin(0.4), abs=0.04)
    with pytest.raises(RecipeError, match=r"nyquist_ghost must be 0 without an echo-planar train, got 0\.2"):
        scan(grid, options(artifacts={"nyquist_ghost": 0.2}), (30.0, 36.0, 12.0), dimensions=2, tr_s=1.0)


def test_raw_data_give_the_image_again():
    done = scan(GRID, options(coils={"count": 3}, raw=True, sampling={"phase_axis": "i"}), SEMI, CENTRE, sub=1)
    raw = done.result.raw
    images = raw["kspace"]
    for axis in (1, 2, 3):
        images = to_image(images, axis)
    again = np.sqrt((np.abs(images) ** 2).sum(axis=0)).swapaxes(1, 2)
    assert nrmse(done.result.magnitude, again) < 1e-5
    assert raw["kspace"].shape == (3, 8, 28, 32)
    shading = np.sqrt((np.abs(raw["sensitivities"]) ** 2).sum(axis=0)).swapaxes(1, 2)
    assert nrmse(done.result.shading, shading) < 1e-5
    assert raw["line_phase"].shape == raw["line_pose"].shape[1:] == (done.clock.lines,)
    assert all(value.dtype != object for value in raw.values())


def test_a_prescan_takes_the_shading_off():
    inside = fraction(GRID, (16.0, 20.0, 7.0), CENTRE, 1) > 0.5
    for combination in ("sos", "adaptive"):
        coils = {"count": 6, "combination": combination}
        bright, even = (scan(GRID, options(coils=coils | {"normalise": n}), SEMI, CENTRE, sub=2).result
                        for n in (False, True))
        assert even.magnitude[inside] == pytest.approx(1, abs=0.06)
        assert nrmse(bright.magnitude[inside], bright.shading[inside]) < 0.04
        assert bright.magnitude[inside].std() > 3 * even.magnitude[inside].std()


def test_bad_input_is_told_by_name():
    opts = options()
    encoding = plan(GRID, opts, dimensions=3, field_T=3.0, bandwidth_hz_px=200.0)
    grid = object_grid(encoding, opts, np.subtract(CENTRE, 26), np.add(CENTRE, 26))
    clock = make_clock(encoding, Timing(0.01), opts)
    body = np.ones(grid.shape_kji, bool)
    image = np.ones(grid.shape_kji, np.complex64)

    def run(component, **more):
        given = {"grid": grid, "body": body, "seed": Seed(1)} | more
        return acquire_kspace([component], encoding, clock, opts, **given)

    with pytest.raises(RecipeError, match="must number the clock's 256 lines, got 5"):
        run(Component(image, np.ones(5)))
    with pytest.raises(GeometryError, match="must have the object grid's shape"):
        run(Component(image[:3], np.ones(clock.lines)))
    with pytest.raises(GeometryError, match="b0_hz must have the object grid's shape"):
        run(Component(image, np.ones(clock.lines)), b0_hz=np.zeros((2, 2, 2), np.float32))
    with pytest.raises(GeometryError, match="shape of the body must be the grid's shape"):
        run(Component(image, np.ones(clock.lines)), body=body[:3])
    with pytest.raises(RecipeError, match="weights of a component must be finite"):
        Component(image, np.array([np.nan]))
    with pytest.raises(RecipeError, match="at least one component, got none"):
        acquire_kspace([], encoding, clock, opts, grid=grid, body=body, seed=Seed(1))
    with pytest.raises(GeometryError, match="the object must reach into the scan"):
        object_grid(plan(GRID, opts, dimensions=2, field_T=3.0, bandwidth_hz_px=200.0), opts, (0, 0, 300), (9, 9, 400))
