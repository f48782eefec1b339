"""Words: how a question asks and what it asks about, in English and Japanese."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import snowballstemmer
import yaml

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_NO_WORD_BREAKS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_OKURIGANA = re.compile(
    r"(?<=[\u3400-\u9fff])[\u3041-\u309f]{1,3}?(?=$|[をはがにでともへの\s\u3400-\u9fff\u30a0-\u30ff])"
)
_HYPHEN = re.compile(r"(?<=[a-z])[-\u2010\u2011](?=[a-z])")
_HIRAGANA = re.compile(r"[\u3041-\u309f]+")
_PARTICLES = re.compile(r"[をはがにでともへのか]+")
_CONTRACTIONS = (
    (re.compile(r"\bcan't\b|\bcannot\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\b(i|we|you|they)'d\b"), r"\1 would"),
    (re.compile(r"\b(what|who|where|when|why|how|that|there|it|he|she)'s\b"), r"\1 is"),
    (re.compile(r"\b(what|who|where|when|why|how)s\b(?= )"), r"\1 is"),
)
_BARE = re.compile(
    r"^(what|who|whom)( exactly)? (is|are|was|were|about)\b|"
    r"\b(about|describe|explain|define|meant?|meaning|definition)\b"
)
_NEGATIONS = frozenset(("not", "no", "never", "without", "off", "less", "least", "neither", "unless"))
# Ways of asking that give way to any other in the same question.
_OPEN = ("whether", "what")
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
class ParsedQuestion:
    """A question as it is read here.

    `asks` are the ways in which it asks (cause, time, advantage ...). `words` are what it asks about: stems, one
    stem for words that say the same, and pairs of characters where there are no word breaks. `bare` questions ask
    what something is, and nothing else. `plain` is the question without courtesy and contractions.
    """

    intents: frozenset[str]
    words: frozenset[str]
    definition_only: bool
    normalised: str


@dataclass(frozen=True)
class Contrast:
    """What keeps two questions with like words from being the same.

    `otherwise`: they do not ask for the same. `clash`: they ask for things of two kinds (when, where; why, how).
    `opposed`: they differ by opposites (hot, cold; happy, unhappy) or in numbers. `negated`: one has a negation that
    the other lacks. `added` (0 to 1): the share of one question's words that it adds to all words of the other.
    """

    different_intent: bool
    conflicting_kind: bool
    opposite: bool
    negated: bool
    added_share: float


@lru_cache(maxsize=8192)
def parse_question(question: str) -> ParsedQuestion:
    """Return a question's ways of asking and the words that it asks about."""
    text = _fold(question)
    asks = set[str]()
    if has_no_word_breaks(text):
        for spelling, usual in _lexicon()["spellings"]:
            text = text.replace(spelling, usual)
        text = _take(text, _lexicon()["japanese"], asks)
    for pattern, replacement in _CONTRACTIONS:
        text = pattern.sub(replacement, text)
    for pattern in _lexicon()["courtesy"]:
        text = " ".join(pattern.sub(" ", text).split()).lstrip(" ,.:;!")
    plain = text
    bare = bool(_BARE.search(text)) or "what" in asks
    text = _take(text.strip(" ?!."), _lexicon()["asks"], asks)
    for open_way in _OPEN:
        if len(asks) > 1:
            asks.discard(open_way)
    asks = asks or {"what"}
    return ParsedQuestion(frozenset(asks), _words(text), bare and asks <= {"what", "person"}, plain)


@lru_cache(maxsize=8192)
def content_words(text: str) -> frozenset[str]:
    """Return the words of `text` that carry content, as stems; pairs of characters where there are no word breaks."""
    return _words(_fold(text))


def has_no_word_breaks(text: str) -> bool:
    """Say whether some of `text` is in a script that puts no spaces between words (Japanese, Chinese)."""
    return bool(_NO_WORD_BREAKS.search(text))


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
        conflicting_kind=one_sided or (none and not (one.intents <= set(_OPEN) or other.intents <= set(_OPEN))),
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
    """Say whether two words of five letters or more are one slip apart: a letter more, less, other or exchanged."""
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
    return word[0].isdigit() or word == "now"


def _opposed(only: frozenset[str], others: frozenset[str]) -> bool:
    """Say whether a word of one set is the opposite of a word of the other."""
    opposites = _lexicon()["opposites"]
    ours, theirs = [{base for word in words for base in _bases(word)} for words in (only, others)]
    if any(not theirs.isdisjoint(opposites.get(base, ())) for base in ours):
        return True
    if any(_prefixed(word, another) for word in only for another in others):
        return True
    our_text, their_text = ("".join(filter(has_no_word_breaks, words)) for words in (only, others))
    if not (our_text and their_text):
        return False
    pairs = _lexicon()["japanese opposites"]
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
    """Say whether a word is the other with a prefix that turns it round, or both have prefixes that are opposites."""
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


def _words(text: str) -> frozenset[str]:
    pairs = set[str]()
    for run in _NO_WORD_BREAKS.findall(text):
        for piece in _pieces(run):
            pairs |= {piece[i : i + 2] for i in range(max(1, len(piece) - 1))}
    words = {_stem(word) for word in _WORD.findall(_NO_WORD_BREAKS.sub(" ", text)) if word not in _lexicon()["small"]}
    return frozenset(words | pairs)


def _pieces(run: str) -> list[str]:
    """Return the stretches of a Japanese text that carry content: those without particles and endings."""
    run = _lexicon()["japanese small"].sub(" ", run)
    pieces = re.findall(r"[\u30a0-\u30ff]+|[\u3400-\u9fff\uf900-\ufaff]+", run)
    # Hiragana is mostly particles and endings; a stretch of it that follows neither may be a word.
    loose = _PARTICLES.sub(" ", _OKURIGANA.sub(" ", run))
    return pieces + [piece for piece in _HIRAGANA.findall(loose) if len(piece) > 2]


def _take(text: str, patterns: list[tuple[str, re.Pattern[str]]], asks: set[str]) -> str:
    for mark, pattern in patterns:
        text, found = pattern.subn(" ", text)
        if found and mark:
            asks.add(mark)
    return text


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("‘", "'")
    return _HYPHEN.sub("", plain)


@lru_cache(maxsize=8192)
def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    word = _lexicon()["irregular"].get(word, word)
    stem = _root(word)
    return str(_lexicon()["same"].get(stem, stem))


def _root(word: str) -> str:
    # A stemmer keeps the word that it works on, so threads must not share one; a new one costs next to nothing.
    return str(snowballstemmer.stemmer("english").stemWord(word))


@cache
def _lexicon() -> dict[str, Any]:
    data = yaml.safe_load(Path(__file__).with_name("lexicon.yaml").read_text(encoding="utf-8"))
    same: dict[str, str] = {}
    for group in data["same"]:
        for word in group:
            same.setdefault(_root(word), _root(group[0]))
    opposites: dict[str, set[str]] = {}
    for pair in data["opposites"].split(","):
        one, other = (same.get(_root(word), _root(word)) for word in pair.split())
        opposites.setdefault(one, set()).add(other)
        opposites.setdefault(other, set()).add(one)
    japanese = data["japanese"]
    return {
        "courtesy": [re.compile(pattern) for pattern in data["courtesy"]],
        "asks": [(mark, re.compile(pattern)) for mark, pattern in data["asks"]],
        "japanese": [(mark, re.compile(pattern)) for mark, pattern in japanese["asks"]],
        "spellings": [tuple(pair.split()) for pair in japanese["spellings"].split(",")],
        "small": frozenset(data["small"].split()),
        "japanese small": re.compile(japanese["small"]),
        "same": same,
        "opposites": opposites,
        "japanese opposites": [
            (pair[: len(pair) // 2], pair[len(pair) // 2 :]) for pair in japanese["opposites"].split()
        ],
        "irregular": dict(pair.split() for pair in data["irregular"].split(",")),
    }
