"""Terms: how a question asks and what it asks about, in English and Japanese."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import regex
import snowballstemmer
import yaml

# C++ and C# are words, and so are those that are written with vowel signs beside their letters.
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}\u200c\u200d]*(?:'[\p{L}\p{N}]+|\+{1,2}(?!\w)|\#(?!\w))?")
JAPANESE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""The characters between which no spaces stand, as a pattern has them in brackets."""
_NO_WORD_BREAKS = re.compile(f"[{JAPANESE}]+")
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
# Ways of asking that give way to any other in the same question.
OPEN_INTENTS = ("whether", "what")


@dataclass(frozen=True)
class ParsedQuestion:
    """What a question asks, and about what."""

    intents: frozenset[str]
    """The ways in which it asks: cause, time, advantage ..."""
    words: frozenset[str]
    """What it asks about: stems, one for words that say the same; pairs of characters where words have no breaks."""
    definition_only: bool
    """Whether it asks what something is, and nothing else."""
    normalised: str
    """The question without courtesy and contractions; in Japanese whole, since its endings ask."""


@lru_cache(maxsize=8192)
def parse_question(question: str) -> ParsedQuestion:
    """Return a question's ways of asking and the words that it asks about."""
    text = _fold(question)
    asks, whole = set[str](), ""
    if has_no_word_breaks(text):
        for spelling, usual in lexicon()["spellings"]:
            text = text.replace(spelling, usual)
        whole = text
        text = _take(text, lexicon()["japanese"], asks)
    for pattern, replacement in _CONTRACTIONS:
        text = pattern.sub(replacement, text)
    for pattern in lexicon()["courtesy"]:
        text = " ".join(pattern.sub(" ", text).split()).lstrip(" ,.:;!")
    plain = whole or text
    bare = bool(_BARE.search(text)) or "what" in asks
    text = _take(text.strip(" ?؟!."), lexicon()["asks"], asks)
    if any(pattern.search(whole) for pattern in lexicon()["denials"]):
        text += " not"
    for open_way in OPEN_INTENTS:
        if len(asks) > 1:
            asks.discard(open_way)
    asks = asks or {"what"}
    return ParsedQuestion(frozenset(asks), _words(text), bare and asks <= {"what", "person"}, plain)


@lru_cache(maxsize=8192)
def content_words(text: str) -> frozenset[str]:
    """Return the words of `text` that carry content, as stems; pairs of characters where words have no breaks."""
    return _words(_fold(text))


def has_no_word_breaks(text: str) -> bool:
    """Say whether some of `text` is in a script that puts no spaces between words (Japanese, Chinese)."""
    return bool(_NO_WORD_BREAKS.search(text))


def _words(text: str) -> frozenset[str]:
    pairs = set[str]()
    for run in _NO_WORD_BREAKS.findall(text):
        for piece in _pieces(run):
            pairs |= {piece[i : i + 2] for i in range(max(1, len(piece) - 1))}
    words = {_stem(word) for word in _WORD.findall(_NO_WORD_BREAKS.sub(" ", text)) if word not in lexicon()["small"]}
    return frozenset(words | pairs)


def _pieces(run: str) -> list[str]:
    """Return the stretches of a Japanese text that carry content: those without particles and endings."""
    run = lexicon()["japanese small"].sub(" ", run)
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
    word = lexicon()["irregular"].get(word, word)
    stem = _root(word)
    return str(lexicon()["same"].get(stem, stem))


def _root(word: str) -> str:
    # A stemmer keeps the word that it works on, so threads must not share one; a new one costs next to nothing.
    return str(snowballstemmer.stemmer("english").stemWord(word))


@cache
def lexicon() -> dict[str, Any]:
    """Return what the file beside this module says of words, ready for use; its comments say what each list is."""
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
        "denials": [re.compile(pattern) for pattern in japanese["denials"]],
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
