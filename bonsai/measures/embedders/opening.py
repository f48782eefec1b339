"""Opening an embedder: at once, or in the background; without one, words and characters serve."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from bonsai.deferred import Deferred
from bonsai.errors import EngineError, first_line
from bonsai.measures.embedders.base import Embedder, Encoded
from bonsai.measures.embedders.files import folder_at_hand, folders
from bonsai.settings import JAPANESE_EMBEDDER, NO_EMBEDDER, variable

__all__ = ["DeferredEmbedder", "Embedder", "open_deferred_embedder", "open_embedder"]

_log = logging.getLogger("bonsai")


class DeferredEmbedder(Embedder):
    """An embedder that `open` loads later; calls made before it is loaded block until it is."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._embedder = Deferred(self._load)

    def open(self) -> None:
        """Load the model and let all waiting calls go on; why it cannot be loaded is in the log."""
        self._embedder.open()

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return what each text is to the model; raise EngineError if it cannot be loaded."""
        return self._embedder.result().encode(texts)

    def _load(self) -> Embedder:
        try:
            return _load(self.name, self._folder)
        except Exception as error:
            _log.warning("The embedder %s cannot be loaded: %s", self.name, first_line(error))
            raise EngineError(
                "The embedder {name} cannot be loaded; set {variable} to none, or to another.",
                name=self.name,
                variable=variable("japanese_embedder" if self.name == JAPANESE_EMBEDDER else "embedder"),
            ) from error


class LazyEmbedder(DeferredEmbedder):
    """An embedder that loads itself when it is first asked."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._first = threading.Lock()

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return what each text is to the model; raise EngineError if it cannot be loaded."""
        with self._first:
            if not self._embedder.done():
                self.open()
        return super().encode(texts)


def open_embedder(name: str) -> Embedder | None:
    """Return the embedder `name`, a hub id or a folder, or None where words serve; a sentence in the log says why.

    It is looked for on this machine first; the hub is waited for at most PATIENCE seconds, while a download goes on.
    """
    for folder in folders(name):
        try:
            return _load(name, folder)
        except Exception as error:  # Whatever is in a folder, no run may stop for it.
            _log.warning("The embedder %s cannot be loaded from %s: %s", name, folder, first_line(error))
    if name != NO_EMBEDDER:
        _log.warning("Until there is an embedder, similarity is measured by words.")
    return None


def open_deferred_embedder(name: str) -> Embedder | None:
    """Return the embedder `name` before it is loaded if its files are at hand; else as `open_embedder` does."""
    folder = folder_at_hand(name)
    return DeferredEmbedder(name, folder) if folder else open_embedder(name)


def open_lazy_embedder(name: str) -> Embedder | None:
    """Return the embedder `name`, to be loaded when it is first needed, if its files are at hand; else as above."""
    folder = folder_at_hand(name)
    return LazyEmbedder(name, folder) if folder else open_embedder(name)


def _load(name: str, folder: Path) -> Embedder:
    # Only now: torch takes seconds to import, which those who measure by words need not wait for.
    from bonsai.measures.embedders.sentence import load

    return load(name, folder)
