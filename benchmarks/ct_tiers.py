"""The two CT tiers side by side: HU, noise, texture, sharpness and time, same phantom and protocol.

`python benchmarks/ct_tiers.py` prints the tables of docs/physics-ct.md: mean HU per organ in a chest and an abdomen;
noise SD per region; peak of the noise power spectrum and half height of the modulation transfer by kernel; the
texture of liver and muscle, beside real scans where a folder of them is given (`--reference`); seconds per slice.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.physics.images import scan_phantom
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure
from medsynth.scene.subject import Subject

SOMEONE = Subject("male", 50.0, 175.0, 78.0)
TIERS = ("fast", "physics")
WATER = Structure("water", 1, "water", Code("0", "water"))


def of_water(pixels: int, pixel_mm: float, radii_mm: tuple[float, float], slices: int, step_mm: float) -> Phantom:
    """Return an ellipse of water with exact partial volume (8 x 8 points a pixel)."""
    x = (np.arange(pixels * 8) + 0.5) / 8 * pixel_mm - pixels * pixel_mm / 2
    share = (np.hypot(x[None, :] / radii_mm[0], x[:, None] / radii_mm[1]) < 1).reshape(pixels, 8, pixels, 8)
    plane = share.mean(axis=(1, 3))
    share = np.repeat(plane[None], slices, axis=0)
    most = share >= 0.5
    return Phantom(Grid.centred(share.shape, (step_mm, pixel_mm, pixel_mm)), most.astype(np.uint16),
                   (~most).astype(np.uint16), np.rint(255 * np.minimum(share, 1 - share)).astype(np.uint8),
                   np.zeros(share.shape, np.int16), (WATER,))


def scanned(phantom: Phantom, protocol: CtProtocol, seed: int = 1) -> np.ndarray:
    """Return the image in HU, by the protocol's tier."""
    if protocol.fidelity == "fast":
        return image_phantom(phantom, phantom, protocol, seed=Seed(seed)).image.array.astype(float)
    return scan_phantom(phantom, phantom, phantom, phantom, protocol, seed=Seed(seed)).image.array.astype(float)


def spectrum(noise: np.ndarray, pixel_mm: float, bins: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies per mm and the radial noise power of square patches (n, j, i)."""
    size = noise.shape[-1]
    power = (np.abs(np.fft.fft2(noise - noise.mean(axis=(1, 2), keepdims=True))) ** 2).mean(axis=0)
    f = np.fft.fftfreq(size, pixel_mm)
    radius = np.hypot(f[:, None], f[None, :])
    edges = np.linspace(0, 0.5 / pixel_mm, bins + 1)
    number, _ = np.histogram(radius, edges)
    total, _ = np.histogram(radius, edges, weights=power)
    return (edges[1:] + edges[:-1]) / 2, total / np.maximum(number, 1)


def peak(f: np.ndarray, power: np.ndarray) -> float:
    """Return the frequency of the highest power, from a parabola through its neighbours of a smoothed curve."""
    smooth = ndimage.gaussian_filter1d(power, 1.5)
    n = int(np.clip(np.argmax(smooth), 1, len(f) - 2))
    a, b, c = smooth[n - 1:n + 2]
    return float(f[n] + 0.5 * (a - c) / (a - 2 * b + c) * (f[1] - f[0]))


def half_height(image: np.ndarray, pixel_mm: float, radius_mm: float) -> float:
    """Return the frequency per mm where the transfer measured at the rim of a disc has fallen to a half."""
    n = image.shape[-1]
    x = (np.arange(n) - (n - 1) / 2) * pixel_mm
    distance = np.hypot(x[None, :], x[:, None]) - radius_mm
    near = np.abs(distance) < 8
    edges = np.arange(-8, 8.01, 0.1)
    profile = ndimage.gaussian_filter1d(np.interp(
        edges, *np.array([(distance[near & (np.abs(distance - e) < 0.1)].mean(),
                           image[near & (np.abs(distance - e) < 0.1)].mean()) for e in edges]).T), 0.5)
    line = -np.gradient(profile)
    line *= np.hanning(len(line))
    transfer = np.abs(np.fft.rfft(line, 4096))
    transfer /= transfer[0]
    f = np.fft.rfftfreq(4096, 0.1)
    return float(f[np.argmax(transfer < 0.5)])


def kernels(reconstruction: str) -> None:
    """Print peak of the spectrum, half height of the transfer and SD in water, by kernel."""
    pixel_mm = 0.7
    water = of_water(384, pixel_mm, (110.0, 110.0), 16, 3.0)
    disc = of_water(256, pixel_mm, (40.0, 40.0), 1, 3.0)
    print(f"\n{reconstruction}: water cylinder of 22 cm, 0.7 mm pixels, 3 mm, 100 mAs\n")
    print("| kernel | tier | SD HU | NPS peak /mm | MTF50 /mm |\n|---|---|---|---|---|")
    for kernel in KERNELS:
        for tier in TIERS:
            protocol = CtProtocol(fidelity=tier, kernel=kernel, mas=100, slice_thickness_mm=3.0,
                                  reconstruction=reconstruction)
            noise = scanned(water, protocol)[:, 128:256, 128:256]
            noise = noise - ndimage.uniform_filter(noise.mean(axis=0), 9)
            loud = protocol.model_copy(update={"mas": 400.0})
            sharp = half_height(scanned(disc, loud)[0], pixel_mm, 40.0)
            print(f"| {kernel} | {tier} | {noise.std():.1f} | {peak(*spectrum(noise, pixel_mm)):.3f} | {sharp:.3f} |")


def organs(body: str, part: str, at: float, **settings: object) -> None:
    """Print mean HU and noise SD per structure of a few slices of a body."""
    person = load_body(body)
    scene = person.build(SOMEONE, person.sample_spec(SOMEONE, rng=Seed(3).rng()))
    low, high = scene.scan_range_mm[part]
    middle = low + at * (high - low)
    scene = dataclasses.replace(scene, scan_range_mm={part: (middle - 12, middle + 12)})
    images, seconds = {}, {}
    for tier in TIERS:
        protocol = CtProtocol(fidelity=tier, scan_range=part, slice_thickness_mm=3.0, **settings)
        for n in (1, 2):
            begin = time.perf_counter()
            found = acquire_ct(scene, [], protocol, seed=Seed(n))
            seconds[tier] = time.perf_counter() - begin
            images[tier, n] = found.image.array.astype(float)
    print(f"\n{body}, {settings}, {len(found.image.array)} slices of 512 x 512; seconds a slice with rasterising: "
          + ", ".join(f"{tier} {seconds[tier] / len(found.image.array):.2f}" for tier in TIERS) + "\n")
    print("| structure | voxels | fast HU | physics HU | difference | fast SD | physics SD | ratio |")
    print("|---" * 8 + "|")
    phantom = found.phantom
    for structure in phantom.structures:
        inside = (phantom.labels == structure.label) & (phantom.fraction == 0)
        inside = ndimage.binary_erosion(inside, np.ones((1, 3, 3)), iterations=2)
        if inside.sum() < 400:
            continue
        mean = {tier: (images[tier, 1][inside].mean() + images[tier, 2][inside].mean()) / 2 for tier in TIERS}
        sd = {tier: (images[tier, 1] - images[tier, 2])[inside].std() / np.sqrt(2) for tier in TIERS}
        print(f"| {structure.name} | {inside.sum()} | {mean['fast']:.1f} | {mean['physics']:.1f} | "
              f"{mean['physics'] - mean['fast']:+.1f} | {sd['fast']:.1f} | {sd['physics']:.1f} | "
              f"{sd['physics'] / sd['fast']:.2f} |")


def texture(image: np.ndarray, inside: np.ndarray, size: int = 17) -> str:
    """Return a row: how many patches fit, their SD, their autocorrelation within the slice and between slices.

    At 1 to 4 pixels along rows and along columns, and 1 to 3 slices apart. Noise dies off between slices that do not
    overlap, texture of the organ does not.
    """
    own = ndimage.binary_erosion(inside, np.ones((1, size, size)))
    half = size // 2
    sds, rows, columns, across = [], [], [], []
    for k, j, i in np.argwhere(own[:, ::size, ::size]) * (1, size, size):
        at = slice(j - half, j + half + 1), slice(i - half, i + half + 1)
        stack = [part[at] - ndimage.gaussian_filter(part[at], 6) for part in image[k:k + 4]]
        patch = stack[0]
        sds.append(patch.std())
        rows.append([(patch[:, n:] * patch[:, :-n]).mean() / patch.var() for n in (1, 2, 3, 4)])
        columns.append([(patch[n:] * patch[:-n]).mean() / patch.var() for n in (1, 2, 3, 4)])
        across.append([(patch * stack[n]).mean() / patch.var() if n < len(stack) and own[k + n, j, i] else np.nan
                       for n in (1, 2, 3)])
    if len(sds) < 6:
        return ""
    words = (", ".join(f"{lag:.2f}" for lag in np.nanmedian(lags, axis=0)) for lags in (rows, columns, across))
    return f"{len(sds)} | {np.median(sds):.1f} | " + " | ".join(words)


def textures(reference: Path | None) -> None:
    """Print SD and autocorrelation of liver and muscle in both tiers, and of soft tissue in real scans."""
    person = load_body("abdomen")
    scene = person.build(SOMEONE, person.sample_spec(SOMEONE, rng=Seed(3).rng()))
    low, high = scene.scan_range_mm["abdomen"]
    middle = low + 0.62 * (high - low)
    scene = dataclasses.replace(scene, scan_range_mm={"abdomen": (middle - 20, middle + 20)})
    print("\n| what | patches of 17 x 17 | SD HU | autocorrelation at 1-4 pixels along rows | along columns | "
          "at 1-3 slices |")
    print("|---" * 6 + "|")
    for tier, reconstruction in ((t, r) for r in ("fbp", "iterative") for t in TIERS):
        protocol = CtProtocol(fidelity=tier, scan_range="abdomen", phase="portal", slice_thickness_mm=5.0, mas=150,
                              pixel_mm=0.8, kernel="soft", reconstruction=reconstruction)
        found = acquire_ct(scene, [], protocol, seed=Seed(1))
        for organ in ("liver", "erector_spinae"):
            labels = [s.label for s in found.phantom.structures if s.name.startswith(organ)]
            row = texture(found.image.array.astype(float), np.isin(found.phantom.labels, labels))
            print(f"| {organ}, {tier}, {reconstruction} | {row} |")
    if reference is None:
        return
    import SimpleITK

    for path in sorted(reference.rglob("*.nii*")):
        image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).astype(float)
        if image.ndim != 3 or image.min() > -500:
            continue
        smooth = ndimage.gaussian_filter(image, (0.5, 4, 4))
        soft = (smooth > 20) & (smooth < 180)
        for name, low_hu, high_hu in (("muscle-like", 20, 80), ("contrasted", 80, 160)):
            row = texture(image, soft & (smooth > low_hu) & (smooth < high_hu))
            if row:
                print(f"| {path.parent.name}/{path.name}, {name} | {row} |")


def main() -> None:
    """Print every table, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=["kernels", "organs", "textures"],
                        help="kernels, organs, textures")
    parser.add_argument("--reference", type=Path, help="a folder of real CT scans as NIfTI")
    asked = parser.parse_args()
    if "kernels" in asked.tables:
        kernels("fbp")
        kernels("iterative")
    if "organs" in asked.tables:
        organs("thorax", "chest", 0.45, mas=100, reconstruction="fbp")
        organs("thorax", "chest", 0.9, mas=100, reconstruction="fbp")
        organs("abdomen", "abdomen", 0.6, mas=150, phase="portal", reconstruction="fbp")
    if "textures" in asked.tables:
        textures(asked.reference)


if __name__ == "__main__":
    main()
