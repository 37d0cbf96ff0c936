"""Tubes refuse tables that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import GeometryError
from medsynth.shapes.tubes import Tubes


def tables(**change) -> dict:
    good = {
        "starts_mm": np.zeros((3, 3)),
        "ends_mm": np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0], [1.0, 0.0, 0.0]]),
        "start_radii_mm": np.ones(3),
        "end_radii_mm": np.ones(3),
        "parents": np.array([-1, 0, 0]),
    }
    return good | change


def test_lengths_are_those_of_the_axes():
    assert Tubes(**tables()).lengths_mm == pytest.approx([5.0, 2.0, 1.0])


@pytest.mark.parametrize(
    "change",
    [
        {"starts_mm": np.zeros((2, 3))},
        {"ends_mm": np.zeros((3, 2))},
        {"start_radii_mm": np.ones(4)},
        {"parents": np.zeros(2, int)},
        {"start_radii_mm": np.array([1.0, 0.0, 1.0])},
        {"start_radii_mm": np.array([1.0, np.nan, 1.0])},
        {"end_radii_mm": np.array([1.0, np.nan, 1.0])},
        {"walls_mm": np.ones(2)},
        {"walls_mm": np.array([0.1, -0.1, 0.0])},
        {"walls_mm": np.array([0.1, np.nan, 0.0])},
    ],
)
def test_tables_that_cannot_be_are_refused(change):
    with pytest.raises(GeometryError, match=r"tubes|walls_mm"):
        Tubes(**tables(**change))
