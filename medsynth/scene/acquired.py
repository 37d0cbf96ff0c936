"""What an acquisition gives back: the image, and the truth on the image's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.scene.phantom import Phantom
from medsynth.scene.projection import Projection


@dataclass(frozen=True, eq=False)
class Acquired:
    """One image with its truth.

    Attributes
    ----------
    image : the reconstructed image, e.g. int16 HU.
    phantom : the scene with its lesions on the image's grid.
    healthy : the same body without lesions; the same object as `phantom` when there are none.
    twin : the lesion-free image of the same case and noise, when asked for.
    scanner : what files say about the acquisition.
    parameters : the full protocol and derived numbers (JSON values), for annotations.json.
    pairs : further images of the same truth on the same grid, by name, with what files say of them.
    raw : what the image was made of, by name, e.g. a sinogram and its geometry; empty unless asked for.
    projection : the truth in the image's plane where the image is a projection, None for cross-sections. `phantom` and
        `healthy` are then the voxels that the rays crossed, on a grid of their own, and `image` has one slice.
    anatomy : the displaced and changed anatomy where lesions push or change it; None where that is `healthy`.
    """

    image: Volume
    phantom: Phantom
    healthy: Phantom
    twin: Volume | None
    scanner: ScannerRecord
    parameters: Mapping[str, Any]
    pairs: Mapping[str, tuple[Volume, ScannerRecord]] = field(default_factory=dict)
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    projection: Projection | None = None
    anatomy: Phantom | None = None

    @property
    def beside(self) -> Phantom:
        """The anatomy as it lies in the image: displaced and changed by the lesions, but without them."""
        return self.healthy if self.anatomy is None else self.anatomy
