"""What is asked of an engine: prompts, how they are sampled, and the queue in which they wait."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bonsai.errors import UsageError

DEFAULT_OPTIONS = frozenset({"temperature", "top_p", "top_k", "repetition_penalty", "seed"})
"""The options of SamplingParams that an engine may leave unhonoured, if it says so."""
_OUT_OF_RANGE = "{name} is {value}; it must be between {low} and {high}."


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Prompt:
    """What a model is to continue: markup of a prompt format around texts of people and models."""

    parts: tuple[str, ...]
    """Markup and text in turn, beginning with markup. In markup `<|im_end|>` is a special token, in text it is text."""
    messages: tuple[Message, ...] = ()
    """The same as a conversation, for servers that take nothing else; empty if it is none."""

    @cached_property
    def text(self) -> str:
        """All parts joined."""
        return "".join(self.parts)

    @classmethod
    def of(cls, prompt: "Prompt | str") -> "Prompt":
        """Return a prompt as it is, or a text as a prompt of markup alone."""
        return cls((prompt,)) if isinstance(prompt, str) else prompt


@dataclass(frozen=True)
class SamplingParams:
    """How one completion is sampled.

    A temperature of 0 takes the likeliest token each time; a top_k of 0 and a top_p of 1 keep every token.
    `stop` holds texts at which the completion is cut: the first of them to appear and all after it are left out.

    Raises UsageError, naming the option and its range, if a value is outside of it.
    """

    max_new_tokens: int = 128
    temperature: float = 0.3
    top_p: float = 0.95
    top_k: int = 50
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_new_tokens", 1, 4096),
            ("temperature", 0, 5),
            ("top_p", 0.01, 1),
            ("top_k", 0, 1000),
            ("repetition_penalty", 0.5, 2),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(_OUT_OF_RANGE, name=name, value=value, low=low, high=high)


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
