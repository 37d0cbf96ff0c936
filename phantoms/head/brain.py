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
from phantoms.head.arteries import build_arteries
from phantoms.head.brain_details import calcifications, choroid_plexus, glands, white_matter_lesions
from phantoms.head.brain_numbers import ICV_ML
from phantoms.head.brain_space import BrainSpace
from phantoms.head.frame import SELLA, Frame
from phantoms.head.meninges import Tentorium, build_falx, build_tent
from phantoms.head.venous import build_sinuses
from phantoms.head.table import labels
from phantoms.head.vessel_paths import Bed

Array = NDArray[np.float32]
DURA_MM = 0.8
# Drawn over reached volumes: what stem, callosum, vessels and dura cover of each (measured, benchmarks/brain.py).
SURPLUS = {"cortex": 1.05, "white": 0.985, "cerebellum": 1.06, "stem": 1.0}
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
    wanted_ml = {name: float(spec[f"{name}_share"]) * more * volume_ml for name, more in SURPLUS.items()}
    cerebellum_ml, stem_ml = wanted_ml["cerebellum"], wanted_ml["stem"]
    tent = Tentorium.fitted(space, lattice, inside, BELOW_TENT * (cerebellum_ml + 0.8 * stem_ml))
    seeds = [int(v) for v in seed.child("parts").rng().integers(1, 2**30, 8)]
    size = volume_ml / ICV_ML
    nuclei_ml = {n: {s: v * size for s, v in both.items()} for n, both in spec["nuclei_ml"].items()}
    deep_ml = sum(sum(both.values()) for both in nuclei_ml.values())
    brain_ml = wanted_ml["cortex"] + wanted_ml["white"] + deep_ml
    brain_ml += float(spec["lateral_ml"]) + float(spec["third_ml"])
    near = deep.deep_lattice(space)

    def middle() -> tuple[deep.Nuclei, ventricles.Ventricles]:
        nuclei = deep.build_nuclei(space, near, nuclei_ml, seeds[0])
        return nuclei, ventricles.build_ventricles(space, near, spec, nuclei.bulging_mm, seeds[1])

    with ThreadPoolExecutor(max_workers=2) as pool:
        inner = pool.submit(middle)
        small = pool.submit(cerebellum.build_cerebellum, space, cavity, tent, cerebellum_ml, seeds[2])
        whole = cortex.build_cerebrum(space, cavity, tent, brain_ml, spec, seed)
        nuclei, water = inner.result()
        behind = small.result()
    midline, midline_owner = deep.build_midline(space, near)
    stem = deep.build_stem(space, cavity, stem_ml)

    whole = cortex.matched(whole, brain_ml, wanted_ml["cortex"])
    left = np.broadcast_to(whole.lattice.x > 0, whole.lattice.shape).astype(np.uint8)
    fields = {
        "cerebrum": whole.lattice.shape_of(whole.surface_mm),
        "ribbon": whole.lattice.shape_of(whole.ribbon_mm),
        "ventricles": near.shape_of(water.distance_mm),
    }
    paints = [
        Paint(cavity, (Layer(names["dura"], -DURA_MM), Layer(names["subarachnoid_csf"]))),
        Paint(
            whole.lattice.shape_of(whole.ribbon_mm, left),
            (Layer(_both("cerebral_cortex")), Layer(_both("cerebral_white_matter"), cortex.RIBBON_MM)),
        ),
        Paint(
            behind.lattice.shape_of(behind.surface_mm, behind.owner),
            (
                Layer((*_both("cerebellar_cortex"), names["vermis_cortex"])),
                Layer((*_both("cerebellar_white_matter"), names["vermis_white_matter"]), cerebellum.CORTEX_MM),
            ),
            over=(names["subarachnoid_csf"],),
        ),
        Paint(stem, (Layer(tuple(names[n] for n in deep.STEM_ORDER)),)),
        Paint(
            near.shape_of(nuclei.distance_mm, nuclei.owner),
            (Layer(tuple(label for name in deep.ORDER for label in _both(name))),),
        ),
        Paint(
            near.shape_of(water.distance_mm, water.owner),
            (Layer((*_both("lateral_ventricle"), names["third_ventricle"], names["fourth_ventricle"])),),
        ),
        Paint(near.shape_of(midline, midline_owner), (Layer((names["corpus_callosum"], names["fornix"])),)),
    ]
    bed = Bed(space, fields["cerebrum"], cavity)
    veins = build_sinuses(bed, tent, spec["vessels"])
    arteries = build_arteries(bed, stem, spec["vessels"])
    paints += _membranes_and_vessels(space, cavity, tent, veins, arteries, seeds[5])
    lesions = white_matter_lesions(
        space, near, water.lateral_mm, whole.lattice.shape_of(whole.ribbon_mm), cortex.RIBBON_MM,
        float(spec["lesions_ml"]) * volume_ml / ICV_ML, seeds[3],
    )
    paints += _details(space, frame, near, lesions, spec, seeds[4])
    return fields, {**veins, **arteries}, paints


def _membranes_and_vessels(
    space: BrainSpace, cavity: SampledShape, tent: Tentorium, veins: Mapping[str, Tubes], arteries: Mapping[str, Tubes],
    seed: int,
) -> list[Paint]:
    names = labels()
    fluid = (names["subarachnoid_csf"],)
    membranes = (names["falx"], names["tentorium"], names["dura"])
    paints = [
        Paint(build_falx(space, cavity, tent, seed), (Layer(names["falx"]),), over=fluid),
        Paint(build_tent(space, cavity, tent), (Layer(names["tentorium"]),), over=fluid),
    ]
    paints += [Paint(tubes, (Layer(names[name]),), over=() if name == "internal_cerebral_veins" else fluid + membranes)
               for name, tubes in veins.items()]
    # A branch that lost its way into the white matter is not drawn there.
    shallow = fluid + membranes + _both("cerebral_cortex") + _both("cerebellar_cortex") + (names["vermis_cortex"],)
    branching = ("middle", "anterior", "posterior", "cerebellar")
    for name, tubes in arteries.items():
        paints.append(Paint(tubes, (Layer(names[name]),), over=shallow if name.startswith(branching) else ()))
    return paints


def _details(
    space: BrainSpace, frame: Frame, near: Lattice, lesions: SampledShape | None, spec: Mapping[str, Any], seed: int
) -> list[Paint]:
    names = labels()
    water = (names["subarachnoid_csf"], names["third_ventricle"])
    white, plexus, hyper = _both("cerebral_white_matter"), _both("choroid_plexus"), _both("white_matter_hyperintensity")
    paints = []
    if lesions is not None:
        left = np.broadcast_to(near.x > 0, near.shape).astype(np.uint8)
        shape = near.shape_of(lesions.values_mm, left)
        paints.append(Paint(shape, (Layer(hyper),), over=white))
    for side, tubes in choroid_plexus(space, seed).items():
        over = (names[f"lateral_ventricle_{side}"],)
        paints.append(Paint(tubes, (Layer(names[f"choroid_plexus_{side}"]),), over=over))
    sella_mm = frame.at([0.0, *SELLA])
    for name, tubes in glands(space, sella_mm).items():
        paints.append(Paint(tubes, (Layer(names[name]),), over=water if name == "optic_chiasm" else ()))
    for name, tubes in calcifications(space, spec, seed + 50).items():
        over = plexus + _both("lateral_ventricle") if name.startswith("choroid") else ()
        paints.append(Paint(tubes, (Layer(names[name]),), over=over))
    return paints
