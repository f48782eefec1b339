"""Journals for tests: long ones that nobody has to wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bonsai.chains.chain import Chain
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.runs.journal import Journal, begin_journal
from bonsai.runs.plan import Grid, Plan
from bonsai.settings import ROOT

VARIANTS = load_variants(ROOT / "prompts")
PAIR = (VARIANTS["assistant"], VARIANTS["logician"])


def finished_journal(file: Path, questions: int, reasoning: str = "It is so.") -> Journal:
    """Return the journal of a finished list of questions, each asked with two variants."""
    grid = Grid(tuple(f"Why {number}?" for number in range(questions)), PAIR, ("two-step",))
    with pytest.MonkeyPatch.context() as patch:
        # It need not survive a power cut.
        patch.setattr("os.fsync", lambda _: None)
        journal = begin_journal(file, Plan(grid, SamplingParams(), "m", "", "echo", "words"))
        for chain in list(journal.begun()):
            step = replace(
                chain.steps[0],
                writing="",
                reasoning=reasoning,
                answer=f"Because of {chain.number}.",
                new_content=chain.number % 7 / 7,
                completion_tokens=chain.number % 5,
            )
            journal.append(replace(chain, steps=(step,), stop_reason="done"))
    return journal


@contextmanager
def counted_passes() -> Iterator[list[Journal]]:
    """Yield a list of the journals that were read from beginning to end, once for each time."""
    passes: list[Journal] = []
    read = Journal.__iter__

    def count(journal: Journal) -> Iterator[Chain]:
        passes.append(journal)
        return read(journal)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "__iter__", count)
        yield passes
