"""The brain in its cavity: the volumes that are matched, and what is painted in which order."""

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
from phantoms.head.table import labels
from phantoms.head.venous import build_sinuses
from phantoms.head.vessel_paths import Bed

DURA_MM = 0.8
# Drawn over reached volumes: what stem, callosum, vessels and dura cover of each (measured, benchmarks/brain.py).
SURPLUS = {"cortex": 1.055, "white": 0.985, "cerebellum": 1.06, "stem": 1.0}
NUCLEI_SURPLUS = {"caudate": 1.04, "thalamus": 1.05, "hippocampus": 1.2, "amygdala": 1.08}
NUCLEI_EXPONENT = 0.7  # nuclei follow the intracranial volume less than in proportion (allometry, recalled)
BELOW_TENT = 1.13  # room in the posterior fossa over what lies in it: the rest is fluid


def build_brain(
    frame: Frame, lattice: Lattice, inside: Field, spec: Mapping[str, Any], seed: Seed
) -> tuple[dict[str, SampledShape], dict[str, Tubes], list[Paint]]:
    """Return the brain's fields by name, its vessels, and the painting steps from the dura inwards.

    Parameters
    ----------
    lattice, inside : signed distance in mm, (nz, ny, nx), of the intracranial space within the dura.
    spec : see `sample_brain`.
    """
    space = BrainSpace.fitted(lattice, inside)
    cavity = lattice.shape_of(inside)
    plan = _Plan.of(spec, lattice.volume_ml(inside - np.float32(DURA_MM)))
    below_ml = BELOW_TENT * (plan.parts_ml["cerebellum"] + 0.8 * plan.parts_ml["stem"])
    tent = Tentorium.fitted(space, lattice, inside, below_ml)
    seeds = [int(v) for v in seed.child("parts").rng().integers(1, 2**30, 8)]
    parts = _Parts.build(space, cavity, tent, plan, spec, seed)
    bed = Bed(space, parts.cerebrum, cavity)
    veins = build_sinuses(bed, tent, spec["vessels"])
    arteries = build_arteries(bed, parts.stem, spec["vessels"])
    membranes = (build_falx(space, cavity, tent, seeds[5]), build_tent(space, cavity, tent))
    lesions = white_matter_lesions(
        space, parts.near, parts.water.lateral_mm, parts.ribbon, cortex.RIBBON_MM, plan.lesions_ml, seeds[3]
    )
    paints = [
        *_tissues(cavity, parts),
        *_vessels(membranes, veins, arteries),
        *_details(space, frame.at([0.0, *SELLA]), lesions, spec, seeds[4]),
    ]
    fields = {"cerebrum": parts.cerebrum, "ribbon": parts.ribbon, "ventricles": parts.ventricles}
    return fields, {**veins, **arteries}, paints


def _both(name: str) -> tuple[int, int]:
    names = labels()
    return names[f"{name}_right"], names[f"{name}_left"]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What every part is to hold, ml: the spec's shares and volumes in this head."""

    parts_ml: Mapping[str, float]
    nuclei_ml: Mapping[str, Mapping[str, float]]
    cerebrum_ml: float
    lesions_ml: float

    @classmethod
    def of(cls, spec: Mapping[str, Any], intracranial_ml: float) -> _Plan:
        """Return the plan for an intracranial volume."""
        parts = {name: float(spec[f"{name}_share"]) * more * intracranial_ml for name, more in SURPLUS.items()}
        size = intracranial_ml / ICV_ML
        nuclei = {
            name: {side: ml * NUCLEI_SURPLUS.get(name, 1.0) * size**NUCLEI_EXPONENT for side, ml in both.items()}
            for name, both in spec["nuclei_ml"].items()
        }
        within = sum(sum(both.values()) for both in nuclei.values()) + float(spec["lateral_ml"] + spec["third_ml"])
        return cls(parts, nuclei, parts["cortex"] + parts["white"] + within, float(spec["lesions_ml"]) * size)


@dataclass(frozen=True, eq=False)
class _Parts:
    """The brain's parts as shapes; `near` is the lattice of the deep ones."""

    near: Lattice
    cerebrum: SampledShape
    ribbon: SampledShape
    nuclei: tuple[SampledShape, ...]
    water: ventricles.Ventricles
    ventricles: SampledShape
    midline: SampledShape
    stem: SampledShape
    cerebellum: cerebellum.Cerebellum

    @classmethod
    def build(
        cls, space: BrainSpace, cavity: SampledShape, tent: Tentorium, plan: _Plan, spec: Mapping[str, Any], seed: Seed
    ) -> _Parts:
        """Build the deep parts beside the cortex: neither needs the other."""
        seeds = [int(v) for v in seed.child("parts").rng().integers(1, 2**30, 8)]
        near = deep.deep_lattice(space)

        def middle() -> tuple[deep.Nuclei, ventricles.Ventricles]:
            nuclei = deep.build_nuclei(space, near, plan.nuclei_ml, seeds[0])
            return nuclei, ventricles.build_ventricles(space, near, spec, nuclei.bulging_mm, seeds[1])

        with ThreadPoolExecutor(max_workers=2) as pool:  # the kernels release the interpreter lock
            inner = pool.submit(middle)
            behind = pool.submit(
                cerebellum.build_cerebellum, space, cavity, tent, plan.parts_ml["cerebellum"], seeds[2]
            )
            whole = cortex.build_cerebrum(space, cavity, tent, plan.cerebrum_ml, spec, seed)
            (nuclei, water), hind = inner.result(), behind.result()
        whole = cortex.matched(whole, plan.cerebrum_ml, plan.parts_ml["cortex"])
        left = np.broadcast_to(whole.lattice.x > 0, whole.lattice.shape).astype(np.uint8)
        return cls(
            near,
            whole.lattice.shape_of(whole.surface_mm),
            whole.lattice.shape_of(whole.ribbon_mm, left),
            nuclei.layers,
            water,
            near.shape_of(water.distance_mm, water.owner),
            deep.build_midline(space, near),
            deep.build_stem(space, cavity, plan.parts_ml["stem"]),
            hind,
        )


def _tissues(cavity: SampledShape, parts: _Parts) -> list[Paint]:
    """Paint dura and fluid, then the hemispheres, the hindbrain, and what lies deep in them."""
    names = labels()
    hind = parts.cerebellum
    bark = (*_both("cerebellar_cortex"), names["vermis_cortex"])
    tree = (*_both("cerebellar_white_matter"), names["vermis_white_matter"])
    side = np.broadcast_to(hind.lattice.x > 0, hind.lattice.shape).astype(np.uint8)
    fluid = (*_both("lateral_ventricle"), names["third_ventricle"], names["fourth_ventricle"])
    return [
        Paint(cavity, (Layer(names["dura"], -DURA_MM), Layer(names["subarachnoid_csf"]))),
        Paint(
            parts.ribbon,
            (Layer(_both("cerebral_cortex")), Layer(_both("cerebral_white_matter"), cortex.RIBBON_MM)),
        ),
        Paint(
            hind.lattice.shape_of(hind.surface_mm, hind.owner),
            (Layer(bark), Layer(tree, cerebellum.CORTEX_MM)),
            over=(names["subarachnoid_csf"],),
        ),
        Paint(hind.lattice.shape_of(hind.dentate_mm, side), (Layer(_both("dentate_nucleus")),), over=tree + bark),
        Paint(parts.stem, (Layer(tuple(names[n] for n in deep.STEM_ORDER)),)),
        *(
            Paint(shape, (Layer(tuple(label for name in group for label in _both(name))),))
            for group, shape in zip(deep.LAYERS, parts.nuclei, strict=True)
        ),
        Paint(parts.ventricles, (Layer(fluid),)),
        Paint(parts.midline, (Layer((names["corpus_callosum"], names["fornix"])),)),
    ]


def _vessels(
    membranes: tuple[SampledShape, SampledShape], veins: Mapping[str, Tubes], arteries: Mapping[str, Tubes]
) -> list[Paint]:
    """Paint falx and tentorium into the fluid, and the vessels."""
    names = labels()
    fluid = (names["subarachnoid_csf"],)
    paints = [Paint(s, (Layer(names[n]),), over=fluid) for n, s in zip(("falx", "tentorium"), membranes, strict=True)]
    outside = (*fluid, names["falx"], names["tentorium"], names["dura"])
    for name, tubes in veins.items():
        paints.append(Paint(tubes, (Layer(names[name]),), over=() if name == "internal_cerebral_veins" else outside))
    # A branch that lost its way into the white matter is not drawn there.
    shallow = outside + _both("cerebral_cortex") + _both("cerebellar_cortex") + (names["vermis_cortex"],)
    branching = ("middle", "anterior", "posterior", "cerebellar")
    for name, tubes in arteries.items():
        paints.append(Paint(tubes, (Layer(names[name]),), over=shallow if name.startswith(branching) else ()))
    return paints


def _details(
    space: BrainSpace, sella_mm: NDArray[np.float64], lesions: SampledShape | None, spec: Mapping[str, Any], seed: int
) -> list[Paint]:
    """Paint what is small: white matter lesions, plexus, glands, calcifications."""
    names = labels()
    water = (names["subarachnoid_csf"], names["third_ventricle"])
    paints = []
    if lesions is not None:
        hyper = _both("white_matter_hyperintensity")
        paints.append(Paint(lesions, (Layer(hyper),), over=_both("cerebral_white_matter")))
    for side, tubes in choroid_plexus(space, seed).items():
        over = (names[f"lateral_ventricle_{side}"],)
        paints.append(Paint(tubes, (Layer(names[f"choroid_plexus_{side}"]),), over=over))
    for name, tubes in glands(space, sella_mm).items():
        paints.append(Paint(tubes, (Layer(names[name]),), over=water if name == "optic_chiasm" else ()))
    for name, tubes in calcifications(space, spec, seed + 50).items():
        inside = _both("choroid_plexus") + _both("lateral_ventricle") if name.startswith("choroid") else ()
        paints.append(Paint(tubes, (Layer(names[name]),), over=inside))
    return paints
