"""The scanners as MONAI transforms: orientation, closed forms, their random state, and input that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.acquire.ct.hu import structure_hu
from medsynth.core.errors import MedsynthError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.dataset.own_radiograph import Shot, projected_masks, take
from medsynth.scene.label_map import label_structures
from medsynth.tissues.mr import MEAN

torch = pytest.importorskip("torch")
monai = pytest.importorskip("monai")

from monai.data import MetaTensor  # noqa: E402
from monai.transforms import Compose, Orientation  # noqa: E402

from medsynth.dataset.transforms import RandSimulateCTd, RandSimulateMRd, RandSimulateXRayd  # noqa: E402

TISSUES = {1: "water", 2: "liver", 3: {"lung_tissue": 0.3, "air": 0.7}}


def ras(array, spacing=(2.0, 2.0, 2.0), origin=(-40.0, -50.0, 30.0)):
    """Return a (1, x, y, z) MetaTensor in RAS."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array))[None], affine=affine)


def ball_map():
    """A body of water with a liver and a lung, (48, 40, 24), no two axes alike."""
    x, y, z = np.meshgrid(np.arange(48), np.arange(40), np.arange(24), indexing="ij")
    labels = np.zeros((48, 40, 24), np.uint8)
    labels[(x - 24) ** 2 / 20**2 + (y - 20) ** 2 / 17**2 < 1] = 1
    labels[(x - 14) ** 2 + (y - 20) ** 2 + (z - 12) ** 2 < 7**2] = 2
    labels[(x - 33) ** 2 + (y - 22) ** 2 + (z - 12) ** 2 < 7**2] = 3
    return labels


def inside(label):
    """Voxels of a label away from its surface."""
    centre, z = {2: ((14, 20), 12), 3: ((33, 22), 12)}[label]
    x, y, k = np.meshgrid(np.arange(48), np.arange(40), np.arange(24), indexing="ij")
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (k - z) ** 2 < 4**2


def test_ct_of_a_label_map_has_the_hu_of_its_tissues():
    scan = RandSimulateCTd("label", tissues=TISSUES, protocol={"mas": 1500}, output_keys="ct").set_random_state(1)
    made = scan({"label": ras(ball_map())})
    assert made["label"].dtype == torch.uint8  # the map stays what it was
    hu = made["ct"][0].numpy()
    for structure in label_structures(TISSUES):
        if structure.label in (2, 3):
            wanted = structure_hu(structure, 120.0, "none")
            assert hu[inside(structure.label)].mean() == pytest.approx(wanted, abs=6)
    np.testing.assert_array_equal(made["ct"].affine, made["label"].affine)


@pytest.mark.parametrize("codes", ["LPS", "SPL", "ARI"])
def test_the_order_of_the_axes_changes_nothing(codes):
    image = ras(ball_map())
    turned = Orientation(axcodes=codes, labels=None)(image)
    for scan in (RandSimulateCTd("x", tissues=TISSUES), RandSimulateMRd("x", tissues=TISSUES, contrast="gaussian")):
        one = scan.set_random_state(5)({"x": image})["x"]
        two = scan.set_random_state(5)({"x": turned})["x"]
        np.testing.assert_array_equal(two.affine, turned.affine)
        np.testing.assert_array_equal(Orientation(axcodes="RAS", labels=None)(two).numpy(), one.numpy())


def test_the_random_state_decides_and_is_the_transforms_own():
    image = {"x": ras(ball_map())}
    scan = RandSimulateCTd("x", tissues=TISSUES, vary={"mas": (10.0, 100.0), "kernel": ["soft", "sharp"]})
    both = Compose([scan]).set_random_state(3)
    one, other = both(image)["x"], both(image)["x"]
    np.random.seed(0)  # noqa: NPY002, TID251  (that of the process plays no part)
    again = Compose([scan]).set_random_state(3)(image)["x"]
    assert not torch.equal(one, other)
    assert torch.equal(one, again)
    never = RandSimulateCTd("x", tissues=TISSUES, prob=0.0)
    assert never(image)["x"] is image["x"]


def test_drawn_doses_change_the_noise_as_the_dose_does():
    image = {"x": ras(ball_map())}
    sd = []
    for mas in (40.0, 160.0):
        made = RandSimulateCTd("x", tissues=TISSUES, protocol={"mas": mas}).set_random_state(1)(image)["x"][0].numpy()
        sd.append(made[inside(2)].std())
    assert sd[0] / sd[1] == pytest.approx(2.0, rel=0.1)  # Poisson: a quarter of the dose is twice the noise


def test_a_volume_that_is_scanned_anew_keeps_its_own_noise_in_mind():
    first = RandSimulateCTd("x", tissues=TISSUES, protocol={"mas": 200}).set_random_state(1)({"x": ras(ball_map())})
    for source, larger in (({"mas": 200}, False), (None, True)):
        scan = RandSimulateCTd("x", protocol={"mas": 200}, source=source).set_random_state(2)
        again = scan(first)["x"][0].numpy()[inside(2)].std()
        assert bool(again > 1.2 * first["x"][0].numpy()[inside(2)].std()) is larger


def test_mr_of_a_label_map_follows_the_spin_echo_equation():
    tissues = {1: "water", 2: "liver", 3: "spleen"}
    settings = {"sequence": "se", "te_ms": 20.0, "tr_ms": 800.0, "field_T": 1.5, "tissue_spread": 0.0, "dimensions": 2,
                "kspace": {"fields": {"b1": False}}}
    made = RandSimulateMRd("x", tissues=tissues, protocol=settings).set_random_state(1)({"x": ras(ball_map())})["x"]

    def wanted(name):
        one = MEAN.material(name, 1.5)
        return one.pd * (1 - np.exp(-0.8 / one.t1_s)) * np.exp(-0.02 / one.t2_s)

    signal = made[0].numpy()
    ratio = signal[inside(2)].mean() / signal[inside(3)].mean()
    assert ratio == pytest.approx(wanted("liver") / wanted("spleen"), rel=0.05)


def test_mr_contrasts_differ_from_call_to_call():
    scan = RandSimulateMRd("x", tissues=TISSUES).set_random_state(4)
    image = {"x": ras(ball_map())}
    ratios = []
    for _ in range(3):
        signal = scan(image)["x"][0].numpy()
        ratios.append(float(signal[inside(2)].mean() / max(signal[20:28, 5:9, 8:16].mean(), 1)))
    assert len({round(r, 1) for r in ratios}) == 3


def hu_ball(at_mm, radius_mm=12.0):
    """A slab of fat of 60 mm with a ball of bone, in air: HU and map on the scanner's axes."""
    grid = Grid.centred((40, 60, 60), (3.0, 3.0, 3.0))
    points = grid.points_mm()
    labels = (np.linalg.norm(points - at_mm, axis=-1) < radius_mm).astype(np.uint16)
    hu = np.where(np.abs(points[..., 1]) < 30, -80.0, -1000.0)
    hu[labels > 0] = 700.0
    return Volume(hu, grid, "HU"), Volume(labels, grid, "label")


@pytest.mark.parametrize("view", ["pa", "ap", "lateral"])
def test_a_ball_throws_its_shadow_where_the_geometry_says(view):
    from medsynth.core.seed import Seed

    at = np.array([25.0, -12.0, 15.0])  # left, front, up
    volume, labels = hu_ball(at)
    shot = Shot(view, (0.0, 0.0), (0.0, 0.0), 2.0, None, 1200.0, 120.0)
    image, geometry = take(volume, shot, shot.protocol({}), seed=Seed(1))
    mask = projected_masks(labels, geometry, [1, 7])
    assert not mask[1].any()
    row, column = np.argwhere(mask[0]).mean(axis=0)
    expected_row, expected_column = (float(v) for v in geometry.project_mm(at))
    assert (row, column) == (pytest.approx(expected_row, abs=0.7), pytest.approx(expected_column, abs=0.7))
    middle = np.array(image.array.shape[1:]) / 2
    assert row < middle[0]  # up
    if view == "lateral":
        assert column < middle[1]  # the front is on the viewer's left
    else:
        assert column > middle[1]  # the patient's left is on the viewer's right
    shown, shadow = image.array[0].astype(float), mask[0] > 0
    ring = np.linalg.norm(np.indices(shadow.shape) - np.array([row, column])[:, None, None], axis=0)
    assert shown[shadow].mean() > shown[(ring > 14) & (ring < 18)].mean() + 100  # bone is bright
    world = image.grid.world_mm((0, row, column))
    source = np.array(geometry.source_mm)
    along = (at - source) / np.linalg.norm(at - source)
    assert np.linalg.norm(np.cross(world - source, along)) < 3  # its place in the world lies on the ray


def test_a_radiograph_of_a_tensor_is_a_plane_with_its_masks():
    volume, labels = hu_ball(np.array([25.0, -12.0, 15.0]))
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.affine
    data = {"ct": MetaTensor(torch.from_numpy(volume.array)[None], affine=to_ras),
            "lesion": MetaTensor(torch.from_numpy(labels.array.astype(np.int32))[None], affine=to_ras)}
    scan = RandSimulateXRayd("ct", pixel_mm=2.0, mask_keys=["lesion"], output_keys="xr").set_random_state(1)
    made = scan(data)
    assert made["xr"].shape == made["lesion"].shape
    assert made["xr"].ndim == 3
    assert made["ct"] is data["ct"]
    np.testing.assert_array_equal(made["xr"].affine, made["lesion"].affine)
    assert not torch.equal(scan(data)["xr"], made["xr"]) or scan(data)["xr"].shape != made["xr"].shape


def nan(image):
    image = image.clone().float() * 0 - 1000
    image[0, 0, 0, 0] = float("nan")
    return image


WRONG = [(lambda: RandSimulateCTd("x"), nan, "finite HU, got 1 voxels"),
         (lambda: RandSimulateXRayd("x"), nan, "finite HU, got 1 voxels"),
         (lambda: RandSimulateCTd("x"), lambda i: i.float() / 3, "some air below -500"),
         (lambda: RandSimulateCTd("x", tissues={1: "water"}), lambda i: i, r"\[2, 3\] are missing"),
         (lambda: RandSimulateMRd("x", tissues={1: "water"}), lambda i: i, r"\[2, 3\] are missing"),
         (lambda: RandSimulateCTd("x", tissues=TISSUES), lambda i: i.as_tensor(), "MetaTensor with an affine"),
         (lambda: RandSimulateCTd("x", tissues=TISSUES), lambda i: i[0], "channel first"),
         (lambda: RandSimulateMRd("x", tissues=TISSUES), lambda i: i.float() + 0.25, "whole numbers")]


@pytest.mark.parametrize(("scan", "spoiled", "words"), WRONG)
def test_input_that_cannot_be_used_is_told_in_one_line(scan, spoiled, words):
    with pytest.raises(MedsynthError, match=words) as told:
        scan()({"x": spoiled(ras(ball_map()))})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: RandSimulateCTd("x", tissues={1: "livr"}), "did you mean 'liver'"),
    (lambda: RandSimulateMRd("x", tissues={1: {"liver": 0.5}}), "sum"),
    (lambda: RandSimulateMRd("x", tissues={0: "fat"}), "'air'|tissue"),
    (lambda: RandSimulateCTd("x", protocol={"kvpp": 80}), "kvpp"),
    (lambda: RandSimulateCTd("x", vary={"mass": (1.0, 2.0)}), "mass"),
    (lambda: RandSimulateXRayd("x", view="oblique"), "view must be"),
    (lambda: RandSimulateXRayd("x", protocol={"sid_mm": 1000}), "sid_mm must not be given")])
def test_settings_that_cannot_be_are_told_when_the_transform_is_made(make, words):
    with pytest.raises(RecipeError, match=words):
        make()


def test_arrays_without_affine_take_the_spacing_that_is_given():
    scan = RandSimulateCTd("x", tissues=TISSUES, spacing_mm=(2.0, 2.0, 2.0)).set_random_state(1)
    plain = scan({"x": torch.from_numpy(ball_map())[None]})["x"]
    scan.set_random_state(1)
    assert not isinstance(plain, MetaTensor)
    np.testing.assert_array_equal(plain, scan({"x": ras(ball_map())})["x"].numpy())
