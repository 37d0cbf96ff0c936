"""What the scanner says of a lesion's detectability, against noise that it really makes."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.probe import CtProbe
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.annotate.detect import npw_dprime
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import Ellipsoid, Sphere

CODE = Code("52988006", "Lesion")
CENTRE, RADIUS = (25.0, -10.0, 3.0), 6.0
GRID = Grid.centred((10, 96, 96), (3.0, 2.5, 2.5))
PROTOCOL = CtProtocol(mas=60, slice_thickness_mm=4.0, increment_mm=3.0, kernel="standard")


@pytest.fixture(scope="module")
def scan():
    parts = (Structure("water", 1, "water", CODE),)
    scene = Scene("bath", "middle", Subject("male", 50.0, 175.0, 78.0), parts,
                  (Paint(Ellipsoid((0, 0, 0), (105.0, 80.0, 400.0)), (Layer(1),)),), {}, {}, {},
                  ((-105.0, -80.0, -15.0), (105.0, 80.0, 15.0)), {})
    part = Structure("lesion_1", 20021, "nodule_solid", CODE, mixture=(("water", 0.6),))
    ball = Lesion(1, "ball", CODE, (part,), (Paint(Sphere(CENTRE, RADIUS), (Layer(20021),)),), "water", {}, {})
    healthy = rasterize(scene, GRID)
    return with_lesions(healthy, scene, [ball])[0], healthy


def test_the_difference_is_that_of_image_and_twin(scan):
    made = image_phantom(*scan, PROTOCOL, seed=Seed(1), twin=True)
    low, high = (0, 20, 40), (10, 70, 80)
    told = made.probe.difference(low, high)
    seen = (made.image.array.astype(float) - made.twin.array)[:, 20:70, 40:80]
    assert np.abs(told - seen).max() < 1.01  # both are stored as whole numbers
    assert told.max() > 8


def test_the_observer_is_disturbed_as_noise_images_disturb_it(scan):
    """Sum of template times noise over many scans of the same bath: its spread is what the probe says."""
    probe = CtProbe.of(*scan, PROTOCOL)
    low = (0, 20, 44)
    template = probe.difference(low, (10, 60, 76))
    outcomes = []
    mean = image_phantom(scan[1], scan[1], replace_mas(1e6), seed=Seed(0)).image.array[:, 20:60, 44:76].astype(float)
    for n in range(160):
        noisy = image_phantom(scan[1], scan[1], PROTOCOL, seed=Seed(n)).image.array[:, 20:60, 44:76]
        outcomes.append(float((template * (noisy - mean)).sum()))
    # The SD of 160 draws is known to 5.6 %: three of them.
    assert probe.template_sd(template, low) == pytest.approx(np.std(outcomes), rel=0.17)


def replace_mas(mas):
    return PROTOCOL.model_copy(update={"mas": mas})


def test_detectability_grows_with_the_root_of_the_dose(scan):
    mask = scan[0].occupancy(20021) > 0
    low_dose, high_dose = (npw_dprime(CtProbe.of(*scan, replace_mas(mas)), mask, (0, 0, 0)) for mas in (50, 200))
    assert high_dose == pytest.approx(2 * low_dose, rel=0.04)  # electronic noise keeps a little


def test_white_noise_gives_the_closed_form():
    class White:
        shape_kji, reach_kji = (9, 9, 9), (0, 0, 0)

        def difference(self, low, high):
            return np.full([b - a for a, b in zip(low, high, strict=True)], 3.0, np.float32)

        def template_sd(self, template, low):
            return float(5.0 * np.sqrt(np.square(template).sum()))

    mask = np.zeros((4, 4, 4), bool)
    mask[1:3, 1:3, 1:4] = True
    assert npw_dprime(White(), mask, (2, 2, 2)) == pytest.approx(3 / 5 * np.sqrt(12))
    assert npw_dprime(White(), np.zeros((2, 2, 2), bool), (0, 0, 0)) is None
