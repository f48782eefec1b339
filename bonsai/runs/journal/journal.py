"""The journal of one run: its chains, kept in a file as they grow."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import StopReason
from bonsai.runs.journal.kept_chains import KeptChains
from bonsai.runs.journal.lines import ConclusionLine, Line, SeedLine, StepLine, VerdictLine, line_bytes
from bonsai.runs.run.answering import Answering
from bonsai.runs.run.verdicts import StepVerdict, changes


class Journal(KeptChains):
    """The chains of a plan in a file that one writer at a time adds to: each line is on the disk once it is kept."""

    def conclude(self) -> Sequence[int]:
        """Let each chain that ended without a conclusion be concluded; return the numbers of all that await theirs."""
        for chain in self:
            if chain.lacks_conclusion:
                self._index.awaiting.add(chain.number)
        return sorted(self._index.awaiting)

    def concluding(self) -> Iterator[Chain]:
        """Yield the chains whose conclusion is to be written, and none that has still steps to write."""
        return self._chains(sorted(self._index.awaiting))

    def reopen(self, numbers: Sequence[int]) -> None:
        """Let chains that ended with an error go on, from the step or the conclusion that failed."""
        for number in numbers:
            if number in self._index.failed:
                self._index.reopen(number)
                self._index.drop_last(number)
            elif number in self._index.unconcluded:
                self._index.awaiting.add(number)

    def restart_with_seed(self, number: int, seed: int) -> None:
        """Let a chain begin again with a seed of its own; what it said before is no longer part of the run.

        Raises RunFileError if the file cannot be written.
        """
        self._append([SeedLine(number, seed)])
        self._note_restart(number, seed)

    def judge(self, verdicts: Iterable[StepVerdict]) -> None:
        """Keep what a person says of steps that are kept; of the same step the last verdict counts.

        Raises UsageError if there is no such chain or step, or if another one writes the journal, and RunFileError if
        the file cannot be written.
        """
        new = changes(self._index.verdicts, verdicts)
        if new:
            with self.writing():
                self._index.check(new)
                self._append([VerdictLine(one.chain, one) for one in new])
                self._index.judge(new)

    def answer(self, new: Answering) -> None:
        """Keep how texts come about, if that is not known yet; raise RunFileError if the file cannot be written."""
        known = self._answering.joined(new)
        if known != self._answering:
            self._append([known])
            self._answer(known)

    def append(self, chain: Chain) -> int:
        """Keep the steps of a chain that were finished since it was kept last; return how many these were.

        A chain that was stopped is not kept as finished, nor is the step at which it was. Raises RunFileError if the
        file cannot be written.
        """
        count = self._append_steps(chain)
        if chain.conclusion and not chain.concluding and self._index.takes_conclusion(chain.number):
            (place,) = self._append([ConclusionLine(chain.number, chain.conclusion)])
            self._index.conclude(chain.number, place, bool(chain.conclusion.error))
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
            self._note_end(chain, chain.stop_reason)
        return len(new)

    def release(self) -> None:
        """Let others write."""
        self.lines.release()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers away for as long as the context lasts, and take in what they wrote before.

        Raises UsageError if another one is writing, and RunFileError if the file is damaged or cannot be written.
        """
        try:
            if not self.lines.held and (grown := self.lines.hold()):
                self.read_steps(grown)
            yield
        finally:
            self.release()

    def _append(self, items: Sequence[Line]) -> list[int]:
        """Write lines to the end of the file, onto the disk, and return where each begins."""
        with nullcontext() if self.lines.held else self.writing():
            return self.lines.append([line_bytes(item) for item in items])
