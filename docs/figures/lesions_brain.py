"""Draw images/lesions/<family>.png: lesions of the brain above their twins.

Run: python docs/figures/lesions_brain.py [family ...]

CT is the fast tier in slices of 5 mm; MR are closed-form signals of the tissues at 3 T (spin echo, inversion recovery,
diffusion) with a little blur and noise, so that a slice costs seconds.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.mri.signals import inversion_recovery, spin_echo
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import family
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Lesion, Scene
from medsynth.scene.subject import Subject
from medsynth.tissues.mr import MEAN
from medsynth.tissues.mr_parts import gadolinium_mmol_l, mr_parts
from phantoms.head import BODY

SLAB_MM, PIXEL_MM = 15.0, 0.9
WIDE_MM = (88.0, 106.0)
RELAXIVITY = 4.5  # per mmol and s at 3 T, about that of gadobutrol

# Family -> panels: options, seed, and what is shown ("ct", "ct-stroke", or a weighting).
SHEETS: dict[str, list[tuple[str, dict[str, Any], int, str]]] = {
    "haemorrhage": [
        ("intraparenchymal_haemorrhage", {"volume_ml": 28, "sites": {"basal_ganglia": 1}, "fresh_hu": 55}, 1, "ct"),
        ("subdural_haemorrhage", {"volume_ml": 55, "level": {"probability": 0}, "fresh_hu": 62}, 1, "ct"),
        ("subdural_haemorrhage", {"volume_ml": 40, "level": {"probability": 1, "low": 1, "high": 1},
                                   "fresh_hu": 48}, 8, "ct"),
        ("epidural_haemorrhage", {"volume_ml": 28}, 3, "ct"),
        ("subarachnoid_haemorrhage", {"volume_ml": 7, "origins": {"anterior_communicating": 1},
                                      "fresh_hu": 60}, 2, "ct"),
        ("intraventricular_haemorrhage", {"volume_ml": 5, "sides": {"both": 1}, "fresh_hu": 58}, 5, "ct"),
    ],
    "glioma": [("glioma", {"core_ml": 28, "sites": {"frontal": 1}, "enhancing": {"probability": 1}}, 1, "t1"),
               ("glioma", {"core_ml": 28, "sites": {"frontal": 1}, "enhancing": {"probability": 1}}, 1, "t1ce"),
               ("glioma", {"core_ml": 28, "sites": {"frontal": 1}, "enhancing": {"probability": 1}}, 1, "flair"),
               ("glioma", {"core_ml": 24, "sites": {"callosum": 1}, "enhancing": {"probability": 1}}, 4, "t1ce")],
    "ms": [("ms_plaque", {"count": 26}, 3, "flair"), ("ms_plaque", {"count": 26}, 3, "t2"),
           ("ms_plaque", {"count": 26}, 3, "t1")],
    "stroke": [("ischaemic_stroke", {"volume_ml": 75, "territories": {"MCA": 1}, "age_days": 0.15}, 4, "ct-stroke"),
               ("ischaemic_stroke", {"volume_ml": 75, "territories": {"MCA": 1}, "age_days": 2}, 4, "ct-stroke"),
               ("ischaemic_stroke", {"volume_ml": 75, "territories": {"MCA": 1}, "age_days": 2}, 4, "dwi"),
               ("ischaemic_stroke", {"volume_ml": 75, "territories": {"MCA": 1}, "age_days": 2}, 4, "flair"),
               ("ischaemic_stroke", {"territories": {"PCA": 1}, "volume_ml": 25, "age_days": 150}, 4, "flair")],
    "haemorrhage-age": [("intraparenchymal_haemorrhage", {"volume_ml": 14, "sites": {"lobar": 1}, "age_days": age,
                                                          "fresh_hu": 58}, 5, show)
                        for show in ("t1", "t2") for age in (0.3, 2, 5, 14, 60)],
}


@cache
def body() -> Scene:
    """Return the person of all sheets."""
    subject = Subject("female", 58.0, 166.0, 68.0)
    return BODY.build(subject, BODY.sample_spec(subject, rng=Seed(21).rng()))


@cache
def lesions(kind: str, options: str, seed: int) -> tuple[Lesion, ...]:
    """Return the lesions of a panel."""
    one = family(kind)
    specs = one.sample_specs(one.options.model_validate_json(options), body(), rng=Seed(seed).rng())
    return tuple(one.insert(spec, body(), number) for number, spec in enumerate(specs, start=1))


@cache
def slabs(kind: str, options: str, seed: int) -> tuple[Phantom, Phantom]:
    """Return the slab that shows most of the lesions, with and without them."""
    made = lesions(kind, options, seed)
    at = np.median([one.spec["centre_mm"][2] for one in made])
    low, high = (-WIDE_MM[0], -WIDE_MM[1], at - SLAB_MM / 2), (WIDE_MM[0], WIDE_MM[1], at + SLAB_MM / 2)
    healthy = rasterize(body(), Grid.covering(low, high, (2.5, PIXEL_MM, PIXEL_MM)))
    return with_lesions(healthy, body(), made)[0], healthy


def relaxation(phantom: Phantom, show: str) -> np.ndarray:
    """Return the signal (k, j, i) of a weighting."""
    table = np.zeros(65536)
    for s in phantom.structures:
        parts = mr_parts(s.name, s.tissue, s.mixture, s.enhancement)
        agent = gadolinium_mmol_l(parts.enhancement, "delayed") if show == "t1ce" else 0.0
        for name, share in parts.materials:
            one = MEAN.material(name, 3.0)
            t1, t2 = 1 / (1 / max(one.t1_s, 1e-3) + RELAXIVITY * agent), max(one.t2_s, 1e-4)
            if show in ("t1", "t1ce"):
                signal = inversion_recovery(t1, t2, tr_s=2.3, te_s=0.005, ti_s=0.9)
            elif show == "flair":
                signal = inversion_recovery(t1, t2, tr_s=9.0, te_s=0.12, ti_s=2.45)
            else:
                signal = spin_echo(t1, t2, tr_s=6.0, te_s=0.09)
            weight = np.exp(-1000.0 * one.adc_mm2_s) if show == "dwi" else 1.0
            water = 1 - one.fat_fraction if show in ("dwi", "flair") else 1.0
            table[s.label] += share * one.pd * water * max(float(signal), 0.0) * weight
    f = phantom.fraction / 255.0
    return table[phantom.labels] * (1 - f) + table[phantom.neighbour] * f


def panel(kind: str, options: dict[str, Any], seed: int, show: str) -> np.ndarray:
    """Return lesion above twin."""
    ill, healthy = slabs(kind, json.dumps(options), seed)
    labels = [s.label for one in lesions(kind, json.dumps(options), seed) for s in one.structures]
    k = int(ill.occupancy(*labels).sum(axis=(1, 2)).argmax())
    if show.startswith("ct"):
        protocol = CtProtocol(kvp=120, mas=350, slice_thickness_mm=5, increment_mm=2.5, pixel_mm=PIXEL_MM)
        made = image_phantom(ill, healthy, protocol, seed=Seed(3), twin=True)
        assert made.twin is not None
        level, width = (32, 44) if show == "ct-stroke" else (40, 80)
        cuts = [(one.array[k] - level + width / 2) / width for one in (made.image, made.twin)]
    else:
        cuts = [ndimage.gaussian_filter(relaxation(one, show)[k], 0.45) for one in (ill, healthy)]
        top = np.percentile(cuts[1][cuts[1] > 0.02 * cuts[1].max()], 97 if show != "dwi" else 99.0)
        noise = 0.015 * Seed(5).child(show).rng().standard_normal(cuts[0].shape)
        cuts = [cut / (top * {"dwi": 1.6, "flair": 2.0, "t1ce": 1.6}.get(show, 1.35)) + noise for cut in cuts]
    return np.vstack([(255 * np.clip(cut, 0, 1)).astype(np.uint8) for cut in cuts])


def main(names: list[str]) -> None:
    """Write the sheets named, or all."""
    folder = Path(__file__).resolve().parents[1] / "images" / "lesions"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or list(SHEETS):
        picture = np.hstack([panel(*one) for one in SHEETS[name]])
        Image.fromarray(picture).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
