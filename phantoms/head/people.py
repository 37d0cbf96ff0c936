"""What a head measures: numbers drawn for one subject, from published statistics."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from medsynth.scene.subject import Subject

# Mean of two series (Japan, n = 133, PMC10511609: 1538 +- 137 and 1393 +- 91 ml; Matsumae 1996: 1469 +- 102 and
# 1289 +- 111 ml), weighted by their sizes; it does not change with age.
INTRACRANIAL_ML: Final = {"male": (1519.0, 110.0), "female": (1366.0, 95.0)}
ML_PER_CM = 4.0  # intracranial volume on height within one sex, from r of about 0.25 (unverified)
HEIGHT_CM: Final = {"male": 176.0, "female": 163.0}  # ICRP Publication 89
PARIETAL_MM, PARIETAL_SD_MM = 7.0, 1.2  # CT, n = 100: 7.0 +- 1.4 mm in both sexes


def sample_head(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the sizes of one subject's head; all are plain JSON values."""
    female = subject.sex == "female"
    mean_ml, sd_ml = INTRACRANIAL_ML[subject.sex]
    mean_ml += ML_PER_CM * (subject.height_cm - HEIGHT_CM[subject.sex])

    def near(mean: float, sd: float) -> float:
        return float(mean + sd * np.clip(rng.standard_normal(), -2.5, 2.5))

    above = subject.bmi - 25.0
    return {
        "intracranial_ml": near(mean_ml, sd_ml),
        "breadth": near(0.0, 0.030),  # cranial index 79 +- 4 (unverified)
        "tallness": near(0.0, 0.022),
        "face": near(0.93 if female else 1.0, 0.035),  # nasion to chin 121 and 112 mm (unverified)
        "vault_mm": float(np.clip(near(PARIETAL_MM, PARIETAL_SD_MM), 4.5, 10.5)),
        "frontal_mm": near(1.6 if female else 1.0, 0.5),  # thicker in women at the front
        "fat": float(np.clip(near(1.0, 0.12) * np.interp(above, (-10, 0, 10, 25), (0.55, 1.0, 1.5, 2.3)), 0.4, 2.8)),
        "muscle": near(0.86 if female else 1.0, 0.06) * (1 - 0.003 * max(subject.age_years - 50, 0.0)),
        "jaw": near(0.94 if female else 1.0, 0.03),
        "neck": near(0.88 if female else 1.0, 0.03) * (1 + 0.004 * float(np.clip(above, -8, 25))),
        "seed": int(rng.integers(1, 2**31)),
    }
