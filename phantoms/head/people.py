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
        **_sinuses(subject, rng),
        **_parts(subject, rng),
        "teeth": _teeth(subject, rng),
        "vessels": _vessels(subject, rng),
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
        "suture": float(np.clip(1.25 - 0.009 * (subject.age_years - 20), 0.35, 1.2)),  # sutures close with age
        "seed": int(rng.integers(1, 2**31)),
        # Nobody has these unless a recipe says so: `phantoms.head.fillings`.
        "fillings": 0,
        "gold_crowns": 0,
    }


# Per sinus, ml: CT, n = 201; the spread is drawn log-normal. Older adults have smaller ones.
SINUS_ML: Final = {"maxillary": {"male": (14.4, 0.32), "female": (12.2, 0.31)},
                   "frontal": {"male": (3.7, 0.70), "female": (3.2, 0.75)},
                   "sphenoid": {"male": (4.7, 0.42), "female": (3.6, 0.44)}}


def _sinuses(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the air spaces: both sides share two thirds of their variance; a frontal sinus may be missing."""
    volumes = {}
    for kind, by_sex in SINUS_ML.items():
        mean, cv = by_sex[subject.sex]
        sigma = float(np.sqrt(np.log(1 + cv**2)))
        shared = rng.standard_normal()
        for side in ("right", "left"):
            deviate = np.clip(0.82 * shared + 0.57 * rng.standard_normal(), -1.9, 1.9)
            older = 1 - 0.002 * (subject.age_years - 45)
            volumes[f"{kind}_sinus_{side}"] = float(mean * older * np.exp(sigma * deviate - sigma**2 / 2))
        if kind == "frontal" and rng.uniform() < 0.06:  # aplasia, about 5 % (unverified)
            volumes[f"frontal_sinus_{('right', 'left')[int(rng.integers(2))]}"] = 0.0
    return {
        "sinus_ml": volumes,
        "septum_mm": (np.clip(rng.standard_normal(3), -2, 2) * (2.0, 2.0, 2.5)).tolist(),
        "turbinate_mm": rng.uniform(1.0, 2.6, 2).tolist(),
        "mucosa": float(np.clip(rng.lognormal(0.0, 0.5), 0.5, 4.0)),
        "mastoid": np.clip(rng.normal(1.0, 0.16) + 0.05 * rng.standard_normal(2), 0.5, 1.3).tolist(),
    }


# Globe: MRI, n = 102: 23.3 +- 1.3 mm in men and 22.8 +- 1.1 in women.
GLOBE_MM: Final = {"male": (23.5, 1.0), "female": (23.0, 0.9)}


def _parts(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Draw eyes and throat."""
    mean, sd = GLOBE_MM[subject.sex]
    normal = np.clip(rng.standard_normal(6), -2.2, 2.2)
    muscles = (1.0 if subject.sex == "male" else 0.93) * (1 + 0.06 * normal[2])
    return {
        # Shift along y, axial length, size of the muscles, side bends of the right and left optic nerve.
        "eye_mm": [float(1.6 * normal[0]), float(mean + sd * normal[1]), float(muscles), *(1.5 * normal[3:5]).tolist()],
        "throat": float(1 + 0.12 * normal[5]),
    }


def _teeth(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Draw missing and filled teeth: wisdom teeth go first, then molars; some old people have none.

    About 2 missing teeth (wisdom teeth apart) at 40 and 8 at 75 years, 12 % toothless over 65 (unverified).
    """
    names = [f"{q}{n}" for q in (1, 2, 3, 4) for n in range(1, 9)]
    older = float(np.clip((subject.age_years - 20) / 60, 0, 1.2))
    chance = {n: 0.01 + (0.30 if n >= 6 else 0.20 if n >= 4 else 0.12) * older**2 for n in range(1, 8)} | {8: 0.45}
    draws, fills, bare = rng.uniform(size=32), rng.uniform(size=32), rng.uniform()
    missing = [name for name, draw in zip(names, draws, strict=True) if draw < chance[int(name[1])]]
    if bare < 0.20 * np.clip((subject.age_years - 60) / 25, 0, 1):
        missing = names
    filled = [name for name, draw in zip(names, fills, strict=True)
              if name not in missing and int(name[1]) >= 4 and draw < 0.14 * min(1.0, 2 * older)]
    return {"missing": missing, "filled": filled,
            "jitter": np.clip(rng.standard_normal((32, 3)), -2, 2).round(4).tolist()}


def _vessels(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """Draw bends, calibres and plaque; the right jugular vein is the larger one in most, plaque comes with age."""
    base = 0.93 if subject.sex == "female" else 1.0
    older = max(subject.age_years - 40, 0.0)

    def both(cv: float, shift: float = 0.0) -> list[float]:
        pair = np.exp(cv * np.clip(rng.standard_normal(2), -2, 2)) * (1 + shift, 1 - shift)
        return [float(v) for v in base * pair]

    calibre = {"internal_jugular_vein": both(0.14, 0.08), "common_carotid_artery": both(0.06),
               "internal_carotid_artery": both(0.07), "external_carotid_artery": both(0.08),
               "vertebral_artery": both(0.16, -0.05)}
    plaque: dict[str, list[list[float]]] = {}
    for side in ("right", "left"):
        count = min(int(rng.poisson(0.0016 * older**2)), 6)
        plaque[side] = [[float(v) for v in (rng.uniform(0, 2 * np.pi), rng.uniform(-4, 8), rng.uniform(0.5, 1.3),
                                            rng.uniform(1.0, 4.0))] for _ in range(count)]
    sway = (1.2 + 0.03 * older) * np.clip(rng.standard_normal((2, 2)), -2, 2)
    return {"sway_mm": sway.tolist(), "calibre": calibre, "plaque": plaque}
