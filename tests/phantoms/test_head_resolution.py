"""The same head at 1 mm and at 2 mm."""

from __future__ import annotations

import pytest

from tests.phantoms.head_people import built
from tests.phantoms.resolution import at_two_and_one_mm, equal_labels, volume_changes

THIN = ("tooth", "sutures", "dura", "falx", "tentorium", "artery", "vein", "sinus_mucosa", "skin", "galea", "bone",
        "turbinates", "nasal", "cells", "muscles", "zygoma", "ligaments", "epidural", "maxilla", "ear", "auricle")


@pytest.fixture(scope="module")
def pair():
    return at_two_and_one_mm(built("man").scene, "head-neck")


@pytest.mark.slow
@pytest.mark.xfail(reason="temporalis (7 %), galea and orbital fat change more than allowed; see docs/anatomy-head.md")
def test_organs_have_the_same_volume_at_one_and_two_millimetres(pair):
    changes = volume_changes(*pair, least_ml=5.0)
    wrong = {n: c for n, c in changes.items() if abs(c) > (0.05 if any(t in n for t in THIN) else 0.01)}
    assert not wrong


@pytest.mark.slow
def test_labels_agree_on_97_percent_of_the_head(pair):
    assert equal_labels(*pair) >= 0.97
