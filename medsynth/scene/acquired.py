"""What an acquisition gives back: the image, and the truth on the image's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.scene.phantom import Phantom


@dataclass(frozen=True, eq=False)
class Acquired:
    """One image with its truth.

    Attributes
    ----------
    image : the reconstructed image, e.g. int16 HU.
    phantom : the scene with its lesions on the image's grid.
    healthy : the same without lesions; the same object as `phantom` when there are none.
    twin : the lesion-free image of the same case and noise, when asked for.
    scanner : what files say about the acquisition.
    parameters : the full protocol and derived numbers (JSON values), for annotations.json.
    """

    image: Volume
    phantom: Phantom
    healthy: Phantom
    twin: Volume | None
    scanner: ScannerRecord
    parameters: Mapping[str, Any]
