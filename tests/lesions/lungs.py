"""A scene whose lungs are ellipsoids cut by planes, with straight vessels: every place in it has a closed form."""

import numpy as np

from medsynth.scene.structure import Code, Layer, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.blend import Intersection
from medsynth.shapes.primitives import Ellipsoid, HalfSpace
from medsynth.shapes.tubes import Tubes

CODE = Code("39607008", "Lung structure")
RADII = (62.0, 85.0, 115.0)
CENTRES = {"right": (-72.0, 0.0, 0.0), "left": (72.0, 0.0, 0.0)}
LOBES = ("lobe_right_upper", "lobe_right_middle", "lobe_right_lower", "lobe_left_upper", "lobe_left_lower")
BODY, VESSELS = 1, 30


def _slab(side, *planes):
    shape = Ellipsoid(CENTRES[side], RADII)
    for point, normal in planes:
        shape = Intersection(shape, HalfSpace(point, normal))
    return shape


def _fields():
    down, up = (0.0, 0.3, -0.95), (0.0, -0.3, 0.95)
    return {
        "lung_right": _slab("right"), "lung_left": _slab("left"),
        "lobe_right_upper": _slab("right", ((-72.0, 0.0, 20.0), down)),
        "lobe_right_middle": _slab("right", ((-72.0, 0.0, 20.0), up), ((-72.0, 0.0, -25.0), down)),
        "lobe_right_lower": _slab("right", ((-72.0, 0.0, -25.0), up)),
        "lobe_left_upper": _slab("left", ((72.0, 0.0, 0.0), down)),
        "lobe_left_lower": _slab("left", ((72.0, 0.0, 0.0), up))}


def _vessels():
    starts, ends = [], []
    for x in (-95.0, -50.0, 50.0, 95.0):
        for y in (-40.0, 0.0, 35.0):
            starts.append((x, y, -70.0))
            ends.append((x + 8.0, y, 70.0))
    n = len(starts)
    return Tubes(np.array(starts), np.array(ends), np.full(n, 1.6), np.full(n, 0.7), np.full(n, -1))


def lungs_scene():
    fields, vessels = _fields(), _vessels()
    structures = [Structure("body", BODY, "soft_tissue", CODE)]
    paints = [Paint(Ellipsoid((0.0, 0.0, 0.0), (170.0, 120.0, 160.0)), (Layer(BODY),))]
    for label, lobe in enumerate(LOBES, start=11):
        structures.append(Structure(lobe, label, "lung_tissue", CODE, laterality=lobe.split("_")[1],
                                    mixture=(("air", 0.82),)))
        paints.append(Paint(fields[lobe], (Layer(label),)))
    structures.append(Structure("pulmonary_arteries", VESSELS, "blood", CODE))
    paints.append(Paint(vessels, (Layer(VESSELS),), over=tuple(range(11, 16))))
    return Scene("ellipsoids", "the middle", Subject("female", 55.0, 165.0, 65.0), tuple(structures), tuple(paints),
                 fields, {"pulmonary_arteries": vessels}, {}, ((-170.0, -120.0, -160.0), (170.0, 120.0, 160.0)), {})
