"""How large the cache is that all requests of a batch share."""

from dataclasses import dataclass
from typing import Any

import torch

from bonsai.engines.model.loaded_model import LoadedModel

# A CPU takes time for each token that it reads, and only whole pages are shared, so there they are as small as they may
# be; flash attention on a GPU wants pages of 256.
_PAGE = {"cpu": 4, "cuda": 256}
_CPU_CACHE_BYTES = 512 * 2**20
_SHARE_OF_FREE_GPU = 0.6
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
        affordable = _affordable_tokens(loaded.model)
        most = _LONGEST_ON_CPU if device == "cpu" else loaded.context_length
        length = min(loaded.context_length, most, max(affordable, _SHORTEST_CUT))
        # One request of full length must always find room.
        tokens = max(min(rows * length, affordable), length)
        return cls(_PAGE[device], -(-tokens // _PAGE[device]) + 1, length)


def _affordable_tokens(model: Any) -> int:
    """Return how many tokens there is memory for in the cache."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    bytes_per_token = 2 * config.num_hidden_layers * heads * size * model.dtype.itemsize
    memory = float(_CPU_CACHE_BYTES)
    if model.device.type == "cuda":
        memory = torch.cuda.mem_get_info()[0] * _SHARE_OF_FREE_GPU
    return int(memory / bytes_per_token)
