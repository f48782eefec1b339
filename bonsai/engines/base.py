"""The contract of every engine: prompts in, snapshots of completions out."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from bonsai.errors import Note, UsageError

FinishReason = Literal["stop", "length", "cancelled", "error"]
DEFAULT_OPTIONS = frozenset({"temperature", "top_p", "top_k", "repetition_penalty", "seed"})


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
                raise UsageError(
                    "{name} is {value}; it must be between {low} and {high}.",
                    name=name,
                    value=value,
                    low=low,
                    high=high,
                )


@dataclass(frozen=True)
class Completion:
    """The text of one completion so far, always a snapshot and never a delta.

    `finish_reason` is None while it is being written; "error" comes with `error`, a sentence for the person.
    `seconds` counts from the call of `stream`; the token counts are the model's own.
    """

    text: str = ""
    finish_reason: FinishReason | None = None
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def finished(self) -> bool:
        """Say whether this is the last snapshot of its prompt."""
        return self.finish_reason is not None


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


Snapshots = Generator[tuple[int, Completion], None, None]


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is and can do."""

    name: str
    """The engine's name in BONSAI_ENGINE."""
    model_id: str
    """The model: a hub id, a folder or a file."""
    adapter_id: str = ""
    """The LoRA adapter in use; empty if none is."""
    device: str = ""
    """In words, where the model runs."""
    is_stand_in: bool = False
    """Whether a small model answers, which can be wrong more often than others."""
    context_length: int = 2048
    """Tokens that the model reads at most, prompt and completion together."""
    options: frozenset[str] = DEFAULT_OPTIONS
    """The fields of SamplingParams beyond max_new_tokens and stop that the engine honours."""
    max_batch_size: int = 1
    """Completions that are decoded together."""
    max_concurrent_runs: int = 1
    """Callers that are served in parallel."""
    prompt_format: str = ""
    """The name of the format in which the model must be prompted; empty if that follows from the model."""
    chat_template: str = field(default="", repr=False)
    """The model's chat template, in Jinja; empty if it has none."""
    eos_token: str = ""
    """The text of the token that ends a completion, as chat templates use it."""
    memory_bytes: int = 0
    """The memory that the model takes, as far as it is known."""


class Engine(ABC):
    """Something that completes prompts."""

    info: EngineInfo

    @abstractmethod
    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes."""

    @abstractmethod
    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow, many together.

        Requests are taken from `queue` whenever there is room for one, and are numbered from 0 in that order; the
        caller may put more into it after any snapshot. The iterator ends when the queue is empty and all are finished.

        The last snapshot of every request has a finish reason. A prompt that fails ends with the reason "error" and
        spares the others. A prompt that does not fit the context with at least one new token fails; one that nearly
        fits gets fewer new tokens (reason "length"). Closing the iterator stops the work within one decoding step. May
        yield an unchanged snapshot as a heartbeat. Raises UsageError for an option that the engine does not honour.
        """

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a person should know of the completions, as that an option was not honoured."""
        return ()

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded, so that no call has to wait for it."""
        return True

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait at most so many seconds for the model; return whether it is there, or could not be loaded."""
        return True

    def check_memory(self) -> None:
        """Raise EngineError if a second model of the same size does not fit beside this one's."""
        return

    def without_adapter(self) -> "Engine | None":
        """Return an engine with the same model that leaves its adapter out; None if that takes a second model."""
        return None

    def generate(
        self, prompts: Sequence[Prompt | str], sampling: SamplingParams | Sequence[SamplingParams]
    ) -> Snapshots:
        """Yield (index of the prompt, snapshot) as the completions of all prompts grow; see `stream`.

        `sampling` is one for all prompts or one for each. Raises UsageError, before any work, for an option that the
        engine does not honour.
        """
        each = [sampling] * len(prompts) if isinstance(sampling, SamplingParams) else list(sampling)
        if len(each) != len(prompts):
            raise UsageError(
                "{prompts} prompts came with {settings} sampling settings.", prompts=len(prompts), settings=len(each)
            )
        for params in each:
            check_options(self.info, params)
        return self.stream(RequestQueue(map(Request, map(Prompt.of, prompts), each)))


def check_options(info: EngineInfo, params: SamplingParams) -> None:
    """Raise UsageError, by its name, for an option that is asked for and that the engine does not honour."""
    default = SamplingParams()
    for name in sorted(DEFAULT_OPTIONS - info.options):
        if getattr(params, name) != getattr(default, name):
            raise UsageError(
                "The {engine} engine does not honour {name}; leave it at its default.", engine=info.name, name=name
            )


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return `text` up to the first stop text in it, and whether there was one."""
    found = [place for place in (text.find(item) for item in stop) if place >= 0]
    return (text[: min(found)], True) if found else (text, False)


def hold_back(text: str, stop: Sequence[str]) -> str:
    """Return `text` without an ending that may grow into a stop text, so that no snapshot has to be taken back."""
    end = len(text)
    for item in stop:
        place = text.find(item[0], max(0, len(text) - len(item) + 1))
        while 0 <= place < end:
            if item.startswith(text[place:]):
                end = place
            place = text.find(item[0], place + 1)
    return text[:end]


def too_long(tokens: int, context_length: int) -> Completion:
    """Return the completion of a prompt that leaves no room in the context for one new token."""
    limit = f"the model reads at most {context_length:,}, and one is for its completion"
    return failed(f"The prompt has {tokens:,} tokens; {limit}.", tokens)


def failed(error: str, prompt_tokens: int = 0, seconds: float = 0.0) -> Completion:
    """Return the completion of a prompt that failed for the reason given."""
    return replace(Completion(), finish_reason="error", error=error, prompt_tokens=prompt_tokens, seconds=seconds)
