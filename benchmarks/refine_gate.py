"""How well the gate tells spoiled images from good ones: `python -m benchmarks.refine_gate`.

Each corruption at rising strength, on chests with noise of their own, against images in which only the noise is other
noise. Printed: the least fidelity accepted, the share rejected, and the area under the ROC curve of the fidelity.
"""

from __future__ import annotations

import numpy as np

from tests.refine.toy import CORRUPTIONS, chest, renoised, verdict

STRENGTHS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
CASES = 6


def area(bad: list[float], good: list[float]) -> float:
    """Return the probability that a spoiled image has less fidelity than a good one."""
    wins = [(b < g) + 0.5 * (b == g) for b in bad for g in good]
    return float(np.mean(wins))


def main() -> None:
    """Print the table."""
    pairs = [chest(seed=0) for _ in range(CASES)]
    controls = [renoised(*pair, 100 + n) for n, pair in enumerate(pairs)]
    good = [verdict(after, *pair) for after, pair in zip(controls, pairs, strict=True)]
    accepted = np.mean([one.accepted for one in good])
    print(f"other noise of the same kind: {accepted:.0%} accepted, fidelity {np.mean([v.fidelity for v in good]):.2f}")
    print(f"{'corruption':<12} " + " ".join(f"{s:>13}" for s in STRENGTHS) + "   (rejected, AUC)")
    for name, corrupt in CORRUPTIONS.items():
        cells = []
        for strength in STRENGTHS:
            found = []
            for n, (image, twin, truth) in enumerate(pairs):  # the corruption comes on top of a good refiner's noise
                after = renoised(image, twin, truth, 200 + n)
                found.append(verdict(corrupt(after.image, after.twin, truth, strength), image, twin, truth))
            rejected = np.mean([not one.accepted for one in found])
            cells.append(f"{rejected:>5.0%} {area([v.fidelity for v in found], [v.fidelity for v in good]):>7.2f}")
        print(f"{name:<12} " + " ".join(cells))


if __name__ == "__main__":
    main()
