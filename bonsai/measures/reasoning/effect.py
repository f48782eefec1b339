"""The effect of a Reasoning: whether an answer changes by more than chance when another text is in its place.

An answer is drawn, so it is another one with each seed; that is chance. Answers with the step's own Reasoning and with
a control are drawn alike, each with a seed of its own. If the control makes no difference, it makes none either which
of them are called its answers: the p of a permutation test is the share of all such divisions that show a difference
as large as the one seen.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, product
from statistics import fmean

from bonsai.measures.reasoning.controls import Control
from bonsai.measures.segments import words_of

SURE, NO_SIGN = 0.05, 0.5
"""The p up to which an answer changes by more than chance, and that above which nothing speaks for it."""
# Differences of sums of the same numbers in another order.
_ROUNDING = 1e-9


class MoreThanChance(StrEnum):
    """Whether an answer changes by more than chance."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class ControlEffect:
    """What a control in the place of a Reasoning does to the answer."""

    control: Control
    reasoning: str
    """What stood in the place of the Reasoning."""
    answer: str
    """The first of the answers drawn with it."""
    change: float
    """How different its answers are from those with the step's own Reasoning, 0 to 1: the mean over all pairs."""
    p_value: float
    """How probable so large a change is if the control makes no difference."""
    more_than_chance: MoreThanChance


@dataclass(frozen=True)
class ReasoningTest:
    """Answers to one question, drawn alike: with its Reasoning, and with controls in the place of it."""

    answer: str
    """The first of those with the Reasoning."""
    answer_without: str
    answer_shuffled: str
    change_without: float
    """How different the answers without the Reasoning are from those with it, 0 to 1."""
    change_shuffled: float
    """The same for a Reasoning with its words shuffled."""
    chance: float = 0.0
    """How different the answers with the Reasoning are from one another, 0 to 1."""
    answers: int = 0
    """How many answers were drawn; 0 in a test of an earlier version, which drew one of each kind."""
    controls: tuple[ControlEffect, ...] = ()


COUNTING = ReasoningTest("", "", "", 0.0, 0.0)
"""A test that only counts its answers so far."""


def change(answer: str, other: str) -> float:
    """Return how different two answers are, 0 (the same words in the same order) to 1 (no word in common)."""
    return 1 - difflib.SequenceMatcher(None, words_of(answer), words_of(other), autojunk=False).ratio()


def reasoning_effect(
    own: Sequence[str], controls: Mapping[Control, str], answers: Mapping[Control, Sequence[str]]
) -> ReasoningTest:
    """Return the test for the answers with a Reasoning, and for those with each control in its place.

    `own` has two answers at least; `controls` are the texts in its place, in the order in which they are told.
    """
    effects = {control: _effect(own, control, text, answers[control]) for control, text in controls.items()}
    without, mixed = effects.get(Control.WITHOUT), effects.get(Control.SHUFFLED)
    return ReasoningTest(
        answer=own[0],
        answer_without=without.answer if without else "",
        answer_shuffled=mixed.answer if mixed else "",
        change_without=without.change if without else 0.0,
        change_shuffled=mixed.change if mixed else 0.0,
        chance=round(fmean(change(*pair) for pair in combinations(own, 2)), 3),
        answers=len(own) + sum(map(len, answers.values())),
        controls=tuple(effects.values()),
    )


def _effect(own: Sequence[str], control: Control, text: str, answers: Sequence[str]) -> ControlEffect:
    size = len(own)
    every = [*own, *answers]
    apart = {pair: change(every[pair[0]], every[pair[1]]) for pair in combinations(range(len(every)), 2)}

    def across(ours: Sequence[int]) -> float:
        theirs = [place for place in range(len(every)) if place not in ours]
        return fmean(apart[min(pair), max(pair)] for pair in product(ours, theirs))

    def beyond_chance(ours: Sequence[int]) -> float:
        return across(ours) - fmean(apart[pair] for pair in combinations(ours, 2))

    seen = beyond_chance(range(size)) - _ROUNDING
    divisions = [beyond_chance(ours) >= seen for ours in combinations(range(len(every)), size)]
    p_value = sum(divisions) / len(divisions)
    return ControlEffect(
        control, text, answers[0], round(across(range(size)), 3), round(p_value, 3), _more_than_chance(p_value)
    )


def _more_than_chance(p_value: float) -> MoreThanChance:
    if p_value <= SURE:
        return MoreThanChance.YES
    return MoreThanChance.NO if p_value > NO_SIGN else MoreThanChance.CANNOT_TELL
