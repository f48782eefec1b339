"""The bridge from the synchronous core to the page: the model works on a thread, snapshots are awaited."""

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Generic, TypeVar

from bonsai.chains.chain import Chain
from bonsai.engines.base import SamplingParams
from bonsai.runs.journal import Journal
from bonsai.runs.journal.progress import Progress, record
from bonsai.ui.work.gpu import GpuRunner

SNAPSHOTS_PER_SECOND = 10
# The share of the time that making updates may take, since the model needs the machine too: sending and drawing them
# takes as much again. And the seconds that a visitor waits for one at the most.
SHARE_TO_SHOW, LONGEST_PAUSE = 0.04, 1.0

Chains = tuple[Chain, ...]
Snapshot = TypeVar("Snapshot")


class _BackgroundRun(Generic[Snapshot]):
    """What grows on a thread of its own; `latest` is its last snapshot."""

    def __init__(self, begin: Callable[[], Generator[Snapshot, None, None]]) -> None:
        self.latest: Snapshot | None = None
        self.failure: BaseException | None = None
        self.news, self.over = asyncio.Event(), asyncio.Event()
        self.stopped = threading.Event()
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        # ZeroGPU finds the visitor, whose quota is used, in the context of the request.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._work,), name="bonsai-growth", daemon=True).start()

    def _work(self) -> None:
        growing = self._begin()
        try:
            for snapshot in growing:
                self.latest = snapshot
                if self.stopped.is_set():
                    return
                self._tell(self.news)
        except BaseException as failure:
            self.failure = failure
        finally:
            # On the thread that ran it: a generator cannot be closed from elsewhere while it works.
            growing.close()
            self._tell(self.over)
            self._tell(self.news)

    def _tell(self, event: asyncio.Event) -> None:
        if event.is_set():
            return
        # The server may have been shut down meanwhile, and its loop with it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(event.set)


def snapshots(runner: GpuRunner, chains: Chains, sampling: SamplingParams) -> AsyncGenerator[Chains, None]:
    """Yield the chains as they grow, and at the end as they ended.

    That is the latest of them, at most 10 times a second; less often where showing them takes long, but every second.

    Whatever ends the iteration early (Stop, a closed browser tab) ends the engine's work within one step.
    """
    return _stream(lambda: runner.grow(chains, sampling))


def progress(runner: GpuRunner, journal: Journal, chains: Chains) -> AsyncGenerator[Progress, None]:
    """Yield how far the run in a journal is while some of its chains grow and are kept, as `snapshots` does."""
    sampling, engines = journal.plan.sampling, (runner.engine, runner.base_engine)
    return _stream(lambda: record(journal, runner.grow_each(chains, sampling), *engines))


def reasoning_test(
    runner: GpuRunner, chain: Chain, step_number: int, sampling: SamplingParams
) -> AsyncGenerator[Chain, None]:
    """Yield the chain as the test of a step's Reasoning fills, in the same way as `snapshots`."""
    return _stream(lambda: runner.test_reasoning(chain, step_number, sampling))


async def last_of(growing: AsyncGenerator[Snapshot, None], last: Snapshot) -> Snapshot:
    """Return what a stream of snapshots ends with; `last` if there are none."""
    async with contextlib.aclosing(growing):
        async for now in growing:
            last = now
    return last


async def _stream(begin: Callable[[], Generator[Snapshot, None, None]]) -> AsyncGenerator[Snapshot, None]:
    growth = _BackgroundRun(begin)
    shown: Snapshot | None = None
    cost = 0.0
    try:
        while not growth.over.is_set() or growth.latest is not shown:
            await growth.news.wait()
            growth.news.clear()
            if growth.latest is not shown and growth.latest is not None:
                shown = growth.latest
                began = time.monotonic()
                yield shown
                cost = time.monotonic() - began
            pause = min(max(1 / SNAPSHOTS_PER_SECOND, cost / SHARE_TO_SHOW - cost), LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(growth.over.wait(), pause)
        if growth.failure is not None:
            raise growth.failure
    finally:
        growth.stopped.set()
