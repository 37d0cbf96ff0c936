"""The adult knee: numbers drawn once, and the scene built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.extremes import extreme, point_of
from phantoms.knee import femur, lower_leg
from phantoms.knee.bones import build_bones
from phantoms.knee.cords import build_cords
from phantoms.knee.frame import BOTTOM_MM, MARGIN_MM, SOFT_STEP_MM, TOP_MM, KneeFrame
from phantoms.knee.joint import build_joint
from phantoms.knee.leg import build_leg
from phantoms.knee.muscles import build_muscles, raw_muscles
from phantoms.knee.table import structures
from phantoms.knee.vessels import build_vessels
from phantoms.mirror import mirrored_scene

ORIGIN = "middle of the tibial plateau, height of the joint surface"
REFERENCE_HEIGHT_CM = 175.0
# Fat under the skin against a man's at a BMI of 25; women carry 1.6 times as much there (unverified).
BMI_KNOTS, FAT_KNOTS = (12, 17, 21, 25, 30, 35, 40, 50, 80), (0.25, 0.42, 0.68, 1.0, 1.55, 2.2, 2.9, 4.0, 6.0)
FEMALE_FAT: Final = 1.6
SPINES_MM = 13.0  # the tibial spines lie this near to the middle
MINERAL_LOSS = 0.0062  # of the mineral at 30, per year: trabecular bone halves over a life (unverified)


class Knee:
    """One knee of an adult in extension, from above the recess to the upper calf; its side stands in the spec."""

    name = "knee"
    description = "adult knee in extension, one side, distal thigh to upper calf"
    scan_ranges = ("knee", "joint")

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code; the scene tells the side."""
        return structures()

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw one individual's numbers; all are plain JSON values."""
        female = subject.sex == "female"
        normal = rng.standard_normal

        def spread(mean: float, cv: float) -> float:
            return float(mean * np.exp(cv * np.clip(normal(), -2.5, 2.5)))

        bmi, age = subject.bmi, subject.age_years
        # Knees of women are 4 % narrower than those of men of their height (fitted to the plateau of 76.0 and 67.3 mm);
        # cartilage thins with age (unverified).
        size = (0.915 if female else 0.955) * (subject.height_cm / REFERENCE_HEIGHT_CM) ** 0.8
        cartilage = (0.90 if female else 1.0) * (1 - 0.0035 * max(age - 30, 0))
        size = spread(size, 0.025)
        shape = float(0.012 * np.clip(normal(), -2.5, 2.5))
        return {
            "version": 1,
            "side": "left" if rng.random() < 0.5 else "right",
            "seed": int(rng.integers(1, 2**31)),
            "width": size * (1 + shape),
            "depth": size * (1 - shape),
            "height": size * float(1 + 0.012 * np.clip(normal(), -2.5, 2.5)),
            "muscle": spread((0.86 if female else 1.0) * (1 + 0.012 * (min(bmi, 42.0) - 25))
                             * (1 - 0.0035 * max(age - 45, 0)), 0.06),
            "fat": spread((FEMALE_FAT if female else 1.0) * float(np.interp(bmi, BMI_KNOTS, FAT_KNOTS)), 0.15),
            "vessel": spread(0.90 if female else 1.0, 0.08),
            "cortex": spread((0.95 if female else 1.0) * (1 - 0.0035 * max(age - 45, 0)), 0.07),
            "femoral_mm": spread(2.75 * cartilage, 0.12),
            "tibial_mm": spread(2.2 * cartilage, 0.12),
            "patellar_mm": spread(4.4 * cartilage, 0.12),
            "trochlea": spread(1.0, 0.12),
            "notch": spread(1.0, 0.07),
            "slope": float(np.clip(0.12 + 0.035 * normal(), 0.03, 0.22)),
            "patella_z_mm": float(np.clip(36.0 + 3.0 * normal(), 30.0, 43.0)),
            "tubercle_x_mm": float(np.clip(4.0 + 2.5 * normal(), -1.0, 10.0)),
            "meniscus": spread(1.0, 0.08),
            "fluid": float(np.clip(rng.lognormal(-0.3 + 0.008 * (age - 40), 0.5), 0.2, 3.0)),
            "mineral": spread((0.94 if female else 1.0) * max(1 - MINERAL_LOSS * max(age - 30, 0), 0.35), 0.12),
            "scar": float(np.clip(1.0 - 0.012 * (age - 20) + 0.2 * normal(), 0.0, 1.0)),
            # Muscles of the thigh lose about 10 HU between 30 and 80 years, more in the obese (unverified).
            "muscle_fat": float(np.clip(0.0016 * (age - 18) + 0.002 * max(bmi - 25, 0) + 0.015 * normal(), 0, 0.3)),
            "calcified": float(np.clip(0.010 * (age - 58) + 0.15 * normal(), 0.0, 0.7)),
        }  # fmt: skip

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec."""
        if spec.get("version") != 1:
            raise RecipeError(f"the spec's version must be 1, got {spec.get('version')!r}")
        if spec.get("side") not in ("left", "right"):
            raise RecipeError(expected("side", spec.get("side"), "'left' or 'right'"))
        left = _left_knee(subject, spec)
        return left if spec["side"] == "left" else mirrored_scene(left)


BODY = Knee()


def knee_frame(spec: Mapping[str, Any]) -> KneeFrame:
    """Return the frame of a spec."""
    scales = ("width", "depth", "height", "muscle", "fat", "vessel", "cortex", "femoral_mm", "tibial_mm", "patellar_mm",
              "trochlea", "notch", "slope", "patella_z_mm", "tubercle_x_mm", "meniscus", "fluid")  # fmt: skip
    numbers: dict[str, Any] = {name: float(spec[name]) for name in scales}
    return KneeFrame(**numbers, seed=int(spec["seed"]) % 99991)


def _left_knee(subject: Subject, spec: Mapping[str, Any]) -> Scene:
    """Build the parts in order, each handing on what the next must respect."""
    frame = knee_frame(spec)
    bones, bone_paints = build_bones(frame, float(spec["scar"]))
    cord_shape, cord_paint = build_cords(frame)
    rough = Lattice(tuple(frame.at((-72, -74, BOTTOM_MM - MARGIN_MM)).tolist()),
                    tuple(frame.at((72, 84, TOP_MM + MARGIN_MM)).tolist()), SOFT_STEP_MM)  # fmt: skip
    each = (bones.femur, bones.tibia, bones.fibula, bones.patella)
    solid = np.minimum.reduce([rough.sample(shape) for shape in each])
    raw = raw_muscles(frame, rough)
    contents = np.minimum.reduce([solid, rough.sample(cord_shape), *raw.values()])
    leg, leg_paints = build_leg(frame, rough.shape_of(contents))
    muscles = build_muscles(frame, rough, raw, np.asarray(rough.sample(leg.lattice.shape_of(leg.fascia))))
    vessels, vessel_paints = build_vessels(frame, leg, float(spec["calcified"]))
    around, between = build_joint(frame, bones)
    paints = [*leg_paints, muscles, *around, cord_paint, *between, *bone_paints, *vessel_paints]
    low, high = leg.lattice.origin_mm, [float(a.ravel()[-1]) for a in (leg.lattice.x, leg.lattice.y, leg.lattice.z)]
    z = (BOTTOM_MM * frame.height + 2, TOP_MM * frame.height - 2)
    return Scene(
        body="knee",
        origin=ORIGIN,
        subject=subject,
        structures=_structures(spec),
        paints=tuple(paints),
        fields={"body": leg.lattice.shape_of(leg.skin), "femur": bones.femur, "tibia": bones.tibia,
                "fibula": bones.fibula, "patella": bones.patella},
        vessels=vessels,
        landmarks=_landmarks(frame) | _ends(bones.femur, bones.tibia, bones.patella),
        bounds_mm=(low, (high[0], high[1], high[2])),
        scan_range_mm={"knee": z, "joint": (max(z[0], -40 * frame.height), min(z[1], 70 * frame.height))},
        texture_seed=int(spec["seed"]) % (1 << 31),
    )  # fmt: skip


def _landmarks(frame: KneeFrame) -> dict[str, tuple[float, float, float]]:
    points = {
        "joint_centre": (0.0, 0.0, 2.5),
        "medial_epicondyle": (femur.MEDIAL_U_MM, 3.0, 33.0),
        "lateral_epicondyle": (femur.LATERAL_U_MM, 5.0, 31.0),
        "patella_centre": (1.5, (lower_leg.PATELLA_BACK_V_MM + lower_leg.PATELLA_FRONT_V_MM) / 2, frame.patella_z_mm),
        "tibial_tuberosity": (frame.tubercle_x_mm, -35.5, -36.0),
        "fibular_head": tuple(lower_leg.FIBULA_MM[1].tolist()),
    }
    return {name: tuple(frame.at(point).tolist()) for name, point in points.items()}


def _ends(
    femur_shape: SampledShape, tibia: SampledShape, patella: SampledShape
) -> dict[str, tuple[float, float, float]]:
    """Return the ends of a left knee's bones: condyles, spines of the tibia between them, poles of the kneecap."""

    def beside(shape: SampledShape, low_x: float, high_x: float, low_z: float = -np.inf) -> NDArray[np.bool_]:
        x = (shape.origin_mm[0] + np.arange(shape.values_mm.shape[2]) * shape.step_mm)[None, None, :]
        z = (shape.origin_mm[2] + np.arange(shape.values_mm.shape[0]) * shape.step_mm)[:, None, None]
        return np.broadcast_to((x > low_x) & (x < high_x) & (z > low_z), shape.values_mm.shape)

    halves = {"medial": -1.0, "lateral": 1.0}  # of a left knee
    points = {"patella_upper_pole": extreme(patella, (0, 0, 1)), "patella_lower_pole": extreme(patella, (0, 0, -1))}
    for name, sign in halves.items():
        low, high = (0.0, np.inf) if sign > 0 else (-np.inf, 0.0)
        points[f"femoral_condyle_{name}"] = extreme(femur_shape, (0, 0, -1), beside(femur_shape, low, high))
        near = (0.0, SPINES_MM) if sign > 0 else (-SPINES_MM, 0.0)
        points[f"tibial_spine_{name}"] = extreme(tibia, (0, 0, 1), beside(tibia, *near))
    return {name: point_of(point) for name, point in points.items()}


def _structures(spec: Mapping[str, Any]) -> tuple[Structure, ...]:
    """Return the structures on this side, with this individual's bone mineral and fat in the muscles."""
    made = []
    for one in structures():
        if one.tissue == "yellow_marrow":
            share = float(spec["mineral"]) if not one.name.endswith("scar") else 0.4 + 0.6 * float(spec["scar"])
            one = replace(one, mixture=tuple((t, share * v) for t, v in one.mixture))
        elif one.tissue == "skeletal_muscle":
            one = replace(one, mixture=(("adipose", float(spec["muscle_fat"])),))
        made.append(replace(one, laterality=spec["side"]))
    return tuple(made)
