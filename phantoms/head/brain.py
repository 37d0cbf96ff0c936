"""The brain in its cavity: what is painted in which order, and the volumes that are matched."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes
from phantoms.head import cerebellum, cortex, deep, ventricles
from phantoms.head.brain_numbers import ICV_ML
from phantoms.head.brain_space import BrainSpace
from phantoms.head.frame import Frame
from phantoms.head.meninges import Tentorium
from phantoms.head.table import labels

Array = NDArray[np.float32]
DURA_MM = 0.8
BELOW_TENT = 1.13  # room in the posterior fossa over what lies in it: the rest is fluid


def _both(name: str) -> tuple[int, int]:
    names = labels()
    return names[f"{name}_right"], names[f"{name}_left"]


def build_brain(
    frame: Frame, lattice: Lattice, inside: Field, spec: Mapping[str, Any], seed: Seed
) -> tuple[dict[str, SampledShape], dict[str, Tubes], list[Paint]]:
    """Return the brain's fields by name, its vessels, and the painting steps from the dura inwards.

    Parameters
    ----------
    lattice, inside : signed distance in mm, (nz, ny, nx), of the intracranial space within the dura.
    spec : see `sample_brain`.
    """
    names = labels()
    space = BrainSpace.fitted(lattice, inside)
    cavity = lattice.shape_of(inside)
    volume_ml = lattice.volume_ml(inside - np.float32(DURA_MM))
    cerebellum_ml, stem_ml = (float(spec[name]) * volume_ml for name in ("cerebellum_share", "stem_share"))
    tent = Tentorium.fitted(space, lattice, inside, BELOW_TENT * (cerebellum_ml + 0.8 * stem_ml))
    seeds = [int(v) for v in seed.child("parts").rng().integers(1, 2**30, 8)]
    size = volume_ml / ICV_ML
    nuclei_ml = {n: {s: v * size for s, v in both.items()} for n, both in spec["nuclei_ml"].items()}
    deep_ml = sum(sum(both.values()) for both in nuclei_ml.values())
    brain_ml = (float(spec["cortex_share"]) + float(spec["white_share"])) * volume_ml + deep_ml
    brain_ml += float(spec["lateral_ml"]) + float(spec["third_ml"])
    near = deep.deep_lattice(space)

    def middle() -> tuple[deep.Nuclei, ventricles.Ventricles]:
        nuclei = deep.build_nuclei(space, near, nuclei_ml, seeds[0])
        return nuclei, ventricles.build_ventricles(space, near, spec, nuclei.bulging_mm, seeds[1])

    with ThreadPoolExecutor(max_workers=2) as pool:
        inner = pool.submit(middle)
        small = pool.submit(cerebellum.build_cerebellum, space, cavity, tent, cerebellum_ml, seeds[2])
        t0=__import__("time").time(); whole = cortex.build_cerebrum(space, cavity, tent, brain_ml, spec, seed)
        print("cx",__import__("time").time()-t0); nuclei, water = inner.result()
        behind = small.result()
    midline, midline_owner = deep.build_midline(space, near)
    stem, stem_owner = deep.build_stem(space, near, cavity.distance_mm(near.points_mm), stem_ml)

    whole = cortex.matched(whole, brain_ml, float(spec["cortex_share"]) * volume_ml)
    left = np.broadcast_to(whole.lattice.x > 0, whole.lattice.shape).astype(np.uint8)
    fields = {
        "cerebrum": whole.lattice.shape_of(whole.surface_mm),
        "ventricles": near.shape_of(water.distance_mm),
    }
    paints = [
        Paint(cavity, (Layer(names["dura"], -DURA_MM), Layer(names["subarachnoid_csf"]))),
        Paint(
            whole.lattice.shape_of(whole.ribbon_mm, left),
            (Layer(_both("cerebral_cortex")), Layer(_both("cerebral_white_matter"), cortex.RIBBON_MM)),
        ),
        Paint(
            near.shape_of(nuclei.distance_mm, nuclei.owner),
            (Layer(tuple(label for name in deep.ORDER for label in _both(name))),),
        ),
        Paint(
            behind.lattice.shape_of(behind.surface_mm, behind.owner),
            (
                Layer((*_both("cerebellar_cortex"), names["vermis_cortex"])),
                Layer((*_both("cerebellar_white_matter"), names["vermis_white_matter"]), cerebellum.CORTEX_MM),
            ),
            over=(names["subarachnoid_csf"],),
        ),
        Paint(near.shape_of(stem, stem_owner), (Layer(tuple(names[n] for n in deep.STEM_ORDER)),)),
        Paint(
            near.shape_of(water.distance_mm, water.owner),
            (Layer((*_both("lateral_ventricle"), names["third_ventricle"], names["fourth_ventricle"])),),
        ),
        Paint(near.shape_of(midline, midline_owner), (Layer((names["corpus_callosum"], names["fornix"])),)),
    ]
    return fields, {}, paints
