"""Blood outside its vessels: what it is made of by its age, and how much of it each kind of bleed holds."""

from __future__ import annotations

from typing import Literal

import numpy as np

from medsynth.lesions.distributions import Quantiles
from medsynth.lesions.matter import hu_of, lesion_part
from medsynth.scene.structure import Code, Structure, Texture

Stage = Literal["hyperacute", "acute", "early_subacute", "late_subacute", "chronic"]
# Days from which on a stage begins: oxy-, deoxy-, intra- and extracellular methaemoglobin, haemosiderin (Bradley 1993
# doi:10.1148/radiology.189.1.8372185, recalled).
STAGES: tuple[tuple[float, Stage], ...] = ((0.0, "hyperacute"), (1.0, "acute"), (3.0, "early_subacute"),
                                           (7.0, "late_subacute"), (28.0, "chronic"))
FADES_FROM_DAYS, FADES_HU_PER_DAY = 2.0, 1.5  # unverified
LEAST_HU = 12.0  # an old cavity's fluid (unverified)
HIGHEST_HU = 80.0
SPECKLE = Texture(octaves=((2.5, 0.005), (7.0, 0.006)))

_AT = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
# Quantiles of the volumes (ml) and mean CT numbers that InSilicoICH fitted to BHSD (arXiv 2308.11298); the outermost
# values, at which draws are cut, are ours.
VOLUME_ML = {
    "intraparenchymal": Quantiles(at=_AT, values=(0.2, 0.4, 4.0, 8.9, 17.3, 59, 90), scale="log"),
    "intraventricular": Quantiles(at=_AT, values=(0.1, 0.2, 1.4, 2.6, 5.1, 19, 30), scale="log"),
    "subdural": Quantiles(at=_AT, values=(0.4, 0.6, 3.5, 6.3, 12, 56, 90), scale="log"),
    "subarachnoid": Quantiles(at=_AT, values=(0.2, 0.3, 0.6, 1.0, 1.6, 4.7, 8), scale="log"),
    "epidural": Quantiles(at=_AT, values=(1.2, 2.1, 6.3, 13.6, 22, 40, 60), scale="log"),
}
MEAN_HU = {
    "intraparenchymal": Quantiles(at=_AT, values=(28, 33, 42, 48, 54, 61, 66)),
    "intraventricular": Quantiles(at=_AT, values=(22, 26, 34, 39, 46, 56, 62)),
    "subdural": Quantiles(at=_AT, values=(22, 27, 43, 52, 59, 69, 75)),
    "subarachnoid": Quantiles(at=_AT, values=(27, 31, 39, 43, 49, 58, 63)),
    "epidural": Quantiles(at=_AT, values=(32, 37, 49, 56, 63, 73, 78)),
}


def stage_of(age_days: float) -> Stage:
    """Return the stage of a bleed.

    Examples
    --------
    >>> stage_of(0.2), stage_of(5), stage_of(60)
    ('hyperacute', 'early_subacute', 'chronic')
    """
    return next(name for first, name in reversed(STAGES) if age_days >= first)


def faded_hu(fresh_hu: float, age_days: float) -> float:
    """Return the CT number of blood that had `fresh_hu` when it clotted.

    Examples
    --------
    >>> faded_hu(60.0, 12.0)
    45.0
    """
    faded = fresh_hu - FADES_HU_PER_DAY * max(0.0, age_days - FADES_FROM_DAYS)
    return float(max(faded, min(fresh_hu, LEAST_HU)))


def blood_part(number: int, code: Code, age_days: float, hu: float, *, part: str = "blood", whole: bool = True
               ) -> Structure:
    """Return a part of blood of this age: its CT number by how densely it is packed, its MR values by its stage."""
    tissue = f"bleed_{stage_of(age_days)}"
    dense, thin = hu_of(tissue), hu_of(f"{tissue}_thin")
    share = float(np.clip((dense - hu) / (dense - thin), 0, 1))
    return lesion_part(number, part, tissue, code, whole=whole, texture=SPECKLE,
                       mixture=((f"{tissue}_thin", round(share, 6)),) if share > 0 else ())
