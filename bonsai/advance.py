"""The core: many chains advanced together, by one engine that always has enough to do."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count

from bonsai.chain import Chain
from bonsai.engines.base import Completion, Engine, Request, SamplingParams
from bonsai.measures import WORDS, Measure
from bonsai.roles import Want, finished, shown, want


@dataclass
class _Role:
    """A role of the chain at `place` in the making, with the latest snapshots of its completions."""

    place: int
    want: Want
    completions: list[Completion]


def grow(
    engine: Engine, chains: Iterable[Chain], sampling: SamplingParams, measure: Measure = WORDS
) -> Generator[tuple[int, Chain], None, None]:
    """Yield (place, chain) each time that the text of a chain has grown, until every one of them is finished.

    Places count from 0 in the order of `chains`, which are begun in that order, as many at a time as the engine has
    rows for; so `chains` may be long and made on demand. A chain wants its next prompt completed as soon as one is
    finished, whatever the others do. A step that fails ends its chain and spares the others. Closing the iterator stops
    the work.
    """
    coming = _unfinished(chains)
    requests: deque[Request] = deque()
    roles: dict[int, tuple[_Role, int]] = {}
    numbers = count()

    def ask(place: int, chain: Chain) -> None:
        wanted = want(engine, chain, sampling)
        role = _Role(place, wanted, [Completion()] * len(wanted.sampling))
        for k, params in enumerate(wanted.sampling):
            roles[next(numbers)] = role, k
            requests.append(Request(wanted.prompt, params))

    for _, (place, chain) in zip(range(engine.rows_at_once), coming, strict=False):
        ask(place, chain)
    with closing(engine.serve(requests)) as snapshots:
        for number, completion in snapshots:
            role, k = roles[number]
            role.completions[k] = completion
            if completion.finished:
                del roles[number]
            if not all(item.finished for item in role.completions):
                yield role.place, shown(role.want, role.completions)
                continue
            chain = finished(role.want, role.completions, measure)
            following = next(coming, None) if chain.finished else (role.place, chain)
            if following:
                ask(*following)
            yield role.place, chain


def advance(
    engine: Engine, chains: Sequence[Chain], sampling: SamplingParams, measure: Measure = WORDS
) -> Generator[tuple[Chain, ...], None, None]:
    """Yield all chains, again and again as their texts grow, until every one of them is finished; see `grow`.

    The last tuple yielded holds what was reached.
    """
    current = list(chains)
    yield tuple(current)
    with closing(grow(engine, chains, sampling, measure)) as growing:
        for place, chain in growing:
            current[place] = chain
            yield tuple(current)


def _unfinished(chains: Iterable[Chain]) -> Iterator[tuple[int, Chain]]:
    return ((place, chain) for place, chain in enumerate(chains) if not chain.finished)
