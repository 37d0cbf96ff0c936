"""Joint effusion of the knee: more fluid than usual, most of it in the pouch above the patella."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import Host, host, point
from medsynth.lesions.joint.side import laterality
from medsynth.lesions.matter import lesion_part
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene
from medsynth.shapes.blend import Offset, Union
from medsynth.shapes.primitives import Ellipsoid

EFFUSION = Code("52988006", "Lesion")
ROOM = ("joint_fluid", "intracapsular_fat", "intermuscular_fat", "joint_capsule")
STEP_MM = 1.0
# The pouch behind the quadriceps tendon: its middle from the patella's upper pole (back, up), and its semi-axes at the
# start of the growth (unverified).
POUCH_MM, POUCH_SEMI_MM = (9.0, 12.0), (15.0, 2.0, 13.0)
SMALL_ML, LARGE_ML = 10.0, 30.0  # words for the amount (unverified)


class JointEffusionOptions(Options):
    """Joint effusion of one recipe entry; a knee has at most one.

    Attributes
    ----------
    count : 0 or 1.
    volume_ml : of all the fluid, the usual film included.
    """

    count: Distribution = Fixed(value=1)
    volume_ml: Distribution = LogNormal(median=20, sigma=0.6, low=7, high=70)


class JointEffusionSpec(Options):
    """One effusion in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["joint_effusion"] = "joint_effusion"
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    volume_ml: float = Field(gt=0, le=200)


def sample_specs(options: JointEffusionOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the effusion of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If there is one already.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "joint_effusion" for other in taken) > 1:
        raise PlacementError("lesions.joint_effusion: a knee has one joint space, which holds an effusion already")
    volume = float(options.volume_ml.sample(rng=rng))
    # It may touch everything in the joint: other lesions need not keep away from it.
    spec = JointEffusionSpec(centre_mm=point(_pouch_mm(scene)), reach_mm=0.0, volume_ml=round(volume, 4))
    return [spec.model_dump(mode="json")] * count


def _pouch_mm(scene: Scene) -> np.ndarray:
    return np.asarray(scene.landmarks["patella_upper_pole"]) + np.array([0.0, *POUCH_MM])


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(JointEffusionSpec, spec, number)
    room, fluid = host(scene, *ROOM, step_mm=STEP_MM), host(scene, "joint_fluid", step_mm=STEP_MM)
    space = Union(fluid.shape, Ellipsoid(one.centre_mm, POUCH_SEMI_MM), 4.0)
    shape = Offset(space, _growth_mm(space, room, 1000 * one.volume_ml))
    part = lesion_part(number, "fluid", "synovial_fluid", EFFUSION, whole=True)
    paint = Paint(shape, (Layer(part.label),), room.labels, lattice_mm=0.8)
    attributes = {"laterality": laterality(scene), "usual_fluid_ml": round(fluid.volume_ml, 2)}
    return Lesion(number, one.kind, EFFUSION, (part,), (paint,), "joint_fluid", attributes, one.model_dump(mode="json"),
                  classify=_size)


def _size(measured: Measured) -> dict[str, str]:
    """Return the word for the amount."""
    ml = measured.volume_ml
    return {"size": "small" if ml < SMALL_ML else "moderate" if ml < LARGE_ML else "large"}


def _growth_mm(space: Union, room: Host, volume_mm3: float) -> float:
    """Return how far the space must grow so that what of it lies in the room has this volume.

    The room is full of thin films: its voxels' shares count, which a smooth shape would lose.
    """
    at = np.argwhere(room.share > 0)
    share = room.share[tuple(at.T)].astype(float) * room.grid.voxel_volume_mm3
    distance = np.asarray(space.distance_mm(room.grid.world_mm(at.astype(float))), float)
    low, high = -2.0, 14.0
    if float(share[distance < high].sum()) < volume_mm3:
        raise PlacementError(f"lesions.joint_effusion of volume_ml {volume_mm3 / 1000:.1f} does not fit this knee")
    while high - low > 1e-3:
        middle = (low + high) / 2
        filled = float((share * np.clip(0.5 - (distance - middle) / STEP_MM, 0, 1)).sum())
        low, high = (middle, high) if filled < volume_mm3 else (low, middle)
    return (low + high) / 2


FAMILY = Family("joint_effusion", "Joint effusion of the knee", JointEffusionOptions, sample_specs, insert, ("knee",))
