"""The progress of a run that is kept in a journal: how far it is, and how long it will take."""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from bonsai.chains.chain import Chain
from bonsai.runs.journal import Journal


@dataclass(frozen=True)
class Progress:
    """How far a run is: the chains finished and failed of all, the seconds gone by, and one chain to watch.

    `share` (0 to 1) counts the steps of chains that go on too.
    `chain` is the same one from the first of its texts to its end, so that it can be read while others grow beside it.
    `expected` is how many seconds more it will take if it goes on as it began, None as long as nobody can tell;
    `kept` says whether a step was finished just now.
    """

    chain: Chain
    finished: int
    failed: int
    chains: int
    share: float
    seconds: float
    expected: float | None
    kept: bool


def record(journal: Journal, growing: Generator[tuple[int, Chain], None, None]) -> Generator[Progress, None, None]:
    """Keep each step that is finished while chains of the journal grow, and yield how far it is.

    `growing` yields (place, chain), as `bonsai.chains.advance.grow` does. Closing the iterator ends the work.
    """
    began = time.monotonic()
    # What was done before is known too, so that the pace is that of this run alone.
    before = journal.done
    watched: Chain | None = None
    with closing(growing):
        for _, chain in growing:
            if watched is None or watched.finished or watched.number == chain.number:
                watched = chain
            kept = bool(journal.keep(chain))
            seconds = time.monotonic() - began
            done = journal.done - before
            expected = seconds * (1 - journal.done) / done if done > 0 else None
            yield Progress(
                watched, journal.finished, journal.failures, len(journal), journal.done, seconds, expected, kept
            )
