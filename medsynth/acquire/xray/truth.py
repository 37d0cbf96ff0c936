"""What is true of a radiograph: the shadow of every structure and lesion, places, and what a reader could see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.keypoints import cardiothoracic, inside, landmark_places
from medsynth.acquire.xray.project import structure_thickness
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.phantom import Phantom
from medsynth.scene.projection import Projection, Shadow
from medsynth.scene.structure import Lesion, Scene, Structure

Float32 = NDArray[np.float32]

# Organs that a reader names although the body is made of their parts: name -> what their structures' names begin with.
WHOLES: Mapping[str, tuple[str, ...]] = {
    "lung_right": ("lobe_right_",), "lung_left": ("lobe_left_",),
    "heart": ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium", "pericardium",
              "pericardial_fat"),
    "aorta": ("ascending_aorta", "aortic_arch", "descending_aorta", "aortic_wall"),
}
BONES = ("rib_", "clavicle_", "scapula_", "humerus_", "vertebra_", "manubrium", "sternum_", "femur", "tibia", "fibula",
         "patella", "hip_bone_", "sacrum", "coccyx", "radius", "ulna", "mandible", "maxilla", "frontal_bone",
         "parietal_bone", "occipital_bone", "temporal_bone", "sphenoid_bone", "ethmoid_bone", "zygoma", "nasal_bones",
         "hyoid", "ribs")
# What hides a lesion of the lung: the heart and the vessels about it, and what lies below the diaphragm.
DENSE = ("heart", "aorta", "pulmonary_artery", "superior_vena_cava", "inferior_vena_cava", "mediastinal_fat",
         "esophagus", "brachiocephalic_", "liver", "spleen", "stomach", "diaphragm", "abdominal_fat", "kidney_",
         "thymus")

# A ray of a lesion counts as hidden where it runs through more than this much bone, or this much of dense organs.
HIDING_BONE_MM = 8.0
HIDING_ORGANS_MM = 30.0


@dataclass(frozen=True, eq=False)
class Readings:
    """What lesions' contrast is measured on: readings FOR PROCESSING, (rows, columns) float32, linear in the exposure.

    Attributes
    ----------
    stored : as stored.
    clean : the same without noise.
    twin : the stored one without lesions, with the same noise.
    """

    stored: NDArray[np.uint16]
    clean: Float32
    twin: NDArray[np.uint16]


def groups_of(structures: Sequence[Structure]) -> dict[str, list[int]]:
    """Return name -> labels of every organ with its parts, and of the wholes that organs belong to."""
    groups: dict[str, list[int]] = {s.name: [s.label] for s in structures if not s.part_of}
    for s in structures:
        if s.part_of:
            groups[s.part_of].append(s.label)
    wholes = {whole: [label for name, labels in groups.items() if name.startswith(begins) for label in labels]
              for whole, begins in WHOLES.items() if whole not in groups}
    return groups | {name: labels for name, labels in wholes.items() if labels}


def projected_truth(scene: Scene, lesions: Sequence[Lesion], anatomy: Phantom, phantom: Phantom, geometry: Geometry,
                    field_ji: tuple[float, float, float, float], *, frontal: bool, readings: Readings | None = None
                    ) -> Projection:
    """Return the truth of an image.

    Parameters
    ----------
    anatomy, phantom : what the rays crossed, without and with lesions. Structures are those of `anatomy`.
    field_ji : edges of the collimated field (see `Stand`); shadows end there.
    frontal : whether the cardiothoracic ratio can be measured.
    readings : for the lesions' contrast; None leaves it out.
    """
    window = _window(geometry.shape_ji, field_ji)
    structures = _within(structure_thickness(anatomy, geometry, groups_of(anatomy.structures)), window)
    shadows = _lesion_shadows(lesions, phantom, geometry, window)
    places = {name: at for name, at in landmark_places(scene, geometry).items() if inside(at, field_ji)}
    measures: dict[str, Any] = {}
    if frontal:
        borders, measures = cardiothoracic(structures, field_ji, geometry.pixel_mm)
        places |= borders
    hiding = _hiding(structures, geometry.shape_ji) if shadows else None
    found = {}
    for lesion in lesions:
        if lesion.number in shadows and hiding is not None:
            found[str(lesion.number)] = _lesion_measures(shadows[lesion.number], hiding, readings)
    if found:
        measures["lesions"] = found
    return Projection(structures, shadows, places, measures)


def _lesion_shadows(lesions: Sequence[Lesion], phantom: Phantom, geometry: Geometry, window: tuple[slice, slice]
                    ) -> dict[int, Shadow]:
    groups = {str(one.number): list(part_labels(phantom.structures, one.number).values()) for one in lesions}
    found = structure_thickness(phantom, geometry, {name: labels for name, labels in groups.items() if labels})
    return {int(name): shadow for name, shadow in _within(found, window).items()}


def _lesion_measures(shadow: Shadow, hiding: NDArray[np.bool_], readings: Readings | None) -> dict[str, float]:
    """Return what a reader could see of one lesion (JSON values).

    visible_fraction : share of its pixels (`Shadow.inside`) where no more than `HIDING_BONE_MM` of bone and
    `HIDING_ORGANS_MM` of dense organs lie in front or behind. contrast : mean of the
    natural log of the reading without it over the reading with it, of the same noise, over the middle of its shadow
    (at least half of its greatest thickness). noise_sd : of the log of readings there, pixel by pixel. cnr : their
    ratio. snr : `cnr` times the root of the number of those pixels, Rose's ratio if noise had no correlation.
    """
    rows, columns = shadow.thickness_mm.shape
    row, column = shadow.first_ji
    box = slice(row, row + rows), slice(column, column + columns)
    mask = shadow.inside()
    found = {"visible_fraction": float((mask & ~hiding[box]).sum() / mask.sum())}
    if readings is None:
        return found
    core = shadow.thickness_mm >= float(shadow.thickness_mm.max()) / 2
    stored, clean, twin = (_log(image[box])[core] for image in (readings.stored, readings.clean, readings.twin))
    contrast = float(np.mean(twin - stored))
    around = tuple(slice(max(0, s.start - rows), s.stop + rows) for s in box)  # more pixels for a steadier SD
    few = core.sum() < 100
    noise = float((_log(readings.stored[around]) - _log(readings.clean[around])).std() if few
                  else (stored - clean).std())
    found |= {"contrast": contrast, "noise_sd": noise}
    if noise > 0:
        found |= {"cnr": contrast / noise, "snr": contrast / noise * float(np.sqrt(core.sum()))}
    return found


def _log(readings: NDArray[Any]) -> NDArray[np.float64]:
    return np.log(np.maximum(readings.astype(np.float64), 1.0))


def _hiding(structures: Mapping[str, Shadow], shape_ji: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where a ray's lesion counts as hidden."""
    bone, organs = (_total(structures, begins, shape_ji) for begins in (BONES, DENSE))
    return np.asarray((bone > HIDING_BONE_MM) | (organs > HIDING_ORGANS_MM))


def _total(structures: Mapping[str, Shadow], begins: tuple[str, ...], shape_ji: tuple[int, int]) -> Float32:
    """Return the length of each ray in all structures whose names begin so."""
    image = np.zeros(shape_ji, np.float32)
    for name, shadow in structures.items():
        if name.startswith(begins):
            (row, column), (rows, columns) = shadow.first_ji, shadow.thickness_mm.shape
            image[row:row + rows, column:column + columns] += shadow.thickness_mm
    return image


def _window(shape_ji: tuple[int, int], field_ji: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Return the whole pixels of the collimated field."""
    top, left, bottom, right = field_ji
    return (slice(max(0, int(np.ceil(top))), min(shape_ji[0], int(np.floor(bottom)) + 1)),
            slice(max(0, int(np.ceil(left))), min(shape_ji[1], int(np.floor(right)) + 1)))


def _within(shadows: Mapping[str, Shadow], window: tuple[slice, slice]) -> dict[str, Shadow]:
    """Return the shadows cut at the field's edges, without those that are empty there."""
    found = {}
    for name, shadow in shadows.items():
        first = [max(w.start, at) for w, at in zip(window, shadow.first_ji, strict=True)]
        ends = (at + n for at, n in zip(shadow.first_ji, shadow.thickness_mm.shape, strict=True))
        last = [min(w.stop, end) for w, end in zip(window, ends, strict=True)]
        if last[0] <= first[0] or last[1] <= first[1]:
            continue
        part = shadow.thickness_mm[first[0] - shadow.first_ji[0]:last[0] - shadow.first_ji[0],
                                   first[1] - shadow.first_ji[1]:last[1] - shadow.first_ji[1]]
        if part.max() > 0:
            found[name] = Shadow((first[0], first[1]), np.ascontiguousarray(part))
    return found
