"""Random adults at the edges of what may be asked for: every one is built whole, and everything stays in its host.

Half of them have a body mass index below 19 or above 38; ages reach from 18 to 95. Each trunk is drawn, built and cut
into 4 mm voxels. Checked: no empty voxel within the body; lungs inside the chest and above the diaphragm; hepatic and
portal branches in the liver or at its hilum; volumes built against volumes drawn; which structures vanish.

Run: python benchmarks/extremes.py [--count 100] [--workers 2] [--seed 1]
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import os
import traceback
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import ndimage

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject

VOXEL_MM = 4.0
HEART = ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium")
DRAWN = ("liver", "spleen", "pancreas", "kidney_right", "kidney_left")
HILUM_MM = 60.0


def someone(seed: int, number: int) -> Subject:
    """Return an adult; every second one is very lean or very heavy."""
    rng = Seed(seed).child("extremes", number).rng()
    sex = "female" if number % 2 else "male"
    age = float(rng.choice([rng.uniform(18, 25), rng.uniform(25, 85), rng.uniform(85, 95)]))
    height = float(np.clip(rng.normal(163 if sex == "female" else 176, 9), 145 if sex == "female" else 155, 198))
    lean = float(rng.uniform(17, 19)), float(rng.uniform(38, 45))
    bmi = float(rng.choice(lean)) if number // 2 % 2 else float(rng.uniform(19, 38))
    return Subject(sex, age, height, bmi * (height / 100) ** 2)


def checked(seed: int, number: int) -> tuple[Subject, list[str], dict[str, float], set[str]]:
    """Return the subject, what is wrong, volumes built over drawn, and what vanished."""
    subject = someone(seed, number)
    body = load_body("torso")
    spec = body.sample_spec(subject, rng=Seed(seed).child("extremes", number, "spec").rng())
    try:
        scene = body.build(subject, spec)
    except Exception:
        return subject, [traceback.format_exc(limit=-1).splitlines()[-1]], {}, set()
    low, high = scene.bounds_mm
    phantom = rasterize(scene, Grid.covering(np.array(low) - 8, np.array(high) + 8, (VOXEL_MM,) * 3))
    names = {s.name: s.label for s in scene.structures}
    volume = phantom.volumes_ml()
    wrong = []
    inside = phantom.labels > 0
    holes = int((ndimage.binary_fill_holes(inside) & ~inside).sum())  # folds of the skin are open somewhere
    if holes:
        wrong.append(f"{holes} empty voxels within the body")

    def points(*wanted: str) -> np.ndarray:
        return phantom.grid.world_mm(np.argwhere(np.isin(phantom.labels, [names[n] for n in wanted if n in names])))

    lobes = points(*(n for n in names if n.startswith("lobe_")))
    if scene.fields["body"].distance_mm(lobes).max() > -6:
        wrong.append("lung within 6 mm of the skin")
    if scene.fields["diaphragm"].distance_mm(lobes).min() < -2 * VOXEL_MM:
        wrong.append("lung below the diaphragm")
    for vessel in ("hepatic_vein", "portal_vein"):
        away = scene.fields["liver"].distance_mm(points(vessel))
        if len(away) and away.max() > HILUM_MM:
            wrong.append(f"{vessel} {away.max():.0f} mm from the liver")
    ratios = {n: volume[n] / spec[f"{n}_ml"] for n in DRAWN}
    ratios["liver"] = (volume["liver"] + volume["hepatic_vein"]) / spec["liver_ml"]
    ratios["lungs"] = 1.04 * sum(ml for n, ml in volume.items() if n.startswith("lobe_")) / spec["lung_ml"]
    ratios["heart"] = sum(volume[n] for n in HEART) / spec["heart_ml"]
    return subject, wrong, ratios, {n for n, ml in volume.items() if ml == 0}


def main() -> None:
    """Print who fails and how, the volumes, and what vanishes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.workers, mp_context=context, max_tasks_per_child=20) as pool:
        found = list(pool.map(checked, [asked.seed] * asked.count, range(asked.count)))
    bad = [(subject, wrong) for subject, wrong, _, _ in found if wrong]
    print(f"{asked.count} adults: {asked.count - len(bad)} built whole, {len(bad)} with something wrong")
    for subject, wrong in bad:
        print(f"  {subject.sex}, {subject.age_years:.0f} years, {subject.height_cm:.0f} cm, BMI {subject.bmi:.1f}: "
              + "; ".join(wrong))
    print("\n| volume built / drawn | mean | SD | least | most |\n|---|---|---|---|---|")
    for name in (*DRAWN, "lungs", "heart"):
        values = np.array([ratios[name] for _, _, ratios, _ in found if name in ratios])
        print(f"| {name} | {values.mean():.3f} | {values.std():.3f} | {values.min():.2f} | {values.max():.2f} |")
    gone = collections.Counter(name for _, _, _, vanished in found for name in vanished)
    print("\nwithout a voxel of 4 mm: " + ", ".join(f"{name} {n}" for name, n in gone.most_common(40)))


if __name__ == "__main__":
    main()
