from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from medsynth.annotate.diameters import scattered_axes
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.breast.place import breast_of
from medsynth.lesions.breast.specks import draw_specks
from medsynth.scene.extent import lesion_bounds_mm
from medsynth.scene.rasterize import rasterize, with_lesions
from tests.lesions.growing import grown, specs
from tests.phantoms.breast_people import breast


def scene():
    return breast("dense").scene


def places(lesion):
    tubes = lesion.paints[0].shape
    return (tubes.starts_mm + tubes.ends_mm) / 2


@pytest.mark.parametrize("morphology", ["round", "punctate", "amorphous", "coarse_heterogeneous", "fine_pleomorphic",
                                        "fine_linear_branching"])
def test_a_group_lies_within_two_centimetres_and_holds_five_or_more(morphology):
    lesion = grown(scene(), "breast_calcifications", morphology, morphologies={morphology: 1},
                   distributions={"grouped": 1})
    assert lesion.attributes["specks"] >= 5
    assert lesion.attributes["extent_mm"] <= 20
    assert lesion.attributes["bi_rads_calcification"] == morphology
    assert (breast_of(scene()).depth_at(places(lesion)) > 0.5).all()


def test_linear_ones_follow_a_line_and_segmental_ones_point_at_the_nipple():
    line = places(grown(scene(), "breast_calcifications", "line", morphologies={"punctate": 1}, specks=20,
                        distributions={"linear": 1}, extent_mm=25))
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(line.T)))
    assert spread[2] > 2.5 * spread[1]
    segment = grown(scene(), "breast_calcifications", "segment", morphologies={"punctate": 1}, specks=30,
                    distributions={"segmental": 1}, extent_mm=30)
    rays = places(segment) - scene().landmarks["nipple"]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    assert np.degrees(np.arccos((rays @ rays.T).min())) < 45  # a wedge; a duct system is a sixth of the breast or so
    wide = places(grown(scene(), "breast_calcifications", "wide", morphologies={"punctate": 1}, specks=60,
                        distributions={"diffuse": 1}))
    assert pdist(wide).max() > 50


def test_specks_of_a_fifth_of_a_millimetre_survive_in_large_voxels_by_their_fraction():
    lesion = grown(scene(), "breast_calcifications", "survive", morphologies={"punctate": 1}, specks=20,
                   distributions={"grouped": 1}, extent_mm=18, speck_mm=0.3)
    tubes = lesion.paints[0].shape
    true_mm3 = float((4 / 3 * np.pi * tubes.start_radii_mm**3).sum())
    low, high = lesion_bounds_mm(lesion)
    grid = Grid.covering(np.array(low) - 2, np.array(high) + 2, (0.5, 0.6, 0.6))
    ill, _ = with_lesions(rasterize(scene(), grid), scene(), [lesion])
    share = ill.occupancy(lesion.structures[0].label)
    assert share.max() < 0.5
    assert float(share.sum(dtype=np.float64)) * grid.voxel_volume_mm3 == pytest.approx(true_mm3, rel=0.08)
    # No voxel is half full: as a group it is still as long as the farthest specks are apart.
    axes = scattered_axes(share, grid)
    assert axes is not None
    assert axes.long_mm == pytest.approx(pdist(places(lesion)).max(), abs=1.2)


def test_morphologies_differ_in_size_and_form():
    sites = np.random.default_rng(1).normal(0, 20, (80, 3))
    along = np.tile([1.0, 0.0, 0.0], (80, 1))
    long = {}
    for name, size in (("punctate", 0.3), ("fine_linear_branching", 0.2)):
        tubes, _ = draw_specks(name, sites, along, size, seed=Seed(2))
        long[name] = (tubes.lengths_mm / np.maximum(tubes.start_radii_mm, 1e-9)).mean()
    assert long["punctate"] < 0.05 < 1.0 < long["fine_linear_branching"]
    _, fine_sizes = draw_specks("fine_pleomorphic", sites, along, 0.24, seed=Seed(2))
    assert (fine_sizes < 0.5).mean() > 0.95


def test_fifty_groups_rebuild_from_their_specs_and_counts_follow_the_request():
    for n in range(50):
        (one,) = specs(scene(), "breast_calcifications", f"many-{n}", distributions={"grouped": 1}, specks=7)
        assert one["specks"] == 7
        assert one["extent_mm"] <= 20
