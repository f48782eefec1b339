"""The context that all texts in the making share: a server that runs out of it breaks off every one of them."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager


class SharedContext:
    """Room for so many tokens; who asks first has it first. Event loops may share it."""

    def __init__(self, tokens: int) -> None:
        self._free = self._size = tokens
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._lock = threading.Lock()

    def has_room(self, tokens: int) -> bool:
        """Say whether so many tokens could be held now, without waiting."""
        return not self._waiting and min(tokens, self._size) <= self._free

    @asynccontextmanager
    async def taken(self, tokens: int) -> AsyncIterator[None]:
        """Hold room for so many tokens, or all of it; wait for it first."""
        tokens, granted = min(tokens, self._size), Future[None]()
        with self._lock:
            self._waiting.append((tokens, granted))
        self._grant()
        try:
            await asyncio.wrap_future(granted)
            yield
        finally:
            # What was granted can no longer be called off.
            if not granted.cancel():
                with self._lock:
                    self._free += tokens
            self._grant()

    def _grant(self) -> None:
        with self._lock:
            while self._waiting and (self._waiting[0][1].cancelled() or self._waiting[0][0] <= self._free):
                tokens, granted = self._waiting.popleft()
                if granted.set_running_or_notify_cancel():
                    self._free -= tokens
                    granted.set_result(None)
