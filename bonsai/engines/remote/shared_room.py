"""Room that all who ask one server share: its places, and the context of the texts in the making."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager


class SharedRoom:
    """Room for so many places, or tokens; who asks first has it first. Event loops may share it."""

    def __init__(self, size: int) -> None:
        self._free = self._size = size
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._lock = threading.Lock()

    def is_free(self, count: int) -> bool:
        """Say whether room for so many could be held now, without waiting."""
        return not self._waiting and min(count, self._size) <= self._free

    @asynccontextmanager
    async def taken(self, count: int) -> AsyncIterator[None]:
        """Hold room for so many, or all of it; wait for it first."""
        count, granted = min(count, self._size), Future[None]()
        with self._lock:
            self._waiting.append((count, granted))
        self._grant()
        try:
            if not granted.done():
                await asyncio.wrap_future(granted)
            yield
        finally:
            # What was granted can no longer be called off.
            if not granted.cancel():
                with self._lock:
                    self._free += count
            self._grant()

    def _grant(self) -> None:
        with self._lock:
            while self._waiting and (self._waiting[0][1].cancelled() or self._waiting[0][0] <= self._free):
                count, granted = self._waiting.popleft()
                if granted.set_running_or_notify_cancel():
                    self._free -= count
                    granted.set_result(None)
