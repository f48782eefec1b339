"""Measures of a chain: how similar a question is to earlier ones, and how much a step adds."""

import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_NO_WORD_BREAKS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_QUESTION_WORDS = frozenset(("what", "why", "how", "when", "where", "who", "whom", "whose", "which"))
_SMALL_WORDS = """
    a about after again all also always am an and any anyone anything are as at be because been before being both
    but by can cannot could did do does doing done each else even ever every exactly few for from get gets give
    given had has have having he her here him his i if in into is it its itself just let like many may me might more
    most much must my never no not now of often on one only or other our out over own please really said same say
    says she should since so some someone something still such tell than that the their them then there these they
    thing things this those through to today too under until up us use very was we were while will with without
    would yes yet you your
"""
_STOP_WORDS = _QUESTION_WORDS.union(_SMALL_WORDS.split())


def content_words(text: str) -> frozenset[str]:
    """Return the words of `text` that carry content, in lower case; pairs of characters where there are no spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    pairs = {run[i : i + 2] for run in _NO_WORD_BREAKS.findall(folded) for i in range(max(1, len(run) - 1))}
    words = {_singular(word) for word in _WORD.findall(_NO_WORD_BREAKS.sub(" ", folded)) if word not in _STOP_WORDS}
    return frozenset(words | pairs)


def similarity(question: str, other: str) -> float:
    """Return the share (0 to 1) of content words that two questions have in common (Jaccard index); symmetric."""
    ours, theirs = content_words(question), content_words(other)
    if not ours and not theirs:
        return 1.0 if _plain(question) == _plain(other) else 0.0
    return len(ours & theirs) / len(ours | theirs)


def most_similar(question: str, earlier: Sequence[str]) -> tuple[float, int] | None:
    """Return (similarity, step number from 1) of the earlier question most like `question`, or None."""
    scored = [(similarity(question, other), number) for number, other in enumerate(earlier, start=1)]
    return max(scored, key=lambda pair: (pair[0], pair[1]), default=None)


def repeats(question: str, other: str) -> bool:
    """Say whether two questions ask the same in the same way: equal content words and question words, in any order."""
    if _plain(question) == _plain(other):
        return True
    return similarity(question, other) == 1.0 and _asks(question) == _asks(other)


def repeated_step(question: str, earlier: Sequence[str]) -> int | None:
    """Return the number (from 1) of the latest earlier question that `question` repeats, or None."""
    return next((number for number in range(len(earlier), 0, -1) if repeats(question, earlier[number - 1])), None)


def new_content(text: str, earlier: Sequence[str]) -> float:
    """Return the share (0 to 1) of the content words of `text` that none of the earlier texts has."""
    words = content_words(text)
    known = frozenset[str]().union(*(content_words(other) for other in earlier))
    return len(words - known) / len(words) if words else 0.0


def _asks(question: str) -> frozenset[str]:
    return _QUESTION_WORDS & set(_WORD.findall(question.casefold()))


def _plain(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


def _singular(word: str) -> str:
    if word.endswith("'s"):
        return word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
