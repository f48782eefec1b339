"""An engine whose model loads in the background, so that the page can open first."""

from collections.abc import Callable
from concurrent.futures import wait

from bonsai.deferred import Deferred
from bonsai.engines.base import Completion, Engine, EngineInfo, Prompt, RequestQueue, Snapshots
from bonsai.errors import Note

_HEARTBEAT_SECONDS = 0.1


class DeferredEngine(Engine):
    """An engine that `open` makes later; calls made before it is open block until it is.

    `info` tells what is expected of it, and once it is open what it is. Every call raises what went wrong if it
    could not be opened.
    """

    def __init__(self, opening: Callable[[], Engine], expected: EngineInfo) -> None:
        self.info = expected

        def opened() -> Engine:
            engine = opening()
            # Before it is ready: who waited for it reads this next.
            self.info = engine.info
            return engine

        self._engine = Deferred(opened)

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded, so that no call has to wait for it."""
        return self._engine.done()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a person should know of the completions; nothing until the model is loaded."""
        return self._engine.result().notes if self.is_ready and not self._engine.exception() else ()

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait at most so many seconds for the model; return whether it is there, or could not be loaded."""
        return bool(wait([self._engine], seconds).done)

    def open(self) -> None:
        """Open the engine and let all waiting calls go on; an error is raised in those calls, not here."""
        self._engine.open()

    def wait(self) -> Engine:
        """Return the engine once it is open; raise what went wrong if it could not be opened."""
        return self._engine.result()

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes."""
        return self.wait().count_tokens(prompt)

    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield (number of the request, snapshot) as the completions grow; see Engine."""
        while not self.wait_until_ready(_HEARTBEAT_SECONDS):
            yield 0, Completion()
        yield from self.wait().stream(queue)
