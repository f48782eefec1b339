"""What a journal knows of its file without reading it again: where steps are, and which chains ended."""

from bonsai.chains.outcomes import StopReason
from bonsai.errors import RunFileError


class JournalIndex:
    """The lines of each chain's steps, and how the chains ended that did; chains are named by their numbers."""

    def __init__(self) -> None:
        self.ended: dict[int, StopReason] = {}
        """Why each finished chain ended."""
        self.failed: set[int] = set()
        """The chains that ended with an error."""
        self.awaiting: set[int] = set()
        """The chains that ended and whose conclusion is still to be written."""
        self.conclusions: dict[int, int] = {}
        """Where in the file the conclusions are."""
        self.seeds: dict[int, int] = {}
        """The seeds of chains that were restarted with another one than the plan's."""
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
        kept[step - 1 :] = [place]

    def end(self, number: int, reason: StopReason, awaiting: bool = False) -> None:
        """Note that all steps of a chain are written, and whether it awaits its conclusion."""
        self.ended[number] = reason
        if awaiting:
            self.awaiting.add(number)
        self.open_steps -= len(self.places(number))
        if reason == StopReason.ERROR:
            self.failed.add(number)

    def conclude(self, number: int, place: int) -> None:
        """Note the conclusion of a chain."""
        self.awaiting.discard(number)
        self.conclusions[number] = place

    def reopen(self, number: int) -> None:
        """Note that a chain goes on, if it was finished."""
        self.awaiting.discard(number)
        self.conclusions.pop(number, None)
        if number in self.ended:
            del self.ended[number]
            self.failed.discard(number)
            self.open_steps += len(self.places(number))

    def drop_last(self, number: int) -> None:
        """Forget the last step of a chain that goes on."""
        self._places[number].pop()
        self._count(-1)

    def restart(self, number: int, seed: int) -> None:
        """Forget all steps of a chain: it begins again with another seed."""
        self.reopen(number)
        self._count(-len(self._places.pop(number, ())))
        self.seeds[number] = seed

    def _count(self, more: int) -> None:
        self.steps += more
        self.open_steps += more
