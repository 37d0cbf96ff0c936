"""What radiographs cost, and whether they are true: times, memory, and published figures beside ours.

`python benchmarks/xray.py [speed] [truth] [body] [--voxel 1.25] [--seed 3]`; nothing named runs everything.

- speed: a chest PA of 2000 x 2400 pixels from a sampled body (projection, scatter, detector, all structures' thickness)
  and an exposure of 512 x 512 pixels from 3 mm voxels, as a training stream takes it;
- truth: half-value layers, scatter ratios, noise and mean of a slab against closed forms;
- body: dose and contrast of the same chest beside published ones.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

import medsynth as ms
from medsynth.acquire.xray.chain import expose
from medsynth.acquire.xray.detector import detector, electronic_kev, response, signal_per_ugy
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.project import body_box, structure_thickness
from medsynth.acquire.xray.scatter import scatter_grid
from medsynth.acquire.xray.source import Technique, full_beam, hvl_mm, spectrum
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.phantom import Phantom
from medsynth.scene.population import sample_subject
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Code, Scene, Structure, organ_labels
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

PA = Technique(kvp=120, grid="r12", filter_mm={"copper": 0.1})
SENSOR = detector("csi")
PIXEL_MM = 0.5  # of the slab's image
KEV_PER_VALUE = signal_per_ugy(SENSOR)[0] * (PIXEL_MM / 10) ** 2 / SENSOR.values_per_ugy
BARS = {"chest PA 2000 x 2400, s": 15.0, "chest PA 2000 x 2400, GiB": 4.0, "512 x 512 from 3 mm, CPU s": 0.3}
# Diagnostic reference: incident air kerma and dose-area product of a chest PA (unverified ranges of digital systems).
DOSES = {"entrance kerma uGy": (50.0, 200.0), "DAP uGy m2": (5.0, 25.0), "mAs": (0.8, 6.0)}


def body(seed: int) -> Scene:
    """Return a sampled chest."""
    people = ms.load_recipe("chest-ct-small").subject.constraints()
    subject = sample_subject(people, rng=Seed(seed).child("subject").rng())
    thorax = load_body("thorax")
    return thorax.build(subject, thorax.sample_spec(subject, rng=Seed(seed).child("anatomy").rng()))


def voxels(scene: Scene, mm: float) -> Phantom:
    """Return the scene in cubes of this size."""
    return rasterize(scene, Grid.covering(*scene.bounds_mm, (mm, mm, mm)))


def standing(phantom: Phantom, shape: tuple[int, int], pixel_mm: float, sid_mm: float = 1800.0) -> Geometry:
    """Return the geometry of a chest PA: the beam from behind, the detector 40 mm before the chest."""
    low, high = body_box(phantom)
    x, _, z = (low + high) / 2
    y = low[1] - 40.0
    return Geometry.facing((x, y + sid_mm, z), (x, y, z), (0, 0, -1), pixel_mm, shape)


def timed(work, repeats: int = 3) -> tuple[float, float]:
    """Return the medians of wall and CPU seconds after one run that compiles."""
    work()
    found = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = np.median(found, axis=0)
    return float(wall), float(cpu)


def speed(scene: Scene, voxel_mm: float) -> None:
    """Print times and memory beside their bars."""
    coarse = voxels(scene, 3.0)
    small = standing(coarse, (512, 512), 0.84)
    wall, cpu = timed(lambda: expose(coarse, small, PA, SENSOR, seed=Seed(1), pairs=False), 9)
    print(f"512 x 512 from 3 mm: wall {wall:.2f} s, CPU {cpu:.2f} s (bar {BARS['512 x 512 from 3 mm, CPU s']} CPU s)")
    fine = voxels(scene, voxel_mm)
    large = standing(fine, (2400, 2000), 0.17)
    organ, names = organ_labels(fine.structures), {s.label: s.name for s in fine.structures}
    groups: dict[str, list[int]] = {}
    for s in fine.structures:
        groups.setdefault(names[int(organ[s.label])], []).append(s.label)
    for words, work in (("exposure", lambda: expose(fine, large, PA, SENSOR, seed=Seed(1), pairs=False)),
                        ("with noise-free and scatter-free", lambda: expose(fine, large, PA, SENSOR, seed=Seed(1))),
                        (f"thickness of {len(groups)} structures", lambda: structure_thickness(fine, large, groups))):
        wall, cpu = timed(work, 1)
        print(f"2000 x 2400 from {voxel_mm:g} mm, {words}: wall {wall:.1f} s, CPU {cpu:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GiB (bars {BARS['chest PA 2000 x 2400, s']} s and "
          f"{BARS['chest PA 2000 x 2400, GiB']} GiB for all together)")


def truth() -> None:
    """Print closed forms and published figures beside ours."""
    print("half-value layers behind the tube's own filter, mm Al:",
          {kvp: round(hvl_mm(spectrum("general", kvp)), 2) for kvp in (50, 70, 90, 120)})
    shape = (40, 40, 40)
    water = (Structure("water", 1, "water", Code("0", "water")),)
    slab = Phantom(Grid.centred(shape, (10.0, 5.0, 10.0)), np.ones(shape, np.uint16), np.zeros(shape, np.uint16),
                   np.zeros(shape, np.uint8), np.zeros(shape, np.int16), water)
    geometry = standing(slab, (400, 400), PIXEL_MM, 1500.0)
    print("20 cm of water, field 20 cm: mean and noise against the closed form (Gallio 2015 takes +-15 % and +-20 %)")
    for kvp, grid in ((70, "none"), (70, "r10"), (120, "none"), (120, "r12")):
        technique = Technique(kvp=kvp, mas=4.0, grid=grid, blur=False, anode="none")
        shot = expose(slab, geometry, technique, SENSOR, seed=Seed(2))
        middle = (slice(180, 220), slice(180, 220))
        beam = full_beam(technique)
        mean, square = response(SENSOR, beam.energies_keV)
        water_less_air = [linear_attenuation(tissue(name), beam.energies_keV) for name in ("water", "air")]
        left = beam.photons * np.exp(-20 * np.subtract(*water_less_air))  # the empty beam has passed the air
        area = 4.0 * (PIXEL_MM / 10) ** 2 * (1000 / 1500) ** 2
        wanted = left @ mean * area / KEV_PER_VALUE * scatter_grid(grid).primary
        primary, scattered = (float(image[middle].mean()) for image in (shot.primary, shot.scatter))
        sd = float(np.std(shot.raw[middle] - shot.noise_free[middle]))
        counted = np.sqrt((primary + scattered) * (left @ square) / (left @ mean) / KEV_PER_VALUE
                          + (electronic_kev(SENSOR, PIXEL_MM) / KEV_PER_VALUE) ** 2)
        print(f"  {kvp} kV, grid {grid:5}: scatter/primary {scattered / primary:.2f}, "
              f"primary {primary / wanted - 1:+.2%} of Beer-Lambert, "
              f"mean {shot.raw[middle].mean() / (primary + scattered) - 1:+.2%} of primary + scatter, "
              f"noise {sd / counted - 1:+.1%} of counted photons and electronics")


def chest(scene: Scene, voxel_mm: float) -> None:
    """Print dose and scatter of a chest PA beside published figures."""
    phantom = voxels(scene, voxel_mm)
    geometry = standing(phantom, (600, 500), 0.68)
    for grid in ("none", "r12"):
        shot = expose(phantom, geometry, Technique(kvp=120, filter_mm={"copper": 0.1}, grid=grid), SENSOR, seed=Seed(1))
        fraction = shot.scatter / (shot.scatter + shot.primary)
        mediastinum = float(np.median(fraction[300:360, 235:265]))
        print(f"grid {grid}: scatter fraction behind the mediastinum {mediastinum:.2f} "
              f"({'about 0.9' if grid == 'none' else 'more than 0.5'}, Niklason 1981), best lung {fraction.min():.2f}")
        found = {"entrance kerma uGy": shot.entrance_ugy, "DAP uGy m2": shot.dap_ugy_m2, "mAs": shot.mas}
        print("  " + ", ".join(f"{name} {found[name]:.1f} (usual {low:g}-{high:g})"
                               for name, (low, high) in DOSES.items())
              + f", EI {shot.index:.0f}, DI {shot.deviation:+.1f}")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=["speed", "truth", "body", []])
    parser.add_argument("--voxel", type=float, default=1.25)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    what = options.what or ["truth", "body", "speed"]
    if "truth" in what:
        truth()
    if {"speed", "body"} & set(what):
        scene = body(options.seed)
        if "body" in what:
            chest(scene, max(options.voxel, 2.0))
        if "speed" in what:
            speed(scene, options.voxel)


if __name__ == "__main__":
    main()
