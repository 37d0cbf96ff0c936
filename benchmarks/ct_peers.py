"""Speed and accuracy of the CT physics tier beside other programs: astra-toolbox (CPU) and gecatsim.

`python benchmarks/ct_peers.py [astra] [gecatsim]`. Each peer is installed from PyPI into a virtual environment of its
own below the temporary folder and runs as a program of its own (astra-toolbox is GPL: nothing here imports it).
Repetitions alternate between the peer and us; figures are medians. Without a network the peer is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from pathlib import Path

import numba
import numpy as np

from medsynth.acquire.ct.physics import tier
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.physics.projector import project
from medsynth.acquire.ct.physics.reconstruct import back_projected, filtered, parallel_of
from medsynth.acquire.ct.physics.scan import outputs_of, prepare
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure

FOLDER = Path(tempfile.gettempdir()) / "medsynth-peers"
MATRIX, PIXEL_MM, HALF_MM, REPEATS = 512, 1.0, 220.0, 5
# Seconds per slice that others report of gecatsim in such a set-up (unverified), said where it cannot be run.
REPORTED_S = (31, 66)
# The modified Shepp-Logan head (Toft, PhD thesis, 1996, table B.3): density, semi-axes, middle, angle in degrees.
SHEPP_LOGAN = ((1.0, 0.69, 0.92, 0.0, 0.0, 0), (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0),
               (-0.2, 0.11, 0.31, 0.22, 0.0, -18), (-0.2, 0.16, 0.41, -0.22, 0.0, 18),
               (0.1, 0.21, 0.25, 0.0, 0.35, 0), (0.1, 0.046, 0.046, 0.0, 0.1, 0), (0.1, 0.046, 0.046, 0.0, -0.1, 0),
               (0.1, 0.046, 0.023, -0.08, -0.605, 0), (0.1, 0.023, 0.023, 0.0, -0.606, 0),
               (0.1, 0.023, 0.046, 0.06, -0.605, 0))
ASTRA = """
import sys, time, numpy as np, astra
folder, views, channels, pitch, pixel = sys.argv[1], *(float(a) for a in sys.argv[2:])
image, sinogram = np.load(folder + '/image.npy'), np.load(folder + '/sinogram.npy')
n, half = len(image), len(image) * pixel / 2
volume = astra.create_vol_geom(n, n, -half, half, -half, half)
rays = astra.create_proj_geom('parallel', pitch, int(channels), np.arange(int(views)) * np.pi / views)
print('ready', astra.__version__, flush=True)
for line in sys.stdin:
    kind, what = line.split()
    projector = astra.create_projector(kind, rays, volume)
    given = astra.data2d.create('-vol' if what == 'project' else '-sino', volume if what == 'project' else rays,
                                image if what == 'project' else sinogram)
    made = astra.data2d.create('-sino' if what == 'project' else '-vol', rays if what == 'project' else volume)
    setup = astra.astra_dict('FP' if what == 'project' else 'FBP')
    setup['ProjectorId'] = projector
    if what == 'project':
        setup['VolumeDataId'], setup['ProjectionDataId'] = given, made
    else:
        setup['ProjectionDataId'], setup['ReconstructionDataId'] = given, made
        setup['option'] = {'FilterType': 'ram-lak'}
    job = astra.algorithm.create(setup)
    started = time.perf_counter()
    astra.algorithm.run(job)
    seconds = time.perf_counter() - started
    np.save(f'{folder}/{kind}_{what}.npy', astra.data2d.get(made))
    astra.clear()
    print(seconds, flush=True)
"""
GECATSIM = """
import json, os, sys, time, numpy as np
import gecatsim as xc, gecatsim.reconstruction.pyfiles.recon as recon
size, pixel, samples, views = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
json.dump(dict(n_materials=1, mat_name=['water'], volumefractionmap_filename=['water.raw'],
               volumefractionmap_datatype=['float'], cols=[size], rows=[size], slices=[1], x_size=[pixel],
               y_size=[pixel], z_size=[20.0], x_offset=[(size + 1) / 2], y_offset=[(size + 1) / 2], z_offset=[1.0]),
          open('water.json', 'w'))
cfg = os.path.join(os.path.dirname(xc.__file__), 'examples', 'cfg')
names = 'Phantom_Sample', 'Scanner_Sample_generic', 'Protocol_Sample_axial', 'Physics_Sample', 'Recon_Sample_2d'
ct = xc.CatSim(*(os.path.join(cfg, name) for name in names))
ct.phantom.filename, ct.phantom.scale, ct.resultsName = 'water.json', 1.0, 'out'
ct.scanner.detectorRowsPerMod = ct.scanner.detectorRowCount = 1
ct.protocol.viewsPerRotation = ct.protocol.viewCount = views
ct.protocol.stopViewId = views - 1
for name in ('colSampleCount', 'rowSampleCount', 'srcXSampleCount', 'srcYSampleCount', 'viewSampleCount'):
    setattr(ct.physics, name, samples)
started = time.perf_counter()
ct.run_all()
scanned = time.perf_counter()
ct.do_Recon = 1
recon.recon(ct)
print('SECONDS', scanned - started, time.perf_counter() - scanned)
"""


def environment(name: str, *installs: list[str]) -> Path:
    """Return a virtual environment's folder; its packages are installed once."""
    folder = FOLDER / name
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        for packages in installs:
            subprocess.run([folder / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check",
                            *packages], check=True, timeout=900)
        (folder / "complete").touch()
    return folder


def coordinates(parts: int = 1) -> np.ndarray:
    """Return the middles of the pixels' parts in mm."""
    return ((np.arange(MATRIX * parts) + 0.5) / parts - MATRIX / 2) * PIXEL_MM


def head() -> np.ndarray:
    """Return the Shepp-Logan head (j, i), y to the back, every pixel the mean over 8 x 8 samples."""
    x = coordinates(8)[None, :]
    out = np.zeros((MATRIX, MATRIX))
    for j in range(MATRIX):
        y = coordinates(8)[8 * j:8 * j + 8, None]
        for density, a, b, x0, y0, angle in SHEPP_LOGAN:
            cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
            u, v = x - x0 * HALF_MM, y - y0 * HALF_MM
            inside = ((u * cos + v * sin) / a) ** 2 + ((v * cos - u * sin) / b) ** 2 < HALF_MM**2
            out[j] += density * inside.reshape(8, MATRIX, 8).mean(axis=(0, 2))
    return out.astype(np.float32)


def head_sinogram(angles_rad: np.ndarray, edges_mm: np.ndarray) -> np.ndarray:
    """Return the closed form (view, channel) of its line integrals in cm, each the mean over a channel's width."""
    out = np.zeros((len(angles_rad), len(edges_mm) - 1))
    for density, a, b, x0, y0, angle in SHEPP_LOGAN:
        turned = angles_rad[:, None] - np.radians(angle)
        reach = HALF_MM * np.hypot(a * np.cos(turned), b * np.sin(turned))
        middle = HALF_MM * (x0 * np.cos(angles_rad) + y0 * np.sin(angles_rad))[:, None]
        s = np.clip((edges_mm[None] - middle) / reach, -1, 1)
        # the integral of the chord 2 a b sqrt(reach^2 - t^2) / reach^2 up to t
        area = density * HALF_MM**2 * a * b * (s * np.sqrt(1 - s**2) + np.arcsin(s))
        out += np.diff(area, axis=1) / np.diff(edges_mm) / 10
    return out


def rms(values: np.ndarray, truth: np.ndarray) -> float:
    """Return the root mean square difference over the root mean square of the truth."""
    return float(np.sqrt(np.mean((values - truth) ** 2) / np.mean(truth**2)))


class Ours:
    """Our projector and reconstruction of the same task."""

    def __init__(self, image: np.ndarray, sinogram: np.ndarray) -> None:
        self.machine, self.image, self.sinogram = scanner("parallel"), image, sinogram.astype(np.float32)

    def run(self, what: str, threads: int, lanes: int) -> tuple[float, np.ndarray]:
        """Return seconds per slice and the result, for `lanes` slices at once."""
        numba.set_num_threads(threads)
        maps = np.ascontiguousarray(np.repeat(self.image[:, :, None], lanes, axis=2))
        stack = np.repeat(self.sinogram[None], lanes, axis=0)
        corner, rays = (-MATRIX * PIXEL_MM / 2,) * 2, parallel_of(self.machine)
        started = time.perf_counter()
        if what == "project":
            out = project(maps, PIXEL_MM, corner, self.machine)
        else:
            out = back_projected(np.moveaxis(filtered(stack, rays.step_mm), 0, 2), rays, MATRIX, PIXEL_MM)
        seconds = (time.perf_counter() - started) / lanes
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        return seconds, out[:, :, 0]


class Astra:
    """The peer: a process of its own that answers with seconds and leaves its results in files."""

    def __init__(self, image: np.ndarray, sinogram: np.ndarray) -> None:
        # the CPU programs are linked against these two libraries, without which they do not load
        home = environment("astra", ["install", "numpy", "scipy"], [
            "install", "--no-deps", "astra-toolbox", "nvidia-cuda-runtime-cu12", "nvidia-cufft-cu12"])
        libraries = ":".join(str(path) for path in home.glob("lib/python*/site-packages/nvidia/*/lib"))
        self.folder = FOLDER / "astra-data"
        self.folder.mkdir(exist_ok=True)
        # its rows count from the top of a y axis that points up
        np.save(self.folder / "image.npy", image[::-1])
        np.save(self.folder / "sinogram.npy", sinogram.astype(np.float32))
        machine = scanner("parallel")
        numbers = [machine.views, machine.channels, machine.pitch_mm, PIXEL_MM]
        self.process = subprocess.Popen(
            [home / "bin" / "python", "-c", ASTRA, self.folder, *(str(number) for number in numbers)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "LD_LIBRARY_PATH": libraries})
        ready = self.process.stdout.readline().split()
        if not ready:
            raise subprocess.SubprocessError("astra-toolbox did not start")
        self.version = ready[1]

    def run(self, what: str, kind: str) -> tuple[float, np.ndarray]:
        """Return seconds and the result."""
        self.process.stdin.write(f"{kind} {what}\n")
        self.process.stdin.flush()
        seconds = float(self.process.stdout.readline())
        result = np.load(self.folder / f"{kind}_{what}.npy")
        return seconds, result if what == "project" else result[::-1]

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(timeout=30)


def compare_astra() -> None:
    """Print seconds and errors of parallel projection and reconstruction, 512 x 512 and 720 views x 720 channels."""
    image, machine = head(), scanner("parallel")
    sinogram = head_sinogram(machine.angles_rad(), machine.edges())
    ours, peer = Ours(image, sinogram), None
    try:
        peer = Astra(image, sinogram)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"astra-toolbox cannot be installed or run here ({error}); our own figures alone")
    cores = numba.config.NUMBA_NUM_THREADS
    runs = {f"medsynth, {threads} thread{'s'[:threads - 1]}, {lanes} slice{'s'[:lanes - 1]}": (threads, lanes)
            for threads in sorted({1, cores}) for lanes in (1, 8)}
    kinds = ("line", "linear", "strip") if peer else ()
    for threads, lanes in runs.values():  # compile, or load what is compiled
        ours.run("project", threads, lanes), ours.run("reconstruct", threads, lanes)
    results: dict[tuple[str, str], np.ndarray] = {}
    medians: dict[tuple[str, str], float] = {}
    for what, truth in (("project", sinogram), ("reconstruct", image)):
        seconds: dict[str, list[float]] = {}
        for _ in range(REPEATS):
            for kind in kinds:
                spent, results[what, f"astra {kind}"] = peer.run(what, kind)
                seconds.setdefault(f"astra {kind}", []).append(spent)
            for name, (threads, lanes) in runs.items():
                spent, results[what, name] = ours.run(what, threads, lanes)
                seconds.setdefault(name, []).append(spent)
        medians |= {(what, name): float(np.median(spent)) for name, spent in seconds.items()}
        report(what, {name: medians[what, name] for name in seconds}, results, truth)
    if peer:
        fastest = sum(min(medians[what, f"astra {kind}"] for kind in kinds) for what in ("project", "reconstruct"))
        print(f"\nboth together, share of the time of astra {peer.version}'s fastest (bar 0.333):")
        for name in runs:
            print(f"{name:34s}{(medians['project', name] + medians['reconstruct', name]) / fastest:12.3f}")
        first = next(iter(runs))
        print("ours against astra strip, relative RMS: sinogram "
              f"{rms(10 * results['project', first], results['project', 'astra strip']):.1e}, image "
              f"{rms(results['reconstruct', first], 10 * results['reconstruct', 'astra strip']):.1e}")
        peer.close()


def report(what: str, seconds: dict[str, float], results: dict, truth: np.ndarray) -> None:
    """Print one table; the peer's sinograms are in mm, its images in 1/mm of what is ours in cm."""
    fastest = min((value for name, value in seconds.items() if name.startswith("astra")), default=None)
    inner = np.hypot(coordinates()[None, :], coordinates()[:, None]) < 0.5 * HALF_MM
    print(f"\n{what:34s}{'s per slice':>12s}{'x astra':>9s}   relative RMS error against the closed form")
    for name, value in seconds.items():
        scale = (0.1 if what == "project" else 10.0) if name.startswith("astra") else 1.0
        result = scale * results[what, name]
        ratio = f"{value / fastest:9.3f}" if fastest else 9 * " "
        error = f"{rms(result, truth):.2e}"
        if what == "reconstruct":
            error += f", inner half {rms(result[inner], truth[inner]):.2e}, mean {result[inner].mean():.5f} " \
                     f"(true {truth[inner].mean():.5f})"
        print(f"{name:34s}{value:12.3f}{ratio}   {error}")


def water_body(slices: int) -> Phantom:
    """Return an ellipse of water, 340 x 250 mm."""
    x = coordinates() * 0.9
    labels = np.repeat((np.hypot(x[None] / 170, x[:, None] / 125) < 1).astype(np.uint16)[None], slices, axis=0)
    empty = np.zeros(labels.shape, np.uint16)
    return Phantom(Grid.centred(labels.shape, (1.0, 0.9, 0.9)), labels, empty, empty.astype(np.uint8),
                   empty.astype(np.int16), (Structure("water", 1, "water", Code("0", "water")),))


def our_slice() -> float:
    """Return seconds per slice of 984 views x 900 channels with everything on, all cores, in runs of eight slices."""
    protocol, body = CtProtocol(fidelity="physics", physics=PhysicsOptions(), mas=200), water_body(8)
    scan, outputs = prepare(body, body.grid, protocol, seed=Seed(0)), outputs_of(protocol)
    started = time.perf_counter()
    tier.volumes(scan, body, outputs)
    return (time.perf_counter() - started) / 8


def gecatsim_slice(samples: int) -> tuple[float, float]:
    """Return gecatsim's seconds for one slice: scan, reconstruction. Its source archive carries a built library."""
    home = environment("gecatsim", ["install", "numpy<2.3", "scipy", "matplotlib", "tqdm", "pydicom"], [
        "download", "--no-deps", "--no-binary", ":all:", "-d", str(FOLDER / "gecatsim"), "gecatsim"])
    for archive in home.glob("gecatsim-*.tar.gz"):
        with tarfile.open(archive) as file:
            file.extractall(home, filter="data")
        archive.unlink()
    source = next(path for path in home.glob("gecatsim-*") if path.is_dir())
    folder = FOLDER / "gecatsim-data"
    folder.mkdir(exist_ok=True)
    water_body(1).labels.astype(np.float32).tofile(folder / "water.raw")
    done = subprocess.run([home / "bin" / "python", "-c", GECATSIM, str(MATRIX), "0.9", str(samples), "984"],
                          cwd=folder, env={**os.environ, "PYTHONPATH": str(source)}, capture_output=True, text=True,
                          check=True, timeout=900)
    line = next(line for line in done.stdout.splitlines() if line.startswith("SECONDS"))
    return tuple(float(part) for part in line.split()[1:])


def compare_gecatsim() -> None:
    """Print seconds for one slice, 512 x 512, 984 views x 900 channels, polychromatic, with noise."""
    our_slice()
    print("\none slice, 984 views x 900 channels, 512 x 512, polychromatic, noise, reconstruction")
    for samples, words in ((1, "one sample per cell and view"), (2, "its own default of 2 x 2 x 2 x 2 x 2 samples")):
        before = our_slice()
        try:
            scan_s, image_s = gecatsim_slice(samples)
        except (subprocess.SubprocessError, OSError, StopIteration) as error:
            print(f"gecatsim cannot be built or run here ({error}); others report {REPORTED_S[0]}-{REPORTED_S[1]} s "
                  f"per slice (unverified, not measured here). medsynth: {before:.2f} s")
            return
        ours = (before + our_slice()) / 2
        print(f"gecatsim, {words}: {scan_s:.1f} + {image_s:.1f} s; medsynth {ours:.2f} s: 1/"
              f"{(scan_s + image_s) / ours:.0f}")


def main() -> None:
    """Compare with the peers named on the command line, all of them by default."""
    wanted = sys.argv[1:] or ["astra", "gecatsim"]
    FOLDER.mkdir(exist_ok=True)
    if "astra" in wanted:
        compare_astra()
    if "gecatsim" in wanted:
        compare_gecatsim()


if __name__ == "__main__":
    main()
