"""Measures of a chain: how alike its questions are, whether one repeats another, how much a step adds.

`docs/measures.md` has the figures that the numbers here were chosen by.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bonsai.measures.contrast import Contrast, contrast, share_only_topic, shared, topic
from bonsai.measures.encoded import Embedder, Encoded
from bonsai.measures.encodings import Encodings
from bonsai.measures.terms import content_words, has_no_word_breaks, parse_question

# A step that adds less than this share of new content words adds next to nothing.
NO_PROGRESS = 0.15
# Earlier questions that are looked at closely; the others are too far by their sentence vectors alone.
CLOSEST = 16


@dataclass(frozen=True)
class Rule:
    """When one question repeats another: their likeness, less what sets them apart, reaches a threshold.

    `flag` is strict, since a flag is a statement; `guard` is wider, since a candidate too many costs one try.
    """

    flag: float
    guard: float
    different_intent: float
    conflicting_kind: float
    opposite: float
    negated: float
    added_share: float
    topic_only: float

    def repeat_score(self, likeness: float, apart: Contrast, aside: bool) -> float:
        """Return the likeness less what sets two questions apart; `aside`: they share but the topic of their chain."""
        return (
            likeness
            - self.different_intent * apart.different_intent
            - self.conflicting_kind * apart.conflicting_kind
            - self.opposite * apart.opposite
            - self.negated * apart.negated
            - self.added_share * apart.added_share
            - self.topic_only * aside
        )


_WORDS_APART = {
    "different_intent": 0.22,
    "conflicting_kind": 0.31,
    "opposite": 0.60,
    "negated": 0.05,
    "added_share": 0.08,
    "topic_only": 0.08,
}
BY_MEANING = Rule(
    0.69,
    0.61,
    different_intent=0.13,
    conflicting_kind=0.18,
    opposite=0.40,
    negated=0.12,
    added_share=0.12,
    topic_only=0.08,
)
BY_CHARACTERS = Rule(0.72, 0.60, **_WORDS_APART)
BY_WORDS = Rule(0.79, 0.62, **_WORDS_APART)
# Parts of the likeness by meaning: the whole question's vector, and its worst understood word.
WHOLE, WEAKEST, OPPOSED = 0.77, 0.23, 0.08
OFF_TOPIC = 0.2


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

    `name` says which. Questions in a script without word breaks are compared by their characters in any case, since
    the default embedder reads English only. Threads may share a measure.
    """

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.name = "words" if embedder is None else embedder.name
        self._encodings = None if embedder is None else Encodings(embedder)

    def read(self, questions: Iterable[str], answers: Iterable[str] = ()) -> None:
        """Encode many texts in one go; what was read lately is kept. Without an embedder there is nothing to do."""
        if self._encodings is not None:
            self._encodings.read(
                [*(parse_question(question).normalised for question in questions), *filter(str.strip, answers)]
            )

    def similarity(self, question: str, other: str) -> float:
        """Return how alike two questions are, 0 to 1; symmetric. The same letters and digits make it 1."""
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
        if self._rule(question, asked, answer) is not BY_MEANING:
            words = content_words(question)
            return len(words & (content_words(asked) | content_words(answer))) / max(1, len(words))
        plain, near = (
            parse_question(question).normalised,
            [parse_question(asked).normalised, *filter(str.strip, [answer])],
        )
        return max(0.0, min(1.0, max(self._cosine(plain, text) for text in near)))

    def off_topic(self, question: str, asked: Sequence[str], answers: Sequence[str]) -> bool:
        """Say whether a question has to do with none of those asked earlier, nor with any of their answers.

        Words alone cannot tell: then it is never said.
        """
        if not asked or self._rule(question, *asked, *answers) is not BY_MEANING:
            return False
        plain, texts = (
            parse_question(question).normalised,
            [*(parse_question(text).normalised for text in asked), *filter(str.strip, answers)],
        )
        return all(self._cosine(plain, text) < OFF_TOPIC for text in texts)

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
        rule = self._rule(question, other)
        if _plain(question) == _plain(other):
            return 1.0, 1.0, rule
        one, another = parse_question(question), parse_question(other)
        apart = contrast(one, another)
        likeness = self._meaning(question, other) if rule is BY_MEANING else shared(one, another)
        sameness = rule.repeat_score(likeness, apart, share_only_topic(one, another, about))
        return min(1.0, max(0.0, likeness - OPPOSED * apart.opposite)), sameness, rule

    def _rule(self, *texts: str) -> Rule:
        if any(map(has_no_word_breaks, texts)):
            return BY_CHARACTERS
        return BY_WORDS if self._encodings is None else BY_MEANING

    def _glance(self, question: str, other: str) -> float:
        return (
            shared(parse_question(question), parse_question(other))
            if self._encodings is None
            else self._cosine(parse_question(question).normalised, parse_question(other).normalised)
        )

    def _meaning(self, question: str, other: str) -> float:
        """Return the likeness of two questions as wholes, mixed with that of the word that has the least like it."""
        ours, theirs = (
            self._vectors(parse_question(question).normalised),
            self._vectors(parse_question(other).normalised),
        )
        whole = float(ours.vector @ theirs.vector)
        if not len(ours.token_vectors) or not len(theirs.token_vectors):
            return min(1.0, whole)
        tokens = ours.token_vectors @ theirs.token_vectors.T
        return min(1.0, WHOLE * whole + WEAKEST * float(min(tokens.max(axis=0).min(), tokens.max(axis=1).min())))

    def _cosine(self, text: str, other: str) -> float:
        return float(self._vectors(text).vector @ self._vectors(other).vector)

    def _vectors(self, text: str) -> Encoded:
        assert self._encodings is not None
        return self._encodings.of(text)


WORDS = Measure()


def new_content(text: str, earlier: Sequence[str]) -> float:
    """Return the share (0 to 1) of the content words of `text` that none of the earlier texts has."""
    words = content_words(text)
    known = frozenset[str]().union(*(content_words(other) for other in earlier))
    return len(words - known) / len(words) if words else 0.0


@lru_cache(maxsize=8192)
def _plain(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum()) or text
