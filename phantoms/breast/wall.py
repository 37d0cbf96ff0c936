"""The chest wall behind the breast: pectoral muscles, serratus, ribs with intercostals, pleura and lung."""

from __future__ import annotations

import numpy as np

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice
from phantoms.breast.frame import RIB_MM, BreastFrame, Field, cage_mm, muscle_mm
from phantoms.breast.mound import Mound
from phantoms.breast.table import labels

STEP_MM = 1.5
RIB_PITCH_MM, RIB_FALL = 28.0, 0.42  # distance of neighbouring ribs, and how they fall towards the front
RIB_HALF_HIGH_MM, RIB_HALF_THICK_MM, RIB_CORTEX_MM = 6.5, 3.9, 0.8
PLEURA_MM = 0.7
CARTILAGE_FROM_X_MM = -42.0  # medial of this the ribs are cartilage


def wall_paints(frame: BreastFrame, mound: Mound) -> list[Paint]:
    """Return the paints of the chest wall, from the muscles inwards."""
    fine = mound.lattice
    low = (float(fine.x.ravel()[0]), -25.0, float(fine.z.ravel()[0]))
    high = tuple(float(axis.ravel()[-1]) for axis in (fine.x, fine.y, fine.z))
    lattice = Lattice(low, high, STEP_MM)  # type: ignore[arg-type]
    cage, thick = cage_mm(frame, lattice), muscle_mm(frame, lattice)
    uneven = lattice.noise(frame.noise_seed(30), 22.0)
    names = labels()
    muscles = _muscles(frame, lattice, cage, thick, uneven)
    bed = np.maximum(cage - thick + 0.4 * uneven, lattice.sample(fine.shape_of(mound.skin)) + 3.0)
    owner = np.argmin(np.stack(list(muscles.values())), axis=0).astype(np.uint8)
    nearest = np.maximum(np.minimum.reduce(list(muscles.values())), bed + 0.5)
    ribs, gristle = _ribs(frame, lattice, cage)
    return [
        Paint(lattice.shape_of(bed), (Layer(names["intermuscular_fat"]),)),
        Paint(lattice.shape_of(nearest, owner), (Layer(tuple(names[name] for name in muscles)),)),
        Paint(lattice.shape_of(cage + 0.8), (Layer(names["intercostal_muscles"]),)),
        Paint(lattice.shape_of(ribs, gristle),
              (Layer((names["ribs"], names["costal_cartilage"])),
               Layer((names["rib_marrow"], names["costal_cartilage"]), RIB_CORTEX_MM))),
        Paint(lattice.shape_of(cage + RIB_MM + 0.4 * uneven),
              (Layer(names["pleura"]), Layer(names["lung"], PLEURA_MM))),
    ]  # fmt: skip


def _muscles(frame: BreastFrame, lattice: Lattice, cage: Field, thick: Field, uneven: Field) -> dict[str, Field]:
    """Return pectoralis major over minor, and serratus beside them, after they have settled their borders."""
    x, z = lattice.x, lattice.z
    lower = -52.0 + 0.55 * np.clip(x, 0, None)  # the lower edge of pectoralis major climbs to the armpit
    split = frame.muscle * 4.5 * np.clip((z - 8.0) / 14.0, 0, 1) * np.clip((x + 12.0) / 14.0, 0, 1)
    major = smooth_max(np.maximum(split + 0.8 - cage, cage - thick), np.maximum(lower - z, x - 56.0 - 0.2 * z), 5.0)
    minor = smooth_max(
        np.maximum(cage - split, 0.6 - cage),
        np.maximum(np.maximum(8.0 - z, -12.0 - x), x - 36.0 - 0.25 * z) + 0 * cage,
        4.0,
    )
    serratus = smooth_max(np.maximum(cage - 0.85 * thick, 0.8 - cage), 38.0 - x + 0.25 * z + 0 * cage, 4.0)
    gap = np.clip(2.0 + 0.6 * uneven, 1.7, 3.5).astype(np.float32)
    fields = {"pectoralis_major": major, "pectoralis_minor": minor, "serratus_anterior": serratus}
    return compete({name: np.asarray(field, np.float32) for name, field in fields.items()}, {}, gap)


def _ribs(frame: BreastFrame, lattice: Lattice, cage: Field) -> tuple[Field, np.ndarray]:
    """Return the distance to the nearest rib, and where ribs are cartilage."""
    height = lattice.z - RIB_FALL * lattice.x - 0.12 * lattice.y + 2.0 * lattice.noise(frame.noise_seed(31), 60.0)
    pitch = RIB_PITCH_MM * frame.chest
    between = ((height / pitch + 0.31 + 0.5) % 1.0 - 0.5) * pitch
    level = np.sqrt(((cage + RIB_MM / 2) / RIB_HALF_THICK_MM) ** 2 + (between / RIB_HALF_HIGH_MM) ** 2)
    field = (level - 1) * RIB_HALF_THICK_MM * np.clip(level, 1.0, 1.4)
    field = field + 0.3 * lattice.noise(frame.noise_seed(32), 9.0)
    medial = np.broadcast_to(lattice.x < CARTILAGE_FROM_X_MM + 0.25 * lattice.z, lattice.shape)
    return np.asarray(field, np.float32), medial.astype(np.uint8)
