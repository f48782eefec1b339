"""Prompts that begin alike, such as candidates that differ by their moves: what they share is read once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile

Tokens = Sequence[int]

# In tokens: a shorter beginning is read again in less time than a turn is waited for.
_WORTH_SHARING = 64
# To write a token takes about as long as to read so many.
_READ_WHILE_ONE_IS_WRITTEN = 2


class SharedPrefix:
    """Lets prompts that begin alike take turns on the event loop.

    Each then goes on in the slot of the server in which the one before it was read. At the same time they would need
    slots of their own, and every slot would read all of its prompt.
    """

    def __init__(self) -> None:
        self._under_way: dict[asyncio.Event, Tokens] = {}

    @asynccontextmanager
    async def turn(self, tokens: Tokens, most: int) -> AsyncIterator[None]:
        """Hold the turn of a prompt after which `most` tokens at most are written; wait for it first."""
        while over := self._worth_waiting_for(tokens, most):
            await over.wait()
        end = asyncio.Event()
        self._under_way[end] = tokens
        try:
            yield
        finally:
            del self._under_way[end]
            end.set()

    def _worth_waiting_for(self, tokens: Tokens, most: int) -> asyncio.Event | None:
        """Return the end of a prompt that shares most of these tokens, and more than are read while it is written."""
        enough = max(_WORTH_SHARING, _READ_WHILE_ONE_IS_WRITTEN * most, len(tokens) / 2)
        return next((end for end, other in self._under_way.items() if shared(tokens, other) >= enough), None)


def shared(one: Tokens, other: Tokens) -> int:
    """Return how many tokens two prompts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
