"""What a lesion family is to the rest: its options, and its two halves SAMPLE and BUILD."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from medsynth.core.errors import RecipeError
from medsynth.scene.structure import Lesion, Scene

Spec = TypeVar("Spec", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Site:
    """What stands for the body where a family is put into somebody's own image: one structure.

    Attributes
    ----------
    structure : a name that the family looks for, e.g. `"lobe_right_upper"`.
    tissue : its row of the tissue table: what the lesion's contrast is relative to in MR and in radiographs.
    mixture : what is finely mixed into it, as of a `Structure`.
    """

    structure: str
    tissue: str
    mixture: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """A lesion family. A module of its own makes it; `medsynth.lesions.families` lists it.

    Attributes
    ----------
    kind : its name in recipes and files, e.g. `"lung_nodule"`.
    description : one line for lists.
    options : checks what a recipe says.
    sample_specs : (options, scene, *, rng, taken) -> specs of JSON values; each has `kind`, `centre_mm`, `reach_mm`.
    insert : (spec, scene, number) -> Lesion; deterministic.
    bodies : bodies that it can grow in.
    contrast : key of the spec that holds its CT number, and the host's usual one: what a dial of contrast turns.
    site : how it is put into an image that has no anatomy; None where it needs a whole body.
    """

    kind: str
    description: str
    options: type[BaseModel]
    sample_specs: Callable[..., Sequence[dict[str, Any]]]
    insert: Callable[[Mapping[str, Any], Scene, int], Lesion]
    bodies: tuple[str, ...]
    site: Site | None = None
    contrast: tuple[str, float] | None = None


def checked_spec(model: type[Spec], spec: Mapping[str, Any], number: int) -> Spec:
    """Return the spec of lesion `number` as its family's model.

    Raises
    ------
    RecipeError
        If it is not one.
    """
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"spec of lesion {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
