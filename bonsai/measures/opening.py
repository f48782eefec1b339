"""Opening the measure that the settings ask for: its embedders at once, or in the background."""

from bonsai.measures.embedders.opening import (
    DeferredEmbedder,
    Embedder,
    open_deferred_embedder,
    open_embedder,
    open_lazy_embedder,
)
from bonsai.measures.similarity import Measure
from bonsai.settings import NO_EMBEDDER, Settings


def open_measure(settings: Settings, at_once: bool = False) -> Measure:
    """Return the measure; without an embedder it goes by words and characters.

    That for English is loaded, that for Japanese when a text needs it, or `at_once`.
    """
    english, japanese = _names(settings)
    return Measure(open_embedder(english), (open_embedder if at_once else open_lazy_embedder)(japanese))


def open_deferred_measure(settings: Settings) -> tuple[Measure, list[DeferredEmbedder]]:
    """Return the measure, and those of its embedders that are still to be opened."""
    embedders: list[Embedder | None] = [open_deferred_embedder(name) for name in _names(settings)]
    return Measure(*embedders), [late for late in embedders if isinstance(late, DeferredEmbedder)]


def _names(settings: Settings) -> tuple[str, str]:
    """Return the embedders' names; to do without the first is to do without any."""
    without = settings.embedder == NO_EMBEDDER
    return settings.embedder, NO_EMBEDDER if without else settings.japanese_embedder
