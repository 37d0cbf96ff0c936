"""A radiograph: the scene in its place, an exposure, the image to read, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.xray.chain import Exposure, expose
from medsynth.acquire.xray.detector import Detector, detector, in_values, response
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.looks import looks
from medsynth.acquire.xray.markers import Marker, side_marker
from medsynth.acquire.xray.plates import side_of, stand_plates
from medsynth.acquire.xray.positioning import Stand, corners_of, draw_errors, stand, stand_free, vector
from medsynth.acquire.xray.processing import Field, find_field, present
from medsynth.acquire.xray.project import Device
from medsynth.acquire.xray.protocol import XrayProtocol
from medsynth.acquire.xray.record import for_processing, processed_otherwise, scanner_record
from medsynth.acquire.xray.scatter import scatter_grid
from medsynth.acquire.xray.source import Technique, beam_of, fluence
from medsynth.acquire.xray.truth import Readings, projected_truth
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import AXIAL, Grid, as_direction
from medsynth.core.progress import silent
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.posture import posed
from medsynth.scene.rasterize import Voxelise, rasterize, with_lesions
from medsynth.scene.structure import Lesion, Posture, Scene

MARGIN_MM = 6.0  # of the voxels beyond the beam
PLATE_MM = 1.0  # and beyond the plates of a compression
FRONTAL = ("PA", "AP")
P_VALUE, READING = "P-value", "exposure"
# Pressure under the paddle of about 10 kPa over the area that it touches is usual (doi:10.1118/1.4820537, unverified).
PADDLE_N_PER_MM2 = 0.010


@dataclass(frozen=True, eq=False)
class _Setup:
    """Everything that one radiograph is made with."""

    protocol: XrayProtocol
    stand: Stand
    technique: Technique
    detector: Detector
    side: str
    marker: Marker | None
    posture: Posture | None

    @property
    def between_mm(self) -> tuple[float, float]:
        """Distances from the source between which the body lies: of the plates where there are some."""
        if self.posture is None:
            return 0.0, self.stand.geometry.sid_mm
        return self.stand.skin_mm - PLATE_MM, self.stand.skin_mm + self.posture.thickness_mm + PLATE_MM

    @property
    def pixel_mm(self) -> float:
        return self.stand.geometry.pixel_mm


def acquire_xray(scene: Scene, lesions: Sequence[Lesion], protocol: XrayProtocol, *, seed: Seed, twin: bool = False,
                 progress: Callable[[float], None] | None = None, voxelise: Voxelise = rasterize) -> Acquired:
    """Take a radiograph of a scene.

    Parameters
    ----------
    lesions : inserted before the physics.
    seed : of this acquisition: `positioning`, `marker` and the noise have streams of their own below it.
    twin : also give the image of the same exposure without the lesions.
    progress : called with the share of the work that is done.
    voxelise : what puts the healthy scene on a grid; it may give voxels that somebody else made, on a grid of theirs.

    Returns
    -------
    The image in P-values, one slice in the detector's plane, with the shadows of everything as its truth.

    Raises
    ------
    RecipeError
        If the body has not what the view aims at.
    GeometryError
        If it does not fit between source and detector.
    """
    done = progress or silent
    setup, scene, lesions = _set_up(scene, lesions, protocol, seed)
    grid = beam_grid(scene, setup.stand.geometry, protocol.voxel_mm or protocol.preset.voxel_mm, setup.between_mm)
    healthy = voxelise(scene, grid)
    phantom, anatomy = with_lesions(healthy, scene, lesions) if lesions else (healthy, healthy)
    done(0.3)
    targets = protocol.pairs.targets
    shot = expose(phantom, setup.stand.geometry, setup.technique, setup.detector, seed=seed.child("noise"),
                  healthy=healthy if lesions else None, devices=_devices(setup.marker),
                  pairs=bool(lesions) or bool({"noise_free", "scatter_free"} & set(targets)),
                  bone_suppressed="bone_suppressed" in targets)
    done(0.6)
    readings = None
    if lesions and shot.twin is not None and shot.noise_free is not None:
        readings = Readings(shot.raw, shot.noise_free, shot.twin)
    truth = projected_truth(scene, lesions, anatomy, phantom, setup.stand.geometry, setup.stand.field_ji,
                            frontal=protocol.preset.view_position in FRONTAL, readings=readings)
    done(0.9)
    record = _record(setup, shot)
    field = _field(setup, shot, shot.raw if shot.twin is None else shot.twin)
    image = _presented(setup, shot.raw, field, protocol.look)
    bare = image if shot.twin is None else _presented(setup, shot.twin, field, protocol.look)
    return Acquired(image, phantom, healthy, bare if twin else None, record, _parameters(setup, shot, field),
                    pairs=_pairs(setup, shot, field, record), projection=truth, anatomy=anatomy)


def beam_grid(scene: Scene, geometry: Geometry, voxel_mm: tuple[float, float],
              between_mm: tuple[float, float] = (0.0, np.inf)) -> Grid:
    """Return the grid of the part of the body that the beam crosses, fine across the ray and coarser along it.

    The grid lies along the body's axes where the central ray runs along one of them within 20 degrees; otherwise it
    lies along the ray, which keeps voxels fine across it.

    Parameters
    ----------
    between_mm : distances from the source, along the central ray, beyond which the body does not count: a compressed
        breast lies between its plates, and what else of the chest there is does not hang into the beam.
    """
    across, along = voxel_mm
    ray = geometry.normal
    axis = int(np.argmax(np.abs(ray)))
    if abs(ray[axis]) > np.cos(np.radians(20.0)):
        direction = np.array(AXIAL)
        dz, dy, dx = (along if abs(direction[axis, n]) == 1 else across for n in range(3))
        spacing = (dz, dy, dx)
    else:
        direction = np.stack([-np.array(geometry.row_step), ray, np.array(geometry.column_step)], axis=1)
        spacing = (across, along, across)
    body = corners_of(*scene.bounds_mm)
    depth = np.clip((body - geometry.source_mm) @ ray, *between_mm)
    detector_corners = geometry.corners_mm() - geometry.source_mm
    beam = np.concatenate([geometry.source_mm + detector_corners * (d / geometry.sid_mm)
                           for d in (depth.min(), depth.max())])
    margin = MARGIN_MM * (1 - np.abs(ray @ direction))  # the beam's box ends where the body does along the ray
    low = np.maximum((body @ direction).min(0), (beam @ direction).min(0) - margin)
    high = np.minimum((body @ direction).max(0), (beam @ direction).max(0) + margin)
    k, j, i = np.maximum(1, np.ceil((high - low) / spacing - 1e-9)).astype(int).tolist()
    return Grid.centred((k, j, i), spacing, vector(direction @ ((low + high) / 2)), as_direction(direction))


def image_grid(geometry: Geometry) -> Grid:
    """Return the image as one slice in the detector's plane; its slices would go on behind the viewer's right hand."""
    down, right = np.array(geometry.row_step), np.array(geometry.column_step)
    direction = np.stack([np.cross(right, down), down, right], axis=1)
    return Grid((1, *geometry.shape_ji), (geometry.pixel_mm,) * 3, geometry.origin_mm, as_direction(direction))


def _set_up(scene: Scene, lesions: Sequence[Lesion], protocol: XrayProtocol, seed: Seed
            ) -> tuple[_Setup, Scene, Sequence[Lesion]]:
    """Return how the exposure is made, and scene and lesions in the posture of the view."""
    view = protocol.preset
    errors = draw_errors(view.errors, protocol.positioning.severity, rng=seed.child("positioning").rng())
    sensor = detector(protocol.detector or view.detector)
    pixel_mm = protocol.pixel_mm or sensor.pixel_mm
    side, posture = side_of(scene), None
    sid_mm = protocol.sid_mm or view.sid_mm
    if protocol.free is not None:
        one = stand_free(scene, protocol.free, pixel_mm=pixel_mm)
    elif view.posture:
        if view.posture not in scene.postures:
            raise RecipeError(expected(f"body of a {view.words}", scene.body, f"one with the posture {view.posture!r}"))
        posture = scene.postures[view.posture]
        scene, lesions = posed(scene, lesions, view.posture)
        one = stand_plates(scene, posture, view, errors, side=side, sid_mm=sid_mm, pixel_mm=pixel_mm,
                           field_mm=protocol.field_mm)
    else:
        one = stand(scene, view, errors, sid_mm=sid_mm, pixel_mm=pixel_mm, field_mm=protocol.field_mm)
    marker = None
    if protocol.marker == "side":
        marker = _side(one, side, posture is not None, seed.child("marker"))
    return _Setup(protocol, one, _technique(protocol, one), sensor, side, marker, posture), scene, lesions


def _side(one: Stand, side: str, compressed: bool, seed: Seed) -> Marker:
    """Return the letter of the patient's side that the image shows on that side, or of a part that is alone on it."""
    leftwards = one.geometry.column_step[0]
    at_right = side != "right" if compressed else leftwards < 0.5 if side == "right" else leftwards > -0.5
    return side_marker("R" if side == "right" else "L", one.geometry, one.field_ji, at_right, rng=seed.rng())


def _technique(protocol: XrayProtocol, one: Stand) -> Technique:
    """Return the technique of the protocol, what it leaves out being the view's."""
    view = protocol.preset
    rows, columns = one.field_ji[2] - one.field_ji[0], one.field_ji[3] - one.field_ji[1]
    middle = (one.field_ji[0] + one.field_ji[2]) / 2, (one.field_ji[1] + one.field_ji[3]) / 2
    fields = tuple((middle[0] + (y - height / 2) * rows, middle[1] + (x - width / 2) * columns,
                    middle[0] + (y + height / 2) * rows, middle[1] + (x + width / 2) * columns)
                   for y, x, height, width in view.aec)
    filters = view.filter_mm if protocol.filter_mm is None else protocol.filter_mm
    dose = protocol.dose_uGy or view.dose_uGy
    target = None if view.target_index is None else view.target_index * dose / view.dose_uGy
    return Technique(protocol.kvp or view.kvp, protocol.tube or view.tube, filters, view.layers_mm, protocol.mas, dose,
                     fields, field_ji=one.field_ji, grid=protocol.grid or view.grid, focus=view.focal_mm,
                     target_index=target)


def _devices(marker: Marker | None) -> tuple[Device, ...]:
    return () if marker is None else (Device("side_marker", marker.tubes, "lead", displaces=False),)


def _field(setup: _Setup, shot: Exposure, values: NDArray[Any]) -> Field:
    """Return what of the image is body, and its scale."""
    open_value = unattenuated(setup.stand.geometry, setup.technique, setup.detector, shot.mas)
    return find_field(values.astype(np.float32), setup.stand.field_ji, open_value, setup.pixel_mm)


def unattenuated(geometry: Geometry, technique: Technique, sensor: Detector, mas: float) -> float:
    """Return the reading of the open beam in the image's middle, behind the grid and without saturation."""
    beam = beam_of(technique)
    signal = float(beam.photons @ response(sensor, beam.energies_keV)[0]) * mas * (geometry.pixel_mm / 10) ** 2
    rows, columns = geometry.shape_ji
    relative = float(fluence(geometry.crop((rows // 2, columns // 2), (1, 1)), technique)[0, 0])
    passed = np.full((1, 1), signal * relative * scatter_grid(technique.grid).primary, np.float32)
    return min(float(in_values(passed, sensor, geometry.pixel_mm)[0, 0]), float(sensor.top))


def _presented(setup: _Setup, values: NDArray[Any], field: Field, look: str) -> Volume:
    shown = present(values.astype(np.float32), field, looks()[look], setup.pixel_mm)
    return Volume(shown[None], image_grid(setup.stand.geometry), P_VALUE)


def _pairs(setup: _Setup, shot: Exposure, field: Field, record: ScannerRecord
           ) -> dict[str, tuple[Volume, ScannerRecord]]:
    """Return the further images of the exposure that the protocol asks for."""
    asked, look = setup.protocol.pairs, setup.protocol.look
    pairs = {}
    for name in asked.looks:
        pairs[f"look_{name}"] = (_presented(setup, shot.raw, field, name),
                                 processed_otherwise(record, looks()[name].words))
    if "for_processing" in asked.targets:
        pairs["for_processing"] = (Volume(shot.raw[None], image_grid(setup.stand.geometry), READING),
                                   for_processing(record, setup.detector))
    others = {"noise_free": shot.noise_free, "scatter_free": shot.scatter_free, "bone_suppressed": shot.bone_suppressed}
    for target in asked.targets:
        values = others.get(target)
        if values is not None:
            own = _field(setup, shot, values) if target == "scatter_free" else field
            words = f"{look}, {target.replace('_', ' ')}"
            pairs[target] = _presented(setup, values, own, look), processed_otherwise(record, words)
    return pairs


def _record(setup: _Setup, shot: Exposure) -> ScannerRecord:
    thickness = force = None
    if setup.posture is not None:
        thickness = setup.posture.thickness_mm
        low, high = (np.array(corner) for corner in setup.posture.bounds_mm)
        force = PADDLE_N_PER_MM2 * 0.5 * float(np.prod(np.sort(high - low)[1:]))
    return scanner_record(setup.protocol.preset, setup.stand, setup.technique, setup.detector, shot.numbers,
                          look=setup.protocol.look, side=setup.side, thickness_mm=thickness, force_N=force)


def _parameters(setup: _Setup, shot: Exposure, field: Field) -> dict[str, Any]:
    """Return the protocol and what follows from it, as JSON values."""
    geometry, marker = setup.stand.geometry, setup.marker
    return {
        "protocol": setup.protocol.model_dump(mode="json"),
        "geometry": {"source_mm": list(geometry.source_mm), "origin_mm": list(geometry.origin_mm),
                     "row_step": list(geometry.row_step), "column_step": list(geometry.column_step),
                     "pixel_mm": geometry.pixel_mm, "shape_ji": list(geometry.shape_ji),
                     "sid_mm": geometry.sid_mm},
        "aim_mm": list(setup.stand.aim_mm),
        "field_ji": list(setup.stand.field_ji),
        "positioning_errors": setup.stand.errors,
        "exposure": dict(shot.numbers),
        "value_of_interest": field.interest,
        "marker": None if marker is None else {"letter": marker.letter, "box_ji": list(marker.box_ji)},
    }
