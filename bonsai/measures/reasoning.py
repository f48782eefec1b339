"""What a Reasoning is worth: whether there is one, whether it is a copy, and whether the answer made use of it."""

import difflib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bonsai.measures.segments import content_terms, is_word, segments


class ReasoningState(StrEnum):
    """What a Reasoning is worth as a text."""

    PRESENT = "present"
    """It says something of its own."""
    EMPTY = "empty"
    COPIED_FROM_QUESTION = "copied from the question"
    COPIED_FROM_ANSWER = "copied from the answer"
    TRUNCATED = "truncated"
    """It hit the token limit."""


# A Reasoning is a copy when it holds next to nothing but runs of words of the other text.
_COPIED_SHARE = 0.75
_SHORTEST_RUN = 2
_ANNOUNCING = frozenset(("answer", "answered", "ask", "asked", "asking", "asks", "question", "reasoning"))


@dataclass(frozen=True)
class ReasoningTest:
    """Three answers to one question, drawn alike: with the Reasoning, without it, and with its words shuffled.

    The changes (0 to 1) say how different the other two are from the first; 0 means that the Reasoning, or its order,
    was not used.
    """

    answer: str
    answer_without: str
    answer_shuffled: str
    change_without: float
    change_shuffled: float


def state(reasoning: str, question: str, answer: str, cut: bool) -> ReasoningState:
    """Return the state of a Reasoning: empty, copied from the question or answer, truncated, or else present.

    `answer` is "" as long as there is none; `cut` says that the Reasoning ended at the limit of its tokens.
    """
    if not reasoning.strip():
        return ReasoningState.EMPTY
    if copies(reasoning, question):
        return ReasoningState.COPIED_FROM_QUESTION
    if copies(reasoning, answer):
        return ReasoningState.COPIED_FROM_ANSWER
    return ReasoningState.TRUNCATED if cut else ReasoningState.PRESENT


def copies(reasoning: str, other: str) -> bool:
    """Say whether a Reasoning is nearly the other text, or is nearly all contained in it.

    Counted are its content words (pairs of characters where there are no spaces) that stand in the other text in the
    same order and at least two in a row: at least three quarters of them. So a Reasoning about the same topic is no
    copy, nor is one of which the other text repeats a sentence among several.
    """
    if _words(reasoning) == _words(other):
        return True
    words = [word for word in content_terms(reasoning) if word not in _ANNOUNCING]
    if not words:
        return False
    blocks = difflib.SequenceMatcher(None, words, content_terms(other), autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= _SHORTEST_RUN) >= _COPIED_SHARE * len(words)


def change(answer: str, other: str) -> float:
    """Return how different two answers are, 0 (the same words in the same order) to 1 (no word in common)."""
    ours, theirs = _words(answer), _words(other)
    return 1 - difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def shuffled(reasoning: str, seed: int) -> str:
    """Return a Reasoning with its words in another order, which `seed` decides; characters where there are no spaces.

    What is between the words stays where it is.
    """
    parts = segments(reasoning)
    places = [place for place, part in enumerate(parts) if is_word(part)]
    mixed = random.Random(seed).sample(places, len(places))
    moved = dict(zip(places, mixed, strict=True))
    return "".join(parts[moved.get(place, place)] for place in range(len(parts)))


def compare(answers: Sequence[str]) -> ReasoningTest:
    """Return the test for three answers: with the Reasoning, without it, and with its words shuffled."""
    answer, without, mixed = answers
    return ReasoningTest(answer, without, mixed, round(change(answer, without), 3), round(change(answer, mixed), 3))


def _words(text: str) -> list[str]:
    return [piece.casefold() for piece in segments(text) if is_word(piece)]
