"""One built man and one built woman for every test of the thorax."""

from __future__ import annotations

import pytest

from tests.phantoms.people import SUBJECTS, Person, built


@pytest.fixture(scope="session", params=sorted(SUBJECTS))
def person(request: pytest.FixtureRequest) -> Person:
    return built(request.param)
