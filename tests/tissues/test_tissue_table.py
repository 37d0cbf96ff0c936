"""The tissue table against itself and published numbers."""

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.tissues.contrast import enhancement_keys, iodine_mg_per_ml
from medsynth.tissues.reading import read_table
from medsynth.tissues.table import iodine_solution, mixed, tissue, tissue_names

NEEDED = {
    "air", "water", "adipose", "skin", "skeletal_muscle", "blood", "lung_tissue", "airway_wall", "soft_tissue",
    "cortical_bone", "red_marrow", "yellow_marrow", "cartilage", "costal_cartilage", "liver", "spleen", "kidney",
    "pancreas", "myocardium", "gi_wall", "stomach_content", "lymph_node", "thymus", "breast_gland", "brain",
    "spinal_cord", "csf", "intervertebral_disc", "thyroid", "calcification", "nodule_solid", "carbon_fibre",
    "couch_foam", "pmp", "ldpe", "polystyrene", "acrylic", "delrin", "teflon"}


def test_every_needed_tissue_is_in_the_table():
    assert NEEDED.issubset(tissue_names())


def test_raw_mass_fractions_of_every_row_sum_to_one():
    for row in read_table("tissues.csv"):
        total = sum(float(v) for k, v in row.items() if v and k not in ("name", "density_g_cm3", "source"))
        assert total == pytest.approx(1.0, abs=2e-4), row["name"]


@pytest.mark.parametrize("name", tissue_names())
def test_a_tissue_has_a_source_a_density_and_fractions_that_sum_to_one(name):
    row = tissue(name)
    assert row.source
    assert 0 < row.density_g_cm3 < 22  # platinum
    assert sum(row.mass_fractions.values()) == pytest.approx(1.0, abs=1e-12)


def test_an_unknown_tissue_is_refused_with_a_suggestion():
    with pytest.raises(RecipeError, match=r"tissue must be .* got 'livr' \(did you mean 'liver'\?\)"):
        tissue("livr")


def test_a_mixture_by_volume_keeps_mass_and_elements():
    lung = mixed("lung", [(tissue("lung_tissue"), 0.2), (tissue("air"), 0.8)])
    assert lung.density_g_cm3 == pytest.approx(0.2 * 1.05 + 0.8 * 1.205e-3)
    assert sum(lung.mass_fractions.values()) == pytest.approx(1.0)
    hydrogen_g = 0.2 * 1.05 * tissue("lung_tissue").mass_fractions["H"]
    assert lung.mass_fractions["H"] * lung.density_g_cm3 == pytest.approx(hydrogen_g)


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (-0.1, 1.1)])
def test_volume_fractions_that_do_not_sum_to_one_are_refused(fractions):
    with pytest.raises(RecipeError, match="volume fractions of lung"):
        mixed("lung", list(zip([tissue("lung_tissue"), tissue("air")], fractions, strict=True)))


def test_an_iodine_solution_holds_the_iodine_asked_for():
    solution = iodine_solution(10.0)
    assert solution.density_g_cm3 * solution.mass_fractions["I"] * 1000 == pytest.approx(10.0)


def test_iodine_table_is_zero_before_contrast_and_dense_in_the_arterial_vena_cava():
    assert all(iodine_mg_per_ml(key, "none") == 0 for key in enhancement_keys())
    assert iodine_mg_per_ml("systemic_vein", "arterial") > iodine_mg_per_ml("aorta", "arterial") > 5
    assert iodine_mg_per_ml("liver", "portal") > iodine_mg_per_ml("liver", "arterial")
    assert iodine_mg_per_ml("", "portal") == 0


def test_an_unknown_enhancement_key_is_refused():
    with pytest.raises(RecipeError, match="enhancement must be one of"):
        iodine_mg_per_ml("aorrta", "portal")


def test_densities_are_finite_numbers():
    assert np.all(np.isfinite([tissue(name).density_g_cm3 for name in tissue_names()]))
