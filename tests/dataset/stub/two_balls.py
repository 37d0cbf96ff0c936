"""A third party's distribution: a body of two balls, and a scanner that takes milliseconds.

Worker processes find it as any installed package: through its entry point, on the path that they inherit.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping
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
    fails: Literal["", "input", "fault", "death", "space"] = ""
    failing_index: int = 1


def acquire(scene: Scene, lesions, protocol: StubProtocol, *, seed, twin: bool = False, progress=None) -> Acquired:
    time.sleep(protocol.slow_s)
    if protocol.fails and str(protocol.failing_index) == seed.path[1]:
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


def _fail(how: str) -> None:
    if how == "input":
        raise PlacementError("diameter_mm must be smaller than its host, got 300.0")
    if how == "death":
        os._exit(9)
    if how == "space":
        raise OSError(28, os.strerror(28))
    raise ZeroDivisionError("a fault of the program")


STUB = Modality("A stub", lambda: StubProtocol, lambda: acquire, tuple)
if multiprocessing.parent_process() is not None or os.environ.get("TWO_BALLS_STUB"):  # else the fixture does it
    MODALITIES["stub"] = STUB
BODY = TwoBalls()
