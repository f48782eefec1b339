"""The core: many chains advanced together, by one engine that always has enough to do."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice

from bonsai.chains.chain import Chain
from bonsai.chains.roles import RoleRequest, next_request, with_completions, with_partial_text
from bonsai.engines.base import Completion, Engine, Request, RequestQueue, SamplingParams
from bonsai.measures.similarity import WORDS, Measure

_HEARTBEAT_SECONDS = 0.1


class _ChainQueue(RequestQueue):
    """The requests of many chains: what goes on with one comes before what begins another.

    What an engine keeps of a chain then serves its next role, also where it cannot take all chains at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._roles: deque[_PlaceInRole] = deque()
        self._numbers = count()
        self.taken: dict[int, _PlaceInRole] = {}
        """The role of each request that the engine has taken, and its place among the completions, by its number."""

    def ask(self, role: "_PendingRole", *, goes_on: bool) -> None:
        """Put all requests of a role, before those that wait if it goes on with a chain."""
        wanted = role.request
        requests = list(map(Request, wanted.prompts, wanted.sampling))
        roles = [(role, k) for k in range(len(requests))]
        if goes_on:
            self._waiting.extendleft(reversed(requests))
            self._roles.extendleft(reversed(roles))
        else:
            for request in requests:
                self.put(request)
            self._roles.extend(roles)

    def take(self) -> Request:
        """Remove and return the first request."""
        self.taken[next(self._numbers)] = self._roles.popleft()
        return super().take()


@dataclass
class _PendingRole:
    """A role that waits for its completions."""

    place: int
    """The place of its chain among all."""
    request: RoleRequest
    completions: list[Completion]
    """The latest snapshot of each completion."""
    chain: Chain
    """The chain updated with them."""


_PlaceInRole = tuple[_PendingRole, int]


def advance_each(
    engine: Engine,
    chains: Iterable[Chain],
    sampling: SamplingParams,
    measure: Measure = WORDS,
    base_engine: Engine | None = None,
) -> Generator[tuple[int, Chain], None, None]:
    """Yield (place, chain) each time that the text of a chain has grown, until all chains are finished.

    Places count from 0 in the order of `chains`. Chains begin in that order, as many at a time as the engine decodes
    together, so `chains` may be a long iterator. A chain asks for its next role as soon as one is written, whatever the
    others do. A step that fails ends its chain and spares the others. Closing the iterator stops the work.

    `base_engine` is the same model without its adapter. After all others it answers the chains that ask for it.
    """
    without_adapter: list[tuple[int, Chain]] = []

    def with_adapter() -> Iterator[tuple[int, Chain]]:
        for place, chain in enumerate(chains):
            if chain.finished:
                continue
            if base_engine and chain.without_adapter:
                without_adapter.append((place, chain))
            else:
                yield place, chain

    yield from _grow(engine, with_adapter(), sampling, measure)
    if base_engine and without_adapter:
        yield from _grow(base_engine, iter(without_adapter), sampling, measure)


def _grow(
    engine: Engine, coming: Iterator[tuple[int, Chain]], sampling: SamplingParams, measure: Measure
) -> Generator[tuple[int, Chain], None, None]:
    queue = _ChainQueue()

    def ask(place: int, chain: Chain, *, goes_on: bool = False) -> None:
        wanted = next_request(engine, chain, sampling)
        queue.ask(_PendingRole(place, wanted, [Completion()] * len(wanted.sampling), chain), goes_on=goes_on)

    begun = list(islice(coming, engine.info.max_batch_size))
    # How a model is prompted is known once it is loaded.
    while begun and not engine.wait_until_ready(_HEARTBEAT_SECONDS):
        yield begun[0]
    for place, chain in begun:
        ask(place, chain)
    with closing(engine.stream(queue)) as snapshots:
        for number, completion in snapshots:
            role, k = queue.taken[number]
            role.completions[k] = completion
            if completion.finished:
                del queue.taken[number]
            if not all(item.finished for item in role.completions):
                if k == 0:
                    role.chain = with_partial_text(role.request, completion)
                yield role.place, role.chain
                continue
            chain = with_completions(role.request, role.completions, measure)
            if not chain.finished:
                ask(role.place, chain, goes_on=True)
            elif following := next(coming, None):
                ask(*following)
            yield role.place, chain


def advance(
    engine: Engine, chains: Sequence[Chain], sampling: SamplingParams, measure: Measure = WORDS
) -> Generator[tuple[Chain, ...], None, None]:
    """Yield all chains each time that a text has grown, until all are finished; see `advance_each`.

    The first tuple holds the chains as given, the last one what was reached.
    """
    yield from all_of_them(chains, advance_each(engine, chains, sampling, measure))


def all_of_them(
    chains: Sequence[Chain], growing: Generator[tuple[int, Chain], None, None]
) -> Generator[tuple[Chain, ...], None, None]:
    """Yield all chains, first as given, and then each time that `growing` has told of one of them."""
    current = list(chains)
    yield tuple(current)
    with closing(growing):
        for place, chain in growing:
            current[place] = chain
            yield tuple(current)
