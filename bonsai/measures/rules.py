"""The numbers that measures go by: when one question repeats another, and how an embedder's vectors are read.

`docs/measures.md` has the figures that they were chosen by.
"""

from dataclasses import dataclass

from bonsai.measures.contrast import Contrast

# A step that adds less than this share of new content words adds next to nothing.
NO_PROGRESS = 0.15
# What opposites take off the similarity that people see.
OPPOSED = 0.08


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


@dataclass(frozen=True)
class Reading:
    """How the vectors of an embedder become a likeness: weights that sum to 1, and what is no likeness at all."""

    rule: Rule
    whole: float
    """The weight of the cosine of the two texts' vectors."""
    weakest: float
    """The weight of the piece of either text that has the least like it in the other."""
    pieces: float
    """The weight of the mean over all pieces of the most like one in the other text (as BERTScore has it)."""
    unrelated: float
    """The cosine that texts have which have nothing to do with each other; likeness counts from here to 1."""
    off_topic: float
    """A question less like than this to all that was asked and answered is about something else."""


_WORDS_APART = {
    "different_intent": 0.22,
    "conflicting_kind": 0.31,
    "opposite": 0.60,
    "negated": 0.05,
    "added_share": 0.08,
    "topic_only": 0.08,
}
BY_CHARACTERS = Rule(0.72, 0.60, **{**_WORDS_APART, "negated": 0.12})
BY_WORDS = Rule(0.79, 0.62, **_WORDS_APART)
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
# Japanese leaves out what both know, so that what one question adds does not set it apart.
BY_MEANING_IN_JAPANESE = Rule(
    0.73,
    0.66,
    different_intent=0.12,
    conflicting_kind=0.20,
    opposite=0.40,
    negated=0.22,
    added_share=0.0,
    topic_only=0.05,
)
# For vectors as those of all-MiniLM-L6-v2 ...
ENGLISH = Reading(BY_MEANING, whole=0.77, weakest=0.23, pieces=0.0, unrelated=0.0, off_topic=0.2)
# ... and as those of multilingual-e5-small, whose cosines are all high.
JAPANESE = Reading(BY_MEANING_IN_JAPANESE, whole=0.0, weakest=0.0, pieces=1.0, unrelated=0.7, off_topic=0.3)
