"""Train a small 3D U-Net for lungs and lung nodules from nothing but the generator, and test it.

    python examples/train_segmenter.py                  some minutes on a CPU; tests on generated people it never saw
    python examples/train_segmenter.py --test FOLDER    tests on your scans: FOLDER/images/*.nii.gz in HU, and labels
                                                        of the same names in FOLDER/labels (lung 1, nodule 2)

It needs torch and monai (`pip install medsynth-toolkit[train]`). Nothing is written but what --out names.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.utils import list_data_collate
from monai.inferers.utils import sliding_window_inference
from monai.losses.dice import DiceCELoss
from monai.networks.nets.unet import UNet
from monai.transforms.compose import Compose
from monai.transforms.croppad.dictionary import RandCropByPosNegLabeld
from monai.transforms.intensity.dictionary import ScaleIntensityRanged
from monai.transforms.io.dictionary import LoadImaged
from monai.transforms.spatial.dictionary import Orientationd, Spacingd
from monai.transforms.utility.dictionary import EnsureChannelFirstd
from scipy import ndimage

from medsynth.dataset.recipe import Recipe, load_recipe
from medsynth.dataset.reuse import Reuse
from medsynth.dataset.torch import SynthDataset, SynthStream, data_loader

CLASSES = {"lung": ["lobe_*", "fissure_*", "pulmonary_artery_branches", "bronchi"], "nodule": "lesion"}
VARY = {"ct.mas": (20.0, 200.0), "ct.kernel": ["soft", "standard", "sharp"]}
WINDOW_HU = (-1000.0, 400.0)


def recipe(voxel_mm: float) -> Recipe:
    """Return a chest CT with nodules that voxels of this size can show."""
    return load_recipe("chest-ct-nodules-small", overrides={
        "acquisitions.ct.pixel_mm": voxel_mm, "acquisitions.ct.slice_thickness_mm": voxel_mm,
        "acquisitions.ct.increment_mm": voxel_mm,
        "lesions.0.diameter_mm": {"min": min(3.0 * voxel_mm, 12.0), "max": min(10.0 * voxel_mm, 28.0)},
        "lesions.0.count": {"distribution": "poisson", "mean": 4, "low": 2, "high": 8}})


def network(channels: tuple[int, ...]) -> UNet:
    """Return a U-Net of three classes: elsewhere, lung, nodule."""
    return UNet(3, 1, 3, channels=channels, strides=(2,) * (len(channels) - 1), num_res_units=1, norm="instance")


def patches(stream: SynthStream, workers: int, size: int, per_image: int, seed: int) -> Iterator[dict[str, Any]]:
    """Give batches of patches, half of them with a nodule in the middle, one batch of every image."""
    scale = ScaleIntensityRanged("image", *WINDOW_HU, -1.0, 1.0, clip=True)
    crop = RandCropByPosNegLabeld(["image", "label"], "lesion", (size,) * 3, pos=1, neg=1, num_samples=per_image)
    crop.set_random_state(seed)
    for item in data_loader(stream, None, workers):
        yield list_data_collate(crop(scale(item)))


def train(model: UNet, stream: SynthStream, *, images: int, workers: int, size: int, per_image: int, seed: int
          ) -> list[float]:
    """Train on the first images of a stream; return the loss of every step."""
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=images)
    losses = []
    for _, batch in zip(range(images), patches(stream, workers, size, per_image, seed), strict=False):
        optimiser.zero_grad()
        value = loss(model(batch["image"].as_tensor()), batch["label"].as_tensor())
        value.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(value.detach()))
        if len(losses) % 20 == 0:
            print(f"{len(losses)} of {images} images, loss {np.mean(losses[-20:]):.3f}", flush=True)
    return losses


def generated_cases(of: Recipe, count: int, seed: int) -> Iterable[dict[str, Any]]:
    """Give people that training never saw: another seed."""
    data = SynthDataset(of, seed, count, classes=CLASSES, orientation="RAS")
    return (data[n] for n in range(count))


def folder_cases(folder: Path, voxel_mm: float) -> Iterable[dict[str, Any]]:
    """Give the user's own scans at the voxels of training."""
    read = Compose([LoadImaged(["image", "label"], reader="NibabelReader"), EnsureChannelFirstd(["image", "label"]),
                    Orientationd(["image", "label"], "RAS", labels=None),
                    Spacingd(["image", "label"], (voxel_mm,) * 3, mode=("bilinear", "nearest"))])
    names = sorted(path.name for path in (folder / "images").glob("*.nii*"))
    if not names:
        raise SystemExit(f"{folder / 'images'} must hold NIfTI files, got none")
    return (read({"image": folder / "images" / name, "label": folder / "labels" / name}) for name in names)


def tested(model: UNet, cases: Iterable[dict[str, Any]], size: int) -> dict[str, Any]:
    """Return the Dice of both classes, and how many nodules were found among how many marks."""
    scale = ScaleIntensityRanged("image", *WINDOW_HU, -1.0, 1.0, clip=True)
    dice: dict[str, list[float]] = {name: [] for name in CLASSES}
    found = nodules = false = 0
    model.eval()
    with torch.no_grad():
        for item in cases:
            image = scale(dict(item))["image"].as_tensor()[None].float()
            answer = sliding_window_inference(image, (size,) * 3, 4, model, overlap=0.25)
            guess, truth = answer.argmax(1)[0].numpy(), item["label"][0].numpy().astype(int)
            for value, name in enumerate(CLASSES, start=1):
                one, other = guess == value, truth == value
                if other.any():
                    dice[name].append(2 * (one & other).sum() / (one.sum() + other.sum()))
            marks, count = ndimage.label(guess == 2)
            real, real_count = ndimage.label(truth == 2)
            found += len(set(real[(marks > 0) & (real > 0)]))
            nodules += real_count
            false += count - len(set(marks[(marks > 0) & (real > 0)]))
    cases_seen = max(len(dice["lung"]), 1)
    return {"dice": {name: round(float(np.mean(values)), 3) for name, values in dice.items() if values},
            "nodules": nodules, "found": found, "false_marks_per_case": round(false / cases_seen, 2),
            "cases": cases_seen}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Train, test and report."""
    ask = argparse.ArgumentParser(description="Train a lung and nodule segmenter from generated images alone.")
    ask.add_argument("--test", type=Path, help="folder with images/ and labels/ to test on; else generated people")
    ask.add_argument("--images", type=int, default=120, help="images to train on; each is seen once")
    ask.add_argument("--workers", type=int, default=1, help="processes that make images, beside the one that trains")
    ask.add_argument("--voxel-mm", type=float, default=2.5)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=Path, help="folder for model.npz and result.json")
    ask.add_argument("--small", action="store_true", help="a form of some ten seconds, for trying it out")
    given = ask.parse_args(arguments)
    images, size, channels, test = given.images, 48, (12, 24, 48, 96), 4
    voxel_mm, per_image = given.voxel_mm, 6
    reuse = Reuse(images=20, poses=2, turn_deg=5.0, shift_mm=15.0, bodies=2)
    if given.small:
        images, size, channels, test, voxel_mm, per_image = 8, 32, (4, 8, 16), 1, 6.0, 2
        reuse = Reuse(images=8, poses=1)
    random = torch.random.get_rng_state()
    torch.random.default_generator.manual_seed(given.seed)  # for the network's first weights
    model = network(channels)
    torch.random.set_rng_state(random)
    started = time.perf_counter()
    of = recipe(voxel_mm)
    stream = SynthStream(of, given.seed, classes=CLASSES, vary=VARY, reuse=reuse, orientation="RAS")
    losses = train(model, stream, images=images, workers=0 if given.small else given.workers, size=size,
                   per_image=per_image, seed=given.seed)
    trained = time.perf_counter()
    cases = folder_cases(given.test, voxel_mm) if given.test else generated_cases(of, test, given.seed + 1000)
    third = max(len(losses) // 3, 1)
    result = tested(model, cases, size) | {
        "training_s": round(trained - started, 1), "images": images,
        "loss": {"first": round(float(np.mean(losses[:third])), 3), "last": round(float(np.mean(losses[-third:])), 3)}}
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(given.out / "model.npz", **{k: v.numpy() for k, v in model.state_dict().items()})
        (given.out / "result.json").write_text(json.dumps({**result, "losses": [round(v, 4) for v in losses]}))
    print(json.dumps(result))
    return result


if __name__ == "__main__":
    main()
