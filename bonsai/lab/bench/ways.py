"""The ways to answer that are measured, each in a process of its own: none takes another's threads or memory."""

import gc
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.managers import BaseManager
from typing import cast

from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import EngineError
from bonsai.lab.bench.memory import MemoryPeak
from bonsai.lab.bench.opening import ENGINES, Opened, open_client
from bonsai.lab.bench.script import ScriptedEngine
from bonsai.lab.bench.subjects import BenchModel
from bonsai.lab.bench.usual import BaselineEngine
from bonsai.lab.bench.workloads import Outcome, Workload, run
from bonsai.settings import Settings

_QUESTION = "Why do cities need forests?"
_LIKELIEST_TOKENS = 24


class Way:
    """One way to answer: an engine whose texts are read from a script. It is opened first, by one of three methods.

    A `share` below 1 shortens all texts.
    """

    _engine: Engine
    _scripted: ScriptedEngine

    def open_bonsai(self, name: str, settings: Settings, share: float) -> Opened:
        """Open Bonsai's engine of a name, and return what is told of it."""
        engine, opened = ENGINES[name](settings)
        self._take(engine, share)
        return opened

    def open_usual(self, model: BenchModel, beside: Opened, share: float) -> None:
        """Open the usual way, which is prompted in the form that the engine beside it is."""
        usual = BaselineEngine(model.model, model.adapter, beside.device, beside.dtype)
        usual.info = replace(beside.info, name=usual.info.name, adapter_id=usual.info.adapter_id)
        self._take(usual, share)

    def open_client(self, settings: Settings, beside: Opened, share: float) -> None:
        """Open a plain client of llama.cpp's server."""
        self._take(open_client(settings, beside.info), share)

    def run(self, workload: Workload) -> Outcome:
        """Return what a run of a workload came to."""
        with MemoryPeak() as memory:
            outcome = run(self._scripted, workload)
        outcome.peak_memory_bytes = memory.peak
        return outcome

    def single_stream(self, tokens: int, times: int) -> float:
        """Return the tokens per second at which one completion is decoded, without the reading of its prompt.

        It is the median of some `times`, of so many `tokens` each. Raises EngineError if it cannot be decoded.
        """
        return statistics.median(self._decoded(tokens) for _ in range(times))

    def likeliest(self) -> str:
        """Return the text that the engine takes for the likeliest."""
        sampling = SamplingParams(max_new_tokens=_LIKELIEST_TOKENS, temperature=0)
        *_, (_, completion) = self._engine.generate([_QUESTION], sampling)
        return completion.text

    def _take(self, engine: Engine, share: float) -> None:
        self._engine, self._scripted = engine, ScriptedEngine(engine, share)
        # All of this stays: no collection, in a run or before one, need look through it.
        gc.freeze()

    def _decoded(self, wanted: int) -> float:
        first = last = 0.0
        tokens = 0
        for _, completion in self._engine.generate([_QUESTION], SamplingParams(max_new_tokens=wanted, temperature=0)):
            if completion.error:
                raise EngineError(completion.error)
            if completion.completion_tokens:
                first, last = first or time.monotonic(), time.monotonic()
                tokens = tokens or completion.completion_tokens
        return (wanted - tokens) / (last - first)


class _Process(BaseManager):
    """A process, and the objects in it."""


_Process.register("Way", Way)


@contextmanager
def way_in_a_process() -> Iterator[Way]:
    """Give a way that is in another process, which ends with the context."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    # What takes seconds to import is imported once for all ways.
    context.set_forkserver_preload([__name__])
    with _Process(ctx=context) as process:
        yield cast(Way, process.Way())  # type: ignore[attr-defined]
