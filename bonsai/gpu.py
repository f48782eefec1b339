"""The one function that runs on a GPU: on ZeroGPU it leases one for a click, elsewhere it runs where it is."""

import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

import spaces

from bonsai import ablation, advance
from bonsai.chain import METHODS, Chain
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import BonsaiError
from bonsai.measures import WORDS, Measure
from bonsai.roles import NEXT_QUESTION_TOKENS

# Estimates for phi-2 in bfloat16, on the slow side; not measured on ZeroGPU itself.
SECONDS_TO_START = 3.0
SECONDS_PER_TOKEN = 0.035

# A ZeroGPU worker is forked from this process and finds both here: arguments would be pickled.
_used: list[tuple[Engine, Measure, Engine | None]] = []

Work = Callable[..., Generator[Any, None, None]]


def use(engine: Engine, measure: Measure = WORDS, alone: Engine | None = None) -> None:
    """Answer with `engine` from now on, and measure with `measure`; `alone` is its model without the adapter."""
    _used[:] = [(engine, measure, alone)]


def seconds_needed(chains: Sequence[Chain], sampling: SamplingParams) -> int:
    """Return the GPU seconds to ask for: every role that the longest chain has still to write, one token at a time.

    New tries are not counted: they are rare, and most texts end long before their full length.
    """
    return _seconds(max((_tokens_to_write(chain, sampling) for chain in chains), default=0))


def grow_each(chains: Sequence[Chain], sampling: SamplingParams) -> Generator[tuple[int, Chain], None, None]:
    """Yield (place, chain) each time that a chain has grown, until all are finished (see `bonsai.advance.grow`).

    Raises, here and with its message, what went wrong there.
    """
    yield from _on_gpu(seconds_needed(chains, sampling), _grow, chains, sampling)


def grow(chains: tuple[Chain, ...], sampling: SamplingParams) -> Generator[tuple[Chain, ...], None, None]:
    """Yield all chains as they grow, until all are finished; see `grow_each`."""
    current = list(chains)
    yield chains
    with closing(grow_each(chains, sampling)) as growing:
        for place, chain in growing:
            current[place] = chain
            yield tuple(current)


def test_reasoning(chain: Chain, step_number: int, sampling: SamplingParams) -> Generator[Chain, None, None]:
    """Yield the chain as the test of a step's Reasoning fills (see `bonsai.ablation.test_reasoning`).

    Raises, here and with its message, what went wrong there.
    """
    yield from _on_gpu(_seconds(sampling.max_new_tokens), _test_reasoning, chain, step_number, sampling)


def _on_gpu(seconds: int, work: Work, *arguments: object) -> Generator[Any, None, None]:
    with closing(_lease(seconds, work, *arguments)) as results:
        for result in results:
            if isinstance(result, Exception):
                raise result
            yield result


@spaces.GPU(duration=lambda seconds, *_: seconds)  # type: ignore[untyped-decorator]
def _lease(seconds: int, work: Work, *arguments: object) -> Generator[Any, None, None]:
    # An error that is raised in a ZeroGPU worker arrives as the bare name of its class; one that is yielded, whole.
    try:
        yield from work(*_used[0], *arguments)
    except BonsaiError as error:
        yield error
    except Exception:
        yield RuntimeError(traceback.format_exc())


def _grow(
    engine: Engine, measure: Measure, alone: Engine | None, chains: Sequence[Chain], sampling: SamplingParams
) -> Generator[tuple[int, Chain], None, None]:
    return advance.grow(engine, chains, sampling, measure, alone)


def _test_reasoning(
    engine: Engine, measure: Measure, alone: Engine | None, chain: Chain, step_number: int, sampling: SamplingParams
) -> Generator[Chain, None, None]:
    return ablation.test_reasoning(engine, chain, step_number, sampling)


def _seconds(tokens: int) -> int:
    return round(SECONDS_TO_START + tokens * SECONDS_PER_TOKEN + 0.5)


def _tokens_to_write(chain: Chain, sampling: SamplingParams) -> int:
    if chain.finished:
        return 0
    steps = chain.length - sum(step.finished for step in chain.steps)
    return steps * sum(_tokens(role, sampling) for role in METHODS[chain.method])


def _tokens(role: str, sampling: SamplingParams) -> int:
    return min(NEXT_QUESTION_TOKENS, sampling.max_new_tokens) if role == "next_question" else sampling.max_new_tokens
