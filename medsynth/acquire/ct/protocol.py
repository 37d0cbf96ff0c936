"""What a person sets on a CT scanner."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medsynth.acquire.ct.kernel import KernelName
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.tissues.contrast import Phase

DEFAULT_MATRIX = 512


class CtProtocol(BaseModel):
    """A CT acquisition.

    Attributes
    ----------
    fidelity : "fast" makes HU, sharpness and noise directly in the image, without projections; "physics" is a scanner:
        source, detector, reconstruction.
    kvp : tube voltage in kV.
    mas : tube current-time product over pitch in mAs, the mean over the scan; slices get more or less of it.
    slice_thickness_mm : width of the slice profile.
    increment_mm : distance of neighbouring slices; the slice thickness when left out.
    pixel_mm, fov_mm, matrix : pixel size, reconstruction diameter and pixels per row. Left out, the field of view holds
        the body, and the matrix is 512, or what the pixel size asks for.
    kernel : reconstruction kernel.
    reconstruction : "fbp" is filtered back-projection; "iterative" smooths noise, not edges, as iterative methods do.
    phase : of the iodine contrast agent.
    scan_range : a named z range of the body.
    table : whether the patient table is in the image.
    physics : settings of the physics tier alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    modality: Literal["ct"] = "ct"
    fidelity: Literal["fast", "physics"] = "fast"
    kvp: Annotated[float, Field(ge=70, le=150)] = 120.0
    mas: Annotated[float, Field(gt=0, le=2000)] = 120.0
    slice_thickness_mm: Annotated[float, Field(ge=0.3, le=20)] = 1.0
    increment_mm: Annotated[float, Field(ge=0.2, le=20)] | None = None
    pixel_mm: Annotated[float, Field(ge=0.1, le=10)] | None = None
    fov_mm: Annotated[float, Field(ge=50, le=1000)] | None = None
    matrix: Annotated[int, Field(ge=16, le=2048)] | None = None
    kernel: KernelName = "standard"
    reconstruction: Literal["iterative", "fbp"] = "iterative"
    phase: Phase = "none"
    scan_range: Annotated[str, Field(min_length=1)] = "chest"
    table: bool = True
    physics: PhysicsOptions = PhysicsOptions()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.increment_mm is not None and self.increment_mm > self.slice_thickness_mm * (1 + 1e-6):
            raise ValueError(f"increment_mm must be <= slice_thickness_mm ({self.slice_thickness_mm:g}): gaps between "
                             f"slices are not simulated, got {self.increment_mm:g}")
        thin = [mm for mm in self.physics.pairs.thicknesses_mm if mm < self.slice_step_mm * (1 - 1e-6)]
        if thin:
            raise ValueError(f"physics.pairs.thicknesses_mm must be >= the slices' distance ({self.slice_step_mm:g}), "
                             f"got {thin[0]:g}")
        if self.pixel_mm is not None and self.fov_mm is not None and self.matrix is not None:
            raise ValueError("pixel_mm, fov_mm and matrix: at most two of them must be given, got all three")
        if self.pixel_mm is not None and self.fov_mm is not None and not 16 <= self.fov_mm / self.pixel_mm <= 2048:
            raise ValueError(f"fov_mm / pixel_mm must be in 16..2048 pixels, got {self.fov_mm / self.pixel_mm:g}")
        return self

    @property
    def iterative(self) -> bool:
        """Whether the reconstruction smooths noise."""
        return self.reconstruction == "iterative"

    @property
    def slice_step_mm(self) -> float:
        """Distance of neighbouring slices in mm."""
        return self.slice_thickness_mm if self.increment_mm is None else self.increment_mm

    def in_plane(self, needed_mm: float) -> tuple[int, float]:
        """Return pixels per row and pixel size in mm, for a body that needs `needed_mm` where nothing else is said."""
        if self.pixel_mm is not None:
            if self.matrix is not None:
                return self.matrix, self.pixel_mm
            wanted = (needed_mm if self.fov_mm is None else self.fov_mm) / self.pixel_mm
            return min(2048, 2 * int(-(-(wanted - 1e-6) // 2))), self.pixel_mm
        matrix = DEFAULT_MATRIX if self.matrix is None else self.matrix
        return matrix, (needed_mm if self.fov_mm is None else self.fov_mm) / matrix
