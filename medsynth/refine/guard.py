"""What may be training data: nothing that a generative model made, and nothing synthetic under the name of real."""

from __future__ import annotations

from medsynth.refine.refiner import RefineError

FORCE = "--force trains on it all the same"


def check_generation(where: str, generation: object, *, force: bool = False) -> int:
    """Return the generation of a dataset that may be trained on: 0, made by physics alone.

    Models that are trained on what models made lose rare findings first (see docs/refiner.md).

    Raises
    ------
    RefineError
        If a generative model lies behind it, or nobody says, unless forced.
    """
    if generation == 0 and not isinstance(generation, bool):
        return 0
    if isinstance(generation, int) and not isinstance(generation, bool) and generation > 0:
        if force:
            return generation
        raise RefineError(f"{where} is of generation {generation}: a generative model made it, and a model trained on "
                          f"it loses rare findings; {FORCE}")
    if force:
        return 1
    raise RefineError(f"{where} does not say its generation, got {generation!r}; {FORCE}, counted as generation 1")


def check_real(where: str, *, synthetic: bool, force: bool = False) -> None:
    """Raise unless what is given as real may be real.

    Raises
    ------
    RefineError
        If it carries the mark of synthetic data, unless forced.
    """
    if synthetic and not force:
        raise RefineError(f"{where} is marked as synthetic and cannot stand for real data; {FORCE}")
