"""The lesion families a recipe may name: one line here adds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from medsynth.core.errors import RecipeError, expected
from medsynth.lesions.abdomen.adrenal_nodule import FAMILY as ADRENAL_NODULE
from medsynth.lesions.abdomen.aortic_aneurysm import FAMILY as AORTIC_ANEURYSM
from medsynth.lesions.abdomen.aortic_dissection import FAMILY as AORTIC_DISSECTION
from medsynth.lesions.abdomen.appendicitis import FAMILY as APPENDICITIS
from medsynth.lesions.abdomen.ascites import FAMILY as ASCITES
from medsynth.lesions.abdomen.bowel_obstruction import FAMILY as BOWEL_OBSTRUCTION
from medsynth.lesions.abdomen.gallstones import FAMILY as GALLSTONES
from medsynth.lesions.abdomen.kidney_cyst import FAMILY as KIDNEY_CYST
from medsynth.lesions.abdomen.kidney_stone import FAMILY as KIDNEY_STONE
from medsynth.lesions.abdomen.liver_lesion import FAMILY as LIVER_LESION
from medsynth.lesions.abdomen.lymphadenopathy import FAMILY as LYMPHADENOPATHY
from medsynth.lesions.abdomen.pancreatic_cancer import FAMILY as PANCREATIC_CANCER
from medsynth.lesions.abdomen.renal_mass import FAMILY as RENAL_MASS
from medsynth.lesions.abdomen.splenic_lesion import FAMILY as SPLENIC_LESION
from medsynth.lesions.abdomen.steatosis import FAMILY as STEATOSIS
from medsynth.lesions.bone.enostosis import FAMILY as ENOSTOSIS
from medsynth.lesions.bone.long_bone_fracture import FAMILY as LONG_BONE_FRACTURE
from medsynth.lesions.bone.metastasis import FAMILY as BONE_METASTASIS
from medsynth.lesions.bone.vertebral_fracture import FAMILY as VERTEBRAL_FRACTURE
from medsynth.lesions.brain.aneurysm import FAMILY as ANEURYSM
from medsynth.lesions.brain.epidural import FAMILY as EPIDURAL
from medsynth.lesions.brain.glioma import FAMILY as GLIOMA
from medsynth.lesions.brain.hydrocephalus import FAMILY as HYDROCEPHALUS
from medsynth.lesions.brain.intraventricular import FAMILY as INTRAVENTRICULAR
from medsynth.lesions.brain.metastasis import FAMILY as BRAIN_METASTASIS
from medsynth.lesions.brain.multiple_sclerosis import FAMILY as MS_PLAQUE
from medsynth.lesions.brain.parenchymal import FAMILY as INTRAPARENCHYMAL
from medsynth.lesions.brain.stroke import FAMILY as STROKE
from medsynth.lesions.brain.subarachnoid import FAMILY as SUBARACHNOID
from medsynth.lesions.brain.subdural import FAMILY as SUBDURAL
from medsynth.lesions.breast.calcifications import FAMILY as BREAST_CALCIFICATIONS
from medsynth.lesions.breast.cyst import FAMILY as BREAST_CYST
from medsynth.lesions.breast.mass import FAMILY as BREAST_MASS
from medsynth.lesions.chest.atelectasis import FAMILY as ATELECTASIS
from medsynth.lesions.chest.cavity import FAMILY as CAVITY
from medsynth.lesions.chest.consolidation import FAMILY as CONSOLIDATION
from medsynth.lesions.chest.effusion import FAMILY as EFFUSION
from medsynth.lesions.chest.embolism import FAMILY as EMBOLISM
from medsynth.lesions.chest.emphysema import FAMILY as EMPHYSEMA
from medsynth.lesions.chest.ground_glass import FAMILY as GROUND_GLASS
from medsynth.lesions.chest.lymph_node import FAMILY as LYMPH_NODE
from medsynth.lesions.chest.pneumothorax import FAMILY as PNEUMOTHORAX
from medsynth.lesions.chest.rib_fracture import FAMILY as RIB_FRACTURE
from medsynth.lesions.family import Family
from medsynth.lesions.joint.acl_tear import FAMILY as ACL_TEAR
from medsynth.lesions.joint.cartilage_defect import FAMILY as CARTILAGE_DEFECT
from medsynth.lesions.joint.effusion import FAMILY as JOINT_EFFUSION
from medsynth.lesions.joint.marrow_oedema import FAMILY as BONE_MARROW_OEDEMA
from medsynth.lesions.joint.meniscal_tear import FAMILY as MENISCAL_TEAR
from medsynth.lesions.lung_nodule import FAMILY as LUNG_NODULE
from medsynth.lesions.pelvis.fibroid import FAMILY as FIBROID
from medsynth.lesions.pelvis.ovarian_cyst import FAMILY as OVARIAN_CYST
from medsynth.lesions.pelvis.prostate_lesion import FAMILY as PROSTATE_LESION
from medsynth.scene.structure import Lesion, Scene

FAMILIES: dict[str, Family] = {one.kind: one for one in (
    LUNG_NODULE,
    BRAIN_METASTASIS,
    CONSOLIDATION,
    GROUND_GLASS,
    EFFUSION,
    PNEUMOTHORAX,
    EMBOLISM,
    EMPHYSEMA,
    CAVITY,
    ATELECTASIS,
    RIB_FRACTURE,
    LYMPH_NODE,
    LIVER_LESION,
    STEATOSIS,
    KIDNEY_CYST,
    RENAL_MASS,
    KIDNEY_STONE,
    GALLSTONES,
    PANCREATIC_CANCER,
    ADRENAL_NODULE,
    SPLENIC_LESION,
    PROSTATE_LESION,
    FIBROID,
    OVARIAN_CYST,
    ASCITES,
    AORTIC_ANEURYSM,
    AORTIC_DISSECTION,
    LYMPHADENOPATHY,
    APPENDICITIS,
    BOWEL_OBSTRUCTION,
    BREAST_MASS,
    BREAST_CALCIFICATIONS,
    BREAST_CYST,
    BONE_METASTASIS,
    ENOSTOSIS,
    VERTEBRAL_FRACTURE,
    LONG_BONE_FRACTURE,
    CARTILAGE_DEFECT,
    MENISCAL_TEAR,
    ACL_TEAR,
    BONE_MARROW_OEDEMA,
    JOINT_EFFUSION,
    INTRAPARENCHYMAL,
    SUBDURAL,
    EPIDURAL,
    SUBARACHNOID,
    INTRAVENTRICULAR,
    GLIOMA,
    MS_PLAQUE,
    STROKE,
    ANEURYSM,
    HYDROCEPHALUS,
)}


def family(kind: str) -> Family:
    """Return the family called `kind`."""
    if kind not in FAMILIES:
        raise RecipeError(expected("kind of a lesion", kind, f"one of {sorted(FAMILIES)}"))
    return FAMILIES[kind]


def sample_entries(entries: Sequence[BaseModel], scene: Scene, *, rng: np.random.Generator
                   ) -> list[list[dict[str, Any]]]:
    """Draw the lesions of every recipe entry, given as its family's options; none overlaps another."""
    found: list[list[dict[str, Any]]] = []
    for options, stream in zip(entries, rng.spawn(len(entries)), strict=True):
        kind = next((name for name, known in FAMILIES.items() if type(options) is known.options), "")
        taken = tuple(spec for specs in found for spec in specs)
        found.append(list(family(kind).sample_specs(options, scene, rng=stream, taken=taken)))
    return found


def sample_lesions(entries: Sequence[BaseModel], scene: Scene, *, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw the lesions of every recipe entry as one list."""
    return [spec for specs in sample_entries(entries, scene, rng=rng) for spec in specs]


def build_lesions(specs: Sequence[Mapping[str, Any]], scene: Scene) -> tuple[Lesion, ...]:
    """Build the lesions 1, 2, ... of these specs."""
    return tuple(family(str(spec.get("kind"))).insert(spec, scene, number)
                 for number, spec in enumerate(specs, start=1))
