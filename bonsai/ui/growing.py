"""The bridge from the synchronous core to the page: chains grow on a thread, snapshots are awaited."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator

from bonsai import gpu
from bonsai.chain import Chain
from bonsai.engines.base import SamplingParams

SNAPSHOTS_PER_SECOND = 10

Chains = tuple[Chain, ...]


class _Growth:
    """Chains that grow on a thread of their own; `latest` is their last snapshot."""

    def __init__(self, chains: Chains, sampling: SamplingParams) -> None:
        self.latest = chains
        self.failure: BaseException | None = None
        self.ended = False
        self.news = asyncio.Event()
        self.stopped = threading.Event()
        self._sampling = sampling
        self._loop = asyncio.get_running_loop()
        # ZeroGPU finds the visitor, whose quota is used, in the context of the request.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._work,), name="bonsai-growth", daemon=True).start()

    def _work(self) -> None:
        growing = gpu.grow(self.latest, self._sampling)
        try:
            for chains in growing:
                self.latest = chains
                if self.stopped.is_set():
                    return
                self._tell()
        except BaseException as failure:
            self.failure = failure
        finally:
            # On the thread that ran it: a generator cannot be closed from elsewhere while it works.
            growing.close()
            self.ended = True
            self._tell()

    def _tell(self) -> None:
        # The server may have been shut down meanwhile, and its loop with it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.news.set)


async def snapshots(chains: Chains, sampling: SamplingParams) -> AsyncGenerator[Chains, None]:
    """Yield the chains as they grow, the latest at most 10 times a second, and at the end as they ended.

    Whatever ends the iteration early (Stop, a closed browser tab) ends the engine's work within one step.
    """
    growth = _Growth(chains, sampling)
    shown: Chains | None = None
    try:
        while not growth.ended or growth.latest is not shown:
            await growth.news.wait()
            growth.news.clear()
            if growth.latest is not shown:
                shown = growth.latest
                yield shown
            if not growth.ended:
                await asyncio.sleep(1 / SNAPSHOTS_PER_SECOND)
        if growth.failure is not None:
            raise growth.failure
    finally:
        growth.stopped.set()
