"""A step: one row of the table, and what is measured and flagged once its texts are written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Flag, Role
from bonsai.chains.questions import is_question
from bonsai.measures.reasoning import ReasoningState
from bonsai.measures.reasoning.effect import ReasoningTest
from bonsai.measures.rules import NO_PROGRESS
from bonsai.measures.similarity import Measure, new_content

_COPIES = (ReasoningState.COPIED_FROM_QUESTION, ReasoningState.COPIED_FROM_ANSWER)


@dataclass(frozen=True)
class Thought:
    """What a reasoning model wrote to itself before the text of a role."""

    role: Role
    text: str


@dataclass(frozen=True)
class Step:
    """One row: a question and what was written for it so far."""

    number: int
    """Its place in the chain, from 1."""
    question: str
    writing: Role | Literal[""]
    """The role being written now; "" when the step is finished."""
    reasoning: str = ""
    answer: str = ""
    next_question: str = ""
    """The candidate that was chosen; "" if there is none."""
    similarity: float | None = None
    """To the most similar question asked before, 0 to 1; None for a first step."""
    nearest: int | None = None
    """The step with the most similar question; None for a first step."""
    repeats: int | None = None
    """The step whose question this one repeats."""
    new_content: float | None = None
    """The share of question and answer that no earlier step said, 0 to 1."""
    flags: tuple[Flag, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    """All proposals for the next question, those of every try."""
    error: str = ""
    """Why the step failed."""
    prompt_tokens: int = 0
    """Tokens that the model read, over all roles."""
    completion_tokens: int = 0
    """Tokens that the model wrote, over all roles and candidates."""
    seconds: float = 0.0
    """Time spent on its roles."""
    reasoning_state: ReasoningState | Literal[""] = ""
    """What its Reasoning is worth; "" where none is written, or not yet."""
    reasoning_tries: int = 1
    """How often the Reasoning was asked for."""
    reasoning_test: ReasoningTest | None = None
    """Whether the answer made use of the Reasoning; None until it is tested."""
    move: str = ""
    """The direction in which its next question was asked for; "" for none."""
    thoughts: tuple[Thought, ...] = ()
    """What the model thought before its texts, in the order of writing; it is not measured."""

    @property
    def finished(self) -> bool:
        """Say whether nothing more will be written for this step."""
        return not self.writing

    @property
    def proposed(self) -> dict[int, str]:
        """The candidates that have a text, by their numbers from 1."""
        return {number: one.question for number, one in enumerate(self.candidates, start=1) if one.question}

    def with_thought(self, role: Role, text: str) -> "Step":
        """Return the step with what was thought before a text of a role, if anything was."""
        return replace(self, thoughts=(*self.thoughts, Thought(role, text))) if text else self

    def flagged(self, flag: Flag) -> "Step":
        """Return the step with this flag, once."""
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


def _findings(step: Step, earlier: Sequence[Step], measure: Measure) -> list[Flag]:
    asked, answers = [past.question for past in earlier], [past.answer for past in earlier]
    proposed = [candidate.question for candidate in step.candidates]
    found = {
        Flag.NO_REASONING: step.reasoning_state == ReasoningState.EMPTY,
        Flag.COPIED_REASONING: step.reasoning_state in _COPIES,
        Flag.TAUTOLOGY: step.repeats is not None and step.repeats == len(earlier),
        Flag.CIRCULAR: step.repeats is not None and step.repeats < len(earlier),
        Flag.OFF_TOPIC: measure.off_topic(step.question, asked, answers),
        Flag.NO_PROGRESS: adds_nothing(step, earlier),
        Flag.NOT_A_QUESTION: bool(proposed) and not any(is_question(question) for question in proposed),
    }
    return [flag for flag, holds in found.items() if holds]


def _added(step: Step, earlier: Sequence[Step]) -> float:
    texts = [f"{past.question} {past.answer}" for past in earlier]
    return round(new_content(f"{step.question} {step.answer}", texts), 3)
