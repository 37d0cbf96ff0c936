from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsynth.acquire.mri.acquire import acquire_mri
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import build_lesions
from medsynth.lesions.host import labels_of
from medsynth.lesions.joint.cartilage_defect import CARTILAGE, CartilageDefectOptions
from medsynth.scene.rasterize import rasterize, with_lesions
from tests.lesions.growing import covers_only, filled, fine, grown, specs, volume_ml
from tests.phantoms.knee_people import knee


def scene():
    return knee("man").scene


@pytest.mark.parametrize(("grade", "surface"), [(2, "patella"), (3, "medial_femoral_condyle"), (4, "trochlea")])
def test_a_cartilage_defect_is_as_deep_as_its_grade_says(grade, surface):
    lesion = grown(scene(), "cartilage_defect", surface, grades={grade: 1}, surfaces={surface: 1}, diameter_mm=9)
    name, bone = CARTILAGE[surface]
    foot, normal = np.array(lesion.spec["centre_mm"]), np.array(lesion.spec["normal"])
    along = np.arange(-4.0, 8.0, 0.05)
    line = foot + along[:, None] * normal
    grid = Grid.covering(line.min(0) - 4, line.max(0) + 4, (0.3, 0.3, 0.3))
    healthy = rasterize(scene(), grid)
    ill, _ = with_lesions(healthy, scene(), [lesion])
    at = tuple(np.round(grid.index_kji(line)).astype(int).T)
    cartilage = healthy.occupancy(*labels_of(scene(), name))[at]
    hole, bone_share = ill.occupancy(lesion.structures[0].label)[at], healthy.occupancy(*labels_of(scene(), bone))[at]
    share = float((hole * cartilage).sum() / cartilage.sum())
    limits = {2: (0.15, 0.52), 3: (0.48, 1.0), 4: (0.93, 1.01)}[grade]
    assert limits[0] < share < limits[1]
    assert ((hole * bone_share).sum() * 0.05 > 0.3) == (lesion.spec["bone_mm"] > 0.8)
    allowed = set(labels_of(scene(), name)) | (set(labels_of(scene(), bone)) if grade == 4 else set())
    assert covers_only(lesion, scene(), rasterize(scene(), fine(lesion, scene()).grid), allowed)


@pytest.mark.parametrize("tear", ["horizontal", "longitudinal", "radial"])
def test_a_meniscal_tear_is_a_cleft_inside_its_meniscus(tear):
    lesion = grown(scene(), "meniscal_tear", tear, types={tear: 1}, menisci={"medial": 1}, width_mm=1.0)
    healthy = rasterize(scene(), fine(lesion, scene()).grid)
    assert covers_only(lesion, scene(), healthy, set(labels_of(scene(), "meniscus_medial")))
    volume = 1000 * volume_ml(lesion, scene())
    at = fine(lesion, scene()).grid.world_mm(np.argwhere(filled(lesion, scene()) > 0.3).astype(float))
    assert 5.0 < volume < 400.0
    # A cleft of 1 mm: its volume is about its area.
    thin = np.sqrt(np.linalg.eigvalsh(np.cov(at.T)))[0]
    assert thin < 1.6


def test_a_bucket_handle_has_slipped_towards_the_notch():
    lesion = grown(scene(), "meniscal_tear", "handle", types={"bucket_handle": 1}, menisci={"lateral": 1})
    places = {part: fine(lesion, scene()).grid.world_mm(np.argwhere(filled(lesion, scene(), part) > 0.3).astype(float))
              for part in ("gap", "solid")}
    side = scene().landmarks["joint_centre"][0]
    assert abs(places["solid"][:, 0].mean() - side) + 3 < abs(places["gap"][:, 0].mean() - side)
    assert lesion.attributes["displaced"] is True


def test_a_complete_tear_parts_the_cruciate_ligament_and_a_partial_one_does_not():
    pieces = {}
    for grade in ("partial", "complete"):
        lesion = grown(scene(), "acl_tear", grade, grades={grade: 1}, place=0.5, gap_mm=6)
        ill = fine(lesion, scene())
        left = ill.occupancy(*labels_of(scene(), "anterior_cruciate_ligament"), *(
            s.label for s in lesion.structures if not s.name.endswith("gap"))) > 0.5
        count, sizes = ndimage.label(left)[1], np.bincount(ndimage.label(left)[0].ravel())[1:]
        pieces[grade] = int((sizes > 0.08 * sizes.sum()).sum()) if count else 0
    assert pieces == {"partial": 1, "complete": 2}


@pytest.mark.parametrize("volume", [1.0, 6.0])
def test_marrow_oedema_has_the_volume_asked_for_and_stays_in_the_marrow(volume):
    lesion = grown(scene(), "bone_marrow_oedema", str(volume), volume_ml=volume, sites={"lateral_femoral_condyle": 1})
    assert volume_ml(lesion, scene()) == pytest.approx(volume, rel=0.05)
    marrow = set(labels_of(scene(), "femur_*"))
    assert covers_only(lesion, scene(), rasterize(scene(), fine(lesion, scene()).grid), marrow)


@pytest.mark.parametrize("volume", [14.0, 40.0])
def test_an_effusion_has_the_volume_asked_for(volume):
    lesion = grown(scene(), "joint_effusion", str(volume), volume_ml=volume)
    assert volume_ml(lesion, scene()) == pytest.approx(volume, rel=0.05)


def test_a_knee_has_one_cruciate_ligament_and_two_menisci():
    with pytest.raises(PlacementError, match="torn already"):
        specs(scene(), "acl_tear", "two", count=2)
    with pytest.raises(PlacementError, match="no meniscus left"):
        specs(scene(), "meniscal_tear", "three", count=3)


def test_fifty_injuries_of_every_kind_find_a_place_on_the_right_side():
    for n in range(10):
        for kind, key in (("cartilage_defect", "surface"), ("bone_marrow_oedema", "site")):
            (one,) = specs(scene(), kind, f"many-{n}")
            outer = knee("man").outwards * (one["centre_mm"][0] - scene().landmarks["joint_centre"][0])
            if "femoral" in one[key] or "tibial" in one[key]:
                assert (outer > 0) == one[key].startswith("lateral")
        for kind in ("meniscal_tear", "acl_tear", "joint_effusion"):
            assert len(specs(scene(), kind, f"many-{n}")) == 1


@pytest.mark.parametrize("displacement", [0.0, 6.0])
def test_the_shaft_beyond_a_fracture_has_moved_as_far_as_asked(displacement):
    lesion = grown(scene(), "long_bone_fracture", f"tibia-{displacement}", sites={"tibia": 1}, tilt_deg=15,
                   displacement_mm=displacement)
    (built,) = build_lesions([lesion.spec], scene())
    x, y, z = lesion.spec["centre_mm"]
    grid = Grid.covering((x - 30, y - 30, z - 14), (x + 30, y + 30, z + 14), (1.0, 1.2, 1.2))
    healthy = rasterize(scene(), grid)
    ill, _ = with_lesions(healthy, scene(), [built])
    bone = labels_of(scene(), "tibia")

    def middle(phantom, k):
        share = phantom.occupancy(*bone)[k]
        at = np.indices(share.shape).reshape(2, -1)
        return (at * share.ravel()).sum(1) / share.sum() * 1.2

    below, above = (np.linalg.norm(middle(ill, k) - middle(healthy, k)) for k in (2, grid.shape_kji[0] - 3))
    assert below == pytest.approx(displacement, rel=0.12, abs=0.2)
    assert above < 0.2
    assert lesion.attributes["displacement_mm"] == pytest.approx(displacement, rel=0.1)
    assert float(ill.occupancy(lesion.structures[0].label).sum()) > 200  # the gap is there


@pytest.mark.slow
def test_bruised_marrow_and_torn_fibres_are_bright_with_fat_saturation_and_bruised_marrow_is_dark_in_t1():
    lesions = build_lesions([*specs(scene(), "bone_marrow_oedema", "mr", volume_ml=6, water_share=0.25,
                                    sites={"lateral_femoral_condyle": 1}),
                             *specs(scene(), "acl_tear", "mr", grades={"complete": 1})], scene())
    change = {}
    for preset in ("knee-pd-fs", "knee-t1w"):
        protocol = MriProtocol(preset=preset, scan_range="joint", pixel_mm=1.2, slice_thickness_mm=4)
        shot = acquire_mri(scene(), lesions, protocol, seed=Seed(4), twin=True)
        for lesion in lesions:
            own = [s.label for s in lesion.structures]
            inside = shot.phantom.occupancy(*own) > 0.8
            change[preset, lesion.kind] = float(shot.image.array[inside].mean() / shot.twin.array[inside].mean())
    assert change["knee-pd-fs", "bone_marrow_oedema"] > 1.6
    assert change["knee-t1w", "bone_marrow_oedema"] < 0.85
    assert change["knee-pd-fs", "acl_tear"] > 1.4


def test_grades_may_be_written_as_numbers_and_survive_json():
    options = CartilageDefectOptions.model_validate({"grades": {4: 1}})
    assert options.grades == {"4": 1}
    assert CartilageDefectOptions.model_validate_json(options.model_dump_json()) == options
