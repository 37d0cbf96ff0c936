"""A third party's distribution: a body of two balls, and a scanner that takes milliseconds.

Worker processes find it as any installed package: through its entry point, on the path that they inherit.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.dataset.tables import MODALITIES, Modality
from medsynth.scene.acquired import Acquired
from medsynth.scene.phantom import Phantom
from medsynth.scene.projection import Projection, Shadow
from medsynth.scene.structure import Code, Layer, Paint, Scene, Structure
from medsynth.shapes.primitives import Ellipsoid

BODY_LABEL, BALL_LABEL = 1, 2
STRUCTURES = (
    Structure("body", BODY_LABEL, "water", Code("279495008", "Human body structure")),
    Structure("ball", BALL_LABEL, "liver", Code("10200004", "Liver structure")),
)


class TwoBalls:
    name = "two_balls"
    description = "Two balls, for tests"
    scan_ranges = ("all",)

    def structures(self) -> tuple[Structure, ...]:
        return STRUCTURES

    def sample_spec(self, subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        return {"radius_mm": float(rng.uniform(8, 12))}

    def build(self, subject, spec: Mapping[str, Any]) -> Scene:
        radius = spec["radius_mm"]
        big = Ellipsoid((0.0, 0.0, 0.0), (40.0, 30.0, 25.0))
        small = Ellipsoid((10.0, 0.0, 0.0), (radius, radius, radius))
        return Scene(
            body=self.name, origin="its middle", subject=subject, structures=STRUCTURES,
            paints=(Paint(big, (Layer(BODY_LABEL),)), Paint(small, (Layer(BALL_LABEL),))),
            fields={"body": big, "ball": small}, vessels={}, landmarks={"middle": (0.0, 0.0, 0.0)},
            bounds_mm=((-40.0, -30.0, -25.0), (40.0, 30.0, 25.0)), scan_range_mm={"all": (-25.0, 25.0)})


class StubProtocol(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    modality: Literal["stub"] = "stub"
    kvp: float = Field(default=120, gt=0)
    voxel_mm: float = Field(default=4, gt=0)
    noise_hu: float = Field(default=20, ge=0)
    slow_s: float = 0
    fails: Literal["", "input", "fault", "death", "death once", "space"] = ""
    mark: str = ""
    failing_index: int = 1


def acquire(scene: Scene, lesions, protocol: StubProtocol, *, seed, twin: bool = False, progress=None) -> Acquired:
    time.sleep(protocol.slow_s)
    if protocol.fails and str(protocol.failing_index) == seed.path[1]:
        if protocol.fails == "death once":
            _die_once(Path(protocol.mark))
        else:
            _fail(protocol.fails)
    grid = Grid.covering(*scene.bounds_mm, (protocol.voxel_mm,) * 3)
    points = grid.points_mm()
    labels = np.zeros(grid.shape_kji, np.uint16)
    for paint in scene.paints:
        labels[paint.shape.distance_mm(points) < 0] = paint.layers[0].label
    empty = np.zeros(grid.shape_kji)
    phantom = Phantom(grid, labels, empty.astype(np.uint16), empty.astype(np.uint8), empty.astype(np.int16), STRUCTURES)
    noise = seed.child("noise").rng().normal(0, protocol.noise_hu, grid.shape_kji)
    hu = np.choose(labels, [-1000, 0, 60]) + noise
    image = Volume(np.rint(hu).astype(np.int16), grid, "HU")
    record = ScannerRecord("CT", "Stub", {"KVP": protocol.kvp}, (40.0, 400.0))
    return Acquired(image, phantom, phantom, image if twin else None, record, protocol.model_dump(mode="json"))


class FlatProtocol(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    modality: Literal["flat"] = "flat"
    pixel_mm: float = Field(default=2, gt=0)
    thickness: bool = False


def ball_thickness_mm(grid: Grid, middle_x: float, half_mm: tuple[float, float, float]) -> np.ndarray:
    """Return how long rays along y run in an ellipsoid, (rows, columns) float32: its chord."""
    x, _, z = np.moveaxis(grid.points_mm()[0], -1, 0)
    inside = 1 - ((x - middle_x) / half_mm[0]) ** 2 - (z / half_mm[2]) ** 2
    return (2 * half_mm[1] * np.sqrt(np.maximum(inside, 0))).astype(np.float32)


def acquire_flat(scene: Scene, lesions, protocol: FlatProtocol, *, seed, twin: bool = False, progress=None) -> Acquired:
    """A shadow from the front: rows go to the feet, columns to the patient's left, behind the body."""
    rows, columns = round(60 / protocol.pixel_mm), round(90 / protocol.pixel_mm)
    grid = Grid.centred((1, rows, columns), (1.0, protocol.pixel_mm, protocol.pixel_mm), (0.0, 60.0, 0.0),
                        ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0)))
    phantom = acquire(scene, (), StubProtocol(), seed=seed).phantom
    radius = scene.fields["ball"].bounds_mm()[1][2]
    thickness = {"body": ball_thickness_mm(grid, 0.0, (40, 30, 25)),
                 "ball": ball_thickness_mm(grid, 10.0, (radius,) * 3)}
    noise = seed.child("noise").rng().normal(0, 5, (rows, columns))
    values = np.clip(1000 + 30 * (thickness["body"] + thickness["ball"]) + noise, 0, 4095).astype(np.uint16)[None]
    record = ScannerRecord("DX", "Flat", {"KVP": 80.0, "BodyPartExamined": "ABDOMEN", "BitsStored": 12},
                           (2500.0, 3500.0))
    raw = ScannerRecord("DX", "Flat readings", {**record.attributes, "PresentationIntentType": "FOR PROCESSING"},
                        (2500.0, 3500.0))
    image = Volume(values, grid, "P-value")
    pairs = {"for_processing": (Volume(np.uint16(4095) - values, grid, "reading"), raw),
             "noise_free": (Volume(values.astype(np.float32), grid, "P-value"), record)}
    projection = Projection({name: Shadow((0, 0), mm) for name, mm in thickness.items()},
                            keypoints={"middle": (grid.shape_kji[1] / 2 - 0.5, grid.shape_kji[2] / 2 - 0.5)},
                            measures={"ball_share": radius / 40})
    return Acquired(image, phantom, phantom, image if twin else None, record,
                    {"protocol": protocol.model_dump(mode="json")}, pairs=pairs, projection=projection)


class EchoProtocol(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    modality: Literal["echo"] = "echo"


def acquire_echo(scene: Scene, lesions, protocol: EchoProtocol, *, seed, twin: bool = False, progress=None) -> Acquired:
    """Two echoes and a map on one grid."""
    phantom = acquire(scene, (), StubProtocol(), seed=seed).phantom

    def echo(te_ms: float) -> tuple[Volume, ScannerRecord]:
        values = np.rint(np.choose(phantom.labels, [0, 900, 700]) * np.exp(-te_ms / 80)).astype(np.uint16)
        told = {"EchoTime": te_ms, "RepetitionTime": 3000.0, "BodyPartExamined": "ABDOMEN"}
        record = ScannerRecord("MR", f"echo of {te_ms:g} ms", told, (450.0, 900.0))
        return Volume(values, phantom.grid, "signal"), record

    image, record = echo(10.0)
    t2 = Volume(np.full(phantom.grid.shape_kji, 80, np.float32), phantom.grid, "T2_ms")
    pairs = {"echo_2": echo(50.0), "map_t2": (t2, record)}
    return Acquired(image, phantom, phantom, image if twin else None, record, protocol.model_dump(mode="json"),
                    pairs=pairs)


def _die_once(mark: Path) -> None:
    if not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), 9)


def _fail(how: str) -> None:
    if how == "input":
        raise PlacementError("diameter_mm must be smaller than its host, got 300.0")
    if how == "death":
        os._exit(9)
    if how == "space":
        raise OSError(28, os.strerror(28))
    raise ZeroDivisionError("a fault of the program")


STUB = Modality("A stub", lambda: StubProtocol, lambda: acquire, tuple)
FLAT = Modality("A stub of a projection", lambda: FlatProtocol, lambda: acquire_flat, tuple, projection=True)
ECHO = Modality("A stub of echoes", lambda: EchoProtocol, lambda: acquire_echo, tuple)
if multiprocessing.parent_process() is not None or os.environ.get("TWO_BALLS_STUB"):  # else the fixture does it
    MODALITIES["stub"], MODALITIES["flat"], MODALITIES["echo"] = STUB, FLAT, ECHO
BODY = TwoBalls()
