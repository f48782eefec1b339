"""A step: one row of the table, and what is measured and flagged once its texts are written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bonsai.chains.guard import Candidate
from bonsai.chains.questions import is_question
from bonsai.measures.reasoning import COPIED_FROM_ANSWER, COPIED_FROM_QUESTION, EMPTY, ReasoningTest
from bonsai.measures.similarity import NO_PROGRESS, Measure, new_content


@dataclass(frozen=True)
class Step:
    """One row: a question and what was written for it so far.

    `writing` is the role being written now, and "" when the step is finished; `error` says why it failed.
    `nearest` is the number of the step whose question is most similar; it and `similarity` are None for a first step.
    `repeats` is the number of the step whose question this one repeats, None for most.
    `reasoning_state` is one of those in `bonsai.measures.reasoning`, and "" where no Reasoning is written, or not yet;
    `reasoning_tries` is how often it was asked for, and `reasoning_test` tells, on demand, whether it was used.
    """

    number: int
    question: str
    writing: str
    reasoning: str = ""
    answer: str = ""
    next_question: str = ""
    similarity: float | None = None
    nearest: int | None = None
    repeats: int | None = None
    new_content: float | None = None
    flags: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    reasoning_state: str = ""
    reasoning_tries: int = 1
    reasoning_test: ReasoningTest | None = None

    @property
    def finished(self) -> bool:
        """Say whether nothing more will be written for this step."""
        return not self.writing

    @property
    def proposed(self) -> dict[int, str]:
        """The candidates that have a text, by their numbers from 1."""
        return {number: one.question for number, one in enumerate(self.candidates, start=1) if one.question}

    def flagged(self, flag: str) -> "Step":
        """Return the step with a flag more, if it has not got it yet."""
        return self if flag in self.flags else replace(self, flags=(*self.flags, flag))


def with_measures(step: Step, earlier: Sequence[Step], measure: Measure) -> Step:
    """Return the finished step with its measures and the flags that follow from its texts and those `earlier`."""
    asked = [past.question for past in earlier]
    look = measure.compare_with_earlier(step.question, asked)
    step = replace(
        step,
        writing="",
        similarity=None if look.similarity is None else round(look.similarity, 3),
        nearest=look.nearest,
        repeats=look.repeated,
        new_content=_added(step, earlier),
    )
    for flag in _findings(step, earlier, measure):
        step = step.flagged(flag)
    return step


def adds_nothing(step: Step, earlier: Sequence[Step]) -> bool:
    """Say whether a step and the one before it were answered and add next to nothing; a first step always adds."""
    if len(earlier) < 2 or not (step.answer and earlier[-1].answer):
        return False
    before = earlier[-1].new_content
    return before is not None and before < NO_PROGRESS and _added(step, earlier) < NO_PROGRESS


def _findings(step: Step, earlier: Sequence[Step], measure: Measure) -> list[str]:
    asked, answers = [past.question for past in earlier], [past.answer for past in earlier]
    proposed = [candidate.question for candidate in step.candidates]
    found = {
        "no-reasoning": step.reasoning_state == EMPTY,
        "copied-reasoning": step.reasoning_state in (COPIED_FROM_QUESTION, COPIED_FROM_ANSWER),
        "tautology": step.repeats is not None and step.repeats == len(earlier),
        "circular": step.repeats is not None and step.repeats < len(earlier),
        "off-topic": measure.off_topic(step.question, asked, answers),
        "no-progress": adds_nothing(step, earlier),
        "not-a-question": bool(proposed) and not any(is_question(question) for question in proposed),
    }
    return [flag for flag, holds in found.items() if holds]


def _added(step: Step, earlier: Sequence[Step]) -> float:
    texts = [f"{past.question} {past.answer}" for past in earlier]
    return round(new_content(f"{step.question} {step.answer}", texts), 3)
