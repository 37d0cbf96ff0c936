"""What every focal family of the abdomen promises: the volume asked for, its place, and specs that rebuild it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, lognorm

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.families import build_lesions, family, sample_lesions
from tests.lesions.trunk import drawn, grown, names_below, painted, parts_ml
from tests.phantoms.abdomen_people import built

LIVER = {"liver", "hepatic_vein", "portal_vein", "bile_duct", "hepatic_artery",
         *(f"liver_segment_{n}" for n in range(1, 9))}
KIDNEY = {f"kidney_{side}{part}" for side in ("left", "right") for part in ("", "_medulla", "_sinus")}
KIDNEY |= {f"renal_{v}_{side}" for v in ("artery", "vein") for side in ("left", "right")} | {"abdominal_fat"}
PANCREAS = {"pancreas", "pancreatic_duct", "abdominal_fat", "bile_duct",
            *(f"pancreas_{part}" for part in ("head", "neck", "body", "tail"))}
FOCAL = [
    ("liver_lesion", {"types": {"metastasis": 1}, "diameter_mm": 26}, LIVER),
    ("liver_lesion", {"types": {"hcc": 1}, "diameter_mm": 40, "capsule": {"probability": 1}}, LIVER),
    ("liver_lesion", {"types": {"cyst": 1}, "diameter_mm": 15}, LIVER),
    ("liver_lesion", {"types": {"haemangioma": 1}, "diameter_mm": 30}, LIVER),
    ("kidney_cyst", {"bosniak": {"I": 1}, "diameter_mm": 24, "exophytic": -0.2}, KIDNEY),
    ("kidney_cyst", {"bosniak": {"IIF": 1}, "diameter_mm": 36}, KIDNEY),
    ("renal_mass", {"types": {"clear_cell": 1}, "diameter_mm": 38}, KIDNEY),
    ("renal_mass", {"types": {"angiomyolipoma": 1}, "diameter_mm": 22}, KIDNEY),
    ("kidney_stone", {"sites": {"calyx": 1}, "diameter_mm": 6}, None),
    ("gallstones", {"diameter_mm": 7}, {"gallbladder_bile"}),
    ("pancreatic_cancer", {"sites": {"body": 1}, "diameter_mm": 24}, PANCREAS),
    ("adrenal_nodule", {"diameter_mm": 18}, {"adrenal_right", "adrenal_left", "abdominal_fat"}),
    ("splenic_lesion", {"types": {"infarct": 1}, "diameter_mm": 24}, {"spleen"}),
    ("splenic_lesion", {"types": {"lymphoma": 1}, "diameter_mm": 14}, {"spleen"}),
    ("lymphadenopathy", {"short_axis_mm": 16}, None),
]


@pytest.fixture(scope="module")
def scene():
    return built("man").scene


@pytest.mark.parametrize(("kind", "options", "hosts"), FOCAL, ids=[f"{k}-{n}" for n, (k, _, _) in enumerate(FOCAL)])
def test_a_focal_lesion_has_its_volume_and_stays_where_it_may_grow(scene, kind, options, hosts):
    (spec,), (lesion,) = grown(scene, kind, count=1, **options)
    ill, anatomy, _ = painted(scene, lesion)
    assert sum(parts_ml(lesion, ill).values()) == pytest.approx(np.pi / 6000 * spec["diameter_mm"]**3, rel=0.05)
    if hosts is not None:
        assert names_below(ill, anatomy, lesion) <= hosts


def test_specs_alone_rebuild_a_lesion(scene):
    for kind, options, _ in FOCAL[::4]:
        specs, lesions = grown(scene, kind, count=1, **options)
        (again,) = build_lesions(specs, scene)
        points = np.asarray(specs[0]["centre_mm"]) + Seed(5).rng().uniform(-30, 30, (200, 3))
        for one, other in zip(lesions[0].paints, again.paints, strict=True):
            assert np.array_equal(one.shape.distance_mm(points), other.shape.distance_mm(points))
        assert lesions[0].structures == again.structures


def test_many_lesions_of_all_families_keep_apart_in_every_draw(scene):
    kinds = ("liver_lesion", "kidney_cyst", "renal_mass", "adrenal_nodule", "splenic_lesion", "lymphadenopathy")
    drawn_specs = 0
    for seed in range(5):
        entries = [family(kind).options(**({"count": 2, "short_axis_mm": 12} if kind == "lymphadenopathy" else
                                           {"count": 2, "diameter_mm": 14})) for kind in kinds]
        specs = sample_lesions(entries, scene, rng=Seed(seed).child("many").rng())
        drawn_specs += len(specs)
        centres, reach = np.array([s["centre_mm"] for s in specs]), np.array([s["reach_mm"] for s in specs])
        gaps = np.linalg.norm(centres[:, None] - centres, axis=-1) - reach - reach[:, None]
        assert gaps[~np.eye(len(specs), dtype=bool)].min() > 0
    assert drawn_specs >= 50


def test_diameters_follow_the_distribution_asked_for(scene):
    wanted = {"distribution": "log_normal", "median": 12, "sigma": 0.4, "low": 1, "high": 100}
    found = [drawn(scene, "liver_lesion", seed=n, count=1, types={"metastasis": 1},
                   diameter_mm=wanted)[0]["diameter_mm"]
             for n in range(50)]
    assert kstest(found, lognorm(s=0.4, scale=12).cdf).pvalue > 0.01


@pytest.mark.parametrize(("kind", "options", "words"), [
    ("liver_lesion", {"count": 40, "diameter_mm": 60}, "liver_lesion.*60"),
    ("gallstones", {"count": 20, "diameter_mm": 25}, "gallstones"),
    ("pancreatic_cancer", {"count": 2}, "one duct"),
    ("steatosis", {"count": 2}, "one liver"),
    ("ascites", {"volume_ml": 20000}, "20000"),
    ("aortic_aneurysm", {"diameter_mm": 8}, "8.0"),
])
def test_what_finds_no_place_is_refused_by_name(scene, kind, options, words):
    with pytest.raises(PlacementError, match=words):
        drawn(scene, kind, **options)
