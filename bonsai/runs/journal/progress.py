"""The progress of a run that is kept in a journal: how far it is, and how long it will take."""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from bonsai.chains.chain import Chain
from bonsai.engines.base import Engine
from bonsai.errors import Note
from bonsai.runs.journal.journal import Journal
from bonsai.runs.run.answering import Answering

_MINUTE, _HOUR = 60, 3600


def duration(seconds: float, digits: int = 0) -> Note:
    """Return a time as people say it: in seconds up to two minutes, in minutes up to two hours, then in hours.

    `digits` are those after the point of seconds.
    """
    if seconds < 2 * _MINUTE:
        return Note("{seconds} s", seconds=f"{seconds:.{digits}f}")
    if seconds < 2 * _HOUR:
        return Note("{minutes} min", minutes=f"{seconds / _MINUTE:.0f}")
    return Note("{hours} h", hours=f"{seconds / _HOUR:.1f}")


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    chain: Chain
    """One chain to watch: the same from its first text to its end, so that it can be read while others grow."""
    finished: int
    """Chains that are finished."""
    failed: int
    """Chains that ended with an error."""
    chains: int
    """All chains of the run."""
    share: float
    """How much is done, 0 to 1, with the steps of unfinished chains."""
    seconds: float
    """Time since the work began."""
    expected: float | None
    """Seconds to go at the pace so far; None until it can be estimated."""
    kept: bool
    """Whether a step was finished just now."""


def record(
    journal: Journal, growing: Generator[tuple[int, Chain], None, None], *engines: Engine | None
) -> Generator[Progress, None, None]:
    """Keep each finished step in the journal while its chains grow, and yield how far the run is.

    `growing` yields (place, chain) as `bonsai.chains.advance.advance_each` does, with texts of `engines`.
    Closing the iterator ends the work.
    Raises UsageError if another one writes the journal.
    """
    began = time.monotonic()
    watched: Chain | None = None
    with journal.writing(), closing(growing):
        # What was done before is known too, so that the pace is that of this run alone.
        before = journal.done
        for _, chain in growing:
            if watched is None or watched.finished or watched.number == chain.number:
                watched = chain
            kept = bool(journal.append(chain))
            if kept:
                journal.answer(Answering.of(*engines))
            seconds = time.monotonic() - began
            done = journal.done - before
            expected = seconds * (1 - journal.done) / done if done > 0 else None
            yield Progress(
                watched, journal.finished, len(journal.failed), len(journal), journal.done, seconds, expected, kept
            )
