"""Pneumothorax: air that rises to the highest place of the pleural space, a visceral line, and no vessels beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator
from scipy import ndimage

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.chest.gravity import Posture, height_mm
from medsynth.lesions.chest.lungs import (
    AIRWAYS,
    BEYOND_MM,
    FISSURES,
    VESSELS,
    Array,
    Region,
    earlier,
    filled_to,
    present,
    region,
)
from medsynth.lesions.chest.mediastinum import mediastinal_shift
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Trait, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure
from medsynth.shapes.sampled import SampledShape

PNEUMOTHORAX = Code("36118008", "Pneumothorax")

LINE_MM = 0.45  # visceral pleura, thickened by collapsed alveoli (unverified)
LOW_SHARE = 0.18  # height, as a share of the lung's, from which on air separates it from the wall
TIP_SHARE, TIP_MM = 0.4, 20.0  # a little air stays at the top: for rims much thinner than this it begins higher
FILM_MM = 1.2
BRIDGE = 2  # voxels of 2 mm that half a bridge of lung must be thick to stay, where the rim is wider than `FREE_MM`
FREE_MM = 4.0
HILAR = 0.12  # of the rim beside the mediastinum: the lung hangs at its root
MEDIAL = 0.4  # the same below the tip: little air lies between lung and heart
SWAY = (60.0, 0.12)  # wavelength in mm and SD as a share of the rim
LARGEST = 0.7
RIM_MOST_MM = 90.0
BTS_LARGE_MM = 20.0  # at the level of the hilum; British Thoracic Society (reference tables)
ACCP_LARGE_MM = 30.0  # from the tip of the lung to the cupola; American College of Chest Physicians (reference tables)


class PneumothoraxOptions(Options):
    """A pneumothorax of one recipe entry.

    Attributes
    ----------
    probability : that there is one at all.
    sides : relative weights.
    volume_ml : of the air.
    rim_mm : instead of a volume, the width of the widest rim.
    posture : of the patient when the image is taken; air rises.
    tension : probability, and strength of the shift of the mediastinum (1: 25 mm).
    """

    probability: float = Field(default=1.0, ge=0, le=1)
    sides: dict[Literal["left", "right"], float] = Field(default={"right": 0.55, "left": 0.45})  # unverified
    volume_ml: Distribution | None = None
    rim_mm: Distribution | None = None
    posture: Posture = "supine"
    tension: Trait = Trait(probability=0.0, low=0.4, high=1.0)

    @model_validator(mode="after")
    def _one_size(self) -> PneumothoraxOptions:
        if self.volume_ml is not None and self.rim_mm is not None:
            raise ValueError("volume_ml or rim_mm is expected, got both")
        return self


DEFAULT_VOLUME = LogNormal(median=350, sigma=0.8, low=30, high=2500)  # unverified
TENSION_MM = 25.0


class PneumothoraxSpec(Options):
    """The air of one side in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["pneumothorax"] = "pneumothorax"
    side: Literal["left", "right"]
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    volume_ml: float = Field(gt=0)
    posture: Posture
    shift_mm: float = Field(ge=0, le=40)
    shape_seed: int = Field(ge=0)


def sample_specs(options: PneumothoraxOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the pneumothorax of one recipe entry as a spec of JSON values.

    Raises
    ------
    PlacementError
        If every side has one already, or the lung is too small for the air.
    """
    if rng.uniform() >= options.probability:
        return []
    used = {other.get("side") for other in taken if other.get("kind") == "pneumothorax"}
    sides = {side: weight for side, weight in options.sides.items() if weight > 0 and side not in used}
    if not sides:
        raise PlacementError(f"lesions.pneumothorax found no side left among {sorted(options.sides)}")
    lung = region(scene, f"lung_{choose(sides, rng=rng)}")
    shape_seed = int(rng.integers(2**53))
    if options.rim_mm is not None:
        values = _air(lung, options.posture, Seed(shape_seed))(options.rim_mm.sample(rng=rng))
        volume = lung.volume_of(lung.cover(values), lung.whole)
    else:
        volume = (options.volume_ml or DEFAULT_VOLUME).sample(rng=rng)
    if options.volume_ml is None:
        volume = min(volume, LARGEST * lung.volume_ml)
    elif volume > LARGEST * lung.volume_ml:
        raise PlacementError(f"lesions.pneumothorax of {volume:.0f} ml does not fit the {lung.side} side: at most "
                             f"{LARGEST * lung.volume_ml:.0f} ml")
    inside = lung.points_mm[lung.whole > 0.5]
    top = inside[np.argmax(height_mm(inside, options.posture))]
    spec = PneumothoraxSpec(side=lung.side, centre_mm=point(top), reach_mm=1.0, volume_ml=round(max(volume, 1.0), 3),  # type: ignore[arg-type]
                            posture=options.posture, shift_mm=TENSION_MM * options.tension.sample(rng=rng),
                            shape_seed=shape_seed)
    return [spec.model_dump(mode="json")]


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If that much air does not fit.
    """
    one = checked_spec(PneumothoraxSpec, spec, number)
    lung = region(scene, f"lung_{one.side}")
    rim, values = filled_to(lung, lung.whole, one.volume_ml, _air(lung, one.posture, Seed(one.shape_seed)), 0.0,
                            2 * RIM_MOST_MM)
    gas = lesion_part(number, "gas", "air", PNEUMOTHORAX, whole=True)
    wall = lesion_part(number, "wall", "soft_tissue", PNEUMOTHORAX)
    made: tuple[Structure, ...] = (gas, wall)
    lobes = present(scene, f"lobe_{one.side}_*")
    inner = present(scene, *VESSELS, *AIRWAYS, *FISSURES)
    shape = lung.shape(np.maximum(values, -lung.depth_mm - np.float32(BEYOND_MM)))
    # The visceral line runs in the lung, the air between it and the wall.
    paints = (Paint(shape, (Layer(wall.label, -LINE_MM),), lobes),
              Paint(shape, (Layer(gas.label),), (*lobes, *inner, *earlier(number), wall.label)))
    pushes = (mediastinal_shift(scene, one.side, one.shift_mm),) if one.shift_mm > 0.5 else ()
    attributes = {"type": "tension" if one.shift_mm > 0.5 else "simple", "side": one.side, "posture": one.posture,
                  "gas_ml": round(one.volume_ml, 1), "collapse_share": round(one.volume_ml / lung.volume_ml, 4),
                  "rim_mm": round(float(rim), 1), "mediastinal_shift_mm": round(one.shift_mm, 1)}
    return Lesion(number, one.kind, PNEUMOTHORAX, made, paints, f"lobe_{one.side}_upper",
                  attributes | rims(lung, lung.shape(values)), one.model_dump(mode="json"), pushes=pushes)


def _air(lung: Region, posture: str, seed: Seed) -> Callable[[float], Array]:
    """Return the function from the widest rim (mm) to the field of the air, (k, j, i) mm."""
    height = height_mm(lung.points_mm, posture)
    inside = height[lung.whole > 0.5]
    low, high = float(inside.min()), float(inside.max())
    share = ((height - low) / (high - low)).astype(np.float32)
    away = np.linalg.norm(lung.points_mm - lung.hilum_mm, axis=-1)
    free = HILAR + (1 - HILAR) * np.clip((away - 20.0) / 60.0, 0, 1)
    aside = np.abs(lung.points_mm[..., 0]) - abs(float(lung.hilum_mm[0]))
    medial = MEDIAL + (1 - MEDIAL) * np.clip((aside - 5.0) / 35.0, 0, 1)
    free = free * np.maximum(medial, share)
    wavelength, size = SWAY
    profile = (free * (1 + size * lung.noise(seed.child("sway"), wavelength))).astype(np.float32)
    depth = lung.depth_mm

    def at(rim_mm: float) -> Array:
        begin = LOW_SHARE + TIP_SHARE * np.exp(-rim_mm / TIP_MM)
        rim = np.float32(rim_mm) * profile * np.clip((share - begin) / (1 - begin), 0, 1)
        # Where the rim is thinner than a film, the lung lies against the wall.
        values = depth - rim + 3 * np.clip(1 - rim / FILM_MM, 0, 1)
        return _rounded(lung, np.asarray(values / lung.slope(values), np.float32), rim)

    return at


def _rounded(lung: Region, values: Array, rim: Array) -> Array:
    """Return the field of the air, with air in place of thin bridges of lung and of what hangs on them in the air.

    A lung that retracts rounds its edges; where it lies against the wall, they stay.
    """
    left = (values > 0) & (lung.whole > 0.5)
    parts, count = ndimage.label(ndimage.binary_erosion(left, iterations=BRIDGE))
    if count == 0:
        return values
    main = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    loose = left & ~ndimage.binary_dilation(main, iterations=2 * BRIDGE) & (rim > FREE_MM)
    loose = ndimage.binary_dilation(loose) & ~ndimage.binary_dilation(main, iterations=BRIDGE)
    return np.where(loose, np.minimum(values, np.float32(-2.0)), values)


def rims(lung: Region, air: SampledShape) -> dict[str, Any]:
    """Return how wide the air is where guidelines measure it, and what they call it: at the tip and at the hilum."""
    points = lung.points_mm[lung.whole > 0.5]
    left_over = points[np.asarray(air.distance_mm(points)) > 0]
    apex = float(points[:, 2].max() - left_over[:, 2].max()) if len(left_over) else float(np.ptp(points[:, 2]))
    hilum = points[np.abs(points[:, 2] - lung.hilum_mm[2]) < lung.step_mm]
    side = hilum[np.argmax(np.abs(hilum[:, 0]))]
    lateral = _run_mm(air, side, np.array([-np.sign(side[0]), 0.0, 0.0]))
    return {"apex_mm": apex, "hilum_rim_mm": lateral, "bts": "large" if lateral > BTS_LARGE_MM else "small",
            "accp": "large" if apex >= ACCP_LARGE_MM else "small"}


def _run_mm(air: SampledShape, start: np.ndarray, direction: np.ndarray) -> float:
    """Return how far air goes on from a point at the wall."""
    steps = np.arange(0, 200, 0.5)
    within = np.asarray(air.distance_mm(start + steps[:, None] * direction)) < 0
    return float(steps[np.argmin(within)]) if not within.all() else float(steps[-1])


FAMILY = Family("pneumothorax", "Pneumothorax with visceral line, by posture; tension", PneumothoraxOptions,
                sample_specs, insert, ("thorax", "torso"))
