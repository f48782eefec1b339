"""The journal of one run: its chains as they are kept in a file, readable at any time."""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, overload

from bonsai.chains.chain import Chain
from bonsai.chains.conclusion import CONCLUDED, Conclusion
from bonsai.chains.outcomes import StopReason
from bonsai.chains.step import Step
from bonsai.errors import BonsaiError, Note, RunFileError
from bonsai.runs.journal.index import JournalIndex
from bonsai.runs.journal.lines import (
    ConclusionLine,
    Line,
    SeedLine,
    StepLine,
    VerdictLine,
    line_at,
    line_bytes,
    parse_line,
)
from bonsai.runs.journal.lock import WriterLock
from bonsai.runs.plan import Plan
from bonsai.runs.run import Run, StoredChains
from bonsai.runs.run.verdicts import StepVerdict


class Journal(StoredChains):
    """The chains of a plan in a JSONL file: a line for the plan, then one for each finished step, oldest first.

    A line is on the disk before `append` returns. As a sequence the journal gives the chains in the order of their
    numbers, each read from the file when it is asked for; so a long run takes no more memory than a short one.
    """

    def __init__(self, file: Path, plan: Plan, end: int = 0) -> None:
        """`end` is where its first line ends, if nothing else is in the file."""
        self.file, self.plan = file, plan
        self._index = JournalIndex()
        self.lock = WriterLock(file)
        # Where what is known of the file ends.
        self._end = end
        # Where the last whole line ends, if a torn one follows it.
        self._torn_at: int | None = None
        self._run: Run | None = None

    @property
    def run(self) -> Run:
        """The run, whose chains are those of the journal at any time, with the verdicts up to now."""
        if self._run is None or self._run.verdicts is not self._index.verdicts:
            self._run = Run.of_plan(self.plan, self, self._index.verdicts)
        return self._run

    @property
    def finished(self) -> int:
        """The number of chains that are finished."""
        return len(self._index.ended) - len(self._index.awaiting)

    @property
    def failed(self) -> list[int]:
        """The numbers of the chains that ended with an error."""
        return sorted(self._index.failed)

    @property
    def failures(self) -> int:
        """The number of chains that ended with an error."""
        return len(self._index.failed)

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

    def reopen(self, numbers: Sequence[int]) -> None:
        """Let chains that ended with an error go on, from the step that failed."""
        for number in numbers:
            if number in self._index.failed:
                self._index.reopen(number)
                self._index.drop_last(number)

    def restart_with_seed(self, number: int, seed: int) -> None:
        """Let a chain begin again with a seed of its own; what it said before is no longer part of the run.

        Raises RunFileError if the file cannot be written.
        """
        self._append([SeedLine(number, seed)])
        self._restart(number, seed)

    def judge(self, verdicts: Iterable[StepVerdict]) -> None:
        """Keep what a person says of steps that are kept; of the same step the last verdict counts.

        Raises UsageError if there is no such chain or step, or if another one writes the journal, and RunFileError if
        the file cannot be written.
        """
        new = [one for one in map(StepVerdict.ordered, verdicts) if one not in self._index.verdicts]
        if new:
            with self.writing():
                self._index.check(new)
                self._append([VerdictLine(one.chain, one) for one in new])
                self._index.judge(new)

    def append(self, chain: Chain) -> int:
        """Keep the steps of a chain that were finished since it was kept last; return how many these were.

        A chain that was stopped is not kept as finished, nor is the step at which it was. Raises RunFileError if the
        file cannot be written.
        """
        count = self._append_steps(chain)
        if chain.conclusion and not chain.concluding and chain.number in self._index.awaiting:
            (place,) = self._append([ConclusionLine(chain.number, chain.conclusion)])
            self._index.conclude(chain.number, place)
        return count

    def _append_steps(self, chain: Chain) -> int:
        kept = len(self._index.places(chain.number))
        if chain.stop_reason == StopReason.STOPPED or len(chain.steps) - (not chain.steps[-1].finished) <= kept:
            return 0
        if chain.seed != self._begun(chain.number).seed:
            self.restart_with_seed(chain.number, chain.seed)
            kept = 0
        new = [step for step in chain.steps[kept:] if step.finished]
        last = chain.steps[-1].number
        places = self._append(
            [StepLine(chain.number, chain.stop_reason if step.number == last else "", step) for step in new]
        )
        for step, place in zip(new, places, strict=True):
            self._index.add(chain.number, step.number, place)
        if chain.stop_reason:
            self._index.end(chain.number, chain.stop_reason, _awaits(chain, chain.stop_reason))
        return len(new)

    def hold(self) -> None:
        """Keep other writers away until `release`, and take in what they wrote before.

        Raises UsageError if another one is writing, and RunFileError if the file cannot be written.
        """
        if self.lock.held:
            return
        file = self.lock.acquire()
        if self._end and file.seek(0, os.SEEK_END) > self._end:
            file.seek(self._end)
            self.read_steps(file)

    def release(self) -> None:
        """Let others write."""
        self.lock.release()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the journal for as long as the context lasts; see `hold`."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def read_steps(self, file: BinaryIO, first_line: int = 2) -> None:
        """Find the steps in an open file, from where it stands: behind its first line, or what was read before.

        A torn last line counts as not written. Raises RunFileError for a line that is no step.
        """
        end = self._end = file.tell()
        self._torn_at = None
        for count, line in enumerate(file, start=first_line):
            if not line.endswith(b"\n"):
                self._torn_at = end
                break
            try:
                self._take(parse_line(line), end)
            except (BonsaiError, ValueError, RecursionError) as error:
                reason = error if isinstance(error, BonsaiError) else Note("This is not JSON.")
                raise RunFileError(
                    "The journal {file} is damaged at line {line}. {reason} Remove that line and those after it to go "
                    "on from there.",
                    file=self.file,
                    line=count,
                    reason=reason,
                ) from error
            end += len(line)
            self._end = end

    def _take(self, line: Line, place: int) -> None:
        """Take in what a line at a place of the file says; raise RunFileError if it does not fit."""
        if not 1 <= line.chain <= len(self):
            raise RunFileError("There is no chain {chain}.", chain=line.chain)
        if isinstance(line, SeedLine):
            self._restart(line.chain, line.seed)
            return
        if isinstance(line, ConclusionLine):
            self._index.conclude(line.chain, place)
            return
        if isinstance(line, VerdictLine):
            self._index.judge([line.verdict])
            return
        self._index.add(line.chain, line.step.number, place)
        if line.stop_reason:
            self._index.end(line.chain, line.stop_reason, _awaits(self._begun(line.chain), line.stop_reason))

    def _restart(self, number: int, seed: int) -> None:
        self._index.restart(number, seed)
        # Its id depends on the seeds.
        self._run = None

    def _append(self, items: Sequence[Line]) -> list[int]:
        """Write lines to the end of the file, onto the disk, and return where each begins."""
        if not self.lock.held:
            with self.writing():
                return self._append(items)
        lines = [line_bytes(item) for item in items]
        file = self.lock.acquire()
        try:
            if not self.file.exists():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if self._torn_at is not None:
                file.truncate(self._torn_at)
                self._torn_at = None
            begin = file.seek(0, os.SEEK_END)
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()
        except OSError as error:
            raise RunFileError(
                "The journal {file} cannot be written: {reason}.", file=self.file, reason=error.strerror
            ) from error
        return list(accumulate(map(len, lines), initial=begin))[:-1]

    def _chains(self, numbers: Iterable[int]) -> Iterator[Chain]:
        try:
            with self.file.open("rb") as file:
                for number in numbers:
                    yield self._chain(number, file)
        except OSError as error:
            raise RunFileError(
                "The journal {file} cannot be read: {reason}.", file=self.file, reason=error.strerror
            ) from error

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


def _awaits(chain: Chain, reason: StopReason) -> bool:
    """Say whether a conclusion follows the steps of a chain that ended."""
    return chain.concludes and reason in CONCLUDED
