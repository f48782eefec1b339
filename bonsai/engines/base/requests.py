"""Prompts on their way to an engine."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from bonsai.engines.base.prompt import Prompt
from bonsai.engines.base.sampling import SamplingParams


@dataclass(frozen=True)
class Request:
    """A prompt, and how its completion is sampled."""

    prompt: Prompt
    sampling: SamplingParams


class RequestQueue:
    """Requests that wait for an engine, first in, first out; the caller puts, the engine takes."""

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        self._waiting = deque(requests)

    def put(self, request: Request) -> None:
        """Add a request at the end."""
        self._waiting.append(request)

    def take(self) -> Request:
        """Remove and return the request that has waited longest; raise IndexError if none waits."""
        return self._waiting.popleft()

    def peek(self) -> Request | None:
        """Return the request that `take` would return, None if none waits."""
        return self._waiting[0] if self._waiting else None

    def __len__(self) -> int:
        return len(self._waiting)
