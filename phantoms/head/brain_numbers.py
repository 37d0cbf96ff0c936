"""What a brain measures: numbers drawn for one subject, from published statistics of age and sex."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from medsynth.scene.subject import Subject
from phantoms.head.cortex_sulci import SULCI

# Shares of the intracranial volume in adults of 20-80 years (Japan, n = 133, PMC10511609: means over 1443 ml), taken at
# 50 years, and the spread that remains at known intracranial volume: 4-5 %, which with the volume's own 8-9 % give the
# 11-12 % there.
ICV_ML = 1443.0
CORTEX_SHARE, CORTEX_CV = 458.0 / ICV_ML, 0.04
WHITE_SHARE, WHITE_CV = 418.0 / ICV_ML, 0.05
CEREBELLUM_SHARE, CEREBELLUM_CV = 136.0 / ICV_ML, 0.07
STEM_SHARE, STEM_CV = 35.0 / ICV_ML, 0.06  # between FreeSurfer's 20-23 and the 43 ml of a wider definition

# Both sides together, ml, residual spread, and the change per year about 50 (AJNR follow-up; thalamus, accumbens and
# pallidum FreeSurfer-like, recalled). Men's are larger by the ENIGMA differences, which the intracranial volume's
# scaling gives.
NUCLEI_ML: Final = {
    "caudate": (9.42, 0.075, -0.020),
    "thalamus": (14.5, 0.06, -0.030),
    "pallidum": (3.3, 0.09, 0.0),
    "putamen": (10.41, 0.055, -0.030),
    "accumbens": (1.1, 0.14, -0.005),
    "amygdala": (2.9, 0.12, 0.0),
    "hippocampus": (6.7, 0.07, 0.0),
}
# R > L hippocampus (3.32 against 3.21 ml).
RIGHT_SHARE: Final = {"hippocampus": 0.5085}


def sample_brain(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the numbers of one subject's brain; all are plain JSON values.

    Volumes are shares of the intracranial volume, or millilitres of a head of 1443 ml where they end in `_ml`.
    """
    age, male = subject.age_years, subject.sex == "male"

    def near(mean: float, cv: float) -> float:
        return float(mean * np.exp(cv * np.clip(rng.standard_normal(), -2.2, 2.2)))

    grey = (1 - 0.0015 * (age - 25) - 0.00003 * max(age - 50, 0) ** 2) / (1 - 0.0015 * 25)
    white = 1 - 0.003 * max(age - 50, 0)
    lateral = (18.0 if male else 15.0) * np.exp(0.016 * (age - 25)) * 0.92
    spread = 0.36 if age > 30 else 0.30
    nuclei = {}
    for name, (mean, cv, slope) in NUCLEI_ML.items():
        both = near(mean + slope * (age - 50) - (0.005 * mean * max(age - 60, 0) if name == "hippocampus" else 0), cv)
        right = RIGHT_SHARE.get(name, 0.5) + 0.008 * float(np.clip(rng.standard_normal(), -2, 2))
        nuclei[name] = {"right": both * right, "left": both * (1 - right)}
    # Median volume of white matter lesions (Meta VCI Map, n = 14 876): slow to 64 years, then faster in women.
    steepness = 0.087 if age < 64 else (0.060 if male else 0.075)
    lesions = 2.0 * np.exp(steepness * (age - 64))
    cortex = near(1.0, CORTEX_CV)
    return {
        "cortex_share": CORTEX_SHARE * grey * cortex,
        "white_share": near(WHITE_SHARE * white, WHITE_CV),
        "cerebellum_share": near(CEREBELLUM_SHARE * (1 - 0.0015 * (age - 50)), CEREBELLUM_CV),
        "stem_share": near(STEM_SHARE, STEM_CV),
        "lateral_ml": float(np.clip(near(lateral, spread), 6.0, 110.0)),
        "third_ml": near(1.0 * np.exp(0.012 * (age - 50)), 0.22),
        "third_width_mm": near(float(np.interp(age, [25, 50, 70, 90], [3.0, 3.8, 5.0, 6.5])), 0.16),
        "fourth_ml": near(1.6, 0.20),
        "width_mm": float(np.clip(1.30 + 0.014 * (age - 25) + 0.10 * rng.standard_normal(), 1.1, 3.0)),
        # More cortex is more surface rather than a thicker ribbon.
        "depth_scale": near((1.0 - 0.001 * (age - 45)) * cortex**1.2, 0.02),
        "nuclei_ml": nuclei,
        "lesions_ml": float(np.clip(near(lesions, 0.9), 0.0, 40.0)) if age >= 45 else 0.0,
        "choroid_calcified": bool(rng.uniform() < np.clip(0.15 + 0.009 * (age - 20), 0.1, 0.75)),
        "pineal_calcified": bool(rng.uniform() < np.interp(age, [18, 25, 35, 80], [0.4, 0.55, 0.8, 0.8])),
        "falx_calcified": bool(rng.uniform() < np.clip(0.004 * (age - 20), 0.0, 0.35)),
        "pallidum_calcified": bool(rng.uniform() < np.clip(0.002 * (age - 35), 0.0, 0.09)),
        "right": _side(rng, 0.0),
        "left": _side(rng, 5.0),  # the left Sylvian fissure reaches farther back
        "vessels": _vessels(rng),
    }


def _side(rng: np.random.Generator, sylvian_mm: float) -> dict[str, Any]:
    count = len(SULCI)
    return {
        "jitter_mm": (2.2 * np.clip(rng.standard_normal((count, 3)), -2, 2)).tolist(),
        "broken": rng.uniform(size=count).tolist(),
        "wander_seeds": [int(v) for v in rng.integers(1, 2**31, 3)],
        "sylvian_mm": sylvian_mm + 2.5 * float(np.clip(rng.standard_normal(), -2, 2)),
    }


def _vessels(rng: np.random.Generator) -> dict[str, Any]:
    """Draw calibres and variants of the circle of Willis (MRA n = 513 and n = 300, CTA n = 100)."""
    posterior = [float(v) for v in np.clip(1.45 + 0.4 * rng.standard_normal(2), 0.7, 2.6)]
    thin = rng.uniform(size=2) < 0.04
    fetal = [bool(v < 0.15) for v in rng.uniform(size=2)]
    return {
        "calibre": float(np.clip(1 + 0.08 * rng.standard_normal(), 0.8, 1.2)),
        "vertebral": float(np.clip(0.1 + 0.25 * rng.standard_normal(), -0.5, 0.6)),
        "a1": [float(v) for v in np.where(thin, 0.5, np.clip(1 + 0.1 * rng.standard_normal(2), 0.8, 1.2))],
        "posterior_communicating_mm": [
            2.0 if f else (0.6 if v < 0.9 else v) for v, f in zip(posterior, fetal, strict=True)
        ],
        "fetal": fetal,
        "right_transverse": float(np.clip(1.12 + 0.18 * rng.standard_normal(), 0.6, 1.5)),
        "wander_mm": float(np.clip(1.6 + 0.4 * rng.standard_normal(), 0.8, 2.6)),
        "seed": int(rng.integers(1, 2**31)),
    }
