"""What people say of a run's steps: one is good or bad, or better or worse than the same step of another chain."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from bonsai.chains.outcomes import Judgement
from bonsai.errors import UsageError
from bonsai.runs.limits import number

MAX_REASON = 10_000
ALONE = (Judgement.GOOD, Judgement.BAD)
_REVERSED = {Judgement.BETTER: Judgement.WORSE, Judgement.WORSE: Judgement.BETTER}
_BESIDE = {
    Judgement.BETTER: "better than {other}",
    Judgement.WORSE: "worse than {other}",
    Judgement.TIE: "as good as {other}",
}

Key = tuple[int, int, int]
"""The chain and the step that a verdict is of, and the chain whose step is beside it, 0 for none."""


@dataclass(frozen=True)
class StepVerdict:
    """What a person says of one step.

    Raises UsageError if the judgement and `beside` do not go together, or if the reason is too long.
    """

    chain: int
    """The number of the chain that has the step of its own."""
    step: int
    judgement: Judgement
    reason: str = ""
    """Why, in the person's words."""
    beside: int = 0
    """The chain whose step of the same number it was judged beside; 0 if it was judged alone."""

    def __post_init__(self) -> None:
        if self.beside and self.beside == self.chain:
            raise UsageError("A step is judged beside that of another chain, not of its own.")
        if self.judgement in ALONE and self.beside:
            raise UsageError("A step is good or bad alone; beside another one it is better, worse or a tie.")
        if self.judgement in _BESIDE and not self.beside:
            raise UsageError(
                "To say that a step is {judgement}, name the other chain, whose step it is beside.",
                judgement=self.judgement,
            )
        if len(self.reason) > MAX_REASON:
            raise UsageError(
                "The reason has {length:,} characters; at most {limit:,} are kept.",
                length=len(self.reason),
                limit=MAX_REASON,
            )

    @classmethod
    def of(cls, chain: Any, step: Any, verdict: str, reason: str = "", beside: Any = 0) -> Self:
        """Return the verdict in values from outside; raise UsageError, saying which is wrong, if it is none."""
        if verdict not in set(Judgement):
            names = ", ".join(Judgement)
            raise UsageError("verdict is {value!r}; it must be one of {names}.", value=verdict, names=names)
        numbers = {"chain": chain, "step": step, "beside": beside}
        chain, step, beside = (number(name, value, 0) for name, value in numbers.items())
        # Half of a character, which no file can hold, becomes a question mark.
        words = reason.strip().encode("utf-8", "replace").decode()
        return cls(chain, step, Judgement(verdict), words, beside)

    @property
    def key(self) -> Key:
        """What the verdict is of: of the same key the last verdict counts."""
        return self.chain, self.step, self.beside

    @property
    def chains(self) -> tuple[int, ...]:
        """The chains whose steps it is of."""
        return (self.chain, self.beside) if self.beside else (self.chain,)

    def ordered(self) -> "StepVerdict":
        """Return the verdict as it is kept: that of a pair is of the chain with the lower number."""
        if not self.beside or self.chain < self.beside:
            return self
        return replace(self, chain=self.beside, beside=self.chain, judgement=self.judgement_of(self.beside))

    def is_beside(self, chain: int) -> bool:
        """Say whether the verdict is of a pair of which one step is a chain's."""
        return bool(self.beside) and chain in (self.chain, self.beside)

    def judgement_of(self, chain: int) -> Judgement:
        """Return what is said of the step of one of the two chains."""
        return self.judgement if chain == self.chain else _REVERSED.get(self.judgement, self.judgement)

    def told_of(self, chain: int) -> str:
        """Return the verdict in words, as it is said of one of its two chains: "good: clear", "worse than 1.2"."""
        judgement = self.judgement_of(chain)
        other = self.beside if chain == self.chain else self.chain
        said = _BESIDE.get(judgement, str(judgement)).format(other=f"{other}.{self.step}")
        return f"{said}: {self.reason}" if self.reason else said


def check_step(chain: int, step: int, steps: Collection[int]) -> None:
    """Raise UsageError, naming the steps of a chain that there are, if a step is none of them."""
    if step not in steps:
        found = ", ".join(map(str, steps)) or "none"
        raise UsageError("Chain {chain} has no step {step}; there is {found}.", chain=chain, step=step, found=found)


def merged(verdicts: Iterable[StepVerdict], new: Iterable[StepVerdict]) -> tuple[StepVerdict, ...]:
    """Return verdicts with new ones in the place of those of the same key; NONE takes one back."""
    found = {one.key: one for one in verdicts}
    for one in map(StepVerdict.ordered, new):
        found[one.key] = one
    return tuple(one for one in found.values() if one.judgement != Judgement.NONE)


def changes(verdicts: Iterable[StepVerdict], new: Iterable[StepVerdict]) -> list[StepVerdict]:
    """Return those of new verdicts that are not kept already, or take back one that is."""
    kept = {one.key: one for one in verdicts}
    return [
        one
        for one in map(StepVerdict.ordered, new)
        if (one.key in kept if one.judgement == Judgement.NONE else kept.get(one.key) != one)
    ]


def by_step(verdicts: Iterable[StepVerdict]) -> Mapping[tuple[int, int], list[StepVerdict]]:
    """Return the verdicts of each chain and step; that of a pair is of both its steps."""
    found: dict[tuple[int, int], list[StepVerdict]] = {}
    # What was said of a step alone comes first.
    for one in sorted(verdicts, key=lambda verdict: verdict.beside):
        for chain in one.chains:
            found.setdefault((chain, one.step), []).append(one)
    return found
