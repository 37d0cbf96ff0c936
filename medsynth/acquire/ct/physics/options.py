"""What a person sets of the physics tier, beyond the protocol that both tiers share."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medsynth.acquire.ct.kernel import KernelName

Target = Literal["noise_free", "artifact_free", "artifact_map"]


class Strict(BaseModel):
    """Frozen, finite, no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Motion(Strict):
    """What moves while the gantry turns.

    Attributes
    ----------
    breathing_mm : how far the front of the body rises over one turn.
    heart_percent : how much the heart's radius shrinks over one turn.
    shift_mm : how far the patient slides to the left and backwards over one turn.
    """

    breathing_mm: Annotated[float, Field(ge=0, le=30)] = 0.0
    heart_percent: Annotated[float, Field(ge=0, le=30)] = 0.0
    shift_mm: tuple[Annotated[float, Field(ge=-30, le=30)], Annotated[float, Field(ge=-30, le=30)]] = (0.0, 0.0)

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return not (self.breathing_mm or self.heart_percent or any(self.shift_mm))


class Pairs(Strict):
    """Further images of the same truth and, where it can be, of the same photons.

    Attributes
    ----------
    dose_percent : the same scan at these shares of the tube current, noise of its own.
    kernels, thicknesses_mm : the same readings, reconstructed otherwise.
    targets : "noise_free" without any noise; "artifact_free" without noise, scatter, beam hardening, motion, rings and
        detector blur; "artifact_map" the noise-free image less the artifact-free one.
    """

    dose_percent: tuple[Annotated[float, Field(gt=0, le=100)], ...] = ()
    kernels: tuple[KernelName, ...] = ()
    thicknesses_mm: tuple[Annotated[float, Field(ge=0.3, le=20)], ...] = ()
    targets: tuple[Target, ...] = ()


class Spectral(Strict):
    """Images of energy: from two tube voltages, or from the bins of a counting detector.

    Attributes
    ----------
    second_kvp : the other voltage, on the same rays; needed with an integrating detector.
    monoenergetic_keV : virtual monoenergetic images at these energies.
    iodine : whether a map of iodine in mg/mL is made.
    """

    second_kvp: Annotated[float, Field(ge=70, le=150)] | None = None
    monoenergetic_keV: tuple[Annotated[float, Field(ge=35, le=140)], ...] = ()
    iodine: bool = False

    @property
    def asked(self) -> bool:
        """Whether any image of energy is wanted."""
        return bool(self.monoenergetic_keV) or self.iodine


class PhysicsOptions(Strict):
    """The physics tier's own settings. Every imperfection can be switched off on its own.

    Attributes
    ----------
    scanner : preset name (`medsynth list protocols`).
    mode, pitch : axial turns, or a helix of this pitch.
    polychromatic : off: every photon has the beam's effective energy.
    water_correction : the water beam-hardening correction of the readings.
    quantum_noise, electronic_noise : each on its own.
    scatter, scatter_grid, scatter_correction : scattered photons; a grid before the detector; their estimated part
        subtracted.
    detector_blur : focal spot, cross-talk, lag and the turn of the gantry during a reading.
    angular_exponent, longitudinal_exponent : tube current ~ attenuation to this power, 0 for a constant current.
    ring_percent : SD of the channels' gain error that calibration left.
    """

    scanner: str = "generic-64"
    mode: Literal["axial", "helical"] = "axial"
    pitch: Annotated[float, Field(ge=0.2, le=1.6)] = 1.0
    polychromatic: bool = True
    water_correction: bool = True
    quantum_noise: bool = True
    electronic_noise: bool = True
    scatter: bool = True
    scatter_grid: bool = True
    scatter_correction: bool = True
    detector_blur: bool = True
    angular_exponent: Annotated[float, Field(ge=0, le=1)] = 0.5
    longitudinal_exponent: Annotated[float, Field(ge=0, le=1)] = 0.6
    ring_percent: Annotated[float, Field(ge=0, le=10)] = 0.0
    motion: Motion = Motion()
    pairs: Pairs = Pairs()
    spectral: Spectral = Spectral()
    sinogram: bool = False

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.mode == "helical" and not self.motion.still:
            raise ValueError("motion is simulated for mode 'axial' alone, got mode 'helical'")
        if self.mode == "helical" and (self.sinogram or self.spectral.asked):
            raise ValueError("sinogram and spectral images are made in mode 'axial' alone, got mode 'helical'")
        return self
