"""The work of a page's model: on ZeroGPU a GPU is leased for each click, elsewhere it runs where it is."""

import math
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import spaces

from bonsai.chains.advance import advance_each, all_of_them
from bonsai.chains.chain import Chain
from bonsai.chains.reasoning_test import test_reasoning
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import BonsaiError, EngineError
from bonsai.measures.similarity import WORDS, Measure
from bonsai.ui.work.lease import PaceEstimate, active_completions, work_of, work_of_test

TIME_IS_OVER = (
    "The {seconds} GPU seconds that were asked for are over. What was written is kept; ask for less, or go on."
)

# What a runner does with its model. It is a function of a module, since a ZeroGPU worker gets it by its name.
Work = Callable[..., Generator[Any, None, None]]
_numbers = count()
# A ZeroGPU worker is forked from this process and finds the models of all pages here: arguments would be pickled.
_runners: "WeakValueDictionary[int, GpuRunner]" = WeakValueDictionary()


class GpuRunner:
    """What answers and measures on one page, and the pace at which it does; `clock` tells the seconds of a lease."""

    def __init__(
        self,
        engine: Engine,
        measure: Measure = WORDS,
        base_engine: Engine | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine, self.measure, self.base_engine, self.clock = engine, measure, base_engine, clock
        self.pace = PaceEstimate()
        self._number = next(_numbers)
        _runners[self._number] = self

    def seconds_needed(self, chains: Sequence[Chain], sampling: SamplingParams) -> int:
        """Return the GPU seconds that chains ask for, at the pace seen so far; 0 where none is leased.

        A lease ends when they are over.
        """
        return self.pace.seconds(work_of(self.engine, chains, sampling)) if is_leased() else 0

    def seconds_for_test(self, chain: Chain, step_number: int, sampling: SamplingParams) -> int:
        """Return the GPU seconds that the test of a step's Reasoning asks for; 0 where none is leased."""
        return self.pace.seconds(work_of_test(self.engine, chain, step_number, sampling)) if is_leased() else 0

    def grow_each(self, chains: Sequence[Chain], sampling: SamplingParams) -> Generator[tuple[int, Chain], None, None]:
        """Yield (place, chain) each time that a chain has grown, until all are finished; see `advance_each`.

        Raises, here and with its message, what went wrong there; EngineError when the GPU seconds asked for are over.
        """
        passes, began, now = 0.0, 0.0, 0.0
        with closing(self._on_gpu(self.seconds_needed(chains, sampling), _advance, chains, sampling)) as growing:
            for place, chain in growing:
                now = self.clock()
                began = began or now
                passes += 1 / active_completions(chain)
                yield place, chain
        if is_leased() and len(chains) == 1:
            self.pace.learn(passes, now - began)

    def grow(self, chains: tuple[Chain, ...], sampling: SamplingParams) -> Generator[tuple[Chain, ...], None, None]:
        """Yield all chains as they grow, until all are finished; see `grow_each`."""
        yield from all_of_them(chains, self.grow_each(chains, sampling))

    def test_reasoning(self, chain: Chain, step_number: int, sampling: SamplingParams) -> Generator[Chain, None, None]:
        """Yield the chain as the test of a step's Reasoning fills; see `bonsai.chains.reasoning_test`.

        Raises, here and with its message, what went wrong there.
        """
        seconds = self.seconds_for_test(chain, step_number, sampling)
        yield from self._on_gpu(seconds, _test_reasoning, chain, step_number, sampling)

    def _on_gpu(self, seconds: int, work: Work, *arguments: object) -> Generator[Any, None, None]:
        with closing(_lease(seconds, self._number, work, *arguments)) as results:
            for result in results:
                if isinstance(result, Exception):
                    raise result
                yield result


def _advance(
    runner: GpuRunner, chains: Sequence[Chain], sampling: SamplingParams
) -> Generator[tuple[int, Chain], None, None]:
    return advance_each(runner.engine, chains, sampling, runner.measure, runner.base_engine)


def _test_reasoning(
    runner: GpuRunner, chain: Chain, step_number: int, sampling: SamplingParams
) -> Generator[Chain, None, None]:
    return test_reasoning(runner.engine, chain, step_number, sampling)


def is_leased() -> bool:
    """Say whether the GPU is leased for each click, as on ZeroGPU."""
    return bool(spaces.config.Config.zero_gpu)


@spaces.GPU(duration=lambda seconds, *_: seconds)  # type: ignore[untyped-decorator]
def _lease(seconds: int, number: int, work: Work, *arguments: object) -> Generator[Any, None, None]:
    """Yield what the work of a runner yields, and at its end the error that ended it.

    It is the only function of this kind: each would have a worker, and the model's weights, of its own. An error that
    is raised in a ZeroGPU worker arrives as the bare name of its class; one that is yielded, whole.
    """
    runner = _runners[number]
    over = runner.clock() + seconds if is_leased() else math.inf
    try:
        with closing(work(runner, *arguments)) as results:
            for result in results:
                yield result
                if runner.clock() >= over:
                    raise EngineError(TIME_IS_OVER, seconds=seconds)
    except BonsaiError as error:
        yield error
    except Exception:
        yield RuntimeError(traceback.format_exc())
