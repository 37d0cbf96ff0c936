"""The content of the orbits: eyeballs with lens, optic nerves, six muscles each, lacrimal glands, in fat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_min
from phantoms.head.airspaces import Cavities, Field
from phantoms.head.assembly import SIDES, Assembly, ellipsoid
from phantoms.head.frame import Frame, Space
from phantoms.head.table import labels

STEP_MM = 0.8
EYE_MM = (31.5, -73.0, -38.0)  # middle of the left eyeball, reference mm; eyes 63 mm apart
WALL_MM = 1.0  # sclera 0.5-1 mm (unverified), with choroid and retina
# Left muscles: axis in reference mm, direction of the half thickness, half thickness and half width (mm). Thickness
# of CT, n = 201: medial 4.2, lateral 3.4, inferior 4.2, superior group 4.1, superior oblique 2.6, inferior 2.2 mm.
MUSCLES: Final[dict[str, tuple[Any, ...]]] = {
    "superior_rectus": ([(14.5, -39, -23.5), (21, -52, -22.5), (28, -65, -23.0), (31, -74, -25.5), (31.5, -80, -29)],
                        (0, 0, 1), (1.2, 2.0, 1.8, 1.2, 0.5), (2, 4.2, 4.8, 5, 5)),
    "inferior_rectus": ([(15.5, -39, -28), (22, -52, -42), (28, -64, -51), (31, -73, -51), (31.5, -80, -47)],
                        (0, 0, 1), (1.2, 2.1, 1.9, 1.2, 0.5), (2, 4.0, 4.6, 5, 5)),
    "medial_rectus": ([(13.8, -39, -26), (15.2, -52, -34), (16.8, -64, -38), (19.0, -74, -38), (21.5, -80, -38)],
                      (1, 0, 0), (1.2, 2.1, 2.0, 1.1, 0.5), (2, 4.2, 5, 5, 5)),
    "lateral_rectus": ([(16.5, -39, -26), (29, -50, -33), (39.5, -61, -37.5), (43.8, -70, -38), (42.0, -78, -38)],
                       (1, 0.5, 0), (1.2, 1.7, 1.7, 1.0, 0.5), (2, 4.0, 5, 5, 5)),
    "superior_oblique": ([(13.6, -40, -24), (14.6, -54, -25), (15.5, -68, -26), (16.5, -80, -27.5)], (1, 0, 0),
                         (1.0, 1.3, 1.2, 0.8), (1.5, 2.8, 2.6, 1.0)),
    "inferior_oblique": ([(18, -80, -52), (27, -76, -53.0), (37, -70, -49.5), (42, -65, -44)], (0.3, 0, 1),
                         (1.0, 1.1, 1.0, 0.5), (2.5, 3.4, 3.6, 3)),
}


def build_orbits(frame: Frame, face: Space, cavities: Cavities, spec: Mapping[str, Any]) -> list[Paint]:
    """Return the paints of both orbits."""
    names = labels()
    fat = tuple(names[f"orbital_fat_{side}"] for side, _ in SIDES)
    soft = tuple(value for name, value in names.items() if name in {"subcutaneous_fat", "deep_fat", "galea"}
                 or name.startswith("temporalis"))
    room = face.lattice.shape_of(np.maximum(cavities.orbit, face.y + 22.0), face.left)
    paints = [Paint(room, (Layer(fat),), over=soft)]
    for side, sign in SIDES:
        low, high = sorted((sign * 5.0, sign * 56.0))
        space = frame.space(frame.box((low, -92, -60), (high, -22, -10), STEP_MM))
        number = int(sign > 0)
        globe = (sign * EYE_MM[0], EYE_MM[1] + float(spec["eye_mm"][0]), EYE_MM[2])
        radius = float(spec["eye_mm"][1]) / 2 / frame.size
        ball = _eyeball(space, globe, radius)
        muscles = Assembly(frame, space)
        for name, (points, normal, half, wide) in MUSCLES.items():
            mirrored = np.asarray(points, float) * (sign, 1, 1)
            size = float(spec["eye_mm"][2])
            muscles.sweep(f"{name}_{side}", mirrored, (normal[0] * sign, *normal[1:]), np.asarray(half) * size, wide)
        muscles.blob(f"lacrimal_gland_{side}", (sign * 45.5, -73.5, -27.5), (2.6, 6.5, 5.0), (0.5 * sign, 0))
        nerve = Assembly(frame, space)
        bend = sign * float(spec["eye_mm"][3 + number])
        nerve.sweep("optic", [(sign * 8.5, -28, -15.5), (sign * 12.5, -36, -23.5), (sign * 19 + bend, -47, -31),
                              (sign * 26 + bend, -56, -36.5), (sign * 29.5, globe[1] + radius - 0.5, globe[2])],
                    (0, 0, 1), (2.2, 2.2, 2.6, 2.8, 2.2), (2.2, 2.2, 2.6, 2.8, 2.2))
        lens = ellipsoid(space, (globe[0], globe[1] - radius + 5.6, globe[2]), (4.7, 2.1, 4.7)) * frame.size
        shape = space.lattice.shape_of
        keep = np.maximum(muscles.values, -ball * frame.size - 0.3)
        paints += [
            Paint(shape(nerve.values), (Layer(names[f"optic_nerve_{side}"]),)),
            Paint(shape(keep, muscles.owner), (Layer(muscles.labels(names)),)),
            Paint(shape(ball * frame.size), (Layer(names[f"eye_{side}_wall"]), Layer(names[f"eye_{side}"], WALL_MM))),
            Paint(shape(lens), (Layer(names[f"eye_{side}_lens"]),)),
        ]
    return paints


def _eyeball(space: Space, centre: tuple[float, float, float], radius: float) -> Field:
    """Return the distance to an eyeball with its cornea (radius of curvature 7.8 mm), reference mm."""
    x, y, z = space.x - centre[0], space.y - centre[1], space.z - centre[2]
    ball = np.sqrt(x * x + y * y + z * z) - (radius - 0.25)
    cornea = np.sqrt(x * x + (y + radius - 7.4) ** 2 + z * z) - 7.8
    return np.asarray(smooth_min(ball, cornea, 1.0), np.float32)
