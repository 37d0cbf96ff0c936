"""The hand as a body: numbers drawn once, and the scene built from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hand_body import soft
from hand_body.bones import STEP_MM, build_bones, joints
from hand_body.frame import DIGITS, Frame
from medsynth.core.errors import RecipeError
from medsynth.scene.structure import Layer, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.lattice import Lattice
from phantoms.table import read_labels, read_structures

ORIGIN = "middle of the base of the third metacarpal; right hand raised, palm to the front"
CARPAL_CORTEX = 0.6  # thickness against the shafts' (unverified)
WRIST_Z_MM = -54.0  # the forearm is cut off here, in reference mm
# Height of adults whose hands have the reference bone lengths, both sexes together (unverified).
REFERENCE_HEIGHT_CM = 170.0


class Hand:
    """The right hand of an adult, fingers a little apart."""

    name = "hand"
    description = "adult right hand with wrist, palm to the front, fingers a little apart"
    scan_ranges = ("hand", "wrist")

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code."""
        return read_structures("hand_body")

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw one individual's numbers; all are plain JSON values."""
        male, age = subject.sex == "male", subject.age_years

        def spread(mean: float, cv: float) -> float:
            return float(mean * np.exp(cv * np.clip(rng.standard_normal(), -2.5, 2.5)))

        length = spread((1.01 if male else 0.99) * subject.height_cm / REFERENCE_HEIGHT_CM, 0.035)
        breadth = spread(1.06 if male else 0.95, 0.04) * length**0.6 * float(np.clip(subject.bmi / 25, 0.8, 1.3)) ** 0.1
        return {
            "version": 1,
            "seed": int(rng.integers(1, 2**31)),
            "length": length,
            "breadth": breadth,
            # Men have half as much carpus again as women, in proportion to the hand (Crisco 2005; amounts unverified).
            "carpus_ml": spread((18.0 if male else 12.0) * (subject.height_cm / (176.0 if male else 163.0)) ** 2, 0.10),
            "fat_mm": float(np.clip(0.07 * (subject.bmi - 25) + 0.25 * rng.standard_normal(), -0.6, 2.5)),
            "spread": spread(1.0, 0.15),
            "bend_deg": np.clip(rng.normal(0.0, 3.0, len(DIGITS)), -5, 8).tolist(),
            # Cortex thins with age, in women after the menopause most.
            "cortex_mm": spread(1.45 - (0.007 if male else 0.013) * max(age - 45, 0), 0.06),
        }

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec."""
        if spec.get("version") != 1:
            raise RecipeError(f"the spec's version must be 1, got {spec.get('version')!r}")
        bend = tuple(float(v) for v in spec["bend_deg"])
        frame = Frame(float(spec["length"]), float(spec["breadth"]), float(spec["spread"]), bend, int(spec["seed"]))
        low, high = _box(frame)
        outer, inner, fine = (Lattice(low, high, step) for step in (soft.STEP_MM, soft.MUSCLE_STEP_MM, STEP_MM))
        skin = soft.outline(frame, outer, float(spec["fat_mm"]))
        skin_shape = outer.shape_of(skin)
        long, carpal = build_bones(frame, fine, float(spec["carpus_ml"]))
        tubes, labels = soft.vessels(frame, outer, skin), read_labels("hand_body")
        inside = tuple(s.label for s in self.structures() if s.name != "skin")  # what lies under the skin
        paints = [
            *soft.cover_paints(outer, skin),
            *soft.muscle_paints(frame, inner, inner.sample(skin_shape)),
            *soft.tendon_paints(frame, inside),
            *(Paint(tube, (Layer(labels[name]),), inside) for name, tube in tubes.items()),
            *long.paints(joints(frame, fine), float(spec["cortex_mm"]), inside),
            *carpal.paints(-1.0, CARPAL_CORTEX * float(spec["cortex_mm"]), inside),
        ]
        box_low, box_high = skin_shape.bounds_mm()
        top, bottom = box_high[2] + 4.0, WRIST_Z_MM * frame.length
        knuckle, tip = frame.rays["middle"][0].end_mm, frame.rays["middle"][-1].end_mm
        return Scene(
            body=self.name,
            origin=ORIGIN,
            subject=subject,
            structures=self.structures(),
            paints=tuple(paints),
            fields={"body": skin_shape, "long_bones": long.shape, "carpal_bones": carpal.shape},
            vessels=tubes,
            landmarks={"knuckle_middle": tuple(knuckle.tolist()), "tip_middle": tuple(tip.tolist())},
            bounds_mm=(box_low, box_high),
            scan_range_mm={"hand": (bottom, top), "wrist": (bottom, 22.0 * frame.length)},
            texture_seed=int(spec["seed"]),
        )


def _box(frame: Frame) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return the box that holds the hand: all joints with the flesh around them, down to the cut forearm."""
    joints = np.array([end for ray in frame.rays.values() for s in ray for end in (s.start_mm, s.end_mm)])
    wrist = frame.at([(-32, -26, 0), (32, 22, 0)])
    low, high = np.minimum(joints.min(0) - 22, wrist[0]), np.maximum(joints.max(0) + 22, wrist[1])
    low[2] = (WRIST_Z_MM - 4.0) * frame.length
    return tuple(low.tolist()), tuple(high.tolist())


BODY = Hand()
