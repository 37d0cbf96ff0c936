"""What lies where in a built knee; a mirrored, floating or leaking part must fail here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.grid import Grid
from medsynth.scene.rasterize import rasterize
from tests.phantoms.knee_people import SUBJECTS, Knee, knee

CARTILAGE = ("femoral_cartilage", "tibial_cartilage_medial", "tibial_cartilage_lateral", "patellar_cartilage")
BONES = ("femur", "tibia", "fibula", "patella")


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def leg(request: pytest.FixtureRequest) -> Knee:
    return knee(request.param)


def test_every_structure_is_there(leg: Knee):
    p = leg.phantom
    held = np.bincount(p.labels.ravel(), minlength=65536) + np.bincount(p.neighbour[p.fraction > 0], minlength=65536)
    missing = {s.name for s in leg.scene.structures if held[s.label] == 0}
    assert missing <= {"arterial_calcification", "femur_physeal_scar", "tibia_physeal_scar"}  # not in everyone


def test_every_structure_is_on_the_side_that_the_spec_tells(leg: Knee):
    assert {s.laterality for s in leg.scene.structures} == {leg.spec["side"]}


def test_what_is_outside_lies_outside_and_what_is_inside_inside(leg: Knee):
    outside = ("fibula", "lateral_collateral_ligament", "iliotibial_band", "biceps_femoris", "meniscus_lateral",
               "tibial_cartilage_lateral", "vastus_lateralis", "gastrocnemius_lateral", "common_peroneal_nerve",
               "tibialis_anterior")  # fmt: skip
    inside = ("medial_collateral_ligament", "sartorius", "gracilis", "semitendinosus", "semimembranosus",
              "meniscus_medial", "tibial_cartilage_medial", "vastus_medialis", "gastrocnemius_medial",
              "great_saphenous_vein")  # fmt: skip
    assert {name for name in outside if leg.centre_mm(name)[0] < 4} == set()
    assert {name for name in inside if leg.centre_mm(name)[0] > -4} == set()


def test_front_and_back_and_up_and_down_are_right(leg: Knee):
    y = {name: leg.centre_mm(name)[1] for name in leg.names if leg.mask(name).any()}
    assert y["patellar_tendon"] < y["infrapatellar_fat_pad"] < y["tibia"] < y["popliteus"] < y["gastrocnemius_medial"]
    assert y["patella"] < y["patellar_cartilage"] < y["femur"] < y["popliteal_artery"] < y["popliteal_vein"]
    assert y["popliteal_vein"] < y["tibial_nerve"] < y["small_saphenous_vein"]
    z = {name: leg.centre_mm(name)[2] for name in ("femur", "patella", "femoral_cartilage", "meniscus_medial", "tibia")}
    assert z["femur"] > z["patella"] > z["meniscus_medial"] > z["tibia"]
    assert leg.points_mm("tibia")[:, 2].max() < 12 > leg.points_mm("fibula")[:, 2].max() + 12


def test_cruciates_cross(leg: Knee):
    anterior, posterior = leg.points_mm("anterior_cruciate_ligament"), leg.points_mm("posterior_cruciate_ligament")

    def ends(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z = points[:, 2]
        return points[z > np.quantile(z, 0.9)].mean(0), points[z < np.quantile(z, 0.1)].mean(0)

    (a_top, a_foot), (p_top, p_foot) = ends(anterior), ends(posterior)
    assert a_top[0] > a_foot[0] + 3  # from the lateral condyle down, in and forwards
    assert a_top[1] > a_foot[1] + 10
    assert p_top[0] < p_foot[0] - 3  # from the medial condyle down, out and backwards
    assert p_top[1] < p_foot[1] - 10


def test_bones_never_touch_in_the_joint(leg: Knee):
    grown = ndimage.binary_dilation(leg.mask("femur"))
    assert not (grown & leg.mask("tibia", "patella", "fibula")).any()


def test_condyles_bear_on_cartilage_alone(leg: Knee):
    organ = leg.phantom.organ_image()
    for side, cover in (("medial", "tibial_cartilage_medial"), ("lateral", "tibial_cartilage_lateral")):
        _, j, i = (round(v) for v in np.argwhere(leg.mask(cover)).mean(axis=0))
        column = organ[:, j, i]
        shin, thigh = np.flatnonzero(column == leg.names["tibia"]).max(), 0
        thigh = np.flatnonzero(column == leg.names["femur"]).min()
        between = set(column[shin + 1 : thigh]) - {leg.names["joint_fluid"]}
        assert between <= {leg.names[cover], leg.names["femoral_cartilage"], leg.names[f"meniscus_{side}"]}
        assert {leg.names[cover], leg.names["femoral_cartilage"]} <= between
        assert 2 <= thigh - shin - 1 <= 9


def test_menisci_are_wedges_that_cover_half_of_the_plateaus(leg: Knee):
    # Coverage of the plateaus: 50 % medial, 58 % lateral (Bloecker 2011, doi:10.1186/1471-2474-12-248).
    for side, covered in (("medial", 0.50), ("lateral", 0.58)):
        meniscus = leg.mask(f"meniscus_{side}")
        high = meniscus.sum(axis=0)
        plan = high > 0
        middle = np.argwhere(leg.mask(f"tibial_cartilage_{side}").any(axis=0)).mean(axis=0)
        far = np.linalg.norm(np.argwhere(plan) - middle, axis=1)
        rim, edge = far > np.quantile(far, 0.7), far < np.quantile(far, 0.3)
        assert high[plan][rim].mean() > 1.5 * high[plan][edge].mean()
        plateau = ndimage.binary_fill_holes(plan | leg.mask(f"tibial_cartilage_{side}").any(axis=0))
        assert plan.sum() / plateau.sum() == pytest.approx(covered, abs=0.15)


def test_marrow_never_leaves_its_cortex(leg: Knee):
    # Subchondral bone is thinner than a millimetre.
    low, high = leg.scene.landmarks["fibular_head"], leg.scene.landmarks["patella_centre"]
    labels = rasterize(leg.scene, Grid.covering((-50, -60, low[2]), (50, 45, high[2]), (0.6, 0.6, 0.6))).labels
    for bone in BONES:
        parts = [s.label for s in leg.scene.structures if s.part_of == bone]
        shell = ndimage.binary_dilation(np.isin(labels, parts)) & ~np.isin(labels, parts)
        shell[[0, -1]] = False  # the bones are cut there
        covers = [leg.names[name] for name in (bone, *CARTILAGE)]
        assert np.mean(np.isin(labels[shell], covers)) > 0.95, bone


def test_skin_closes_the_leg_and_no_air_is_inside(leg: Knee):
    body = leg.phantom.labels > 0
    for k in range(0, len(body), 9):
        assert np.array_equal(ndimage.binary_fill_holes(body[k]), body[k])
        assert ndimage.label(body[k])[1] == 1
    rim = body & ~ndimage.binary_erosion(body, np.ones((1, 3, 3)))
    assert np.mean(leg.mask("skin")[rim]) > 0.995


def test_main_vessels_and_nerves_run_through_in_one_piece(leg: Knee):
    for name in ("popliteal_artery", "popliteal_vein", "tibial_nerve"):
        held = leg.mask(name)
        pieces, count = ndimage.label(held, np.ones((3, 3, 3)))
        assert np.bincount(pieces.ravel())[1:].max() > 0.97 * held.sum(), (name, count)
        assert held[2].any()
        assert held[-3].any()


def test_patellar_tendon_joins_patella_and_tibia(leg: Knee):
    tendon = ndimage.binary_dilation(leg.mask("patellar_tendon"), iterations=1)
    for bone in ("patella", "tibia"):
        assert (tendon & leg.mask(bone)).sum() > 30, bone


def test_vessels_nerves_and_muscles_leave_the_bones_alone(leg: Knee):
    starts = ("popliteal", "genicular", "great_s", "small_s", "tibial_nerve", "common_p", "vastus_medialis", "soleus")
    soft = [name for name in leg.names if name.startswith(starts)]
    points = leg.phantom.grid.world_mm(np.argwhere(leg.mask(*soft)))
    for bone in BONES:
        assert leg.scene.fields[bone].distance_mm(points).min() > -0.9, bone  # less than a voxel


def test_skin_is_as_thick_as_skin_and_fat_lies_under_it(leg: Knee):
    depth = -leg.scene.fields["body"].distance_mm(leg.phantom.grid.world_mm(np.argwhere(leg.mask("skin"))))
    assert 1.0 < 2 * np.median(depth) < 2.2
    assert depth.max() < 3.5


def test_ends_of_bones_are_ends_of_bones(leg: Knee):
    """Each place lies in its bone's hull, and 1.5 mm further there is no more of it."""
    shapes, places = leg.scene.fields, leg.scene.landmarks
    for name, bone, way in (("patella_upper_pole", "patella", 1), ("patella_lower_pole", "patella", -1),
                            ("femoral_condyle_medial", "femur", -1), ("femoral_condyle_lateral", "femur", -1),
                            ("tibial_spine_medial", "tibia", 1), ("tibial_spine_lateral", "tibia", 1)):  # fmt: skip
        at = np.array(places[name])
        assert shapes[bone].distance_mm(at[None])[0] < 0, name
        beyond = at + np.array([[x, y, way * 1.5] for x in (-2, 0, 2) for y in (-2, 0, 2)])
        assert np.all(shapes[bone].distance_mm(beyond) > 0), name
    assert 35 < places["patella_upper_pole"][2] - places["patella_lower_pole"][2] < 56
    for pair in ("femoral_condyle", "tibial_spine"):
        assert (places[f"{pair}_lateral"][0] - places[f"{pair}_medial"][0]) * leg.outwards > 5
    assert places["tibial_spine_medial"][2] > places["joint_centre"][2]
