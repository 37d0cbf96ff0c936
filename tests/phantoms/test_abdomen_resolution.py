"""The same abdomen at 1 mm and 2 mm."""

from __future__ import annotations

import pytest

from tests.phantoms.abdomen_people import built
from tests.phantoms.resolution import at_two_and_one_mm, equal_labels, volume_changes

THIN = ("mesenteric", "lymph", "ureter", "artery", "vein", "duct", "appendix", "skin", "adrenal", "coeliac", "plaque",
        "bronchi", "fissure", "pleural", "pulmonary")  # fmt: skip


@pytest.mark.slow
def test_volumes_and_labels_agree_at_one_and_two_millimetres():
    scene = built("woman").scene
    coarse, fine = at_two_and_one_mm(scene, "abdomen")
    changes = volume_changes(coarse, fine, 10.0)
    organs = {n: c for n, c in changes.items() if n in (
        "liver", "spleen", "kidney_right", "kidney_left", "pancreas", "stomach", "gallbladder", "duodenum",
        "small_bowel", "colon", "abdominal_fat")}  # fmt: skip
    assert max(abs(c) for c in organs.values()) < 0.01, organs
    assert equal_labels(coarse, fine) > 0.97
