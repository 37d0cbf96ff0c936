"""One breast of an adult woman: numbers drawn once, and the scene built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.scene.structure import Scene, Structure
from medsynth.scene.subject import Subject
from phantoms.breast.frame import MEDIAL_X_MM, BreastFrame
from phantoms.breast.mound import build_mound, skin_paints
from phantoms.breast.postures import mammographic_postures, nipple_line_end
from phantoms.breast.stroma import build_stroma
from phantoms.breast.table import structures
from phantoms.breast.vessels import build_vessels
from phantoms.breast.wall import wall_paints
from phantoms.mirror import mirrored_scene

ORIGIN = "outer surface of the ribs behind the middle of the breast"
# Fibroglandular share of the breast by density class, mean and SD: together with the shares of the classes in women
# they give the mean of 19 % that breast CT and mammography found, with 95 % of women below 45 % (Yaffe 2009,
# doi:10.1118/1.3250863). The single classes' values are working values.
GLANDULAR: Final[Mapping[str, tuple[float, float]]] = {
    "A": (0.06, 0.02), "B": (0.14, 0.04), "C": (0.25, 0.06), "D": (0.42, 0.08)}  # fmt: skip
# Classes of American women of all ages: about 10, 40, 40 and 10 % (BI-RADS atlas); as limits of a normal variable that
# falls with age and BMI (signs published, e.g. CEBP 19:3096; slopes are working values).
CLASS_LIMITS = (-1.28, 0.0, 1.28)
AGE_SLOPE, BMI_SLOPE, AGE_MIDDLE, BMI_MIDDLE, CLASS_SPREAD = -0.023, -0.062, 55.0, 28.0, 0.75
# Volume: 616 ml in the middle of three breast CT sizes; 1149, 690, 485 and 364 ml in classes A to D (403 women): beyond
# what the BMI tells, dense breasts are small ones.
VOLUME_OF_CLASS: Final[Mapping[str, float]] = {"A": 1.05, "B": 0.91, "C": 0.79, "D": 0.68}
VOLUME_AT_BMI_28_ML, VOLUME_PER_BMI, VOLUME_CV = 620.0, 0.062, 0.36
VOLUME_LIMITS_ML = (110.0, 2200.0)


class Breast:
    """One breast of a woman with the chest wall behind it, uncompressed, hanging (prone) or upright."""

    name = "breast"
    description = "one uncompressed breast of an adult woman with its chest wall, prone (hanging) or upright"
    scan_ranges = ("breast",)

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code; the scene tells the side."""
        return structures()

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw one individual's numbers; all are plain JSON values. `density_class`, `position` and `side` may be set.

        Raises
        ------
        RecipeError
            If the subject is a man.
        """
        _check_sex(subject)
        normal = rng.standard_normal

        def spread(mean: float, cv: float) -> float:
            return float(mean * np.exp(cv * np.clip(normal(), -2.5, 2.5)))

        bmi = min(subject.bmi, 50.0)
        dense = AGE_SLOPE * (subject.age_years - AGE_MIDDLE) + BMI_SLOPE * (bmi - BMI_MIDDLE)
        kind = "ABCD"[int(np.searchsorted(CLASS_LIMITS, dense + CLASS_SPREAD * float(normal())))]
        mean_ml = VOLUME_AT_BMI_28_ML * VOLUME_OF_CLASS[kind] * np.exp(VOLUME_PER_BMI * (bmi - BMI_MIDDLE))
        volume = float(np.clip(spread(mean_ml, VOLUME_CV), *VOLUME_LIMITS_ML))
        return {
            "version": 1,
            "side": "left" if rng.random() < 0.5 else "right",
            "position": "prone",
            "seed": int(rng.integers(1, 2**31)),
            "volume_ml": volume,
            "density_class": kind,
            "density_deviate": float(np.clip(normal(), -2, 2)),
            "broad": spread(1.0, 0.04),
            "tall": float(np.clip(1.03 + 0.04 * normal(), 0.93, 1.15)),
            "sag": spread(1.0 + 0.010 * (subject.age_years - 45), 0.2),
            "outward_mm": float(np.clip(4.0 * normal(), -8.0, 8.0)),
            "blunt": float(np.clip(2.15 + 0.12 * normal(), 1.9, 2.5)),
            "fat_mm": spread(float(np.interp(bmi, (15, 20, 25, 30, 40, 50), (3.0, 6.0, 10.0, 15.0, 25.0, 34.0))), 0.12),
            "muscle": spread(1.0 - 0.004 * max(subject.age_years - 40, 0), 0.12),
            "chest": spread(0.97 * (subject.height_cm / 163.0) ** 0.7 * (bmi / 27.0) ** 0.12, 0.03),
            "skin": spread(1.0, 0.15),
            "lobule": spread(1.0, 0.10),
            "lobes": int(rng.integers(6, 11)),
            "marrow_mineral": float(np.clip(1.0 - 0.008 * (subject.age_years - 30) + 0.12 * normal(), 0.3, 1.4)),
            "mlo_deg": float(np.clip(48.0 + 4.0 * normal(), 40.0, 60.0)),
            "compression": float(np.clip(np.exp(0.09 * normal()), 0.8, 1.25)),
        }

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec.

        Raises
        ------
        RecipeError
            If the subject is a man, or the spec is not one of this body.
        """
        _check_sex(subject)
        if spec.get("version") != 1:
            raise RecipeError(f"the spec's version must be 1, got {spec.get('version')!r}")
        for name, allowed in (("side", ("left", "right")), ("position", ("prone", "upright"))):
            if spec.get(name) not in allowed:
                raise RecipeError(expected(name, spec.get(name), f"one of {allowed}"))
        left = _left_breast(subject, spec)
        return left if spec["side"] == "left" else mirrored_scene(left)


BODY = Breast()


def glandular_fraction(spec: Mapping[str, Any]) -> float:
    """Return the fibroglandular share of the breast: its class's mean plus a deviate in units of the class's SD."""
    kind = spec["density_class"]
    if kind not in GLANDULAR:
        raise RecipeError(expected("density_class", kind, f"one of {sorted(GLANDULAR)}"))
    mean, sd = GLANDULAR[kind]
    return float(np.clip(mean + sd * float(spec["density_deviate"]), 0.025, 0.62))


def _check_sex(subject: Subject) -> None:
    if subject.sex != "female":
        raise RecipeError(expected("subject.sex", subject.sex, "'female' for the body 'breast'"))


def breast_frame(spec: Mapping[str, Any]) -> BreastFrame:
    """Return the frame of a spec."""
    size = float(spec["volume_ml"]) / 616.0
    # Base 103, 125 and 150 mm wide at 276, 616 and 1174 ml (breast CT).
    radius = 62.5 * size**0.26 * float(spec["broad"])
    # Gravity pulls a large upright breast down; a hanging one stays straight.
    pull = 0.38 if spec["position"] == "upright" else 0.06
    numbers = {name: float(spec[name]) for name in ("volume_ml", "tall", "blunt", "fat_mm", "muscle", "chest", "skin")}
    return BreastFrame(
        **numbers,
        glandular=glandular_fraction(spec),
        radius_mm=radius,
        position=spec["position"],
        droop_mm=pull * radius * float(spec["sag"]) * size**0.2,
        outward_mm=0.10 * radius + float(spec["outward_mm"]),
        lobule_mm=15.0 * size**0.12 * float(spec["lobule"]),
        lobes=int(spec["lobes"]),
        seed=int(spec["seed"]) % 99991,
    )


def _left_breast(subject: Subject, spec: Mapping[str, Any]) -> Scene:
    """Build the parts in order, each handing on what the next must respect."""
    frame = breast_frame(spec)
    seed = Seed(int(spec["seed"])).child("breast")
    mound = build_mound(frame)
    stroma, stroma_paints = build_stroma(frame, mound.close(frame.step_mm), rng=seed.child("stroma").rng())
    vessels, vessel_paints = build_vessels(frame, mound, rng=seed.child("vessels").rng())
    lattice = mound.lattice
    low = (min(MEDIAL_X_MM, lattice.origin_mm[0]), lattice.origin_mm[1], lattice.origin_mm[2])
    high = (float(lattice.x.ravel()[-1]), float(lattice.y.ravel()[-1]), float(lattice.z.ravel()[-1]))
    return Scene(
        body="breast",
        origin=ORIGIN,
        subject=subject,
        structures=_structures(spec),
        paints=(*skin_paints(frame, mound), *wall_paints(frame, mound), *stroma_paints, *vessel_paints),
        fields={"body": lattice.shape_of(mound.skin), "breast": lattice.shape_of(mound.inside),
                "fibroglandular_tissue": stroma.gland},
        vessels={"ducts": stroma.ducts, **vessels},
        landmarks={"nipple": tuple(mound.nipple_mm.tolist()), "base": (0.0, 0.0, 0.0),
                   "posterior_nipple_line_end": nipple_line_end(mound)},
        bounds_mm=(low, high),
        scan_range_mm={"breast": (low[2] + 4, high[2] - 4)},
        texture_seed=int(spec["seed"]) % (1 << 31),
        postures=mammographic_postures(frame, mound, spec),
    )  # fmt: skip


def _structures(spec: Mapping[str, Any]) -> tuple[Structure, ...]:
    """Return the structures on this side, with this individual's bone mineral."""
    made = []
    for one in structures():
        if one.name == "rib_marrow":
            share = float(spec["marrow_mineral"])
            one = replace(one, mixture=tuple((t, share * v if t == "cortical_bone" else v) for t, v in one.mixture))
        made.append(replace(one, laterality=spec["side"]))
    return tuple(made)
