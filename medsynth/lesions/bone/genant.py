"""Grades of vertebral fractures by the height that is lost."""

from __future__ import annotations

# Genant et al. 1993, doi:10.1002/jbmr.5650080915: mild 20-25 %, moderate 25-40 %, severe above 40 %.
LIMITS = (0.20, 0.25, 0.40)


def genant_grade(loss: float) -> int:
    """Return the grade 0 to 3 of the largest loss of height, as a fraction of the height before.

    Examples
    --------
    >>> [genant_grade(loss) for loss in (0.1, 0.22, 0.3, 0.5)]
    [0, 1, 2, 3]
    """
    return sum(loss >= limit for limit in LIMITS)
