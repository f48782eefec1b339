"""The chains that a journal keeps, read from its file when they are asked for."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO, overload

from bonsai.chains.chain import Chain
from bonsai.chains.conclusion import CONCLUDED, Conclusion
from bonsai.chains.outcomes import StopReason
from bonsai.chains.step import Step
from bonsai.errors import BonsaiError, Note, RunFileError
from bonsai.runs.journal.index import JournalIndex
from bonsai.runs.journal.line_file import LineFile, told_unreadable
from bonsai.runs.journal.lines import ConclusionLine, Line, SeedLine, StepLine, VerdictLine, line_at, parse_line
from bonsai.runs.plan import Plan
from bonsai.runs.run import Run, StoredChains
from bonsai.runs.run.answering import Answering


class KeptChains(StoredChains):
    """The chains of a plan in a JSONL file: a line for the plan, then one for each finished step, oldest first.

    As a sequence it gives the chains in the order of their numbers, each read from the file when it is asked for; so a
    long run takes no more memory than a short one.
    """

    def __init__(self, lines: LineFile, plan: Plan) -> None:
        self.file, self.lines, self.plan = lines.path, lines, plan
        self._index = JournalIndex()
        self._run: Run | None = None
        self._answering = Answering()

    @property
    def run(self) -> Run:
        """The run, whose chains are those of the journal at any time, with the verdicts up to now."""
        if self._run is None or self._run.verdicts is not self._index.verdicts:
            self._run = Run.of_plan(self.plan, self, self._index.verdicts).answered(self._answering)
        return self._run

    @property
    def finished(self) -> int:
        """The number of chains that are finished."""
        return len(self._index.ended) - len(self._index.awaiting)

    @property
    def failed(self) -> list[int]:
        """The numbers of the chains that ended with an error, or whose conclusion did."""
        return sorted(self._index.failed | self._index.unconcluded - self._index.awaiting)

    @property
    def done(self) -> float:
        """How much of the plan is done, 0 to 1; a finished chain is done as a whole, however early it ended."""
        return (self.finished + self._index.open_steps / self.plan.grid.length) / len(self)

    @property
    def steps(self) -> int:
        """The number of steps that are kept."""
        return self._index.steps

    def __len__(self) -> int:
        """Return the number of chains in the plan."""
        return len(self.plan.grid)

    @overload
    def __getitem__(self, place: int) -> Chain: ...
    @overload
    def __getitem__(self, place: slice) -> list[Chain]: ...
    def __getitem__(self, place: int | slice) -> Chain | list[Chain]:
        """Return the chain at a place from 0 as it was kept: one that goes on is about to write its next step."""
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return next(self._chains([place % len(self) + 1]))

    def __iter__(self) -> Iterator[Chain]:
        """Yield all chains, in the order of their numbers."""
        return self._chains(range(1, len(self) + 1))

    def begun(self) -> Iterator[Chain]:
        """Yield all chains as they began; the file is not read for it."""
        return map(self._begun, range(1, len(self) + 1))

    def unfinished(self) -> Iterator[Chain]:
        """Yield the chains that go on, with the steps that were kept; nothing of these is written again."""
        ended, awaiting = self._index.ended, self._index.awaiting
        return self._chains(number for number in range(1, len(self) + 1) if number not in ended or number in awaiting)

    def read_steps(self, file: BinaryIO) -> None:
        """Find the steps in an open file, from where it stands: behind its first line, or what was read before.

        A torn last line counts as not written. Raises RunFileError for a line that is no step.
        """
        for place, line in self.lines.read(file):
            try:
                self._take(parse_line(line), place)
            except (BonsaiError, ValueError, RecursionError) as error:
                reason = error if isinstance(error, BonsaiError) else Note("This is not JSON.")
                raise RunFileError(
                    "The journal {file} is damaged at line {line}. {reason} Remove that line and those after it to go "
                    "on from there.",
                    file=self.file,
                    line=self.lines.count + 1,
                    reason=reason,
                ) from error

    def _take(self, line: Line, place: int) -> None:
        """Take in what a line at a place of the file says; raise RunFileError if it does not fit."""
        match line:
            case Answering():
                self._answer(line)
            case _ if not 1 <= line.chain <= len(self):
                raise RunFileError("There is no chain {chain}.", chain=line.chain)
            case SeedLine():
                self._note_restart(line.chain, line.seed)
            case ConclusionLine():
                self._index.conclude(line.chain, place, bool(line.conclusion.error))
            case VerdictLine():
                self._index.judge([line.verdict])
            case StepLine():
                self._index.add(line.chain, line.step.number, place)
                if line.stop_reason:
                    self._note_end(self._begun(line.chain), line.stop_reason)

    def _answer(self, answering: Answering) -> None:
        self._answering, self._run = answering, None

    def _note_restart(self, number: int, seed: int) -> None:
        self._index.restart(number, seed)
        # Its id depends on the seeds.
        self._run = None

    def _note_end(self, chain: Chain, reason: StopReason) -> None:
        """Note why a chain goes no further, and whether its conclusion follows."""
        self._index.end(chain.number, reason, chain.concludes and reason in CONCLUDED)

    def _chains(self, numbers: Iterable[int]) -> Iterator[Chain]:
        with told_unreadable(self.file), self.file.open("rb") as file:
            for number in numbers:
                yield self._chain(number, file)

    def _chain(self, number: int, file: BinaryIO) -> Chain:
        chain = self._begun(number)
        steps = [line_at(StepLine, file, place).step for place in self._index.places(number)]
        if number in self._index.ended:
            conclusion = self._conclusion(number, file)
            return replace(chain, steps=tuple(steps), stop_reason=self._index.ended[number], conclusion=conclusion)
        if not steps:
            return chain
        following = Step(len(steps) + 1, steps[-1].next_question, chain.method.roles[0])
        return replace(chain, steps=(*steps, following))

    def _conclusion(self, number: int, file: BinaryIO) -> Conclusion | None:
        """Return the conclusion of an ended chain: as it was kept, about to be written, or none."""
        if number in self._index.awaiting:
            return Conclusion()
        place = self._index.conclusions.get(number)
        return None if place is None else line_at(ConclusionLine, file, place).conclusion

    def _begun(self, number: int) -> Chain:
        chain = self.plan.grid.chain(number, self.plan.model)
        return replace(chain, seed=self._index.seeds.get(number, chain.seed))
