"""The one function that runs on a GPU: on ZeroGPU it leases one for a click, elsewhere it runs where it is."""

import math
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

import spaces

from bonsai.chains import advance, reasoning_test
from bonsai.chains.chain import Chain
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import BonsaiError, EngineError
from bonsai.measures.similarity import WORDS, Measure
from bonsai.ui.work.lease import PaceEstimate, PendingWork, active_completions, work_of

TIME_IS_OVER = "The {} GPU seconds that were asked for are over. What was written is kept; ask for less, or go on."

# A ZeroGPU worker is forked from this process and finds all three here: arguments would be pickled.
_used: list[tuple[Engine, Measure, Engine | None]] = []
_pace = PaceEstimate()

Doing = Callable[..., Generator[Any, None, None]]


def use(engine: Engine, measure: Measure = WORDS, base_engine: Engine | None = None) -> None:
    """Answer with `engine` from now on, and measure with `measure`; `alone` is its model without the adapter."""
    _used[:] = [(engine, measure, base_engine)]


def seconds_needed(chains: Sequence[Chain], sampling: SamplingParams) -> int:
    """Return the GPU seconds that chains ask for, at the pace seen so far; 0 where none is leased.

    A lease ends when they are over.
    """
    return _pace.seconds(work_of(_used[0][0], chains, sampling)) if is_leased() else 0


def is_leased() -> bool:
    """Say whether the GPU is leased for each click, as on ZeroGPU."""
    return bool(spaces.config.Config.zero_gpu)


def grow_each(chains: Sequence[Chain], sampling: SamplingParams) -> Generator[tuple[int, Chain], None, None]:
    """Yield (place, chain) each time that a chain has grown, until all are finished (see `bonsai.chains.advance.grow`).

    Raises, here and with its message, what went wrong there; EngineError when the GPU seconds asked for are over.
    """
    passes, began, now = 0.0, 0.0, 0.0
    with closing(_on_gpu(seconds_needed(chains, sampling), _grow, chains, sampling)) as growing:
        for place, chain in growing:
            now = time.monotonic()
            began = began or now
            passes += 1 / active_completions(chain)
            yield place, chain
    if is_leased() and len(chains) == 1:
        _pace.learn(passes, now - began)


def grow(chains: tuple[Chain, ...], sampling: SamplingParams) -> Generator[tuple[Chain, ...], None, None]:
    """Yield all chains as they grow, until all are finished; see `grow_each`."""
    current = list(chains)
    yield chains
    with closing(grow_each(chains, sampling)) as growing:
        for place, chain in growing:
            current[place] = chain
            yield tuple(current)


def test_reasoning(chain: Chain, step_number: int, sampling: SamplingParams) -> Generator[Chain, None, None]:
    """Yield the chain as the test of a step's Reasoning fills (see `bonsai.chains.reasoning_test.test_reasoning`).

    Raises, here and with its message, what went wrong there.
    """
    seconds = _pace.seconds(PendingWork(sampling.max_new_tokens, 3 * _used[0][0].info.context_length))
    yield from _on_gpu(seconds, _test_reasoning, chain, step_number, sampling)


def _on_gpu(seconds: int, doing: Doing, *arguments: object) -> Generator[Any, None, None]:
    with closing(_lease(seconds, doing, *arguments)) as results:
        for result in results:
            if isinstance(result, Exception):
                raise result
            yield result


@spaces.GPU(duration=lambda seconds, *_: seconds)  # type: ignore[untyped-decorator]
def _lease(seconds: int, doing: Doing, *arguments: object) -> Generator[Any, None, None]:
    # An error that is raised in a ZeroGPU worker arrives as the bare name of its class; one that is yielded, whole.
    over = time.monotonic() + seconds if is_leased() else math.inf
    try:
        with closing(doing(*_used[0], *arguments)) as results:
            for result in results:
                yield result
                if time.monotonic() >= over:
                    raise EngineError(TIME_IS_OVER.format(seconds))
    except BonsaiError as error:
        yield error
    except Exception:
        yield RuntimeError(traceback.format_exc())


def _grow(
    engine: Engine, measure: Measure, base_engine: Engine | None, chains: Sequence[Chain], sampling: SamplingParams
) -> Generator[tuple[int, Chain], None, None]:
    return advance.advance_each(engine, chains, sampling, measure, base_engine)


def _test_reasoning(
    engine: Engine,
    measure: Measure,
    base_engine: Engine | None,
    chain: Chain,
    step_number: int,
    sampling: SamplingParams,
) -> Generator[Chain, None, None]:
    return reasoning_test.test_reasoning(engine, chain, step_number, sampling)
