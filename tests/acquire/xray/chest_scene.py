"""A chest of balls in a box: where its shadows begin has a closed form."""

import numpy as np

from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import RoundBox, Sphere

CODE = Code("39607008", "Lung structure")
HALF = (150.0, 100.0, 160.0)
LUNGS = {"right": ((-65.0, 5.0, 20.0), 60.0), "left": ((65.0, 5.0, 15.0), 58.0)}
HEART = ((12.0, -30.0, -10.0), 40.0)
RIB = ((-65.0, 80.0, 20.0), 9.0)
LESIONS = {1: ((-65.0, 10.0, 20.0), 8.0), 2: ((70.0, 0.0, 30.0), 6.0)}


def chest():
    fields = {f"lung_{side}": Sphere(*ball) for side, ball in LUNGS.items()}
    structures = (Structure("muscle", 1, "skeletal_muscle", CODE),
                  Structure("lobe_right_upper", 2, "lung_tissue", CODE, "right", mixture=(("air", 0.8),)),
                  Structure("lobe_left_upper", 3, "lung_tissue", CODE, "left", mixture=(("air", 0.8),)),
                  Structure("left_ventricle", 4, "blood", CODE), Structure("rib_right_5", 5, "cortical_bone", CODE))
    paints = (Paint(RoundBox((0.0, 0.0, 0.0), HALF, 0.0), (Layer(1),)),
              Paint(fields["lung_right"], (Layer(2),)), Paint(fields["lung_left"], (Layer(3),)),
              Paint(Sphere(*HEART), (Layer(4),)), Paint(Sphere(*RIB), (Layer(5),)))
    low, high = tuple(-h for h in HALF), HALF
    return Scene("balls", "middle", Subject("male", 50.0, 175.0, 75.0), structures, paints, fields, {},
                 {"carina": (3.0, 20.0, 60.0), "T8": (0.0, 50.0, 0.0), "far": (0.0, 0.0, 900.0)}, (low, high),
                 {"chest": (-150.0, 150.0)})


def nodule(number):
    label = 20001 + 20 * number
    part = Structure(f"lesion_{number}", label, "nodule_solid", CODE)
    return Lesion(number, "lung_nodule", CODE, (part,), (Paint(Sphere(*LESIONS[number]), (Layer(label),)),),
                  "lobe_right_upper", {}, {})


def tangent_columns(geometry, ball, chord_mm):
    """Columns where rays leave a ball so far out that they cross no more than `chord_mm` of it, on an image whose rows
    run along z: planes through the source and along z that touch the smaller ball."""
    (x, y, _), radius = ball
    inner = np.sqrt(radius**2 - (chord_mm / 2) ** 2)
    across = np.array([x - geometry.source_mm[0], y - geometry.source_mm[1]])
    along = geometry.normal[:2]
    right = np.array(geometry.column_step[:2])
    middle = np.arctan2(across @ right, across @ along)
    half = np.arcsin(inner / np.hypot(*across))
    foot = (np.array(geometry.source_mm) - geometry.origin_mm) @ np.array(geometry.column_step)
    return [(foot + geometry.sid_mm * np.tan(middle + sign * half)) / geometry.pixel_mm for sign in (-1, 1)]
