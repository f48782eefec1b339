"""Measures of a chain: how alike its questions are, whether one repeats another, how much a step adds.

`rules.py` has the numbers.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from bonsai.measures.contrast import contrast, share_only_topic, shared, topic
from bonsai.measures.embedders.base import Embedder
from bonsai.measures.meaning import Meaning
from bonsai.measures.rules import BY_CHARACTERS, BY_WORDS, ENGLISH, JAPANESE, OPPOSED, Rule
from bonsai.measures.terms import content_words, has_no_word_breaks, parse_question

# New content words that make half of what newness can give to the depth of a question.
SOME_NEW = 3
# Earlier questions that are looked at closely; the others are too far by their sentence vectors alone.
CLOSEST = 16
# Spaces, punctuation and emphasis: all but letters, digits, vowel signs, and signs that make another word or sum.
_SAME_WITHOUT = regex.compile(r"[^\p{L}\p{N}\p{M}\p{S}#*/%&@-]|[`|~]|(?<!\d)[-*/]|[-*/](?!\d)")


@dataclass(frozen=True)
class EarlierMatch:
    """How a question stands to the earlier ones of its chain; step numbers count from 1."""

    similarity: float | None = None
    """To the most similar question, 0 to 1; None if there is no earlier one."""
    nearest: int | None = None
    """The step with the most similar question, the latest of equals."""
    repeat_score: float | None = None
    """The highest score over the earlier questions; flags and guard compare it with their thresholds."""
    repeated: int | None = None
    """The step that the question repeats by the strict rule of flags."""
    rejected: int | None = None
    """The step that it comes too near by the guard's wider rule."""


class Measure:
    """How alike questions are: by meaning, with an embedder, or else by the words that they share.

    Where a text is in a script without word breaks, `japanese` tells what it means, and without it the characters do.
    Threads may share a measure.
    """

    def __init__(self, embedder: Embedder | None = None, japanese: Embedder | None = None) -> None:
        self._english = None if embedder is None else Meaning(embedder, ENGLISH)
        self._japanese = None if japanese is None else Meaning(japanese, JAPANESE)

    @property
    def name(self) -> str:
        """The names of the embedders, "words" where there is none for plain text."""
        english = "words" if self._english is None else self._english.name
        return english if self._japanese is None else f"{english}, {self._japanese.name}"

    def goes_on_from(self, name: str) -> bool:
        """Say whether a run that the measure of this name measured can go on here: one for Japanese may have come."""
        return name in (self.name, self.name.partition(", ")[0])

    def read(self, questions: Iterable[str], answers: Iterable[str] = ()) -> None:
        """Encode many texts in one go; what was read lately is kept. Without an embedder there is nothing to do."""
        texts = [*(parse_question(question).normalised for question in questions), *filter(str.strip, answers)]
        japanese = [text for text in texts if has_no_word_breaks(text)]
        if self._japanese is not None and japanese:
            self._japanese.read(japanese)
        if self._english is not None and len(japanese) < len(texts):
            self._english.read(text for text in texts if not has_no_word_breaks(text))

    def similarity(self, question: str, other: str) -> float:
        """Return how alike two questions are, 0 to 1; symmetric. The same letters and signs (C++) make it 1."""
        return self._compare(question, other)[0]

    def compare_with_earlier(self, question: str, earlier: Sequence[str]) -> EarlierMatch:
        """Return how a question stands to the questions asked earlier, oldest first."""
        if not earlier:
            return EarlierMatch()
        compared = self._compare_all(question, earlier)
        likeness, nearest = max((likeness, number) for likeness, _, _, number in compared)
        sameness = max(sameness for _, sameness, _, _ in compared)
        flagged = [(sameness, number) for _, sameness, rule, number in compared if sameness >= rule.flag]
        guarded = [(sameness, number) for _, sameness, rule, number in compared if sameness >= rule.guard]
        return EarlierMatch(
            likeness, nearest, sameness, max(flagged)[1] if flagged else None, max(guarded)[1] if guarded else None
        )

    def closeness(self, question: str, asked: str, answer: str) -> float:
        """Return how near a question is to the question or the answer that it follows, whichever is nearer; 0 to 1."""
        meaning = self._meaning(question, asked, answer)
        if meaning is None:
            words = content_words(question)
            return len(words & (content_words(asked) | content_words(answer))) / max(1, len(words))
        return max(0.0, min(1.0, max(_nearness(meaning, question, [asked], [answer]))))

    def depth(self, question: str, asked: str, answer: str) -> float:
        """Return how much a question asks for that is new and yet near the question and answer it follows, 0 to 1."""
        new = len(content_words(question) - content_words(asked) - content_words(answer))
        return new / (new + SOME_NEW) * self.closeness(question, asked, answer)

    def off_topic(self, question: str, asked: Sequence[str], answers: Sequence[str]) -> bool:
        """Say whether a question has to do with none of those asked earlier, nor with any of their answers.

        Words alone cannot tell: then it is never said.
        """
        meaning = self._meaning(question, *asked, *answers)
        if not asked or meaning is None:
            return False
        return all(near < meaning.reading.off_topic for near in _nearness(meaning, question, asked, answers))

    def _compare_all(self, question: str, earlier: Sequence[str]) -> list[tuple[float, float, Rule, int]]:
        """Return likeness, sameness, rule and number of the earlier questions that come near."""
        self.read([question, *earlier])
        numbers = list(range(1, len(earlier) + 1))
        if len(earlier) > CLOSEST:
            far = [-self._glance(question, other) for other in earlier]
            numbers = sorted(numbers, key=lambda number: (far[number - 1], -number))[:CLOSEST]
        about = topic([parse_question(other) for other in earlier])
        return [(*self._compare(question, earlier[number - 1], about), number) for number in numbers]

    def _compare(self, question: str, other: str, about: frozenset[str] = frozenset()) -> tuple[float, float, Rule]:
        meaning = self._meaning(question, other)
        rule = _rule_without_meaning(question, other) if meaning is None else meaning.reading.rule
        if _plain(question) == _plain(other):
            return 1.0, 1.0, rule
        one, another = parse_question(question), parse_question(other)
        apart = contrast(one, another)
        likeness = shared(one, another) if meaning is None else meaning.likeness(one.normalised, another.normalised)
        sameness = rule.repeat_score(likeness, apart, share_only_topic(one, another, about))
        return min(1.0, max(0.0, likeness - OPPOSED * apart.opposite)), sameness, rule

    def _glance(self, question: str, other: str) -> float:
        one, another = parse_question(question), parse_question(other)
        meaning = self._meaning(question, other)
        return shared(one, another) if meaning is None else meaning.nearness(one.normalised, another.normalised)

    def _meaning(self, *texts: str) -> Meaning | None:
        """Return what tells the meaning of all the texts, None where nothing does."""
        return self._japanese if any(map(has_no_word_breaks, texts)) else self._english


WORDS = Measure()


def _nearness(meaning: Meaning, question: str, asked: Sequence[str], answers: Sequence[str]) -> list[float]:
    """Return how near a question is to each of the texts, answers that are empty left out."""
    texts = [*(parse_question(text).normalised for text in asked), *filter(str.strip, answers)]
    return [meaning.nearness(parse_question(question).normalised, text) for text in texts]


def _rule_without_meaning(*texts: str) -> Rule:
    return BY_CHARACTERS if any(map(has_no_word_breaks, texts)) else BY_WORDS


def new_content(text: str, earlier: Sequence[str]) -> float:
    """Return the share (0 to 1) of the content words of `text` that none of the earlier texts has."""
    words = content_words(text)
    known = frozenset[str]().union(*(content_words(other) for other in earlier))
    return len(words - known) / len(words) if words else 0.0


@lru_cache(maxsize=8192)
def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _SAME_WITHOUT.sub("", folded) or text
