"""Spectral images of a whole scan: rods of dissolved iodine and of fat in a body of water."""

import numpy as np
import pytest

from medsynth.acquire.ct.physics.images import scan_phantom
from medsynth.acquire.ct.physics.options import PhysicsOptions, Spectral
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import iodine_mg_per_ml
from medsynth.tissues.table import iodine_solution, tissue

CODE = Code("0", "test")
# structure, x and y in mm, contrast key
RODS = (("water", 0, 0, None), ("water", 60, 0, "aorta"), ("water", -60, 0, "myocardium"),
        ("water", 0, 50, "systemic_vein"), ("adipose", 0, -50, None))


def rods_in_water(pixels=200, pixel_mm=1.7):
    x = (np.arange(pixels) - (pixels - 1) / 2) * pixel_mm
    labels = (np.hypot(x[None, :] / 150, x[:, None] / 110) < 1).astype(np.uint16)[None]
    regions = []
    for label, (_, across, down, _) in enumerate(RODS, start=2):
        radius = np.hypot(x[None, :] - across, x[:, None] - down)
        labels[0, radius < 18] = label
        regions.append(radius < 12)
    structures = (Structure("body", 1, "water", CODE), *(
        Structure(f"rod {n}", n, name, CODE, enhancement=key) for n, (name, _, _, key) in enumerate(RODS, start=2)))
    empty = np.zeros(labels.shape, np.uint16)
    return Phantom(Grid.centred(labels.shape, (3.0, pixel_mm, pixel_mm)), labels, empty, empty.astype(np.uint8),
                   empty.astype(np.int16), structures), regions


@pytest.mark.slow
@pytest.mark.parametrize(("scanner", "kvp", "second_kvp"), [("generic-64", 80, 140), ("photon-counting", 120, None)])
def test_spectral_images_of_a_scan_read_iodine_and_closed_form_hu(scanner, kvp, second_kvp):
    phantom, regions = rods_in_water()
    options = PhysicsOptions(scanner=scanner, quantum_noise=False, electronic_noise=False, scatter=False,
                             spectral=Spectral(second_kvp=second_kvp, monoenergetic_keV=(40, 70, 100), iodine=True))
    protocol = CtProtocol(fidelity="physics", physics=options, kvp=kvp, mas=200, kernel="soft", slice_thickness_mm=3.0,
                          phase="arterial")
    pairs = scan_phantom(phantom, phantom, phantom, phantom, protocol, seed=Seed(1)).pairs
    images = {name: np.asarray(volume.array[0], float) for name, (volume, _) in pairs.items()}
    for (name, _, _, key), region in zip(RODS, regions, strict=True):
        if name == "adipose":
            continue
        mg_per_ml = iodine_mg_per_ml(key, "arterial") if key else 0.0
        assert images["iodine"][region].mean() == pytest.approx(mg_per_ml, rel=0.02, abs=0.05)
        for energy_keV, bar_hu in ((40, 5.0), (70, 2.0), (100, 2.0)):
            mu, water, air = (float(linear_attenuation(material, energy_keV)) for material in
                              (iodine_solution(mg_per_ml), tissue("water"), tissue("air")))
            assert images[f"mono_{energy_keV}"][region].mean() == pytest.approx(
                1000 * (mu - water) / (water - air), abs=bar_hu)
    # fat shows less iodine than water, and gets darker towards low energies
    fat = {name: image[regions[-1]].mean() for name, image in images.items()}
    assert fat["iodine"] == pytest.approx(-1.2, abs=0.15)
    assert [fat[f"mono_{energy}"] for energy in (40, 70, 100)] == pytest.approx([-148, -77, -60], abs=4)
