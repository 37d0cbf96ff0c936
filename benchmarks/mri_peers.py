"""MR beside other programs: MRzeroCore (images of a whole scan) and TorchIO (random contrast for training).

`python benchmarks/mri_peers.py [mrzero] [torchio]`. Peers are installed from PyPI into a virtual environment below the
temporary folder and run as programs of their own (MRzeroCore is AGPL: nothing here imports it). `MEDSYNTH_PEERS` names
a folder with such an environment. Without a network the peer is left out.

mrzero: a slice of 24 x 24 pixels of an object of three tissues, off-resonance and T2' included, spin echo and FLASH
(RF-spoiled), from the same voxels; the figure is the NRMSE of the magnitude after one common scale.
Tissues of long T2 are left out: FLASH of one with T2 0.3 s and T2' 0.06 s came out 40 % darker there, for a reason
that is not settled (T2' along the coherences of many repetitions, or 40 dummy repetitions that are not enough).
torchio: an image of random contrast, bias field and motion from one label map of 128^3, repeated in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

from medsynth.acquire.mri.clock import Timing, make_clock
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import object_grid, plan
from medsynth.acquire.mri.engine import acquire_kspace
from medsynth.acquire.mri.epg import spoiled_gradient_echo
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.acquire.mri.protocol import RandomContrast
from medsynth.acquire.mri.random_contrast import degraded, intensities, sample_draw
from medsynth.acquire.mri.signals import spin_echo
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure

FOLDER = Path(os.environ.get("MEDSYNTH_PEERS", Path(tempfile.gettempdir()) / "medsynth-peers-mri"))
N, FINER, FOV_MM = 24, 2, 192.0
PD, T1_S, T2_S, T2DASH_S = (0.8, 0.7, 1.0), (1.56, 0.83, 0.37), (0.083, 0.075, 0.05), (0.32, 0.18, 0.06)
SE = {"kind": "se", "tr_s": 0.6, "te_s": 0.02, "flip_deg": 90.0, "dwell_s": 2e-4, "dummies": 2}
FLASH = {"kind": "flash", "tr_s": 0.02, "te_s": 0.008, "flip_deg": 25.0, "dwell_s": 2e-4, "dummies": 40}
BARS = {"se": 0.01, "flash": 0.02}
MRZERO = """
import json, sys, numpy as np, torch, MRzeroCore as mr0
folder = sys.argv[1]
p = json.load(open(folder + '/sequence.json'))
d = {k: torch.as_tensor(v, dtype=torch.float32) for k, v in np.load(folder + '/object.npz').items()}
n, fov, h = p['n'], p['fov_m'], p['voxel_m']
data = mr0.CustomVoxelPhantom(pos=d['pos'], PD=d['pd'], T1=d['t1'], T2=d['t2'], T2dash=d['t2dash'],
                              D=torch.zeros_like(d['pd']), B0=d['b0'], B1=torch.ones_like(d['pd']),
                              voxel_size=[h, h, 0.005], voxel_shape='box').build()
seq = mr0.Sequence(normalized_grads=False)
rows = [n // 2] * p['dummies'] + list(range(n))
half = n // 2 * p['dwell_s']
for shot, row in enumerate(rows):
    y, measured = (row - n // 2) / fov, shot >= p['dummies']
    def readout(rep, first, spoil, rest):
        for s in range(n):
            rep.event_time[first + s] = p['dwell_s']
            rep.gradm[first + s, 0] = 1 / fov
            rep.adc_usage[first + s] = 1 if measured else 0
        rep.event_time[first + n] = rest
        rep.gradm[first + n, 0] = spoil - (n // 2 - 1) / fov
        rep.gradm[first + n, 1] = -y
    if p['kind'] == 'se':
        rep = seq.new_rep(1)
        rep.pulse.usage, rep.pulse.angle, rep.pulse.phase = mr0.PulseUsage.EXCIT, np.pi / 2, np.pi / 2
        rep.event_time[0] = p['te_s'] / 2
        rep.gradm[0, 0], rep.gradm[0, 1] = (n // 2 + 1) / fov, -y
        rep = seq.new_rep(n + 2)
        rep.pulse.usage, rep.pulse.angle = mr0.PulseUsage.REFOC, np.pi
        rep.event_time[0] = p['te_s'] / 2 - half - p['dwell_s']
        readout(rep, 1, 4 / h, p['tr_s'] - p['te_s'] - half + p['dwell_s'])
        rep.adc_phase[:] = np.pi / 2
    else:
        phase = np.deg2rad(117.0) * shot * (shot + 1) / 2
        rep = seq.new_rep(n + 2)
        rep.pulse.usage, rep.pulse.angle, rep.pulse.phase = mr0.PulseUsage.EXCIT, np.deg2rad(p['flip_deg']), phase
        rep.event_time[0] = p['te_s'] - half - p['dwell_s']
        rep.gradm[0, 0], rep.gradm[0, 1] = -(n // 2 + 1) / fov, y
        readout(rep, 1, 2 / h, p['tr_s'] - p['te_s'] - half + p['dwell_s'])
        rep.adc_phase[:] = np.pi / 2 - phase
graph = mr0.compute_graph(seq, data, 400, 1e-4)
signal = mr0.execute_graph(graph, seq, data, 1e-4, 1e-4, print_progress=False)
np.save(folder + '/signal.npy', signal.numpy().reshape(n, n))
"""
TORCHIO = """
import sys, time, numpy as np, torch, torchio as tio
folder = sys.argv[1]
labels = torch.as_tensor(np.load(folder + '/labels.npy').astype(np.int16))[None]
subject = tio.Subject(labels=tio.LabelMap(tensor=labels))
make = tio.RandomLabelsToImage(label_key='labels', image_key='image', mean=[(0.1, 0.9)] * 21, std=[(0.02, 0.1)] * 21,
                               used_labels=list(range(21)), ignore_background=False)
moved, biased = tio.RandomMotion(num_transforms=2), tio.RandomBiasField()
print('ready', tio.__version__, flush=True)
for line in sys.stdin:
    started = time.perf_counter(), time.process_time()
    done = make(subject)
    if line.strip() == 'motion':
        done = moved(done)
    done = biased(done)
    done['image'].data.sum()
    print(time.perf_counter() - started[0], time.process_time() - started[1], flush=True)
"""


def python_with(*packages: str) -> Path | None:
    """Return the interpreter of an environment that holds the packages, None where they cannot be had."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        venv.create(FOLDER, with_pip=True)
    for package in packages:
        done = subprocess.run([python, "-m", "pip", "install", "-q", package], capture_output=True, text=True)
        if done.returncode:
            print(f"{package} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
            return None
    return python


def slice_object(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return tissue numbers (0 outside, 1 to 3) and off-resonance in Hz, (1, j, i)."""
    x, y = grid.points_mm()[..., 0], grid.points_mm()[..., 1]
    tissue = np.where((x / 70) ** 2 + (y / 84) ** 2 < 1, 1, 0)
    tissue[(x / 50) ** 2 + ((y + 6) / 62) ** 2 < 1] = 2
    tissue[((x - 14) / 12) ** 2 + (y / 24) ** 2 < 1] = 3
    return tissue, (25 * np.sin(x / 40) + 0.15 * y).astype(np.float32)


def ours(sequence: dict[str, float], tissue: np.ndarray, b0_hz: np.ndarray, grid: Grid, options: KspaceOptions,
         image: Grid) -> np.ndarray:
    """Return our magnitude image of the slice."""
    t1, t2, t2dash, pd = (np.array(v) for v in (T1_S, T2_S, T2DASH_S, PD))
    if sequence["kind"] == "se":
        signal, dephasing = pd * spin_echo(t1, t2, tr_s=sequence["tr_s"], te_s=sequence["te_s"]), 0.0
    else:
        star = 1 / (1 / t2 + 1 / t2dash)
        flip = float(np.deg2rad(sequence["flip_deg"]))
        start = spoiled_gradient_echo(t1, t2, tr_s=sequence["tr_s"], flip_rad=flip, increment_deg=117.0)
        signal = pd * start * np.exp(-sequence["te_s"] / star)
        dephasing = sequence["te_s"]
    encoding = plan(image, options, dimensions=2, field_T=3.0, bandwidth_hz_px=1 / (N * sequence["dwell_s"]),
                    dephasing_s=dephasing, thickness_mm=5.0, slice_bandwidth_hz=1e9)
    clock = make_clock(encoding, Timing(sequence["tr_s"]), options)
    table = np.concatenate([[0.0], signal])
    part = Component(table[tissue].astype(np.complex64), np.ones(clock.lines, np.complex64))
    return acquire_kspace([part], encoding, clock, options, grid=grid, body=tissue > 0, b0_hz=b0_hz,
                          seed=Seed(1)).magnitude[0]


def mrzero() -> None:
    """Compare spin echo and FLASH images."""
    import json

    python = python_with("torch==2.13.0", "MRzeroCore>=1.2")
    if python is None:
        return
    options = KspaceOptions.model_validate({"noise": {"snr_density": None}, "sampling": {
        "object_oversampling": FINER, "readout_oversampling": 1, "aperture_correction": False, "slice_samples": 1}})
    image = Grid.centred((1, N, N), (5.0, FOV_MM / N, FOV_MM / N))
    encoding = plan(image, options, dimensions=2, field_T=3.0, bandwidth_hz_px=200.0, thickness_mm=5.0)
    grid = object_grid(encoding, options, (-90, -90, -2.4), (90, 90, 2.4))
    tissue, b0 = slice_object(grid)
    used = tissue > 0
    for sequence in (SE, FLASH):
        with tempfile.TemporaryDirectory() as folder:
            rows = tissue[used] - 1
            # the pixel n // 2 of k-space's origin lies at the middle of a pixel, half a pixel off the grid's middle
            np.savez(folder + "/object.npz", pos=(grid.points_mm()[used] - (FOV_MM / N / 2, FOV_MM / N / 2, 0)) / 1000,
                     pd=np.array(PD)[rows], t1=np.array(T1_S)[rows], t2=np.array(T2_S)[rows],
                     t2dash=np.array(T2DASH_S)[rows], b0=b0[used])
            Path(folder, "sequence.json").write_text(json.dumps(sequence | {
                "n": N, "fov_m": FOV_MM / 1000, "voxel_m": grid.spacing_mm[2] / 1000}))
            started = time.perf_counter()
            subprocess.run([python, "-c", MRZERO, folder], check=True)
            peer_s = time.perf_counter() - started
            k = np.load(folder + "/signal.npy")
        theirs = np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k))))
        started = time.perf_counter()
        found = ours(sequence, tissue, b0, grid, options, image)
        our_s = time.perf_counter() - started
        scale = (theirs * found).sum() / (theirs**2).sum()
        error = float(np.sqrt(((scale * theirs - found) ** 2).sum() / (found**2).sum()))
        print(f"mrzero {sequence['kind']}: NRMSE {100 * error:.2f} % (bar {100 * BARS[sequence['kind']]:g} %); "
              f"{peer_s:.1f} s there, {our_s:.2f} s here", flush=True)


def nested(count: int) -> Phantom:
    """Return 20 nested and scattered ellipsoids in 128^3 voxels of 1.5 mm."""
    grid = Grid.centred((count,) * 3, (192 / count,) * 3)
    points = grid.points_mm().astype(np.float32)
    labels = np.zeros(grid.shape_kji, np.uint16)
    rng = np.random.default_rng(1)
    for n in range(20):
        semi, centre = (90 - 8 * n, rng.uniform(-3, 3, 3)) if n < 8 else (rng.uniform(8, 20), rng.uniform(-35, 35, 3))
        labels[(((points - centre) / semi) ** 2).sum(axis=-1) < 1] = n + 1
    empty = np.zeros(labels.shape, np.uint16)
    structures = tuple(Structure(f"part_{n}", n + 1, "skeletal_muscle", Code("0", f"part {n}")) for n in range(20))
    return Phantom(grid, labels, empty, empty.astype(np.uint8), empty.astype(np.int16), structures)


def random_image(phantom: Phantom, seed: Seed, *, motion: bool) -> np.ndarray:
    """Return an image of random contrast and bias, with two movements of the patient in k-space on request."""
    draw = sample_draw(phantom, RandomContrast(per="structure", native_chance=1.0), rng=seed.child("draw").rng())
    image = intensities(phantom, draw, seed.child("noise").rng().standard_normal(phantom.grid.shape_kji, np.float32))
    if motion:
        options = KspaceOptions.model_validate({"noise": {"snr_density": None}, "motion": {
            "pattern": "sudden", "events": 2, "rotation_deg": 10, "translation_mm": 10, "poses": 3},
            "sampling": {"readout_oversampling": 1, "aperture_correction": False}})
        encoding = plan(phantom.grid, options, dimensions=3, field_T=3.0, bandwidth_hz_px=200.0)
        half = 96.0 - 1e-6
        grid = object_grid(encoding, options.model_copy(update={"motion": KspaceOptions().motion}), (-half,) * 3,
                           (half,) * 3)
        clock = make_clock(encoding, Timing(0.01), options)
        part = Component(image.astype(np.complex64), np.ones(clock.lines, np.complex64))
        image = acquire_kspace([part], encoding, clock, options, grid=grid, body=phantom.labels > 0,
                               seed=seed).magnitude
    return degraded(image, phantom, draw, (float(image.min()), float(image.max())))


def torchio() -> None:
    """Compare the time of training images."""
    python = python_with("torch==2.13.0", "torchio")
    if python is None:
        return
    phantom = nested(128)
    with tempfile.TemporaryDirectory() as folder:
        np.save(folder + "/labels.npy", phantom.labels)
        peer = subprocess.Popen([python, "-W", "ignore", "-c", TORCHIO, folder], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        print("torchio", peer.stdout.readline().strip())
        for kind in ("plain", "motion"):
            theirs, own = [], []
            for turn in range(4):
                peer.stdin.write(kind + "\n")
                peer.stdin.flush()
                theirs.append([float(x) for x in peer.stdout.readline().split()])
                started = time.perf_counter(), time.process_time()
                random_image(phantom, Seed(turn), motion=kind == "motion")
                own.append([time.perf_counter() - started[0], time.process_time() - started[1]])
            a, b = np.median(theirs[1:], axis=0), np.median(own[1:], axis=0)
            print(f"{kind}: theirs {a[0]:.2f} s wall {a[1]:.2f} s CPU, ours {b[0]:.2f} s wall {b[1]:.2f} s CPU, "
                  f"ratio {b[0] / a[0]:.2f} wall {b[1] / a[1]:.2f} CPU (bar 0.33)")
        peer.stdin.close()
        peer.wait(30)


if __name__ == "__main__":
    for case in sys.argv[1:] or ("mrzero", "torchio"):
        {"mrzero": mrzero, "torchio": torchio}[case]()
