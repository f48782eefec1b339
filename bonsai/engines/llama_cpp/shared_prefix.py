"""Prompts that begin alike and come together, such as candidates that differ by their moves, are read once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile

# In tokens: a shorter beginning is read again in less time than it takes to share it.
_WORTH_SHARING = 64
# So long after the last one no other is expected.
_SECONDS_TO_GATHER = 0.015

Tokens = list[int]


class SharedPrefix:
    """Gathers the prompts that come within a moment, and has the server read what they share, on the event loop.

    `read(tokens, count)` has these tokens read into so many of the server's slots, which then go on from there.
    """

    def __init__(self, read: Callable[[Tokens, int], Awaitable[None]]) -> None:
        self._read = read
        self._gathered: list[Tokens] = []
        self._reading: asyncio.Task[None] | None = None

    async def ready(self, tokens: Tokens) -> None:
        """Return when a prompt of these tokens should be asked for."""
        self._gathered.append(tokens)
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_together())
        # One that is called off leaves the others to go on.
        await asyncio.shield(self._reading)

    async def _read_together(self) -> None:
        count = 0
        while count < len(self._gathered):
            count = len(self._gathered)
            await asyncio.sleep(_SECONDS_TO_GATHER)
        gathered, self._gathered, self._reading = self._gathered, [], None
        await asyncio.gather(*(self._read(prefix, count) for prefix, count in alike(gathered)))


def alike(prompts: Sequence[Tokens]) -> list[tuple[Tokens, int]]:
    """Return the beginnings that several prompts share, each at least half of its prompts, and of how many prompts."""
    groups: list[tuple[Tokens, int]] = []
    for tokens in sorted(prompts):
        if groups:
            prefix, count = groups[-1]
            shared = prefix[: _common(prefix, tokens)]
            if len(shared) >= max(_WORTH_SHARING, len(tokens) / 2, len(prefix) / 2):
                groups[-1] = shared, count + 1
                continue
        groups.append((tokens, 1))
    return [(prefix, count) for prefix, count in groups if count > 1]


def _common(one: Tokens, other: Tokens) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
