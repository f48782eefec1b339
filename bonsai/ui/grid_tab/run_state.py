"""A run of many chains as it is shown on a tab."""

from dataclasses import dataclass
from pathlib import Path

from bonsai.chains.chain import Chain
from bonsai.runs.journal import Journal, begin_journal
from bonsai.runs.run import Run
from bonsai.ui.work import visitor_files


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


def journal_of(run: Run) -> Journal | None:
    """Return a new journal with what a run has, None if its chains are no grid."""
    plan = run.find_plan()
    if plan is None:
        return None
    journal = begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)
    for chain in run.chains:
        journal.append(chain)
    return journal
