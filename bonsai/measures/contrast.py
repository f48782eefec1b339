"""Contrast: what two questions share, and what sets them apart though their words are alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bonsai.measures.terms import OPEN_INTENTS, ParsedQuestion, has_no_word_breaks, lexicon

_NEGATIONS = frozenset(("not", "no", "never", "without", "off", "less", "least", "neither", "unless"))
# Ways of asking that an answer can meet but one of.
_KINDS = frozenset(("cause", "method", "time", "place", "person", "count", "amount", "cost", "frequency", "duration"))
_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "anti", "de", "counter")
_OPPOSITE_PREFIXES = (
    ("en", "de"),
    ("in", "ex"),
    ("im", "ex"),
    ("in", "out"),
    ("in", "de"),
    ("over", "under"),
    ("up", "down"),
    ("pre", "post"),
    ("hyper", "hypo"),
    ("macro", "micro"),
    ("max", "min"),
    ("inter", "intra"),
    ("on", "off"),
)


@dataclass(frozen=True)
class Contrast:
    """The differences that keep two similarly worded questions from being duplicates."""

    different_intent: bool
    """They do not ask for the same."""
    conflicting_kind: bool
    """They ask for things of two kinds: when and where, why and how."""
    opposite: bool
    """They differ by opposites (hot and cold, happy and unhappy) or in numbers."""
    negated: bool
    """One has a negation that the other lacks."""
    added_share: float
    """The share of one question's words that it adds to all words of the other, 0 to 1."""


def shared(one: ParsedQuestion, other: ParsedQuestion) -> float:
    """Return the share of words that two questions have in common, 0 to 1: the cosine of their sets of words."""
    common, ours, theirs = _common(one, other)
    if not common + ours + theirs:
        return float(one.intents == other.intents)
    return float(common / max(1, (common + ours) * (common + theirs)) ** 0.5)


def contrast(one: ParsedQuestion, other: ParsedQuestion) -> Contrast:
    """Return what keeps two questions from being the same; symmetric."""
    common, ours, theirs = _common(one, other)
    one_sided = ("compare" in one.intents) != ("compare" in other.intents)
    kinds, their_kinds = one.intents & _KINDS, other.intents & _KINDS
    none = not one.intents & other.intents or bool(kinds and their_kinds and not kinds & their_kinds)
    added = max(ours, theirs) / (common + max(ours, theirs)) if not (ours and theirs) and (ours or theirs) else 0.0
    only, opposite = one.words - other.words, other.words - one.words
    return Contrast(
        different_intent=none
        or one_sided
        or (one.definition_only and one.words < other.words)
        or (other.definition_only and other.words < one.words),
        conflicting_kind=one_sided
        or (none and not (one.intents <= set(OPEN_INTENTS) or other.intents <= set(OPEN_INTENTS))),
        opposite=(any(map(_is_time, only)) and any(map(_is_time, opposite))) or _opposed(only, opposite),
        negated=bool((only | opposite) & _NEGATIONS),
        added_share=added,
    )


def topic(questions: Sequence[ParsedQuestion]) -> frozenset[str]:
    """Return the words that most questions of a chain have; none for less than three, which share them by chance."""
    if len(questions) < 3:
        return frozenset()
    counted = Counter(word for question in questions for word in question.words)
    return frozenset(word for word, count in counted.items() if 2 * count > len(questions))


def share_only_topic(one: ParsedQuestion, other: ParsedQuestion, words: frozenset[str]) -> bool:
    """Say whether each of two questions has words beyond those given, and none of these in common with the other.

    Without any words given they cannot be all that is shared.
    """
    if not words:
        return False
    ours, theirs = replace(one, words=one.words - words), replace(other, words=other.words - words)
    return bool(ours.words and theirs.words) and not _common(ours, theirs)[0]


def _common(one: ParsedQuestion, other: ParsedQuestion) -> tuple[int, int, int]:
    """Return how many words two questions share, a misspelt one included, and how many each has alone."""
    ours, theirs = set(one.words - other.words), set(other.words - one.words)
    common = len(one.words & other.words)
    # In an order of the pairs' own, so that the two questions may change places.
    pairs = [
        (word, another) for word in ours for another in theirs if word[0] == another[0] and _misspelt(word, another)
    ]
    for word, another in sorted(pairs, key=sorted):
        if word in ours and another in theirs:
            ours.discard(word)
            theirs.discard(another)
            common += 1
    return common, len(ours), len(theirs)


def _misspelt(one: str, other: str) -> bool:
    """Say whether two words of five letters or more are one edit apart (Damerau-Levenshtein distance 1)."""
    short, long = sorted((one, other), key=len)
    if len(short) < 5 or len(long) - len(short) > 1 or not short.isalpha():
        return False
    if len(short) == len(long):
        places = [place for place in range(len(short)) if short[place] != long[place]]
        swapped = len(places) == 2 and short[places[0]] + short[places[1]] == long[places[1]] + long[places[0]]
        return len(places) == 1 or (swapped and places[1] == places[0] + 1)
    place = next((place for place in range(len(short)) if short[place] != long[place]), len(short))
    return short[place:] == long[place + 1 :]


def _is_time(word: str) -> bool:
    return word == "now" or any(map(str.isdigit, word))


def _opposed(only: frozenset[str], others: frozenset[str]) -> bool:
    """Say whether a word of one set is the opposite of a word of the other."""
    opposites = lexicon()["opposites"]
    ours, theirs = [{base for word in words for base in _bases(word)} for words in (only, others)]
    if any(not theirs.isdisjoint(opposites.get(base, ())) for base in ours):
        return True
    if any(_prefixed(word, another) for word in only for another in others):
        return True
    our_text, their_text = ("".join(filter(has_no_word_breaks, words)) for words in (only, others))
    if not (our_text and their_text):
        return False
    pairs = lexicon()["japanese opposites"]
    return any((a in our_text and b in their_text) or (b in our_text and a in their_text) for a, b in pairs)


def _bases(stem: str) -> set[str]:
    """Return a stem and what it may be made of: deep for deepest, safe for safer, sun for sunny."""
    bases = {stem}
    for ending in ("est", "er", "i"):
        if stem.endswith(ending) and len(stem) > len(ending) + 2:
            base = stem.removesuffix(ending)
            bases |= {base, base + "e", base.removesuffix("n") if base.endswith("nn") else base}
    return bases


def _prefixed(one: str, other: str) -> bool:
    """Say whether one word is the other with a negating prefix (un-, in-, dis-), or both have opposite prefixes."""
    one, other = one.removesuffix("e"), other.removesuffix("e")
    # What follows the prefixes is the same.
    if one[-3:] != other[-3:]:
        return False
    short, long = sorted((one, other), key=len)
    if len(short) > 2 and long.endswith(short) and long.removesuffix(short) in _PREFIXES:
        return True
    for prefix, opposite in _OPPOSITE_PREFIXES:
        for word, another in ((one, other), (other, one)):
            tail = word.removeprefix(prefix)
            if tail != word and len(tail) > 3 and another == opposite + tail:
                return True
    return False
