"""Texts as vectors: what an embedder makes of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A text as the embedder sees it: float32 arrays whose rows have unit length."""

    vector: Floats
    """It stands for the whole text; (d)."""
    tokens: tuple[str, ...]
    """The n word pieces as they are written in the model's vocabulary, "[UNK]" for what is not in it.

    Marks of beginning and end are left out.
    """
    token_vectors: Floats
    """A row for each token; (n, d)."""


class Embedder(ABC):
    """An embedding model. Threads may share it."""

    name: str
    """The hub id or folder that it was asked for by."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return what each text is to the model, in the order given; a long text is cut at what the model reads."""
