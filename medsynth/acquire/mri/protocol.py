"""What a person sets on an MR scanner."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from medsynth.acquire.mri.options import KspaceOptions, Strict
from medsynth.tissues.mr import FIELDS_T
from medsynth.tissues.mr_parts import Agent, MrPhase

SequenceName = Literal["se", "tse", "spgr", "mprage", "bssfp", "swi", "tof", "dixon", "dwi", "t1_map", "t2_map",
                       "random"]
Plane = Literal["axial", "coronal", "sagittal"]
Extra = Literal["maps", "phase", "complex"]

Milliseconds = Annotated[float, Field(gt=0, le=30000)]
Degrees = Annotated[float, Field(gt=0, le=180)]


class RandomContrast(Strict):
    """An image whose contrast is drawn: for networks that shall not care which scanner made it.

    Attributes
    ----------
    mode : "gaussian" draws a mean and a spread per structure, without physics (after SynthSeg); "physical" draws a
        sequence, its times and the person's tissues.
    mean, sd : ranges of the structures' mean and texture; intensities are clipped to 0..300 and scaled to 0..1.
    per : whether structures of one tissue share their mean, as label maps of few classes do.
    bias_sd, bias_share : of the log bias field, uniform from 0; how large its nodes are relative to the image.
    gamma_sd : of the logarithm of the exponent.
    thick_mm, isotropic_mm, isotropic_chance, native_chance : a slice thickness along one axis, or rarely a coarser
        isotropic voxel, or rarely the voxels as they are.
    tissue_spread : of the physical mode: factor on the SDs of the tissue table.
    """

    mode: Literal["gaussian", "physical"] = "gaussian"
    mean: tuple[float, float] = (25.0, 225.0)
    sd: tuple[float, float] = (5.0, 25.0)
    per: Literal["tissue", "structure"] = "tissue"
    bias_sd: Annotated[float, Field(ge=0, le=2)] = 0.5
    bias_share: Annotated[float, Field(gt=0, le=1)] = 0.025
    bias_chance: Annotated[float, Field(ge=0, le=1)] = 0.95
    gamma_sd: Annotated[float, Field(ge=0, le=2)] = 0.5
    thick_mm: Annotated[float, Field(ge=1, le=20)] = 8.0
    isotropic_mm: Annotated[float, Field(ge=1, le=10)] = 4.0
    isotropic_chance: Annotated[float, Field(ge=0, le=1)] = 0.1
    native_chance: Annotated[float, Field(ge=0, le=1)] = 0.05
    tissue_spread: Annotated[float, Field(ge=0, le=3)] = 1.0

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        for name in ("mean", "sd"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"{name} must be two numbers >= 0, the lower one first, got ({low:g}, {high:g})")
        return self


class MriProtocol(Strict):
    """An MR acquisition.

    Attributes
    ----------
    preset : name of a protocol to start from (`medsynth list protocols`); what else is given replaces its settings.
    fidelity : "fast" is one uniform coil, Fourier-encoded, with thermal noise; "physics" adds coils, fields, motion.
    sequence : "se" spin echo, "tse" echo train (with `ti_ms` FLAIR or STIR), "spgr" spoiled gradient echo, "mprage",
        "bssfp", "swi", "tof" angiography by inflow, "dixon", "dwi" spin-echo EPI, "t1_map" from flip angles, "t2_map"
        from echoes, "random".
    field_T : main field.
    te_ms, tr_ms, ti_ms : echo time (of the middle of k-space), repetition time, inversion time; 0 for no inversion.
    flip_deg, refocusing_deg : excitation and refocusing pulses.
    echo_train, echo_spacing_ms : echoes per excitation and the time between them; of MPRAGE and EPI between lines.
    single_shot : of "tse": the train is as long as there are lines, whatever `echo_train` says (HASTE).
    bandwidth_hz_px : of the receiver.
    dimensions : 2 for slices, 3 for a slab with partitions.
    plane, tilt_deg : orientation, and its turn about the image's row and column axes (oblique).
    pixel_mm, slice_thickness_mm, slice_gap_mm : voxels of the image.
    fov_mm : of rows and columns (height, width); the body and a margin when left out.
    slab_mm : extent across the slices; the scan range or the body when left out.
    centre_on : landmark or structure that the field of view is centred on; the body when left out.
    scan_range : a named z range of the body.
    fat_saturation, fat_saturation_share : suppression of the fat peaks before excitation, and how much it takes away.
    phase, agent : of the contrast agent.
    b_values : of diffusion weighting in s/mm2, ascending; the image is that of the last one.
    flips_deg : of "t1_map".
    spoiling : of gradient echoes: ideal, or a quadratic phase of this increment.
    inversion_efficiency : 1 turns all of the magnetisation.
    tissue_spread : factor on the SDs of the tissue table from which a person's values are drawn; 0 gives the means.
    extras : further images: "maps" of true T1, T2, PD and ADC, "phase", "complex" (real and imaginary part).
    kspace : everything of the k-space engine; sampling and noise count for the fast tier too.
    random : of the sequence "random".
    """

    modality: Literal["mri"] = "mri"
    preset: str | None = None
    fidelity: Literal["fast", "physics"] = "fast"
    sequence: SequenceName = "se"
    field_T: Annotated[float, Field(ge=FIELDS_T[0], le=FIELDS_T[1])] = 3.0
    te_ms: Annotated[float, Field(ge=0, le=2000)] = 10.0
    tr_ms: Milliseconds = 500.0
    ti_ms: Annotated[float, Field(ge=0, le=10000)] = 0.0
    flip_deg: Degrees = 90.0
    refocusing_deg: Degrees = 180.0
    echo_train: Annotated[int, Field(ge=1, le=1024)] = 1
    echo_spacing_ms: Annotated[float, Field(ge=0.2, le=500)] = 10.0
    single_shot: bool = False
    bandwidth_hz_px: Annotated[float, Field(ge=10, le=5000)] = 200.0
    dimensions: Literal[2, 3] = 2
    plane: Plane = "axial"
    tilt_deg: tuple[Annotated[float, Field(ge=-60, le=60)], Annotated[float, Field(ge=-60, le=60)]] = (0.0, 0.0)
    pixel_mm: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    slice_thickness_mm: Annotated[float, Field(ge=0.2, le=50)] = 3.0
    slice_gap_mm: Annotated[float, Field(ge=0, le=50)] = 0.0
    fov_mm: tuple[Annotated[float, Field(ge=20, le=1000)], Annotated[float, Field(ge=20, le=1000)]] | None = None
    slab_mm: Annotated[float, Field(ge=1, le=2000)] | None = None
    centre_on: str | None = None
    scan_range: Annotated[str, Field(min_length=1)] = "head"
    fat_saturation: Literal["none", "spectral", "water_excitation"] = "none"
    fat_saturation_share: Annotated[float, Field(ge=0, le=1)] = 0.96
    phase: MrPhase = "none"
    agent: Agent = "gadobutrol"
    b_values: tuple[Annotated[float, Field(ge=0, le=10000)], ...] = ()
    flips_deg: tuple[Annotated[float, Field(gt=0, le=90)], ...] = ()
    spoiling: Literal["ideal", "rf117", "rf50"] = "rf50"
    inversion_efficiency: Annotated[float, Field(gt=0, le=1)] = 0.96
    tissue_spread: Annotated[float, Field(ge=0, le=3)] = 1.0
    extras: tuple[Extra, ...] = ()
    kspace: KspaceOptions = KspaceOptions()
    random: RandomContrast = RandomContrast()

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("preset") is None:
            return given
        from medsynth.acquire.mri.presets import merged, preset_settings

        return merged(preset_settings(given["preset"]), given)

    @model_validator(mode="after")
    def _check(self) -> Self:
        from medsynth.acquire.mri.sequences.table import SEQUENCES

        SEQUENCES[self.sequence].check(self)
        if self.dimensions == 3 and self.slice_gap_mm:
            raise ValueError(f"slice_gap_mm must be 0 for a slab of partitions, got {self.slice_gap_mm:g}")
        return self

    @property
    def slice_step_mm(self) -> float:
        """Distance of neighbouring slices in mm."""
        return self.slice_thickness_mm + self.slice_gap_mm

    @property
    def te_s(self) -> float:
        """Echo time in s."""
        return self.te_ms / 1000

    @property
    def tr_s(self) -> float:
        """Repetition time in s."""
        return self.tr_ms / 1000

    @property
    def ti_s(self) -> float:
        """Inversion time in s."""
        return self.ti_ms / 1000

    @property
    def centre_echo(self) -> int:
        """Echo of the train (0 is the first) that carries the middle of k-space."""
        return max(round(self.te_ms / self.echo_spacing_ms), 1) - 1
