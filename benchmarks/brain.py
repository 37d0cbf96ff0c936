"""Sampled brains against published adults: volumes, cortical thickness, surface, folding, white matter in one piece.

Each person is drawn and built; the brain alone is painted at 1 mm and measured:

- volumes: fraction-weighted, in ml; the intracranial volume is what the skull's inner table encloses;
- pial area: marching cubes of the cerebrum's surface at its own lattice (sulcal walls included), both sides;
- mean cortical thickness: twice the cortex's volume over the sum of pial and white surface, as between two meshes;
- gyrification index: of coronal slices 7 mm apart, the left hemisphere's pial contour over the contour of its closing
  by a disc of 14 mm radius, lengths summed over the slices (after Zilles 1988);
- white matter in one piece: the largest part, connected by faces, of the voxels labelled white matter or callosum.

Run: python benchmarks/brain.py [--count 20] [--workers 2] [--seed 1]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.population import SubjectConstraints, sample_subject
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from medsynth.shapes.sampled import SampledShape
from phantoms.head.body import BODY
from phantoms.head.brain import DURA_MM, build_brain
from phantoms.head.cortex import RIBBON_MM
from phantoms.head.frame import CAVITY_HIGH_MM, CAVITY_LOW_MM, Frame

# Mean, SD of adults of 20-80 years; Japan n = 133 (PMC10511609) unless said.
PUBLISHED = {
    "intracranial": (1443.0, 129.0), "cortex": (458.0, 50.0), "white matter": (418.0, 51.0),
    "cerebellum": (136.0, 14.0), "ventricles": (25.2, 12.2), "fluid outside": (298.0, 56.0),
    "caudate": (9.42, 1.14), "putamen": (10.41, 0.98), "pallidum": (3.3, 0.5), "thalamus": (14.5, 1.5),
    "hippocampus": (6.7, 0.7), "amygdala": (2.9, 0.4),
}  # fmt: skip
AGES = SubjectConstraints(age_years=(20.0, 80.0))
# Bars on the average brain: thickness and gyrification from meshes and contours, area of the pial surface.
GATES = {"thickness mm": (2.3, 2.9), "cortex/white": (0.95, 1.35), "gyrification": (2.2, 2.7),
         "pial cm2": (1700.0, 2200.0), "white in one piece %": (98.0, 100.0)}
GROUPS = {
    "cortex": ("cerebral_cortex",), "white matter": ("cerebral_white", "corpus_callosum", "fornix"),
    "cerebellum": ("cerebellar_cortex", "cerebellar_white", "vermis", "dentate"),
    "ventricles": ("lateral_ventricle", "third_ventricle", "fourth_ventricle", "choroid"),
    "fluid outside": ("subarachnoid", "dura", "falx", "tentorium", "superior_sagittal", "straight_sinus",
                      "transverse_sinus", "sigmoid", "cortical_veins"),
    **{name: (name,) for name in ("caudate", "putamen", "pallidum", "thalamus", "hippocampus", "amygdala")},
}  # fmt: skip


def measured(subject: Subject, seed: Seed) -> dict[str, float]:
    """Return what one person's brain measures."""
    spec = BODY.sample_spec(subject, rng=seed.rng())
    start = time.process_time()
    frame = Frame.of(spec)
    lattice = frame.box(np.subtract(CAVITY_LOW_MM, 4.0), np.add(CAVITY_HIGH_MM, 4.0), 2.0)
    inner = frame.inner_table(lattice)
    fields, _, paints = build_brain(frame, lattice, inner + np.float32(DURA_MM), spec["brain"], seed.child("brain"))
    cavity = lattice.shape_of(inner)
    seconds = time.process_time() - start
    low, high = cavity.bounds_mm()
    scene = Scene("head", "", subject, BODY.structures(), tuple(paints), fields, {}, {}, (low, high), {}, 1)
    phantom = rasterize(scene, Grid.covering(low, high, (1.0, 1.0, 1.0)))
    own = {name: ml for name, ml in phantom.volumes_ml().items() if ml > 0}
    found = {group: sum(ml for n, ml in own.items() if n.startswith(starts)) for group, starts in GROUPS.items()}
    found["intracranial"] = lattice.volume_ml(inner)
    found |= surface_measures(fields["cerebrum"], fields["ribbon"], found["cortex"])
    found["cortex/white"] = found["cortex"] / found["white matter"]
    found["white in one piece %"] = white_in_one_piece(phantom)
    found["age"], found["male"] = subject.age_years, float(subject.sex == "male")
    found["build s (CPU)"] = seconds
    return found


def surface_measures(pial: SampledShape, ribbon: SampledShape, cortex_ml: float) -> dict[str, float]:
    """Return pial and white area, mean thickness and gyrification index."""
    step = pial.step_mm
    outer, inner = (_area_cm2(field, level, step) for field, level in
                    ((pial.values_mm, 0.0), (ribbon.values_mm, -RIBBON_MM)))
    return {"pial cm2": outer, "white cm2": inner, "thickness mm": 20 * cortex_ml / (outer + inner),
            "gyrification": gyrification_index(pial)}


def _area_cm2(field: NDArray[np.float32], level: float, step_mm: float) -> float:
    vertices, faces, _, _ = measure.marching_cubes(np.array(field), level, spacing=(step_mm,) * 3)
    return float(measure.mesh_surface_area(vertices, faces) / 100)


def gyrification_index(pial: SampledShape, every_mm: float = 7.0, disc_mm: float = 14.0) -> float:
    """Return the left hemisphere's gyrification index over coronal slices from frontal to occipital lobe."""
    middle = round(-pial.origin_mm[0] / pial.step_mm)
    first, last = (round((y - pial.origin_mm[1]) / pial.step_mm) for y in (-58.0, 72.0))
    inner = outer = 0.0
    for j in range(first, last, round(every_mm / pial.step_mm)):
        half = pial.values_mm[:, j, middle + 1 :]
        outside = ndimage.distance_transform_edt(np.pad(half >= 0, 30, constant_values=True))
        filled = ndimage.distance_transform_edt(outside * pial.step_mm < disc_mm)
        hull = (filled * pial.step_mm > disc_mm).astype(float)
        outer += _contours(ndimage.gaussian_filter(hull, 1.0) - 0.5, -1.0)
        inner += _contours(half, 8.0)
    return inner / outer


def _contours(image: NDArray[np.floating], edge: float) -> float:
    found = measure.find_contours(np.pad(image, 3, constant_values=edge), 0.0)
    return float(sum(np.linalg.norm(np.diff(c, axis=0), axis=1).sum() for c in found))


def white_in_one_piece(phantom: Phantom) -> float:
    """Return the largest connected share of white matter and callosum in percent."""
    wanted = [s.label for s in phantom.structures
              if s.name.startswith(("cerebral_white", "white_matter_hyper", "corpus_callosum"))]
    parts, count = ndimage.label(np.isin(phantom.labels, wanted))
    sizes = np.bincount(parts.ravel())[1:]
    return 100.0 * float(sizes.max() / sizes.sum()) if count else 0.0


def _one(number: int, seed: int) -> dict[str, float]:
    stream = Seed(seed).child("brain-benchmark", number)
    return measured(sample_subject(AGES, rng=stream.child("subject").rng()), stream.child("spec"))


def main() -> None:
    """Print the measures of sampled adults beside the published ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # the people are built side by side instead
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        people = list(pool.map(_one, range(options.count), [options.seed] * options.count))
    table = {name: np.array([p[name] for p in people]) for name in people[0]}
    ages = table["age"]
    print(f"{options.count} brains, age {ages.min():.0f}-{ages.max():.0f}, {table['male'].mean():.0%} men")
    print(f"{'':24}{'mean':>9}{'SD':>8}{'least':>9}{'most':>9}{'published':>18}{'within 2 SD':>13}")
    for name, (mean, sd) in PUBLISHED.items():
        inside = np.mean(np.abs(table[name] - mean) <= 2 * sd)
        print(f"{name:24}{_spread(table[name], 1)}{mean:11.1f} +-{sd:5.1f}{inside:12.0%}")
    for name, (low, high) in GATES.items():
        inside = np.mean((table[name] >= low) & (table[name] <= high))
        print(f"{name:24}{_spread(table[name], 2)}{low:11.2f} -{high:8.2f}{inside:10.0%}")
    for name in ("white cm2", "build s (CPU)"):
        print(f"{name:24}{_spread(table[name], 1)}")


def _spread(values: NDArray[np.float64], digits: int) -> str:
    numbers = (values.mean(), values.std(), values.min(), values.max())
    return "".join(f"{v:{width}.{digits}f}" for v, width in zip(numbers, (9, 8, 9, 9), strict=True))


if __name__ == "__main__":
    main()
