"""Whether what the chains of a saved run say of each other holds: a file that was edited may name what is not there."""

from collections.abc import Iterator, Sequence

from bonsai.chains.chain import Chain
from bonsai.errors import RunFileError


def check_consistent(chains: Sequence[Chain]) -> None:
    """Raise RunFileError, naming the chain, if one has no steps, counts them wrongly, or names what is not there."""
    known: dict[int, Chain] = {}
    for chain in chains:
        if not chain.steps:
            raise RunFileError("There is a chain without steps.")
        if [step.number for step in chain.steps] != list(range(1, len(chain.steps) + 1)):
            raise RunFileError("The steps of chain {chain} are not numbered from 1 on.", chain=chain.number)
        if chain.number < 1 or chain.number in known or not _fits(chain, known) or not all(_references(chain)):
            raise RunFileError("Chain {chain} names a chain, step or candidate that is not there.", chain=chain.number)
        known[chain.number] = chain


def _fits(chain: Chain, earlier: dict[int, Chain]) -> bool:
    """Say whether the steps that a chain shares are those of one before it."""
    if not chain.parent:
        return not chain.shared
    return chain.parent in earlier and 0 <= chain.shared <= len(earlier[chain.parent].steps)


def _references(chain: Chain) -> Iterator[bool]:
    """Yield for each step or candidate that is named in a chain whether it is there."""
    for step in chain.steps:
        yield _is_one_of(step.repeats, chain.steps)
        for candidate in step.candidates:
            yield _is_one_of(candidate.repeats, chain.steps)
            yield _is_one_of(candidate.same_as, step.candidates)


def _is_one_of(number: int | None, items: Sequence[object]) -> bool:
    return number is None or 1 <= number <= len(items)
