"""A run of many chains as it is shown on a tab."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bonsai.chains.chain import Chain
from bonsai.errors import Note, UsageError
from bonsai.runs.journal import Journal, begin_journal, open_journal
from bonsai.runs.run import Run
from bonsai.ui.work import visitor_files

# Seconds: the model ends the text that it was at when the run was stopped.
LONGEST_WAIT, _PAUSE = 5.0, 0.1
STILL_ENDING = "The run is still ending its last text. Try again in a moment."
NOT_KEPT = "The run is no longer kept. Press Run to begin it anew."


@dataclass(frozen=True)
class GridRunState:
    """A run as it is shown: the journal that keeps it, and the seconds since the work on it began.

    An example's journal is shared by all visitors: one who goes on with it goes on with a copy.
    """

    journal: Journal
    seconds: float = 0.0
    shared: bool = False
    is_stopped: bool = False
    concludes: bool = False
    """Whether only conclusions are written."""
    notes: tuple[Note, ...] = ()
    """What was passed over in the questions that were asked."""

    @property
    def begun(self) -> bool:
        """Whether the work on it has begun."""
        return self.seconds > 0

    @property
    def over(self) -> bool:
        """Whether it was stopped, or all its chains are finished."""
        return self.is_stopped or self.journal.finished == len(self.journal)

    @property
    def asked(self) -> tuple[Chain, ...]:
        """The chains that are to be written now."""
        return tuple(self.journal.concluding() if self.concludes else self.journal.unfinished())

    @property
    def folder(self) -> Path:
        """Where the files of the run are: beside the journal, unless others use that too."""
        return visitor_files.new_folder() if self.shared else self.journal.file.parent


def reopened(state: GridRunState) -> Journal:
    """Return the journal of a run, opened anew: what was stopped may have kept a last step after it was shown.

    That of an example is copied for the visitor. Raises UsageError if it is no longer kept, or still being written.
    """
    file = state.journal.file
    if not file.is_file():
        raise UsageError(NOT_KEPT)
    journal = open_journal(Path(shutil.copy(file, visitor_files.new_folder())) if state.shared else file)
    if journal is None:
        raise UsageError(NOT_KEPT)
    _await_end(journal)
    return journal


def _await_end(journal: Journal) -> None:
    """Wait until nobody writes a journal, and take in what was written by then; raise UsageError if that takes long."""
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            with journal.writing():
                return
        except UsageError as error:
            if time.monotonic() >= deadline:
                raise UsageError(STILL_ENDING) from error
        time.sleep(_PAUSE)


def journal_of(run: Run) -> Journal | None:
    """Return a new journal with what a run has, None if its chains are no grid."""
    plan = run.find_plan()
    if plan is None:
        return None
    journal = begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)
    for chain in run.chains:
        journal.append(chain)
    if run.verdicts:
        # A step at which a chain was stopped is not kept, nor what was said of it.
        kept = {(chain.number, step.number) for chain in journal for step in chain.steps if step.finished}
        journal.judge(one for one in run.verdicts if {(number, one.step) for number in one.chains} <= kept)
    return journal
