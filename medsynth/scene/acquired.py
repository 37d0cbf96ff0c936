"""What an acquisition gives back: the image, and the truth on the image's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.scene.extent import Index
from medsynth.scene.phantom import Phantom
from medsynth.scene.projection import Projection


class Probe(Protocol):
    """A scanner that can be asked what lesions add to a part of its image, and what noise there does to an observer."""

    @property
    def shape_kji(self) -> Index:
        """Of the image."""
        ...

    @property
    def reach_kji(self) -> Index:
        """How many voxels beyond its own a lesion changes the image."""
        ...

    def difference(self, low: Index, high: Index) -> NDArray[np.float32]:
        """Return what the lesions add between two corners of the image, without noise, in the image's unit."""
        ...

    def template_sd(self, template: NDArray[np.floating], low: Index) -> float:
        """Return the standard deviation of the sum of template times noise, its first voxel at `low`."""
        ...


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
    probe : the scanner, to be asked about lesions; None where it cannot answer.
    refinement : what a refiner did and what the gate found (JSON values); None where there was no refiner.
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
    probe: Probe | None = None
    refinement: Mapping[str, Any] | None = None

    @property
    def beside(self) -> Phantom:
        """The anatomy as it lies in the image: displaced and changed by the lesions, but without them."""
        return self.healthy if self.anatomy is None else self.anatomy
