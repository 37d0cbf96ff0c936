"""What a person sets of k-space: sampling, coils, acceleration, noise, motion, fields and artifacts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_ACCELERATION = 4
MAX_COILS = 64

Severity = Annotated[float, Field(ge=0, le=1)]
Order = Literal["linear", "reverse", "centric", "interleaved"]
Target = Literal["noise_free", "artifact_free"]


class Strict(BaseModel):
    """Frozen, finite, no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Sampling(Strict):
    """Which lines of k-space are measured, and when.

    Attributes
    ----------
    phase_axis : axis of the image along which lines are phase-encoded; the other in-plane axis is read out.
    order : of the lines along the echo train's axis. "linear" goes from one edge of k-space to the other, "reverse"
        back, "centric" from the middle outwards, "interleaved" takes every second line first (without an echo train).
    partition_order : of the other phase-encoded axis of a 3D scan.
    averages : how often every line is measured.
    phase_resolution_percent, slice_resolution_percent : measured share of the image's resolution along the
        phase-encoded axes; zeros fill the rest. `slice_` settings concern 3D scans.
    readout_resolution_percent : the same along the readout.
    phase_oversampling_percent, slice_oversampling_percent : how much wider the encoded field of view is than the
        image; without it, what lies outside wraps around.
    readout_oversampling : samples per pixel; with 2 nothing wraps around along the readout.
    interleaved_slices : 2D slices 1, 3, 5 ... before 2, 4, 6 ...
    object_oversampling : voxels of the object per measured voxel along the in-plane axes and 3D partitions.
    slice_samples : planes of the object per slice thickness of a 2D scan.
    aperture_correction : whether the object's voxels count as points sampled from the object rather than as boxes;
        rasterised voxels are averages over boxes, which alone would soften the image.
    """

    phase_axis: Literal["j", "i"] = "j"
    order: Order = "linear"
    partition_order: Order = "linear"
    averages: Annotated[int, Field(ge=1, le=64)] = 1
    phase_resolution_percent: Annotated[float, Field(ge=25, le=100)] = 100.0
    slice_resolution_percent: Annotated[float, Field(ge=25, le=100)] = 100.0
    readout_resolution_percent: Annotated[float, Field(ge=25, le=100)] = 100.0
    phase_oversampling_percent: Annotated[float, Field(ge=0, le=200)] = 0.0
    slice_oversampling_percent: Annotated[float, Field(ge=0, le=200)] = 0.0
    readout_oversampling: Literal[1, 2] = 2
    interleaved_slices: bool = True
    object_oversampling: Annotated[int, Field(ge=1, le=8)] = 1
    slice_samples: Annotated[int, Field(ge=1, le=16)] = 4
    aperture_correction: bool = True


class Coils(Strict):
    """The receive array: loops around the body, or one coil that hears every place alike.

    Attributes
    ----------
    count : loops; 1 is the uniform coil.
    rings : along the body; the loops are shared out to them and turned against each other.
    gap_mm : from the skin to the loops.
    coupling : correlation of the noise of neighbouring loops of a ring, falling with their distance.
    combination : "sos" root of the sum of squares, "adaptive" matched to the local coil pattern.
    normalise : whether the array's shading is divided out, as a prescan does.
    """

    count: Annotated[int, Field(ge=1, le=MAX_COILS)] = 1
    rings: Annotated[int, Field(ge=1, le=8)] = 1
    gap_mm: Annotated[float, Field(ge=5, le=200)] = 30.0
    coupling: Annotated[float, Field(ge=0, le=0.6)] = 0.15
    combination: Literal["sos", "adaptive"] = "sos"
    normalise: bool = False

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.rings > 1 and self.count < 3 * self.rings:
            raise ValueError(f"count must be >= 3 coils per ring, got {self.count} coils in {self.rings} rings")
        return self


class Acceleration(Strict):
    """Lines left out and found again from several coils.

    Attributes
    ----------
    phase, slice : every how many lines are measured along phase and, in 3D, partitions.
    calibration_lines : fully sampled lines in the middle of each accelerated axis.
    kernel : of GRAPPA: lines along the accelerated axis and points along the readout.
    regularisation : of the least-squares fits, relative to the mean square of the calibration data.
    """

    method: Literal["none", "sense", "grappa"] = "none"
    phase: Annotated[int, Field(ge=1, le=MAX_ACCELERATION)] = 1
    slice: Annotated[int, Field(ge=1, le=MAX_ACCELERATION)] = 1
    calibration_lines: Annotated[int, Field(ge=8, le=128)] = 24
    kernel: tuple[Literal[2, 4, 6], Literal[3, 5, 7]] = (4, 5)
    regularisation: Annotated[float, Field(ge=0, le=1)] = 1e-4

    @property
    def total(self) -> int:
        """How many times fewer lines are measured, calibration aside."""
        return self.phase * self.slice

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.total > MAX_ACCELERATION:
            raise ValueError(f"phase x slice must be <= {MAX_ACCELERATION}, got {self.phase} x {self.slice}")
        if self.method == "none" and self.total > 1:
            raise ValueError(f"method must be 'sense' or 'grappa' for an acceleration of {self.total}, got 'none'")
        if self.method == "grappa" and self.slice > 1:
            raise ValueError(f"slice must be 1 for method 'grappa', which fills lines of one axis, got {self.slice}")
        needed = (self.kernel[0] - 1) * self.phase + 2  # rows a kernel spans, and one more to fit
        if self.method == "grappa" and self.calibration_lines < needed:
            raise ValueError(f"calibration_lines must be >= {needed} for a kernel of {self.kernel[0]} lines and phase "
                             f"{self.phase}, got {self.calibration_lines}")
        return self


class PartialFourier(Strict):
    """Lines left out at one edge of k-space.

    Attributes
    ----------
    phase, slice, readout : measured shares; at most one of them below 1 for "homodyne" and "pocs".
    method : "zero_fill" leaves them 0; "homodyne" and "pocs" use that the object is real but for a smooth phase.
    """

    phase: Annotated[float, Field(ge=0.5625, le=1)] = 1.0
    slice: Annotated[float, Field(ge=0.5625, le=1)] = 1.0
    readout: Annotated[float, Field(ge=0.5625, le=1)] = 1.0
    method: Literal["zero_fill", "homodyne", "pocs"] = "zero_fill"

    @property
    def full(self) -> bool:
        """Whether nothing is left out."""
        return self.phase == self.slice == self.readout == 1

    @model_validator(mode="after")
    def _one_axis(self) -> Self:
        shares = (self.phase, self.slice, self.readout)
        if self.method != "zero_fill" and sum(share < 1 for share in shares) > 1:
            raise ValueError(f"phase, slice and readout: at most one may be below 1 for method {self.method!r}, got "
                             f"{shares}")
        return self


class Window(Strict):
    """Weights of k-space against Gibbs ringing.

    Attributes
    ----------
    kind : "hamming" and "tukey" fall towards the edges; the resolution falls with them.
    taper : share of a Tukey window's half-width over which it falls.
    """

    kind: Literal["none", "hamming", "tukey"] = "none"
    taper: Annotated[float, Field(gt=0, le=1)] = 0.5


class Noise(Strict):
    """Thermal noise.

    Attributes
    ----------
    snr_density : signal of fully relaxed water over the SD of the real part of the noise, in a voxel of 1 mm^3 listened
        to for one second at 3 T, with a coil of mean sensitivity 1; it grows with the field. None for no noise.
    """

    snr_density: Annotated[float, Field(gt=0)] | None = 40.0


class Respiration(Strict):
    """Breathing: the body moves down and forwards with sin^(2 exponent) of time.

    Attributes
    ----------
    superior_inferior_mm, anterior_posterior_mm : excursion of the diaphragm and of the front wall.
    period_s, irregularity : of a breath, and SD of its length and depth relative to their means.
    exponent : 3 rests long at expiration.
    elastic : whether the back lies still and the front moves most, rather than the whole body moving as one.
    """

    superior_inferior_mm: Annotated[float, Field(ge=0, le=40)] = 0.0
    anterior_posterior_mm: Annotated[float, Field(ge=0, le=20)] = 0.0
    period_s: Annotated[float, Field(ge=1, le=20)] = 4.0
    irregularity: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    exponent: Annotated[int, Field(ge=1, le=6)] = 3
    elastic: bool = True

    @property
    def still(self) -> bool:
        """Whether nothing moves."""
        return not (self.superior_inferior_mm or self.anterior_posterior_mm)


class Pulsation(Strict):
    """Arterial blood whose signal changes with the heart beat, which leaves ghosts along the phase-encode axis.

    Attributes
    ----------
    severity : relative change of the arteries' signal over a beat, 1 for all of it.
    phase_rad : largest phase that flow leaves, at severity 1.
    rate_per_min, irregularity : heart rate, and SD of the beats' lengths relative to their mean.
    """

    severity: Severity = 0.0
    phase_rad: Annotated[float, Field(ge=0, le=10)] = 1.5
    rate_per_min: Annotated[float, Field(ge=30, le=200)] = 66.0
    irregularity: Annotated[float, Field(ge=0, le=0.5)] = 0.05


class Motion(Strict):
    """Movements of the patient during the scan.

    Attributes
    ----------
    pattern : rigid movement. "drift" slides slowly, "nod" turns the head up and down about the neck, "sudden" jumps
        now and then and stays, "return" jumps and comes back, "random" wanders.
    rotation_deg, translation_mm : largest rotation about the body's centre and largest shift.
    events : jumps of "sudden", "return" and "nod".
    poses : positions that are told apart; lines of the same position share it.
    neck_mm : how far below the body's centre "nod" turns.
    """

    pattern: Literal["none", "drift", "nod", "sudden", "return", "random"] = "none"
    rotation_deg: Annotated[float, Field(ge=0, le=45)] = 3.0
    translation_mm: Annotated[float, Field(ge=0, le=50)] = 2.0
    events: Annotated[int, Field(ge=1, le=16)] = 3
    poses: Annotated[int, Field(ge=2, le=32)] = 16
    neck_mm: Annotated[float, Field(ge=0, le=200)] = 80.0
    respiration: Respiration = Respiration()
    pulsation: Pulsation = Pulsation()

    @property
    def still(self) -> bool:
        """Whether no place of the body moves; pulsation changes signals, not places."""
        return self.pattern == "none" and self.respiration.still


class Fields(Strict):
    """Inhomogeneity of the fields.

    Attributes
    ----------
    b0 : whether susceptibility distorts and dephases; `shim_order` the order of the fields that shim coils cancel.
    b1 : whether the flip angle varies over the body.
    chemical_shift : whether fat is displaced along readout, slice and, with EPI, phase.
    nonlinearity : severity of the gradients' departure from straight; 1 displaces 4 mm at 200 mm from the isocentre.
    """

    b0: bool = True
    shim_order: Literal[0, 1, 2] = 2
    b1: bool = True
    chemical_shift: bool = True
    nonlinearity: Severity = 0.0


class Artifacts(Strict):
    """Faults of the receiver and the readout; 0 is none, 1 the worst that is seen.

    Attributes
    ----------
    spike : bursts in single samples of k-space; 1 is eight of them, each as strong as the strongest sample.
    zipper : a radio line within the receive band; 1 is as bright as the object.
    rf_leak : a constant offset of the receiver; 1 is half the strongest sample.
    nyquist_ghost : odd and even EPI lines off by a constant and a linear phase; 1 is 0.8 rad and one sample.
    """

    spike: Severity = 0.0
    zipper: Severity = 0.0
    rf_leak: Severity = 0.0
    nyquist_ghost: Severity = 0.0

    @property
    def any(self) -> bool:
        """Whether there is any fault."""
        return bool(self.spike or self.zipper or self.rf_leak or self.nyquist_ghost)


class KspaceOptions(Strict):
    """All that the k-space engine is told; every imperfection can be switched off on its own.

    Attributes
    ----------
    targets : further images of the same scan: "noise_free"; "artifact_free" without noise, motion, field errors and
        faults, fully sampled.
    raw : whether coil k-space, sensitivities and times are given back.
    """

    sampling: Sampling = Sampling()
    coils: Coils = Coils()
    acceleration: Acceleration = Acceleration()
    partial_fourier: PartialFourier = PartialFourier()
    window: Window = Window()
    noise: Noise = Noise()
    motion: Motion = Motion()
    fields: Fields = Fields()
    artifacts: Artifacts = Artifacts()
    targets: tuple[Target, ...] = ()
    raw: bool = False

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.acceleration.total > self.coils.count:
            raise ValueError(f"acceleration (phase x slice = {self.acceleration.total}) must be <= coils.count, "
                             f"got {self.coils.count}")
        if self.acceleration.total > 1 and not self.partial_fourier.full:
            raise ValueError(f"partial_fourier must be full with an acceleration of {self.acceleration.total}, got "
                             f"{self.partial_fourier.phase:g}, {self.partial_fourier.slice:g}, "
                             f"{self.partial_fourier.readout:g}")
        return self
