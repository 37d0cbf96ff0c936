"""One case, start to end, in memory: subject, body, lesions, images, annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from medsynth.annotate.annotation import annotate, document, findings
from medsynth.annotate.masks import lesion_instances
from medsynth.annotate.projected import ProjectionMasks, lesion_plane
from medsynth.core.findings import Finding
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.dataset.design import case_design
from medsynth.dataset.recipe import Recipe, check_whole
from medsynth.dataset.tables import MODALITIES
from medsynth.lesions.families import build_lesions, sample_lesions
from medsynth.scene.acquired import Acquired
from medsynth.scene.body import load_body
from medsynth.scene.population import sample_subject
from medsynth.scene.structure import Lesion, Scene
from medsynth.scene.subject import Subject


@dataclass(frozen=True, eq=False)
class Case:
    """One case in memory.

    Attributes
    ----------
    index : its number in the dataset.
    seed : every stream of the case is drawn below it, by name.
    images : acquisition name -> image, e.g. int16 HU.
    labels : acquisition name -> uint16 anatomy on that image's grid: the organ that holds most of each voxel. None of a
        projection, in which structures overlap.
    masks : acquisition name of a projection -> structure, or `lesion_1` ... -> (1, rows, columns) uint8 mask.
    lesion_labels : acquisition name -> uint16 lesion numbers on that image's grid.
    lesions : the inserted lesions; `case.annotations["lesions"]` is what was measured of them.
    findings : acquisition name -> the measured lesions of that image.
    annotations : the content of annotations.json.
    acquired : acquisition name -> the image with its full truth (partial volume, scanner record).
    twin : the same case without its lesions, when asked for.
    """

    index: int
    seed: Seed
    subject: Subject
    scene: Scene
    lesions: tuple[Lesion, ...]
    images: Mapping[str, Volume]
    labels: Mapping[str, Volume]
    masks: Mapping[str, ProjectionMasks]
    lesion_labels: Mapping[str, Volume]
    findings: Mapping[str, tuple[Finding, ...]]
    annotations: Mapping[str, Any]
    acquired: Mapping[str, Acquired]
    twin: Case | None = None


def generate_case(recipe: Recipe, seed: int = 0, index: int = 0, *, twin: bool = False,
                  progress: Callable[[str], None] | None = None) -> Case:
    """Return case number `index` of the dataset of this recipe and seed; nothing is written.

    Parameters
    ----------
    twin : make the same case without its lesions too, with the same noise.
    progress : called with the name of each stage as it begins.

    Raises
    ------
    RecipeError
        If a number cannot be used.
    PlacementError
        If a lesion finds no place.
    """
    check_whole("seed", seed, 0)
    check_whole("index", index, 0)
    begin = progress or _silent
    case_seed = Seed(seed).child("case", index)
    begin("anatomy")
    design = None if recipe.design is None else case_design(recipe, seed, index)
    recipe = recipe if design is None else design.recipe
    subject = (sample_subject(recipe.subject.constraints(), rng=case_seed.child("subject").rng()) if design is None
               else design.subject)
    scene, anatomy_spec = _anatomy(recipe, subject, case_seed)
    begin("lesions")
    options = [part.options for part in recipe.lesions]
    specs = sample_lesions(options, scene, rng=case_seed.child("lesions").rng())
    lesions = build_lesions(specs, scene)
    acquired = {}
    for name, protocol in recipe.acquisitions.items():
        begin(name)
        acquire = MODALITIES[str(protocol.modality)].acquire()  # type: ignore[attr-defined]
        acquired[name] = acquire(scene, lesions, protocol, seed=case_seed.child(name), twin=twin,
                                 progress=lambda share, name=name: begin(f"{name} {share:.0%}"))  # type: ignore[misc]
    begin("annotations")
    drawn = {"anatomy": dict(anatomy_spec)} | ({} if design is None else {"design": dict(design.told)})
    origin: dict[str, Any] = {"index": index, "seed": seed, "specs": {**drawn, "lesions": specs}}
    case = _annotated(case_seed, index, scene, lesions, acquired, origin)
    if not twin:
        return case
    bare = {name: _without_lesions(one) for name, one in acquired.items()}
    origin["specs"] = {**drawn, "lesions": []}
    return replace(case, twin=_annotated(case_seed, index, scene, (), bare, origin))


def _without_lesions(one: Acquired) -> Acquired:
    """Return the twin of an acquisition: its image and truth without lesions."""
    projection = None if one.projection is None else replace(one.projection, lesions={})
    return Acquired(one.twin or one.image, one.healthy, one.healthy, None, one.scanner, one.parameters,
                    projection=projection)


def _silent(stage: str) -> None:
    """Ignore a stage."""


def _anatomy(recipe: Recipe, subject: Subject, seed: Seed) -> tuple[Scene, Mapping[str, Any]]:
    """Sample the spec of the subject's body, and build the scene."""
    body = load_body(recipe.phantom.body)
    spec = {**body.sample_spec(subject, rng=seed.child("anatomy").rng()), **recipe.phantom.spec}
    return body.build(subject, spec), spec


def _annotated(seed: Seed, index: int, scene: Scene, lesions: tuple[Lesion, ...], acquired: Mapping[str, Acquired],
               origin: Mapping[str, Any]) -> Case:
    """Measure the truth and gather the case."""
    measured = {name: annotate(one, lesions, scene) for name, one in acquired.items()}
    return Case(
        index=index, seed=seed, subject=scene.subject, scene=scene, lesions=lesions,
        images={name: one.image for name, one in acquired.items()},
        labels={name: Volume(one.beside.organ_image(), one.image.grid, "label")
                for name, one in acquired.items() if one.projection is None},
        masks={name: ProjectionMasks(one.projection, one.image.grid)
               for name, one in acquired.items() if one.projection is not None},
        lesion_labels={name: _lesion_labels(one, lesions) for name, one in acquired.items()},
        findings={name: tuple(findings(item)) for name, item in measured.items()},
        annotations=document(measured, **origin), acquired=acquired)


def _lesion_labels(one: Acquired, lesions: tuple[Lesion, ...]) -> Volume:
    if one.projection is not None:
        return lesion_plane(one.projection, one.image.grid)
    return Volume(lesion_instances(one.phantom, lesions), one.image.grid, "label")
