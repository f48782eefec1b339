"""An engine that is opened while others go on: the page is there before the model is."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bonsai.engines.base import Completion, Engine, Request, Snapshots
from bonsai.errors import EngineError

_SIGN_OF_LIFE_SECONDS = 0.1
_USUAL_CONTEXT = 2048


@dataclass(frozen=True)
class EngineInfo:
    """What is known of an engine before it is opened; see Engine for the names."""

    name: str
    model_id: str
    adapter_id: str
    device: str
    is_stand_in: bool
    options: frozenset[str]
    max_batch_size: int
    max_concurrent_runs: int


class DeferredEngine(Engine):
    """An engine that is made by `open`; whoever asks it before, on another thread, waits until it is there.

    What it will be is told from the beginning. Raises EngineError, to everyone who asks, if it could not be opened.
    """

    def __init__(self, opening: Callable[[], Engine], prospect: EngineInfo) -> None:
        self.name, self.model_id, self.adapter_id = prospect.name, prospect.model_id, prospect.adapter_id
        self.device, self.is_stand_in, self.options = prospect.device, prospect.is_stand_in, prospect.options
        self.max_batch_size, self.max_concurrent_runs = prospect.max_batch_size, prospect.max_concurrent_runs
        self.context_length = _USUAL_CONTEXT
        self.info = prospect
        self._opening = opening
        self._engine: Engine | None = None
        self._failure: Exception | None = None
        self._done = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Say whether nobody has to wait."""
        return self._done.is_set()

    def open(self) -> None:
        """Make the engine, and let all who wait go on; what goes wrong is raised where they are."""
        try:
            engine = self._opening()
            self.options, self.context_length = engine.options, engine.context_length
            self._engine = engine
        except Exception as failure:
            self._failure = failure
        finally:
            self._done.set()

    def wait(self) -> Engine:
        """Return the engine when it is there; raise what went wrong if it could not be opened."""
        self._done.wait()
        if self._engine is None:
            raise self._failure or EngineError("The model could not be loaded.")
        return self._engine

    def count_tokens(self, text: str) -> int:
        """Return how many tokens of the context `text` takes as a prompt."""
        return self.wait().count_tokens(text)

    def check_memory(self) -> None:
        """Raise EngineError if a second model of the same size does not fit beside this one's."""
        self.wait().check_memory()

    def serve(self, requests: deque[Request]) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow; see Engine."""
        while not self._done.wait(_SIGN_OF_LIFE_SECONDS):
            yield 0, Completion()
        yield from self.wait().serve(requests)
