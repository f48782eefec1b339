"""What a journal knows of its file without reading it again: where steps are, how chains ended, and verdicts."""

from collections.abc import Sequence

from bonsai.chains.outcomes import StopReason
from bonsai.errors import RunFileError
from bonsai.runs.run.verdicts import StepVerdict, check_step, merged


class JournalIndex:
    """The lines of each chain's steps, and how the chains ended that did; chains are named by their numbers."""

    def __init__(self) -> None:
        self.ended: dict[int, StopReason] = {}
        """Why each finished chain ended."""
        self.failed: set[int] = set()
        """The chains that ended with an error."""
        self.awaiting: set[int] = set()
        """The chains that ended and whose conclusion is still to be written."""
        self.unconcluded: set[int] = set()
        """The chains whose conclusion could not be written when it was asked for last."""
        self.conclusions: dict[int, int] = {}
        """Where in the file the conclusions are."""
        self.seeds: dict[int, int] = {}
        """The seeds of chains that were restarted with another one than the plan's."""
        self.verdicts: tuple[StepVerdict, ...] = ()
        """What people say of the steps that are kept."""
        self.steps = 0
        """Steps that are kept."""
        self.open_steps = 0
        """Steps that are kept of chains that are not finished."""
        self._places: dict[int, list[int]] = {}

    def places(self, number: int) -> list[int]:
        """Return where in the file each step of a chain is, the first one first."""
        return self._places.get(number, [])

    def add(self, number: int, step: int, place: int) -> None:
        """Note a step of a chain; one that was kept before is replaced, with all that follow it.

        Raises RunFileError if the chain has no step before it.
        """
        kept = self._places.setdefault(number, [])
        if not 1 <= step <= len(kept) + 1:
            raise RunFileError("Chain {chain} has no step before step {step}.", chain=number, step=step)
        self.reopen(number)
        self._count(step - len(kept))
        self._forget_verdicts(number, step)
        kept[step - 1 :] = [place]

    def judge(self, verdicts: Sequence[StepVerdict]) -> None:
        """Note what a person says of steps; raise UsageError if there is no such step."""
        self.check(verdicts)
        self.verdicts = merged(self.verdicts, verdicts)

    def check(self, verdicts: Sequence[StepVerdict]) -> None:
        """Raise UsageError, naming the steps that are kept, if verdicts are of others."""
        for one in verdicts:
            for number in one.chains:
                check_step(number, one.step, range(1, len(self.places(number)) + 1))

    def end(self, number: int, reason: StopReason, awaiting: bool) -> None:
        """Note that all steps of a chain are written, and whether it awaits its conclusion."""
        self.ended[number] = reason
        if awaiting:
            self.awaiting.add(number)
        self.open_steps -= len(self.places(number))
        if reason == StopReason.ERROR:
            self.failed.add(number)

    def takes_conclusion(self, number: int) -> bool:
        """Say whether a chain ended, and has no conclusion or awaits another one."""
        return number in self.ended and (number in self.awaiting or number not in self.conclusions)

    def conclude(self, number: int, place: int, failed: bool) -> None:
        """Note the conclusion of a chain, or that it could not be written."""
        self.awaiting.discard(number)
        (self.unconcluded.add if failed else self.unconcluded.discard)(number)
        self.conclusions[number] = place

    def reopen(self, number: int) -> None:
        """Note that a chain goes on, if it was finished."""
        self.awaiting.discard(number)
        self.unconcluded.discard(number)
        self.conclusions.pop(number, None)
        if number in self.ended:
            del self.ended[number]
            self.failed.discard(number)
            self.open_steps += len(self.places(number))

    def drop_last(self, number: int) -> None:
        """Forget the last step of a chain that goes on."""
        self._places[number].pop()
        self._forget_verdicts(number, len(self._places[number]) + 1)
        self._count(-1)

    def restart(self, number: int, seed: int) -> None:
        """Forget all steps of a chain: it begins again with another seed."""
        self.reopen(number)
        self._count(-len(self._places.pop(number, ())))
        self._forget_verdicts(number, 1)
        self.seeds[number] = seed

    def _forget_verdicts(self, number: int, step: int) -> None:
        """Forget what was said of the steps of a chain from one on, which will be others."""
        if self.verdicts:
            self.verdicts = tuple(one for one in self.verdicts if one.step < step or number not in one.chains)

    def _count(self, more: int) -> None:
        self.steps += more
        self.open_steps += more
