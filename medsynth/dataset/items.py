"""Image number n of the endless row that a recipe and a seed give: the same wherever and whenever it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from medsynth.core.errors import PlacementError, RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.dataset.anatomy_cache import Body, Latest
from medsynth.dataset.case import build_anatomy
from medsynth.dataset.pose import Pose, draw_pose
from medsynth.dataset.recipe import Recipe, check_whole
from medsynth.dataset.reuse import Place, Reuse
from medsynth.dataset.tables import MODALITIES
from medsynth.dataset.vary import Vary, checked_vary, varied
from medsynth.dataset.wording import did_you_mean
from medsynth.lesions.families import build_lesions, sample_lesions
from medsynth.scene.acquired import Acquired
from medsynth.scene.structure import Lesion, Scene

ATTEMPTS = 8  # draws of an image's lesions, until all of them find a place


@dataclass(frozen=True, eq=False)
class Item:
    """One image, or one of each acquisition.

    Attributes
    ----------
    number : in the endless row.
    place : its body, pose and number among that body's images.
    pose : how the body lies.
    acquired : acquisition name -> image and truth.
    """

    number: int
    place: Place
    pose: Pose
    scene: Scene
    lesions: tuple[Lesion, ...]
    acquired: Mapping[str, Acquired]


class ItemMaker:
    """Makes items; what it makes depends on recipe, seed, reuse, vary and the number alone, not on what it made before.

    Parameters
    ----------
    acquisitions : names of the recipe's acquisitions to make; all of them when left out.
    reuse : how often a body serves. With `images=1` and no pose, image n is that of `generate_case(recipe, seed, n)`.
    vary : settings that are drawn for every image (see `checked_vary`).
    bodies_of : another maker whose built bodies this one uses, too: of the same bodies, subjects and seed.
    """

    def __init__(self, recipe: Recipe, seed: int, *, acquisitions: Iterable[str] | None = None,
                 reuse: Reuse | None = None, vary: Vary | None = None, bodies_of: ItemMaker | None = None) -> None:
        check_whole("seed", seed, 0)
        self.recipe, self.seed, self.reuse = recipe, seed, reuse or Reuse()
        self.names = tuple(recipe.acquisitions if acquisitions is None else acquisitions)
        for name in self.names:
            if name not in recipe.acquisitions:
                raise RecipeError(expected("acquisition", name, f"one of {list(recipe.acquisitions)}")
                                  + did_you_mean(name, list(recipe.acquisitions)))
        self.vary = checked_vary(vary or {}, recipe.acquisitions)
        self._bodies: Latest[int, Body] = Latest(self.reuse.bodies)
        if bodies_of is not None:
            for part in ("phantom", "subject"):
                if getattr(recipe, part) != getattr(bodies_of.recipe, part):
                    raise RecipeError(f"bodies_of must have a recipe with the same {part}")
            if seed != bodies_of.seed:
                raise RecipeError(expected("seed", seed, f"that of bodies_of ({bodies_of.seed})"))
            self._bodies = bodies_of._bodies

    def __call__(self, number: int) -> Item:
        """Return item `number`."""
        place = self.reuse.place(number)
        whose = Seed(self.seed).child("case", place.body)
        body = self._bodies.get(place.body, lambda: Body(build_anatomy(self.recipe, whose)[0],
                                                         again=self.reuse.images > 1))
        own = whose if self.reuse.images == 1 else whose.child("image", place.image)
        pose = Pose()
        if self.reuse.moves:
            pose = draw_pose(self.reuse.turn_deg, self.reuse.shift_mm, rng=whose.child("pose", place.pose).rng())
        lesions = self._lesions(body.scene, own)
        acquired = {name: self._acquired(name, body, lesions, pose, own) for name in self.names}
        return Item(number, place, pose, body.scene, lesions, acquired)

    def _lesions(self, scene: Scene, own: Seed) -> tuple[Lesion, ...]:
        """Return the lesions of an image; where one finds no place, all are drawn again."""
        options = [part.options for part in self.recipe.lesions]
        for attempt in range(ATTEMPTS):
            stream = own.child("lesions", *([attempt] if attempt else []))
            try:
                return build_lesions(sample_lesions(options, scene, rng=stream.rng()), scene)
            except PlacementError:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _acquired(self, name: str, body: Body, lesions: tuple[Lesion, ...], pose: Pose, own: Seed) -> Acquired:
        protocol = varied(self.recipe.acquisitions[name], name, self.vary, seed=own.child("vary"))
        modality = MODALITIES[str(protocol.modality)]  # type: ignore[attr-defined]
        further: dict[str, Any] = {"voxelise": body.voxeliser(pose)} if modality.voxelise else {}
        refine = self.recipe.refine
        if refine is None or name not in (refine.acquisitions or ()):
            return modality.acquire()(body.scene, lesions, protocol, seed=own.child(name), **further)
        from medsynth.dataset.refining import refined

        one = modality.acquire()(body.scene, lesions, protocol, seed=own.child(name), twin=True, **further)
        return replace(refined(one, lesions, refine, seed=own.child(name)), twin=None)
