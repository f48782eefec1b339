"""A text in pieces, to be laid beside another: words, Japanese characters, and what is between them."""

import re
import unicodedata
from collections.abc import Sequence

import regex

from bonsai.measures.terms import JAPANESE, content_words

_LETTERS = rf"[[\p{{L}}\p{{N}}]--[{JAPANESE}]][[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--[{JAPANESE}]]*"
_PIECE = regex.compile(rf"[{JAPANESE}]|{_LETTERS}(?:'{_LETTERS})?|[^\p{{L}}\p{{N}}]+", regex.VERSION1)
_CHARACTER = re.compile(f"[{JAPANESE}]")
# Not behind the number of a line in a list, an initial or an abbreviation, nor before what goes on in small letters.
_ABBREVIATIONS = r"(?<!\b\d\.)(?<!\b\d\d\.)(?<!\b[A-Z]\.)" + "".join(
    rf"(?<!\b{short}\.)" for short in ("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "vs", r"e\.g", r"i\.e", "cf")
)
_SENTENCE_END = re.compile(
    rf"""(?:(?<=[.!?])|(?<=[.!?]["'”’)\]])){_ABBREVIATIONS}\s+(?![a-z])|(?<=[。！？])(?![」』）”])\s*"""
)


def segments(text: str) -> list[str]:
    """Return `text` cut into words, single Japanese characters, and what is between them; joined, they are the text."""
    return [found[0] for found in _PIECE.finditer(text)]


def is_word(piece: str) -> bool:
    """Say whether a piece is a word or a Japanese character, and not space or punctuation."""
    return piece[0].isalnum()


def words_of(text: str) -> list[str]:
    """Return the words and Japanese characters of `text` in order, in lower case."""
    return [piece.casefold() for piece in segments(text) if is_word(piece)]


def sentences(text: str) -> list[str]:
    """Return the sentences of `text`, each with the mark that ends it; a text without such a mark is one."""
    return [part.strip() for part in _SENTENCE_END.split(text.strip()) if part.strip()]


def match_keys(parts: Sequence[str]) -> list[frozenset[str]]:
    """Return for each piece what it is found by in another text; nothing for space and punctuation.

    A word is found by its stem; a Japanese character, which says nothing alone, by its pairs with its neighbours.
    """
    return [_keys(parts, place) for place in range(len(parts))]


def content_terms(text: str) -> list[str]:
    """Return the content words of `text` in order, as stems; pairs of characters where there are no spaces."""
    parts = [part for part in segments(text) if is_word(part)]
    found = []
    for place, part in enumerate(parts):
        if _CHARACTER.match(part):
            following = parts[place + 1 : place + 2]
            found.append(part + following[0] if following and _CHARACTER.match(following[0]) else part)
        else:
            found += sorted(content_words(part))
    return found


def _keys(parts: Sequence[str], place: int) -> frozenset[str]:
    part = parts[place]
    if not is_word(part):
        return frozenset()
    if not _CHARACTER.match(part):
        return content_words(part) or frozenset([unicodedata.normalize("NFKC", part).casefold()])
    before = [other + part for other in parts[max(0, place - 1) : place] if _CHARACTER.match(other)]
    after = [part + other for other in parts[place + 1 : place + 2] if _CHARACTER.match(other)]
    return frozenset(before + after or [part])
