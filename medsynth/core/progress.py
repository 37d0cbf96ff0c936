"""What is told how far a long piece of work is, where nobody asks."""

from __future__ import annotations


def silent(_told: object) -> None:
    """Ignore how far it is."""
