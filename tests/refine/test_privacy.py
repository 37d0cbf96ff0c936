"""Memorisation: planted canaries are found, honest outputs pass. Model collapse: the guard keeps rare findings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsynth.refine.guard import check_generation, check_real
from medsynth.refine.privacy import memorisation
from medsynth.refine.refiner import RefineError


def slices(seed: int, count: int) -> list[np.ndarray]:
    """Shared anatomy, textures of their own."""
    rng = np.random.default_rng(seed)
    j, i = np.indices((96, 96))
    body = 100 * (np.hypot(j - 48, i - 48) < 40)
    return [body + 10 * ndimage.gaussian_filter(rng.normal(size=(96, 96)), 0.8) for _ in range(count)]


def test_outputs_with_textures_of_their_own_pass():
    found = memorisation(slices(1, 3), slices(2, 4), slices(3, 4))
    assert found.passed
    assert abs(found.correlation - found.held_out_correlation) < 0.1
    assert 0.25 < found.nearer < 0.75


@pytest.mark.parametrize("how", ["as it was", "shifted", "mirrored", "half noise"])
def test_a_planted_canary_is_found(how):
    training = slices(2, 4)
    rng = np.random.default_rng(9)
    marked = 10 * ndimage.gaussian_filter(rng.normal(size=(48, 48)), 0.8)  # the canary's watermark
    training[1][24:72, 24:72] += marked
    leaked = {"as it was": marked, "shifted": np.roll(marked, (3, -5), (0, 1)), "mirrored": marked[:, ::-1],
              "half noise": marked + 0.5 * marked.std() * rng.normal(size=marked.shape)}[how]
    outputs = slices(1, 3)
    outputs[2][24:72, 24:72] = training[1][24:72, 24:72] if how == "as it was" else 100 + leaked
    if how == "mirrored":
        outputs[2][24:72, 24:72] = training[1][24:72, 24:72][:, ::-1]
    if how == "shifted":
        outputs[2][29:77, 19:67] = training[1][24:72, 24:72]
    if how == "half noise":
        noise = ndimage.gaussian_filter(rng.normal(size=(48, 48)), 0.8)
        texture = training[1][24:72, 24:72]
        fine = (texture - ndimage.gaussian_filter(texture, 4)).std()
        outputs[2][24:72, 24:72] = texture + 0.5 * fine / noise.std() * noise
    found = memorisation(outputs, training, slices(3, 4))
    assert not found.passed
    assert found.correlation > found.held_out_correlation + 0.1


def test_slices_too_small_to_judge_are_one_line():
    with pytest.raises(RefineError, match="at least 32 x 32"):
        memorisation(slices(1, 1), [np.zeros((8, 8))], slices(2, 1))


# -- model collapse ---------------------------------------------------------------------------------------------------

RARE, CASES, TEMPER = 0.06, 400, 0.8  # share of cases with a rare finding; cases of a generation; sampling below 1 is
# what makes generative models look good: the likely becomes likelier (rejecting ugly samples, guidance, truncation)


def refit(findings: np.ndarray) -> np.ndarray:
    """Fit the shares of findings, as a model does, and sharpen them, as its sampling does."""
    share = np.bincount(findings, minlength=3) / len(findings)
    sharp = np.where(share > 0, share, 0) ** (1 / TEMPER)
    return sharp / sharp.sum()


def three_generations(*, guarded: bool) -> list[float]:
    """Share of the rare finding in the output of each generation; the guard may refuse a generation's data."""
    rng = np.random.default_rng(4)
    simulated = rng.choice(3, CASES, p=[0.7, 0.3 - RARE, RARE])
    data, generation, shares = simulated, 0, []
    for _ in range(3):
        if guarded:
            try:
                check_generation("data", generation)
            except RefineError:
                data, generation = simulated, 0  # what is left to train on
        made = rng.choice(3, CASES, p=refit(data))
        shares.append(float((made == 2).mean()))
        data, generation = made, generation + 1
    return shares


def test_three_generations_on_their_own_output_lose_the_rare_finding_and_the_guard_stops_it():
    free, held = three_generations(guarded=False), three_generations(guarded=True)
    assert free[2] < 0.5 * free[0] < RARE
    assert held[2] > 0.5 * RARE
    assert min(held) > 1.5 * free[2]


def test_generated_data_are_refused_unless_forced():
    assert check_generation("d", 0) == 0
    for generation in (1, 2, None, "0", False):
        with pytest.raises(RefineError, match="--force"):
            check_generation("d", generation)
    assert check_generation("d", 2, force=True) == 2
    assert check_generation("d", None, force=True) == 1


def test_synthetic_images_do_not_pass_as_real():
    with pytest.raises(RefineError, match="marked as synthetic"):
        check_real("d", synthetic=True)
    check_real("d", synthetic=True, force=True)
    check_real("d", synthetic=False)
