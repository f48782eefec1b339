"""The core: many chains advanced together, by one engine that always has enough to do."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice

from bonsai.chains.chain import Chain
from bonsai.chains.roles import RoleRequest, next_request, with_completions, with_partial_text
from bonsai.engines.base import Completion, Engine, Request, RequestQueue, SamplingParams
from bonsai.measures.similarity import WORDS, Measure

_HEARTBEAT_SECONDS = 0.1


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
    queue = RequestQueue()
    roles: dict[int, tuple[_PendingRole, int]] = {}
    numbers = count()

    def ask(place: int, chain: Chain) -> None:
        wanted = next_request(engine, chain, sampling)
        role = _PendingRole(place, wanted, [Completion()] * len(wanted.sampling), chain)
        for k, (prompt, params) in enumerate(zip(wanted.prompts, wanted.sampling, strict=True)):
            roles[next(numbers)] = role, k
            queue.put(Request(prompt, params))

    begun = list(islice(coming, engine.info.max_batch_size))
    # How a model is prompted is known once it is loaded.
    while begun and not engine.wait_until_ready(_HEARTBEAT_SECONDS):
        yield begun[0]
    for place, chain in begun:
        ask(place, chain)
    with closing(engine.stream(queue)) as snapshots:
        for number, completion in snapshots:
            role, k = roles[number]
            role.completions[k] = completion
            if completion.finished:
                del roles[number]
            if not all(item.finished for item in role.completions):
                if k == 0:
                    role.chain = with_partial_text(role.request, completion)
                yield role.place, role.chain
                continue
            chain = with_completions(role.request, role.completions, measure)
            following = next(coming, None) if chain.finished else (role.place, chain)
            if following:
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
