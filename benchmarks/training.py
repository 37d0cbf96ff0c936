"""Volumes per second of the training stream, what re-used bodies cost in diversity, and TorchIO on the same labels.

Run from the repository root: `python benchmarks/training.py [stream] [diversity] [torchio]` (all of them by default,
5-15 minutes on two cores). `torchio` needs the package of that name, which nothing else here does.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import multiprocessing
import resource
import sys
import time
from itertools import combinations

import numpy as np
import torch

from medsynth.dataset.items import ItemMaker
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.reuse import Reuse
from medsynth.dataset.torch import SynthDataset, SynthStream, data_loader
from medsynth.scene.phantom import Phantom

SIDE = 128
CHEST = {"acquisitions.ct.matrix": SIDE, "acquisitions.ct.pixel_mm": None, "acquisitions.ct.fov_mm": 400}
CLASSES = {"lung": ["lobe_*", "fissure_*", "pulmonary_artery_branches", "bronchi"], "nodule": "lesion"}
POLICIES = {"no re-use": Reuse(), "16 images, 2 turned poses": Reuse(images=16, poses=2, turn_deg=5, shift_mm=10),
            "16 images, 4 shifted poses": Reuse(images=16, poses=4, shift_mm=15),
            "64 images, 8 turned poses": Reuse(images=64, poses=8, turn_deg=5, shift_mm=10)}
ORGANS = ("lung", "heart", "liver", "bone")
PATTERNS = {"lung": ("lobe_",), "heart": ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium",
                                          "myocardium"), "liver": ("liver",),
            "bone": ("rib_", "vertebra_", "sternum", "manubrium", "scapula", "clavicle", "humerus")}


def cpu_s() -> float:
    """Return CPU seconds of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def recipe():
    """Return the chest CT with nodules on about 128^3 voxels of 2.5 x 3.1 x 3.1 mm."""
    return load_recipe("chest-ct-nodules-small", overrides=CHEST)


def stream_rates() -> None:
    """Print CPU seconds per volume in one process, and volumes per second of two DataLoader workers."""
    print(f"chest CT with nodules and labels, about {SIDE}^3, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    SynthStream(recipe(), 99, 1, meta=False).item(0)  # compiles
    for name, reuse in POLICIES.items():
        stream = SynthStream(recipe(), 1, None, classes=CLASSES, reuse=reuse, meta=False)
        count = 3 if reuse.images == 1 else reuse.images
        started, wall = cpu_s(), time.perf_counter()
        for number in range(count):
            stream.item(number)
        each = (cpu_s() - started) / count
        print(f"{name:28s} one process: {each:5.2f} CPU s, {(time.perf_counter() - wall) / count:5.2f} s per volume: "
              f"{2 / each:5.2f} volumes/s on two free cores")
    for name in ("no re-use", "16 images, 2 turned poses"):
        reuse = POLICIES[name]
        count = 4 if reuse.images == 1 else 4 * reuse.images
        loader = data_loader(SynthStream(recipe(), 2, count + 2 * 2, classes=CLASSES, reuse=reuse, meta=False), 1, 2,
                             persistent_workers=False)
        wall, seen = None, 0
        for _ in loader:
            if wall is None:
                wall = time.perf_counter()  # both workers run by now
            seen += 1
        rate = (seen - 1) / (time.perf_counter() - wall)
        print(f"{name:28s} DataLoader, 2 workers: {rate:.2f} volumes/s (load {os.getloadavg()[0]:.1f})")


def masks(phantom: Phantom) -> dict[str, np.ndarray]:
    """Return organ groups as masks on the image's own voxels."""
    labels = phantom.organ_image()
    return {organ: np.isin(labels, [s.label for s in phantom.structures if s.name.startswith(PATTERNS[organ])])
            for organ in ORGANS}


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Return the overlap of two masks."""
    return 2 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


def diversity(bodies: int = 10, images: int = 4) -> None:
    """Print how alike the images of one body are, against those of different ones."""
    small = load_recipe("chest-ct-nodules-small", overrides={
        **CHEST, "acquisitions.ct.matrix": 64, "acquisitions.ct.slice_thickness_mm": 6,
        "acquisitions.ct.increment_mm": 6, "acquisitions.ct.table": False})
    reuse = Reuse(images=images, poses=images, turn_deg=5, shift_mm=15)
    maker = ItemMaker(small, 7, reuse=reuse)
    found, volumes = [], []
    for number in range(bodies * images):
        truth = masks(maker(number).acquired["ct"].beside)
        slices = min(len(next(iter(truth.values()))), 48)
        found.append({name: mask[:slices] for name, mask in truth.items()})
        volumes.append([mask.sum() for mask in truth.values()])
    whose = [reuse.place(n).body for n in range(bodies * images)]
    table = np.log(np.maximum(np.array(volumes, float), 1)).reshape(bodies, images, -1)
    print(f"\n{bodies} bodies x {images} images, each in a pose of its own (turn <= 5 degrees, shift <= 15 mm), 6 mm")
    print("organ    Dice, same body   Dice, different   SD of log volume: between bodies   within one   ICC")
    for n, organ in enumerate(ORGANS):
        pairs = [(whose[a] == whose[b], dice(*(m[organ][:min(len(found[a][organ]), len(found[b][organ]))]
                                               for m in (found[a], found[b]))))
                 for a, b in combinations(range(len(found)), 2)]
        same, other = (np.mean([d for s, d in pairs if s is kind]) for kind in (True, False))
        within = table[..., n].var(axis=1, ddof=1).mean()
        between = max(table[..., n].mean(axis=1).var(ddof=1) - within / images, 0)
        icc = between / (between + within)
        print(f"{organ:8s}{same:17.3f}{other:18.3f}{np.sqrt(between):34.3f}{np.sqrt(within):13.3f}{icc:6.3f}")
        for k in (16, 64):
            print(f"         {k} images a body: {1 + (k - 1) * icc:.1f} images count as one subject for its volume")


def torchio_rates() -> None:
    """Print volumes per second of one process: TorchIO's generative pipeline against ours on the same label map."""
    try:
        import torchio as tio
    except ImportError:
        print("\ntorchio is not installed: pip install torchio")
        return
    from monai.data import MetaTensor

    from medsynth.dataset.transforms import RandSimulateCTd, RandSimulateMRd

    item = SynthDataset(recipe(), 1, 1, orientation="RAS", meta=True)[0]
    labels, affine = item["label"].as_tensor(), item["label"].affine
    values, dense = torch.unique(labels, return_inverse=True)
    phantom = ItemMaker(recipe(), 1)(0).acquired["ct"].beside
    tissues = {s.label: {s.tissue: 1 - sum(v for _, v in s.mixture), **dict(s.mixture)} for s in phantom.structures
               if not s.part_of}
    print(f"\none process, one label map of {len(values)} labels, {tuple(labels.shape[1:])}, torchio {tio.__version__}")
    subject = tio.Subject(label=tio.LabelMap(tensor=dense.to(torch.int16), affine=affine.numpy()))
    paint = tio.RandomLabelsToImage(label_key="label", image_key="image", used_labels=list(range(len(values))))
    whole = tio.Compose([tio.RandomAffine(), tio.RandomElasticDeformation(), paint, tio.RandomBlur(),
                         tio.RandomBiasField(), tio.RandomGamma()])
    own = {"label": MetaTensor(labels, affine=affine)}
    runs = {"TorchIO RandomLabelsToImage alone": lambda: paint(subject),
            "TorchIO affine, elastic, labels to image, blur, bias, gamma": lambda: whole(subject),
            "medsynth RandSimulateMRd, Gaussian contrast, bias, gamma, resolution": lambda: gaussian(own),
            "medsynth RandSimulateMRd, physical contrast": lambda: physical(own),
            "medsynth RandSimulateCTd": lambda: scanned(own)}
    gaussian = RandSimulateMRd("label", tissues=tissues, contrast="gaussian", output_keys="image").set_random_state(1)
    physical = RandSimulateMRd("label", tissues=tissues, output_keys="image").set_random_state(1)
    scanned = RandSimulateCTd("label", tissues=tissues, vary={"mas": (20.0, 200.0)},
                              output_keys="image").set_random_state(1)
    for name, run in runs.items():
        run()
        started = cpu_s(), time.perf_counter()
        for _ in range(5):
            run()
        cpu, wall = (cpu_s() - started[0]) / 5, (time.perf_counter() - started[1]) / 5
        print(f"{name:70s}{cpu:6.2f} CPU s{wall:6.2f} s a volume")


def main() -> None:
    """Run what the command line names."""
    wanted = sys.argv[1:] or ["stream", "diversity", "torchio"]
    torch.set_num_threads(1)
    if "stream" in wanted:
        stream_rates()
    if "diversity" in wanted:
        diversity()
    if "torchio" in wanted:
        torchio_rates()


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
