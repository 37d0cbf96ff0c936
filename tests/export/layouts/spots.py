"""Scanners of milliseconds whose images have lesions, on the stub body of two balls; two families of lesions."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.dataset.tables import MODALITIES, Modality
from medsynth.lesions.families import FAMILIES
from medsynth.lesions.family import Family
from medsynth.scene.lesion_parts import part_label
from medsynth.scene.projection import Shadow
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Structure
from medsynth.shapes.primitives import Ellipsoid

STUB = Path(__file__).parents[2] / "dataset" / "stub"
CODES = {"cyst": Code("441457006", "Cyst"), "tumour": Code("108369006", "Neoplasm")}
PLACES_MM = {"cyst": (-15.3, 3.2, -4.1), "tumour": (10.4, 0.9, 0.7)}
RADIUS_MM = {"cyst": 7.3, "tumour": 6.1}


class SpotOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["spot"] = "spot"


class CystOptions(SpotOptions):
    pass


class TumourOptions(SpotOptions):
    pass


def specs_of(kind):
    return lambda options, scene, *, rng, taken=(): [
        {"kind": kind, "centre_mm": list(PLACES_MM[kind]), "reach_mm": RADIUS_MM[kind]}]


def insert(spec, scene, number: int) -> Lesion:
    kind, label = spec["kind"], part_label(number, "solid")
    structure = Structure(f"lesion_{number}", label, "liver", CODES[kind])
    ball = Ellipsoid(tuple(spec["centre_mm"]), (spec["reach_mm"],) * 3)
    paints = (Paint(ball, (Layer(label),)),)
    return Lesion(number, kind, CODES[kind], (structure,), paints, "body", {"type": kind}, spec)


def with_lesions(phantom, lesions, voxel_mm: float):
    """The phantom with balls whose fractions follow from the distance of each voxel to their surface."""
    labels, neighbour, fraction = phantom.labels.copy(), phantom.neighbour.copy(), phantom.fraction.copy()
    points = phantom.grid.points_mm()
    for lesion in lesions:
        own, label = lesion.structures[0], lesion.structures[0].label
        share = np.clip(0.5 - lesion.paints[0].shape.distance_mm(points) / voxel_mm, 0, 1)
        inside, edge = share > 0.5, (share > 0) & (share <= 0.5)
        neighbour[inside], fraction[inside] = labels[inside], np.rint(255 * (1 - share[inside]))
        labels[inside] = label
        neighbour[edge], fraction[edge] = label, np.rint(255 * share[edge])
        assert own.label == label
    structures = (*phantom.structures, *(lesion.structures[0] for lesion in lesions))
    return replace(phantom, labels=labels, neighbour=neighbour, fraction=fraction, structures=structures)


class SpotProtocol(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    modality: Literal["spot", "spot_mr", "spot_flat"]
    voxel_mm: float = 4
    sequence: str = "se"
    te_ms: float = 10
    tr_ms: float = 500
    b_values: tuple[float, ...] = ()


def acquire_spot(scene, lesions, protocol, *, seed, twin=False, progress=None):
    stub = importlib.import_module("two_balls")
    one = stub.acquire(scene, (), stub.StubProtocol(voxel_mm=protocol.voxel_mm), seed=seed, twin=twin)
    phantom = with_lesions(one.phantom, lesions, protocol.voxel_mm)
    shown = Volume((one.image.array + 50 * (phantom.labels >= 20000)).astype(np.int16), phantom.grid, "HU")
    scanner = replace(one.scanner, attributes={**one.scanner.attributes, "BodyPartExamined": "ABDOMEN"})
    return replace(one, image=shown, phantom=phantom, healthy=one.phantom, scanner=scanner)


def acquire_spot_mr(scene, lesions, protocol, *, seed, twin=False, progress=None):
    """A spin echo, or diffusion weighting with one image for each b value."""
    ct = acquire_spot(scene, lesions, protocol, seed=seed, twin=twin)
    told = {"EchoTime": protocol.te_ms, "RepetitionTime": protocol.tr_ms, "BodyPartExamined": "ABDOMEN",
            "MagneticFieldStrength": 3.0}

    def image(b: float):
        record = ScannerRecord("MR", f"spots, b {b:g}", {**told, "DiffusionBValue": b} if b else told, (450.0, 900.0))
        signal = np.clip(ct.image.array + 1000, 0, None) * np.exp(-b / 1000)
        return Volume(np.rint(signal).astype(np.uint16), ct.image.grid, "signal"), record

    volume, record = image(protocol.b_values[-1] if protocol.b_values else 0)
    pairs = {f"b{b:g}": image(b) for b in protocol.b_values[:-1]}
    return replace(ct, image=volume, scanner=record, twin=volume if twin else None, pairs=pairs,
                   parameters=protocol.model_dump(mode="json"))


def acquire_spot_flat(scene, lesions, protocol, *, seed, twin=False, progress=None):
    stub = importlib.import_module("two_balls")
    flat = stub.acquire_flat(scene, (), stub.FlatProtocol(), seed=seed, twin=twin)
    x, _, z = np.moveaxis(flat.image.grid.points_mm()[0], -1, 0)
    shadows = {}
    for lesion in lesions:
        (cx, _, cz), radius = lesion.spec["centre_mm"], lesion.spec["reach_mm"]
        chord = 2 * np.sqrt(np.maximum(radius**2 - (x - cx) ** 2 - (z - cz) ** 2, 0))
        shadows[lesion.number] = Shadow((0, 0), chord.astype(np.float32))
    return replace(flat, phantom=with_lesions(flat.phantom, lesions, 4.0), healthy=flat.phantom,
                   projection=replace(flat.projection, lesions=shadows))


@contextmanager
def installed():
    """The stub body, scanners and lesions, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUB))
        importlib.import_module("two_balls")
        for name, acquire in (("spot", acquire_spot), ("spot_mr", acquire_spot_mr)):
            patch.setitem(MODALITIES, name, Modality("spots", lambda: SpotProtocol, lambda a=acquire: a, tuple))
        patch.setitem(MODALITIES, "spot_flat", Modality("spots", lambda: SpotProtocol, lambda: acquire_spot_flat, tuple,
                                                        projection=True))
        for kind, options in (("cyst", CystOptions), ("tumour", TumourOptions)):
            patch.setitem(FAMILIES, kind, Family(kind, kind, options, specs_of(kind), insert, ("two_balls",)))
        yield
