"""The thorax's table of structures: what data sets rely on."""

from __future__ import annotations

from phantoms.torso import BODY

BY_NAME = {s.name: s for s in BODY.structures()}
# Labels that data sets already hold: a change of any would give old masks a new meaning.
STABLE = {
    "skin": 1,
    "lobe_right_upper": 50,
    "lobe_right_middle": 51,
    "lobe_right_lower": 52,
    "lobe_left_upper": 53,
    "lobe_left_lower": 54,
    "trachea": 60,
    "left_ventricle": 80,
    "myocardium": 84,
    "ascending_aorta": 90,
    "vertebra_T8": 138,
    "rib_right_1": 301,
    "rib_left_12": 332,
    "liver": 500,
    "spleen": 520,
}


def test_labels_that_data_sets_hold_do_not_change():
    assert {name: BY_NAME[name].label for name in STABLE} == STABLE


def test_the_chest_has_what_a_chest_ct_shows():
    wanted = {
        "skin",
        "subcutaneous_fat",
        "spinal_cord",
        "sternum_body",
        "manubrium",
        "trachea",
        "esophagus",
        "thymus",
        "pulmonary_artery",
        "pulmonary_vein",
        "superior_vena_cava",
        "inferior_vena_cava",
        "azygos_vein",
        "liver",
        "hepatic_vein",
        "portal_vein",
        "stomach",
        "stomach_gas",
        "spleen",
        "diaphragm",
        "mediastinal_lymph_nodes",
    }
    wanted |= {f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13)}
    wanted |= {"vertebra_C7", "vertebra_L1", *(f"vertebra_T{n}" for n in range(1, 13))}
    assert wanted <= set(BY_NAME)
