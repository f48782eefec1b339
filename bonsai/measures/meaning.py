"""Likeness by meaning: the vectors of an embedder, read as one number."""

from collections.abc import Iterable

from bonsai.measures.embedders.base import Embedder
from bonsai.measures.encodings import Encodings
from bonsai.measures.rules import Reading


class Meaning:
    """How alike texts are to one embedder. Threads may share it."""

    def __init__(self, embedder: Embedder, reading: Reading) -> None:
        self.name, self.reading = embedder.name, reading
        self._encodings = Encodings(embedder)

    def read(self, texts: Iterable[str]) -> None:
        """Encode many texts in one go; what was read lately is kept."""
        self._encodings.read(texts)

    def nearness(self, text: str, other: str) -> float:
        """Return how near two texts are as wholes, from 0 (unrelated; below it for some) to 1."""
        return self._from_unrelated(float(self._encodings.of(text).vector @ self._encodings.of(other).vector))

    def likeness(self, question: str, other: str) -> float:
        """Return the likeness of two questions, at most 1: of the wholes, of all pieces, and of the weakest piece."""
        ours, theirs = self._encodings.of(question), self._encodings.of(other)
        whole = self._from_unrelated(float(ours.vector @ theirs.vector))
        if not len(ours.token_vectors) or not len(theirs.token_vectors):
            return min(1.0, whole)
        tokens = ours.token_vectors @ theirs.token_vectors.T
        found, known = tokens.max(axis=1), tokens.max(axis=0)
        reading, likeness = self.reading, self.reading.whole * whole
        if reading.weakest:
            likeness += reading.weakest * self._from_unrelated(float(min(known.min(), found.min())))
        if reading.pieces:
            likeness += reading.pieces * self._from_unrelated(float(found.mean() + known.mean()) / 2)
        return min(1.0, likeness)

    def _from_unrelated(self, cosine: float) -> float:
        return (cosine - self.reading.unrelated) / (1 - self.reading.unrelated)
