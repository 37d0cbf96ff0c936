"""One adult's numbers: everything random about a trunk is drawn here, once, for all bodies alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medsynth.scene.reference import expected_heart_ml, expected_lung_ml, individual_factor
from medsynth.scene.subject import Subject
from phantoms.torso import devices
from phantoms.torso.frame import VERTEBRAE
from phantoms.torso.viscera import sample_viscera

# What a lower lobe holds of its lung, and the middle lobe of the rest of it: mean, SD (supine CT, PMC7490509).
LOBE_SHARE = {"right_lower": (0.493, 0.042), "left_lower": (0.501, 0.045), "right_middle": (0.342, 0.05)}
# Subcutaneous fat against a BMI of 25, by BMI: fitted to the girth of the chest, 2.0 cm per BMI unit.
BMI_KNOTS, FAT_KNOTS = (15, 18, 22, 25, 30, 35, 40, 50), (0.25, 0.4, 0.7, 1.0, 1.75, 2.55, 3.35, 4.9)


def sample_person(subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
    """Draw one individual's numbers; all are plain JSON values."""
    female, bmi, age = subject.sex == "female", subject.bmi, subject.age_years
    normal = rng.standard_normal

    def spread(mean: float, cv: float) -> float:
        return float(mean * np.exp(cv * np.clip(normal(), -2.5, 2.5)))

    breath = individual_factor("lung", rng=rng)
    chest = {
        "version": 1,
        "seed": int(rng.integers(1, 2**31)),
        "lung_ml": expected_lung_ml(subject) * breath,
        "heart_ml": expected_heart_ml(subject) * individual_factor("heart", rng=rng),
        "breast_ml": spread(np.clip(260 + 28 * (bmi - 24), 90, 900), 0.35) if female else spread(12.0, 0.3),
        "fat": spread(np.interp(bmi, BMI_KNOTS, FAT_KNOTS), 0.12),
        "muscle": spread(
            (0.82 if female else 1.0) * (1 + 0.012 * (min(bmi, 45.0) - 25)) * (1 - 0.003 * max(age - 40, 0)), 0.06
        ),
        "belly_mm": float(
            np.interp(bmi, [16, 25, 32, 45], [-33.0, -14.0, -1.0, 20.0]) + (7.0 if female else 0.0) + 2.0 * normal()
        ),
        "chest_shape": float(np.clip(-0.015 - 0.0025 * (min(bmi, 40.0) - 25) + 0.03 * normal(), -0.10, 0.06)),
        "kyphosis": spread(1.0 + 0.006 * (age - 45), 0.10),
        "tilt": float(np.clip(0.012 * normal(), -0.03, 0.03)),
        "bone": spread(0.92 if female else 1.0, 0.035),
        "vessel": spread(0.93 if female else 1.0, 0.05),
        "aorta": spread((0.95 if female else 1.0) * (1 + 0.0033 * (age - 50) + 0.12 * (subject.bsa_m2 - 1.95)), 0.07),
        "heart_turn_deg": float(np.clip(0.5 * (bmi - 25) + 6 * normal(), -14, 14)),
        "dome_mm": _domes_mm(bmi, breath, float(normal()), float(normal())),
        "rib_jitter_mm": (2.0 * rng.standard_normal((2, 12))).tolist(),
        "sway_rad": np.clip(0.015 * rng.standard_normal(len(VERTEBRAE)), -0.04, 0.04).tolist(),
        "marrow_mineral": float(np.clip(0.130 - 0.00135 * (age - 30) + 0.018 * normal(), 0.03, 0.22)),
        "lung_tissue": float(np.clip(0.130 + 0.018 * normal() + 0.004 * (25 - min(bmi, 25)) * -0.2, 0.085, 0.19)),
        "liver_fat": float(np.clip(rng.lognormal(np.log(0.03 + 0.004 * max(bmi - 25, 0)), 0.7), 0.005, 0.35)),
        "thymus_fat": float(np.clip(0.35 + 0.012 * (age - 20) + 0.1 * normal(), 0.2, 0.98)),
    }
    person = chest | sample_viscera(subject, rng=rng) | _pelvis(subject, rng)
    person["lobe_share"] = {
        name: float(mean + sd * np.clip(normal(), -2.2, 2.2)) for name, (mean, sd) in LOBE_SHARE.items()
    }
    # Arms up, full inspiration, on the back, as for a CT: `phantoms.torso.fitting.Position`. Nobody has metal unless a
    # recipe says so: `phantoms.torso.implants`, `phantoms.torso.devices`.
    placed = {"arms_down": 0, "breath": 1.0, "upright": 0}
    tips = {name: usual for name, (_, _, usual) in devices.TIPS.items()}
    return person | {"hip_implant": 0, "pacemaker": 0} | placed | dict.fromkeys(devices.NUMBERS, 0) | tips


def _domes_mm(bmi: float, breath: float, right: float, left: float) -> list[float]:
    """Return the heights of the right and the left dome: T9-T10, raised by a full belly, lowered by a deep breath."""
    top = -38.0 + 0.35 * (min(max(bmi, 17.0), 45.0) - 25.0) - 60.0 * (breath - 1)
    return [top + 3.0 * right, top - 11.0 + 4.0 * left]


def _pelvis(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the pelvis: bones, fat of the hips, bladder, and the organs of either sex.

    Bi-iliac breadth 28.5 +- 2 cm in men, 28 +- 2.2 cm in women 13 cm shorter (unverified). Prostate 20-25 ml at 20-30
    years, growing by 2.2 % a year, 36 +- 18 ml at a mean of 62. Uterus 50-90 ml until the menopause, then 4-6 cm long.
    Ovaries 6-10 ml, 2.6 +- 2.0 ml after it. Aortic calcium in under 16 % below 45 years and 90 % above 65.
    """
    female, age = subject.sex == "female", subject.age_years
    normal = rng.standard_normal

    def spread(mean: float, cv: float) -> float:
        return float(mean * np.exp(cv * np.clip(normal(), -2.2, 2.2) - cv * cv / 2))

    size = (subject.height_cm / 175.0) ** 0.7
    fertile = age < 51.0 + 3.0 * float(np.clip(normal(), -2, 2))
    calcified = float(np.clip((age - 58) / 30 + (0.0 if female else 0.1) + 0.22 * normal(), 0.0, 1.0))
    return {
        "pelvis_width": spread((1.04 if female else 1.0) * size, 0.035),
        "pelvis_depth": spread(size, 0.035),
        "hip_fat": float(np.clip((0.32 if female else -0.08) + 0.10 * normal(), -0.15, 0.8)),
        "outlet": float(np.clip((1.13 if female else 1.0) + 0.025 * normal(), 0.94, 1.2)),
        "bladder_ml": float(np.clip(rng.lognormal(np.log(170.0), 0.55), 40.0, 480.0)),
        "plaque": calcified,
        "artery_wander_mm": (np.clip((age - 40) / 12, 0.5, 4.5) * rng.standard_normal((2, 3))).clip(-7, 7).tolist(),
        "prostate_ml": min(90.0, spread(22.5 * 1.016 ** max(age - 25, 0), 0.28)),
        "uterus_ml": spread(72.0 + 0.5 * (min(age, 45) - 35) if fertile else 36.0, 0.24),
        "uterus_turn_deg": float(np.clip(18.0 * normal(), -35, 35)),
        "uterus_shift_mm": float(np.clip(6.0 * normal(), -12, 12)),
        "endometrium_mm": float(rng.uniform(5.0, 12.0) if fertile else rng.uniform(2.0, 4.5)),
        "ovary_ml": [min(13.0, spread(7.4 if fertile else 2.9, 0.3 if fertile else 0.4)) for _ in range(2)],
        "follicle_mm": [float(rng.uniform(6.0, 17.0) if fertile else 0.0) for _ in range(2)],
        "testis_ml": spread(17.0 if age < 60 else 15.0, 0.15),
    }
