"""An engine: prompts in, snapshots of completions out."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from bonsai.engines.base.completion import Completion
from bonsai.engines.base.requests import DEFAULT_OPTIONS, Prompt, Request, RequestQueue, SamplingParams
from bonsai.errors import Note, UsageError

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
    """Whether it stands in for the model that is meant: a small one, which is wrong more often, or none at all."""
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
    notes: tuple[Note, ...] = ()
    """What a person should know of the model as it is used, as that its adapter was trained on another one."""


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
        return self.info.notes

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
