"""The stub body and scanner, for commands that must not take long."""

from tests.dataset.conftest import stub_recipe, two_balls

__all__ = ["stub_recipe", "two_balls"]
