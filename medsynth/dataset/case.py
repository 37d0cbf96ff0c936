"""One case, start to end, in memory: subject, body, lesions, images, annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from medsynth.annotate.annotation import annotate, document, findings
from medsynth.annotate.masks import lesion_instances
from medsynth.annotate.projected import ProjectionMasks, lesion_plane
from medsynth.core.findings import Finding
from medsynth.core.progress import silent
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.dataset.course import response_truth
from medsynth.dataset.design import case_design
from medsynth.dataset.placed import Placed, placed
from medsynth.dataset.recipe import Recipe, check_whole
from medsynth.dataset.tables import MODALITIES
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
    visit_lesions : acquisition name -> the lesions as they are on its day.
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
    visit_lesions: Mapping[str, tuple[Lesion, ...]]
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
    begin = progress or silent
    case_seed = Seed(seed).child("case", index)
    begin("anatomy")
    design = None if recipe.design is None else case_design(recipe, seed, index)
    recipe = recipe if design is None else design.recipe
    scene, anatomy_spec = build_anatomy(recipe, case_seed, None if design is None else design.subject)
    begin("lesions")
    ill = placed(recipe, scene, case_seed)
    acquired = {}
    refine = recipe.refine
    for name, protocol in ill.protocols.items():
        begin(name)
        acquire = MODALITIES[str(protocol.modality)].acquire()  # type: ignore[attr-defined]
        judged = refine is not None and name in (refine.acquisitions or ())  # the gate compares with the twin
        one = acquire(scene, ill.lesions[name], protocol, seed=case_seed.child(name), twin=twin or judged,
                      progress=lambda share, name=name: begin(f"{name} {share:.0%}"))  # type: ignore[misc]
        if refine is not None and judged:
            from medsynth.dataset.refining import refined

            begin(f"{name} refined")
            one = refined(one, ill.lesions[name], refine, seed=case_seed.child(name))
        acquired[name] = one if twin else replace(one, twin=None)
    begin("annotations")
    drawn = {"anatomy": dict(anatomy_spec)} | ({} if design is None else {"design": dict(design.told)})
    origin: dict[str, Any] = {"index": index, "seed": seed, "specs": {**drawn, **ill.told, "lesions": ill.specs}}
    case = _annotated(case_seed, index, scene, ill, acquired, origin)
    if not twin:
        return case
    bare = {name: _without_lesions(one) for name, one in acquired.items()}
    origin["specs"] = {**drawn, "lesions": []}
    none = replace(ill, lesions=dict.fromkeys(ill.lesions, ()))
    return replace(case, twin=_annotated(case_seed, index, scene, none, bare, origin))


def _without_lesions(one: Acquired) -> Acquired:
    """Return the twin of an acquisition: its image and truth without lesions."""
    projection = None if one.projection is None else replace(one.projection, lesions={})
    refinement = None if one.refinement is None else {**one.refinement, "lesions": []}
    return Acquired(one.twin or one.image, one.healthy, one.healthy, None, one.scanner, one.parameters,
                    projection=projection, refinement=refinement)


def build_anatomy(recipe: Recipe, seed: Seed, subject: Subject | None = None) -> tuple[Scene, Mapping[str, Any]]:
    """Sample the subject, unless one is given, and the spec of its body, and build the scene."""
    if subject is None:
        subject = sample_subject(recipe.subject.constraints(), rng=seed.child("subject").rng())
    body = load_body(recipe.phantom.body)
    spec = {**body.sample_spec(subject, rng=seed.child("anatomy").rng()), **recipe.phantom.spec}
    return body.build(subject, spec), spec


def _annotated(seed: Seed, index: int, scene: Scene, ill: Placed, acquired: Mapping[str, Acquired],
               origin: Mapping[str, Any]) -> Case:
    """Measure the truth and gather the case."""
    measured = {name: annotate(one, ill.lesions[name], scene) for name, one in acquired.items()}
    annotations = document(measured, **origin)
    if "visits" in ill.told and ill.every:
        annotations["response"] = response_truth(_by_day(annotations, ill.told["visits"]))
    return Case(
        index=index, seed=seed, subject=scene.subject, scene=scene, lesions=ill.every, visit_lesions=ill.lesions,
        images={name: one.image for name, one in acquired.items()},
        labels={name: Volume(one.beside.organ_image(), one.image.grid, "label")
                for name, one in acquired.items() if one.projection is None},
        masks={name: ProjectionMasks(one.projection, one.image.grid)
               for name, one in acquired.items() if one.projection is not None},
        lesion_labels={name: _lesion_labels(one, ill.lesions[name]) for name, one in acquired.items()},
        findings={name: tuple(findings(item)) for name, item in measured.items()},
        annotations=annotations, acquired=acquired)


def _by_day(annotations: Mapping[str, Any], days: Mapping[str, float]) -> dict[str, list[dict[str, Any]]]:
    """Return the measured lesions of each acquisition, in order of the days."""
    primary = annotations["primary_acquisition"]
    of = {name: annotations["lesions"] if name == primary else annotations["acquisitions"][name]["lesions"]
          for name in days}
    return {name: of[name] for name in sorted(days, key=lambda name: days[name])}


def _lesion_labels(one: Acquired, lesions: tuple[Lesion, ...]) -> Volume:
    if one.projection is not None:
        return lesion_plane(one.projection, one.image.grid)
    return Volume(lesion_instances(one.phantom, lesions), one.image.grid, "label")
