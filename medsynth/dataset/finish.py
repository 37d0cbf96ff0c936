"""What is done when a run ends: lists in order, and what describes the dataset to people and to programs."""

from __future__ import annotations

from medsynth.dataset.card import Tally, write_card
from medsynth.dataset.croissant import write_croissant
from medsynth.dataset.header import read_header
from medsynth.dataset.journal import Journal


def finish(journal: Journal) -> None:
    """Settle the lists, and write README.md and croissant.json from them: functions of the finished cases alone."""
    tally = Tally()

    def describe() -> None:
        header = read_header(journal.out)
        write_card(journal.out, header, tally)
        write_croissant(journal.out, header, tally)

    journal.settle(tally.add, describe)
