"""Line integrals of radiographs beside DiffDRR: time and values, on the same volume and rays, in one run.

`python benchmarks/xray_peers.py [--size 256] [--python PATH]`. DiffDRR is installed from PyPI into a virtual
environment of its own below the temporary folder, or taken from the interpreter given, and runs as its own program.
Repetitions alternate between DiffDRR (Siddon's method and trilinear sampling) and us; figures are medians of wall time
and of CPU time, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
from scipy import ndimage

from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.project import volume_lengths
from medsynth.core.grid import Grid

FOLDER = Path(tempfile.gettempdir()) / "medsynth-peers"
SID_MM, VOXEL_MM, REPEATS = 1200.0, 1.4, 3
BAR = 1 / 50  # of DiffDRR's trilinear time
PEER = """
import sys, time
import numpy as np, torch
from torchio import LabelMap, ScalarImage, Subject
from diffdrr.data import read
from diffdrr.drr import DRR
folder, size, pixels, voxel, sid, pixel = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:7])
torch.set_num_threads(int(sys.argv[7]))
volume = torch.from_numpy(np.load(folder + '/volume.npy').transpose(2, 1, 0).copy())[None]
affine = np.diag([voxel, voxel, voxel, 1.0])
affine[:3, 3] = -voxel * (size - 1) / 2
subject = read(ScalarImage(tensor=volume, affine=affine), center_volume=True, orientation='AP')
subject.density.set_data(volume)
made = {}
for kind in ('trilinear', 'siddon'):
    made[kind] = DRR(subject, sdd=sid, height=pixels, delx=pixel, renderer=kind)
rotation, shift = torch.zeros(1, 3), torch.tensor([[0.0, 0.8 * sid, 0.0]])
print('ready', torch.__version__, flush=True)
for line in sys.stdin:
    kind = line.strip()
    start, cpu = time.perf_counter(), time.process_time()
    with torch.no_grad():
        more = {'n_points': 500} if kind == 'trilinear' else {}
        image = made[kind](rotation, shift, parameterization='euler_angles', convention='ZXY', **more)
    took, used = time.perf_counter() - start, time.process_time() - cpu
    np.save(folder + '/' + kind + '.npy', image[0, 0].numpy())
    print(took, used, flush=True)
"""


def interpreter() -> str | None:
    """Return a Python that has DiffDRR, or None where it cannot be installed."""
    place = FOLDER / "diffdrr"
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    for needed in (["torch"], ["diffdrr"]):
        if subprocess.run([str(python), "-m", "pip", "install", "-q", *needed], check=False).returncode:
            return None
    return str(python)


def body(size: int) -> np.ndarray:
    """Return a soft volume (k, j, i) in 1/cm: ellipsoids of water, lung and bone, edges as smooth as voxels allow."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, size)] * 3, indexing="ij")
    out = np.zeros((size,) * 3)
    for value, middle, radii in ((0.2, (0, 0, 0), (0.8, 0.55, 0.9)), (-0.15, (0.35, 0, 0.1), (0.28, 0.4, 0.5)),
                                 (-0.15, (-0.35, 0, 0.1), (0.28, 0.4, 0.5)), (0.2, (0, 0.4, 0), (0.08, 0.08, 0.8))):
        inside = sum(((a - m) / r) ** 2 for a, m, r in zip((x, y, z), middle, radii, strict=True))
        out += value * (inside < 1)
    return ndimage.gaussian_filter(out, 1.0).astype(np.float32)


def main() -> None:
    """Print both times side by side, and how far the images differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--python", help="an interpreter that has diffdrr")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    python = options.python or interpreter()
    volume = body(options.size)
    np.save(FOLDER / "volume.npy", volume)
    pixel_mm = 1.5 * options.size * VOXEL_MM / options.pixels
    grid = Grid.centred(volume.shape, (VOXEL_MM,) * 3)
    geometry = Geometry.facing((0, 0.8 * SID_MM, 0), (0, -0.2 * SID_MM, 0), (0, 0, -1), pixel_mm, (options.pixels,) * 2)
    ours: dict[str, list[tuple[float, float]]] = {"lattice": [], "every ray": []}
    images = {}

    def run(name: str) -> None:
        start, cpu = time.perf_counter(), time.process_time()
        images[name] = volume_lengths(volume, grid, geometry, lattice_voxels=0.5 if name == "lattice" else 0.0)
        ours[name].append((time.perf_counter() - start, time.process_time() - cpu))

    for name in ours:  # compiles
        run(name)
        ours[name].clear()
    peers: dict[str, list[tuple[float, float]]] = {"trilinear": [], "siddon": []}
    if python:
        arguments = [FOLDER, options.size, options.pixels, VOXEL_MM, SID_MM, pixel_mm, options.threads]
        peer = subprocess.Popen([python, "-c", PEER, *map(str, arguments)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        assert peer.stdin
        assert peer.stdout
        line = peer.stdout.readline()
        while line and not line.startswith("ready"):
            line = peer.stdout.readline()
        print(f"DiffDRR, torch {line.split()[-1]}, {options.threads} threads")
    for _ in range(REPEATS):
        for name in ours:
            run(name)
        for name in peers if python else ():
            peer.stdin.write(name + "\n")
            peer.stdin.flush()
            wall, cpu = map(float, peer.stdout.readline().split())
            peers[name].append((wall, cpu))
    print(f"{options.size}^3 voxels, {options.pixels}^2 pixels; medians of {REPEATS}: wall s, CPU s")
    table = {name: np.median(times, axis=0) for name, times in (ours | peers).items() if times}
    for name, (wall, cpu) in table.items():
        print(f"  {name:12}{wall:9.3f}{cpu:9.3f}")
    if not python:
        print("DiffDRR could not be installed")
        return
    peer.stdin.close()
    for name in ours:
        ratio = table[name] / table["trilinear"]
        print(f"  {name} over DiffDRR trilinear: 1/{1 / ratio[0]:.0f} wall, 1/{1 / ratio[1]:.0f} CPU "
              f"(bar 1/{1 / BAR:.0f}: {'met' if ratio[1] <= BAR else 'MISSED'})")
    for name in peers:
        theirs = np.load(FOLDER / f"{name}.npy")
        best = min(np.sqrt(np.mean((turned / 10 - images["every ray"]) ** 2))
                   for turned in (theirs, theirs[:, ::-1], theirs[::-1], theirs[::-1, ::-1]))
        print(f"  every ray against {name}: RMSE {best / images['every ray'].mean():.2%} of the mean")


if __name__ == "__main__":
    sys.exit(main())
