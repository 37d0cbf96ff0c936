"""The scanners a recipe may name, one line each; their physics is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from medsynth.core.seed import Seed
from medsynth.scene.acquired import Acquired, Probe
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Lesion, Scene, Structure


class Acquire(Protocol):
    """A scanner: scene and lesions to an image with its truth."""

    def __call__(self, scene: Scene, lesions: Sequence[Lesion], protocol: Any, *, seed: Seed,
                 twin: bool = False, progress: Callable[[float], None] | None = None) -> Acquired:
        """Return the image with its truth, and with `twin` the image without the lesions.

        progress : called with the share of the work that is done, where it takes long.
        """
        ...


Prober = Callable[[Sequence[Lesion], Any], tuple[Probe, Phantom]]


@dataclass(frozen=True)
class Modality:
    """A scanner. The functions import what they give.

    Attributes
    ----------
    description : what it is in words.
    protocol : the model that checks its settings.
    acquire : what makes the image.
    structures : what it adds to the label image itself, e.g. the patient table.
    scanners : the presets that a protocol may name, with what they are in words.
    prober : asks about lesions before an image is made: (scene, protocol) -> (lesions, protocol) -> answer.
    projection : whether its images are projections, in which structures overlap.
    voxelise : whether `acquire` takes `voxelise`, so that one body's voxels serve several images.
    """

    description: str
    protocol: Callable[[], type[BaseModel]]
    acquire: Callable[[], Acquire]
    structures: Callable[[], tuple[Structure, ...]]
    scanners: Callable[[], dict[str, str]] = dict
    projection: bool = False
    prober: Callable[[], Callable[[Scene, Any], Prober]] | None = None
    voxelise: bool = False


def _ct_protocol() -> type[BaseModel]:
    from medsynth.acquire.ct.protocol import CtProtocol

    return CtProtocol


def _ct() -> Acquire:
    from medsynth.acquire.ct.acquire import acquire_ct

    return acquire_ct


def _ct_prober() -> Callable[[Scene, Any], Prober]:
    from medsynth.acquire.ct.acquire import ct_prober

    return ct_prober


def _ct_structures() -> tuple[Structure, ...]:
    from medsynth.acquire.ct.couch import COUCH_STRUCTURES

    return COUCH_STRUCTURES


def _ct_scanners() -> dict[str, str]:
    from medsynth.acquire.ct.physics.scanner import scanners

    return {name: one.words for name, one in scanners().items()}


def _xray_protocol() -> type[BaseModel]:
    from medsynth.acquire.xray.protocol import XrayProtocol

    return XrayProtocol


def _xray() -> Acquire:
    from medsynth.acquire.xray.acquire import acquire_xray

    return acquire_xray


def _xray_presets() -> dict[str, str]:
    """Return the views, and by kind what else a radiograph's protocol may name."""
    from medsynth.acquire.xray.detector import detectors
    from medsynth.acquire.xray.looks import looks
    from medsynth.acquire.xray.scatter import grids
    from medsynth.acquire.xray.source import tubes
    from medsynth.acquire.xray.views import views

    found = {f"view {name}": one.words for name, one in views().items()}
    found |= {f"tube {name}": one.words for name, one in tubes().items()}
    found |= {f"detector {name}": one.words for name, one in detectors().items()}
    found |= {f"grid {name}": f"{one.ratio:g}:1, {one.lines_per_cm:g} lines/cm" if one.ratio else "no grid"
              for name, one in grids().items()}
    return found | {f"look {name}": one.words for name, one in looks().items()}


def _mri_protocol() -> type[BaseModel]:
    from medsynth.acquire.mri.protocol import MriProtocol

    return MriProtocol


def _mri() -> Acquire:
    from medsynth.acquire.mri.acquire import acquire_mri

    return acquire_mri


def _mri_presets() -> dict[str, str]:
    from medsynth.acquire.mri.presets import presets

    return presets()


MODALITIES: dict[str, Modality] = {
    "ct": Modality("computed tomography: HU from composition, density and beam", _ct_protocol, _ct, _ct_structures,
                   _ct_scanners, voxelise=True, prober=_ct_prober),
    "xray": Modality("radiography and mammography: a point source, scatter, grid, detector, processing", _xray_protocol,
                     _xray, tuple, _xray_presets, projection=True),
    "mri": Modality("magnetic resonance: tissues, sequence, k-space, coils", _mri_protocol, _mri, tuple, _mri_presets,
                    voxelise=True),
}
