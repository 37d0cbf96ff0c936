"""The same subject is the same body at every voxel size."""

from __future__ import annotations

import pytest

from tests.phantoms.people import Person
from tests.phantoms.resolution import at_two_and_one_mm, equal_labels, volume_changes

# What fills the rest, or is thinner than a voxel: a voxel names two structures, and here three meet.
FILM = ("mediastinal_fat", "pleural_line", "fissure_right", "fissure_left")
SOLID = ("lobe_", "liver", "spleen", "kidney", "stomach", "left_", "right_", "myocardium", "subcutaneous_fat",
         "erector_spinae", "inferior_vena_cava")


@pytest.mark.slow
def test_one_and_two_millimetres_hold_the_same_volumes_and_labels(person: Person):
    coarse, fine = at_two_and_one_mm(person.scene, "chest")
    off = {name: change for name, change in volume_changes(coarse, fine, 5.0).items() if name not in FILM}
    assert {n: d for n, d in off.items() if n.startswith(SOLID) and abs(d) > 0.01} == {}
    # Ribs, vertebrae, discs, thin muscles and vessels: cortex, marrow, muscle and walls meet in one voxel.
    assert {n: d for n, d in off.items() if abs(d) > 0.06} == {}
    assert equal_labels(coarse, fine) > 0.97
