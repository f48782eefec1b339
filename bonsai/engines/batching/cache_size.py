"""How large the cache is that all requests of a batch share."""

from dataclasses import dataclass

from bonsai.engines.model.loaded_model import LoadedModel

# A CPU takes time for each token that it reads, and only whole pages are shared, so there they are as small as they may
# be; flash attention on a GPU wants pages of 256.
_PAGE = {"cpu": 4, "cuda": 256}
# Models of today say that they read a million tokens; on a CPU nobody waits for so many.
_LONGEST_ON_CPU = 32_768
_SHORTEST_CUT = 8192


@dataclass(frozen=True)
class CacheSize:
    """A cache in pages, and what finds room in it."""

    page: int
    """Tokens of a page."""
    pages: int
    """As many as the context of every row takes, if there is memory for them."""
    context_length: int
    """Tokens that a request may have: not all that a model could read, if that would take all the memory."""

    @classmethod
    def of(cls, loaded: LoadedModel, rows: int) -> "CacheSize":
        """Return the size for a model, with so many requests at a time."""
        device = loaded.model.device.type
        affordable = loaded.affordable_tokens
        most = _LONGEST_ON_CPU if device == "cpu" else loaded.context_length
        length = min(loaded.context_length, most, max(affordable, _SHORTEST_CUT))
        # One request of full length must always find room.
        tokens = max(min(rows * length, affordable), length)
        return cls(_PAGE[device], -(-tokens // _PAGE[device]) + 1, length)
