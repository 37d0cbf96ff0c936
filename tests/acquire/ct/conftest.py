"""Voxel phantoms and one scene for the CT tests."""

import numpy as np
import pytest

from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import Cylinder, Ellipsoid, Sphere

CODE = Code("0", "test")
WATER = Structure("water", 1, "water", CODE)


def phantom_of(share, spacing_mm, structures=(WATER,), label=1):
    """Voxels holding `share` of the label and air for the rest, as the rasteriser stores them."""
    most = share >= 0.5
    labels = np.where(most, label, 0).astype(np.uint16)
    neighbour = np.where(most, 0, label).astype(np.uint16)
    fraction = np.rint(255 * np.minimum(share, 1 - share)).astype(np.uint8)
    return Phantom(Grid.centred(share.shape, spacing_mm), labels, neighbour, fraction,
                   np.zeros(share.shape, np.int16), structures)


@pytest.fixture
def make_phantom():
    return phantom_of


@pytest.fixture
def make_ellipse():
    def make(slices, pixels, pixel_mm, radii_mm, step_mm=3.0):
        x = (np.arange(pixels) - (pixels - 1) / 2) * pixel_mm
        inside = np.hypot(x[None, :] / radii_mm[0], x[:, None] / radii_mm[1]) < 1
        share = np.repeat(inside[None].astype(float), slices, axis=0)
        return phantom_of(share, (step_mm, pixel_mm, pixel_mm))

    return make


@pytest.fixture(scope="session")
def scene():
    structures = (Structure("fat", 1, "adipose", CODE), Structure("muscle", 2, "skeletal_muscle", CODE),
                  Structure("lung", 3, "lung_tissue", CODE, mixture=(("air", 0.84),)),
                  Structure("aorta", 6, "blood", CODE, enhancement="aorta"))

    def paint(shape, *layers):
        return Paint(shape, tuple(Layer(*layer) for layer in layers))

    paints = (paint(Ellipsoid((0, 0, 0), (150, 100, 300)), (1, 0.0), (2, 15.0)),
              paint(Ellipsoid((60, 0, 0), (50, 70, 90)), (3, 0.0)),
              paint(Cylinder((-20, 20, 0), 15, 400), (6, 0.0)))
    return Scene("toy", "middle", Subject("male", 50, 175, 75), structures, paints, {}, {}, {},
                 ((-150, -100, -80), (150, 100, 80)), {"chest": (-40.0, 41.0)})


@pytest.fixture(scope="session")
def lesion():
    return Lesion(1, "test", CODE, (Structure("nodule", 20001, "nodule_solid", CODE),),
                  (Paint(Sphere((60.0, 5.0, 2.0), 7.0), (Layer(20001),)),), "lung", {}, {})
