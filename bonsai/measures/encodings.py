"""What texts are to an embedder, kept for those that were read lately."""

import os
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache

from bonsai.measures.embedders.base import Embedder, Encoded

# Bytes of what is kept of texts that were read: about 1.5 KB for each word.
MEMORY = 256_000_000
_NO_CONTENT = frozenset(
    (
        "?",
        ".",
        ",",
        "!",
        "'",
        '"',
        "-",
        ":",
        ";",
        "(",
        ")",
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "were",
        "do",
        "does",
        "did",
        "to",
        "of",
        "in",
        "on",
        "for",
        "and",
        "it",
        "i",
        "you",
        "my",
        "your",
    )
)


class Encodings:
    """Encodes texts, and keeps the latest of them up to MEMORY bytes. Threads may share it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: OrderedDict[str, Encoded] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        # ZeroGPU's workers are forked, perhaps while another thread holds the lock.
        os.register_at_fork(after_in_child=self._start_anew)

    def of(self, text: str) -> Encoded:
        """Return what a text is to the embedder."""
        key = _key(text)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        encoded = self.read([text])
        # Another thread may have been quicker.
        return encoded[key] if key in encoded else self.of(text)

    def read(self, texts: Iterable[str]) -> dict[str, Encoded]:
        """Keep what the texts are to the embedder, and return it for those that were not known."""
        with self._lock:
            new = [text for text in dict.fromkeys(map(_key, texts)) if text not in self._known]
        if not new:
            return {}
        encoded = dict(zip(new, map(_without_small_tokens, self._embedder.encode(new)), strict=True))
        with self._lock:
            for text, item in encoded.items():
                self._keep(text, item)
        return encoded

    def _keep(self, text: str, item: Encoded) -> None:
        if text not in self._known:
            self._known[text] = item
            self._size += _bytes(item)
        while self._size > MEMORY and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._size -= _bytes(oldest)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()


@lru_cache(maxsize=8192)
def _key(text: str) -> str:
    """Return what a text is known by: case and spaces aside, so that a question and its plain form are one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _bytes(item: Encoded) -> int:
    return 2000 + item.vector.nbytes + item.token_vectors.nbytes


def _without_small_tokens(item: Encoded) -> Encoded:
    kept = [place for place, token in enumerate(item.tokens) if token not in _NO_CONTENT] or list(
        range(len(item.tokens))
    )
    kept = kept[:64]
    tokens = tuple(item.tokens[place] for place in kept)
    return Encoded(item.vector, tokens, item.token_vectors[kept])
