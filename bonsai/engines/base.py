"""The contract of every engine: prompts in, snapshots of completions out."""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from bonsai.errors import UsageError

FinishReason = Literal["stop", "length", "cancelled", "error"]
DEFAULT_OPTIONS = frozenset({"temperature", "top_p", "top_k", "repetition_penalty", "seed"})


@dataclass(frozen=True)
class SamplingParams:
    """How one completion is drawn.

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
                raise UsageError(f"{name} is {value}; it must be between {low} and {high}.")


@dataclass(frozen=True)
class Completion:
    """The text of one completion so far, always a snapshot and never a delta.

    `finish_reason` is None while it is being written; "error" comes with `error`, a sentence for the person.
    `seconds` counts from the call of `generate`; the token counts are the model's own.
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
class Request:
    """A prompt, and how its completion is drawn."""

    prompt: str
    sampling: SamplingParams


Snapshots = Generator[tuple[int, Completion], None, None]


class Engine(Protocol):
    """Something that completes prompts.

    `options` names the fields of SamplingParams beyond max_new_tokens and stop that the engine honours.
    `adapter_id` is empty when no adapter answers; `device` says in words where the model runs; `is_stand_in` says that
    a small model answers in the place of PHI-2. `rows_at_once` is how many completions are in the making at a time, and
    `runs_at_once` how many threads may call `serve` at a time with profit.
    """

    name: str
    model_id: str
    adapter_id: str
    device: str
    is_stand_in: bool
    context_length: int
    options: frozenset[str]
    max_batch_size: int
    max_concurrent_runs: int

    def count_tokens(self, text: str) -> int:
        """Return how many tokens of the context `text` takes as a prompt."""
        ...

    @property
    def is_ready(self) -> bool:
        """Say whether nobody has to wait for a model that is being loaded."""
        return True

    def check_memory(self) -> None:
        """Raise EngineError if a second model of the same size does not fit beside this one's."""
        return

    def serve(self, requests: deque[Request]) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow, many together.

        Requests are taken from the left of `requests`, and numbered from 0 as they are, whenever there is room for one;
        more may be put at its right end after any snapshot. It ends when none is left and all are finished.

        The last snapshot of every request has a finish reason. A prompt that fails ends with the reason "error" and
        spares the others. A prompt that does not fit the context with at least one new token fails; one that nearly
        fits gets fewer new tokens (reason "length"). Closing the iterator stops the work within one decoding step. An
        empty snapshot may be repeated as a sign of life. Raises UsageError for an option that the engine does not
        honour.
        """
        ...

    def generate(self, prompts: Sequence[str], sampling: SamplingParams | Sequence[SamplingParams]) -> Snapshots:
        """Yield (index of the prompt, snapshot) as the completions of all prompts grow; see `serve`.

        `sampling` is one for all prompts or one for each. Raises UsageError, before any work, for an option that the
        engine does not honour.
        """
        each = [sampling] * len(prompts) if isinstance(sampling, SamplingParams) else list(sampling)
        if len(each) != len(prompts):
            raise UsageError(f"{len(prompts)} prompts came with {len(each)} sampling settings.")
        for params in each:
            check_options(self, params)
        return self.serve(deque(map(Request, prompts, each)))


def check_options(engine: Engine, params: SamplingParams) -> None:
    """Raise UsageError, by its name, for an option that is asked for and that `engine` does not honour."""
    default = SamplingParams()
    for name in sorted(DEFAULT_OPTIONS - engine.options):
        if getattr(params, name) != getattr(default, name):
            raise UsageError(f"The {engine.name} engine does not honour {name}; leave it at its default.")


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
