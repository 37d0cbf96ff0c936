"""Sampled adults against published statistics: organ volumes, lobe shares, chest size, aorta, and what they follow.

Every person is drawn, built (the whole trunk) and measured: lungs and lobes on the body's own lattice (vessels and
airways in them counted in, as on a CT), the other organs on a 4 mm raster with partial volume, the chest's outline at
the height of T8, the aorta in one slice of 1 mm pixels through the right pulmonary artery. Published means and spreads
come from `medsynth.scene.reference` for each person's own sex, age and size, and from the sources named here.

Run: python benchmarks/population.py [--count 200] [--workers 2] [--seed 1] [--no-trees]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.population import sample_subject
from medsynth.scene.rasterize import rasterize
from medsynth.scene.reference import (
    RESIDUAL_CV,
    RESIDUAL_SD_CM,
    expected_chest_diameters_cm,
    expected_effective_diameter_cm,
    expected_heart_ml,
    expected_liver_ml,
    expected_lung_ml,
    expected_spleen_ml,
)
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from medsynth.shapes.sampled import SampledShape

RASTER_MM = 4.0
LOBES = ("right_upper", "right_middle", "right_lower", "left_upper", "left_lower")
HEART = ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium")
# Heights above T8 in mm of a 175 cm body: T8 itself, the right pulmonary artery, the first lumbar vertebra.
T8_MM, PULMONARY_MM, L1_MM = 0.0, 47.0, -134.0
REFERENCE_HEIGHT_CM = 175.0

# Mean, SD of the lobes' share of both lungs in percent (supine CT, PMC7490509, table 3).
CONSTANTS = {"lobe right_upper %": (17.9, 2.4), "lobe right_middle %": (9.3, 1.6), "lobe right_lower %": (26.5, 2.6),
             "lobe left_upper %": (23.1, 2.1), "lobe left_lower %": (23.2, 2.4)}


def expected_ascending_mm(subject: Subject) -> float:
    """Return the ascending aorta's diameter: 33 mm (Wolak 2008) at 54 years, MESA's slopes of age, sex and size."""
    return 33.0 + 0.1 * (subject.age_years - 54) + (0.95 if subject.sex == "male" else -0.95) \
        + (subject.bsa_m2 - 1.93) / 0.23


def expected_descending_mm(subject: Subject) -> float:
    """Return the descending aorta's diameter: 24 mm (Wolak 2008), with the ascending aorta's relative slopes."""
    return 24.0 / 33.0 * expected_ascending_mm(subject)


def expected_girth_cm(subject: Subject) -> tuple[float, float]:
    """Return mean and SD of the chest's tape girth (above the breasts in women) about its line on BMI.

    Active adults, Heinz 2003 (doi:10.1080/10691898.2003.11910711): men 101.0 +- 7.2 cm at a BMI of 24.7, women
    86.1 +- 6.2 at 22.3, recalled; 2.0 cm per BMI unit leaves an SD of about 3.8 and 3.4 cm.
    """
    mean, bmi, sd = (101.0, 24.7, 3.8) if subject.sex == "male" else (86.1, 22.3, 3.4)
    return mean + 2.0 * (subject.bmi - bmi), sd


def expected_kidney_ml(subject: Subject) -> tuple[float, float]:
    """Return mean and SD of the right kidney's volume by MRI, by sex and age (J Clin Med 2024;13:769, medians, IQR)."""
    ages = [30.0, 50.0, 70.0]
    if subject.sex == "male":
        return float(np.interp(subject.age_years, ages, [172, 180, 164])), 32.0
    return float(np.interp(subject.age_years, ages, [141, 142, 129])), 26.0


def expected_prostate_ml(subject: Subject) -> tuple[float, float]:
    """Return mean and SD of the prostate: 36 +- 18 ml at 62 years, growing 2.2 % a year from about 22 ml at 25."""
    return 36.0 * 1.022 ** (max(subject.age_years, 40.0) - 62.0), 18.0


def expected_uterus_ml(subject: Subject) -> tuple[float, float]:
    """Return mean and SD of the uterus: 50-90 ml in reproductive age; half of it later (unverified)."""
    return (70.0, 18.0) if subject.age_years < 50 else (36.0, 14.0)


# Quantity -> (published mean of a person, SD about it).
EXPECTED: dict[str, Callable[[Subject], tuple[float, float]]] = {
    "lungs ml": lambda s: (expected_lung_ml(s), RESIDUAL_CV["lung"] * expected_lung_ml(s)),
    **{name: (lambda _, v=value: v) for name, value in CONSTANTS.items()},
    "heart ml": lambda s: (expected_heart_ml(s), RESIDUAL_CV["heart"] * expected_heart_ml(s)),
    "liver ml": lambda s: (expected_liver_ml(s), RESIDUAL_CV["liver"] * expected_liver_ml(s)),
    "spleen ml": lambda s: (expected_spleen_ml(s), RESIDUAL_CV["spleen"] * expected_spleen_ml(s)),
    "kidney right ml": expected_kidney_ml,
    # the left is 4 % larger (same study's parenchyma)
    "kidney left ml": lambda s: tuple(1.04 * v for v in expected_kidney_ml(s)),  # type: ignore[return-value]
    # 204 trauma CT; 212 healthy CT of the adrenals; a fasting gallbladder (recalled)
    "pancreas ml": lambda _: (77.9, 21.7),
    "adrenal right ml": lambda _: (4.26, 0.86),
    "adrenal left ml": lambda _: (4.23, 0.74),
    "gallbladder ml": lambda _: (25.0, 12.0),
    "prostate ml": expected_prostate_ml,
    "uterus ml": expected_uterus_ml,
    "chest AP cm": lambda s: (expected_chest_diameters_cm(s)[0], RESIDUAL_SD_CM["chest_ap"]),
    "chest lateral cm": lambda s: (expected_chest_diameters_cm(s)[1], RESIDUAL_SD_CM["chest_lateral"]),
    "chest girth cm": expected_girth_cm,
    "abdomen diameter cm": lambda s: (expected_effective_diameter_cm(s), RESIDUAL_SD_CM["effective_diameter"]),
    "ascending aorta mm": lambda s: (expected_ascending_mm(s), 4.0),
    "descending aorta mm": lambda s: (expected_descending_mm(s), 3.0),
}

# (quantity, what it follows, the published sign of the correlation) within one sex.
SIGNS = (("lungs ml", "height_cm", 1), ("heart ml", "height_cm", 1), ("heart ml", "weight_kg", 1),
         ("liver ml", "weight_kg", 1), ("liver ml", "height_cm", 1), ("chest girth cm", "weight_kg", 1),
         ("kidney right ml", "height_cm", 1), ("pancreas ml", "age_years", -1), ("prostate ml", "age_years", 1),
         ("abdomen diameter cm", "weight_kg", 1), ("ascending aorta mm", "age_years", 1))
# Organ -> the quantity it is measured as; only one sex has the last two.
ORGANS = {"spleen": "spleen ml", "kidney_right": "kidney right ml", "kidney_left": "kidney left ml",
          "pancreas": "pancreas ml", "adrenal_right": "adrenal right ml", "adrenal_left": "adrenal left ml",
          "gallbladder": "gallbladder ml", "prostate": "prostate ml", "uterus": "uterus ml"}
DRAWN = {"lungs ml": "lung_ml", "heart ml": "heart_ml", "liver ml": "liver_ml", "spleen ml": "spleen_ml"}


@dataclass(frozen=True)
class Person:
    """One sampled adult: the subject, what was measured, and reached over drawn volumes."""

    subject: Subject
    measured: dict[str, float]
    reached: dict[str, float]
    build_s: float


def volume_ml(shape: SampledShape) -> float:
    """Return the volume of a sampled shape by linear occupancy of each node's cell."""
    inside = np.clip(0.5 - shape.values_mm / shape.step_mm, 0, 1)
    return float(inside.sum(dtype=np.float64)) * shape.step_mm**3 / 1000


def body_slice(scene: Scene, z_mm: float) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return the body's mask (y, x) at a height on a 1 mm lattice, with its y and x in mm."""
    (x0, y0, _), (x1, y1, _) = scene.bounds_mm
    x, y = np.arange(x0, x1 + 1.0), np.arange(y0, y1 + 1.0)
    points = np.stack(np.broadcast_arrays(x[None, :], y[:, None], z_mm), axis=-1)
    return scene.fields["body"].distance_mm(points) < 0, y, x


def chest_cm(scene: Scene, z_mm: float) -> dict[str, float]:
    """Return AP diameter in the midline and width behind the breasts, and the tape girth without them, in cm."""
    mask, y, x = body_slice(scene, z_mm)
    ap = float(np.mean(mask[:, np.abs(x) < 12].sum(axis=0)))
    rows = np.flatnonzero(mask.any(axis=1))
    wide = float(mask[(y > y[rows[-1]] - 0.6 * ap)].sum(axis=1).max())
    mask &= ~((y[:, None] < y[rows[-1]] - ap) & (np.abs(x) > 25))  # what stands in front of the breastbone: breasts
    edge = np.argwhere(mask)
    hull = ConvexHull(edge)
    return {"chest AP cm": ap / 10, "chest lateral cm": wide / 10, "chest girth cm": hull.area / 10}  # area: perimeter


def aorta_mm(scene: Scene, z_mm: float) -> dict[str, float]:
    """Return the diameters of the discs equal to the aorta's two sections in one slice, walls included."""
    names = {s.name: s.label for s in scene.structures}
    grid = Grid((1, 120, 120), (1.0, 1.0, 1.0), (-60.0, -80.0, z_mm))
    inside = rasterize(scene, grid).occupancy(*(names[n] for n in (
        "ascending_aorta", "aortic_arch", "descending_aorta", "aortic_wall")))[0]
    front = np.arange(120)[:, None] - 80.0 < -4.0
    return {f"{name} aorta mm": float(2 * np.sqrt((inside * where).sum() / np.pi))
            for name, where in (("ascending", front), ("descending", ~front))}


def measure(scene: Scene) -> dict[str, float]:
    """Return every quantity of `EXPECTED` in this scene."""
    lobes = {name: volume_ml(scene.fields[f"lobe_{name}"]) for name in LOBES}
    lungs = sum(lobes.values())
    height = scene.subject.height_cm / REFERENCE_HEIGHT_CM
    (x0, y0, z0), (x1, y1, _) = scene.bounds_mm
    top = float(scene.fields["lung_right"].bounds_mm()[1][2])  # nothing measured on the raster reaches higher
    raster = rasterize(scene, Grid.covering((x0, y0, z0), (x1, y1, top), (RASTER_MM,) * 3)).volumes_ml()
    mask, _, _ = body_slice(scene, L1_MM * height)
    return {"lungs ml": lungs, **{f"lobe {name} %": 100 * ml / lungs for name, ml in lobes.items()},
            "heart ml": sum(raster[name] for name in HEART), "liver ml": raster["liver"] + raster["hepatic_vein"]
            + raster["portal_vein"],
            **{name: raster[organ] + (raster["cervix"] if organ == "uterus" else 0.0)
               for organ, name in ORGANS.items() if raster.get(organ, 0.0) > 0},
            **chest_cm(scene, T8_MM),
            "abdomen diameter cm": float(2 * np.sqrt(mask.sum() / np.pi)) / 10,
            **aorta_mm(scene, PULMONARY_MM * height)}


@contextmanager
def without_trees() -> Iterator[None]:
    """Leave out the vessels and airways inside lungs and liver: most of a build's time, and no organ's size."""
    from phantoms.torso import liver, lungs

    kept = {module: module.grow_tree for module in (liver, lungs)}

    def stub(_shape, spec, **_):
        return type_tubes(np.array([spec.root_mm]), np.array([spec.root_mm]) + 1.0, np.ones(1), np.ones(1),
                          np.array([-1]))

    from medsynth.shapes.tubes import Tubes as type_tubes

    for module in kept:
        module.grow_tree = stub
    try:
        yield
    finally:
        for module, function in kept.items():
            module.grow_tree = function


def person(seed: int, number: int, trees: bool) -> Person:
    """Draw, build and measure one adult."""
    body, stream = load_body("torso"), Seed(seed).child("population", number)
    subject = sample_subject(rng=stream.child("subject").rng())
    spec = body.sample_spec(subject, rng=stream.child("spec").rng())
    begin = time.perf_counter()
    if trees:
        scene = body.build(subject, spec)
    else:
        with without_trees():
            scene = body.build(subject, spec)
    seconds = time.perf_counter() - begin
    measured = measure(scene)
    return Person(subject, measured, {name: measured[name] / spec[key] for name, key in DRAWN.items()}, seconds)


def people(count: int, workers: int, seed: int, trees: bool) -> list[Person]:
    """Return `count` adults, by as many processes; the same for any number of them."""
    if workers == 1:
        return [person(seed, n, trees) for n in range(count)]
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # the people are built side by side instead
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(person, [seed] * count, range(count), [trees] * count))


def table(group: list[Person]) -> list[str]:
    """Return the lines of a table of one sex: ours, published, their ratio and who lies within two SD."""
    lines = [f"| {'quantity':20} | ours mean | SD | published mean | SD | ratio | within 2 SD of all | of their size |",
             "|---|---|---|---|---|---|---|---|"]
    for name, published in EXPECTED.items():
        own = [p for p in group if name in p.measured]
        if len(own) < 3:
            continue
        ours = np.array([p.measured[name] for p in own])
        mean, sd = np.array([published(p.subject) for p in own]).T
        within = np.mean(np.abs(ours - mean) <= 2 * sd)
        spread = float(np.sqrt(mean.var() + (sd**2).mean()))  # people differ in size, and about what their size tells
        among = np.mean(np.abs(ours - mean.mean()) <= 2 * spread)
        digits = 0 if "ml" in name and mean.mean() > 20 else 1
        lines.append(f"| {name:20} | {ours.mean():.{digits}f} | {ours.std():.{digits}f} | {mean.mean():.{digits}f} | "
                     f"{spread:.{digits}f} | {ours.mean() / mean.mean():.3f} | {100 * among:.0f} % | "
                     f"{100 * within:.0f} % |")
    return lines


def signs(groups: dict[str, list[Person]]) -> list[str]:
    """Return the lines of a table of correlations within each sex, with the published sign."""
    lines = ["| quantity | follows | expected | " + " | ".join(groups) + " |", "|---|---|---|" + "---|" * len(groups)]
    for name, of, sign in SIGNS:
        found = []
        for group in groups.values():
            pairs = [(p.measured[name], getattr(p.subject, of)) for p in group if name in p.measured]
            found.append(f"{np.corrcoef(np.array(pairs).T)[0, 1]:+.2f}" if len(pairs) > 2 else "")
        lines.append(f"| {name} | {of} | {'+' if sign > 0 else '-'} | " + " | ".join(found) + " |")
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-trees", action="store_true", help=without_trees.__doc__)
    asked = parser.parse_args()
    found = people(asked.count, asked.workers, asked.seed, not asked.no_trees)
    groups = {f"{sex} ({len(g)})": g for sex in ("male", "female")
              if len(g := [p for p in found if p.subject.sex == sex]) > 2}
    for name, group in groups.items():
        print(f"\n{name}\n")
        print("\n".join(table(group)))
    print("\ncorrelations\n")
    print("\n".join(signs(groups)))
    print("\nreached / drawn volume\n")
    for name in DRAWN:
        ratio = np.array([p.reached[name] for p in found])
        print(f"| {name} | {ratio.mean():.3f} +- {ratio.std():.3f} | {ratio.min():.2f} .. {ratio.max():.2f} |")
    worst = sorted(found, key=lambda p: min(p.reached.values()))[:3]
    for p in worst:
        print(p.subject, {name: round(v, 2) for name, v in p.reached.items()})
    print(f"\nbuild: median {np.median([p.build_s for p in found]):.1f} s")


if __name__ == "__main__":
    main()
