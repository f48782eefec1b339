"""What a Reasoning is worth as a text: whether there is one, and whether it is a copy."""

import difflib
from enum import StrEnum

from bonsai.measures.segments import content_terms, words_of


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
    if words_of(reasoning) == words_of(other):
        return True
    words = [word for word in content_terms(reasoning) if word not in _ANNOUNCING]
    if not words:
        return False
    blocks = difflib.SequenceMatcher(None, words, content_terms(other), autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= _SHORTEST_RUN) >= _COPIED_SHARE * len(words)
