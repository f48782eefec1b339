"""What a chain adds to the figures: how much of something, or how many, among how many."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import Flag, Role, Verdict
from bonsai.chains.step import Step
from bonsai.lab.evaluation.figures.answers import names_topic
from bonsai.lab.evaluation.intervals import Count
from bonsai.lab.evaluation.reasoning_use import Controls, has_own_reasoning, is_used, uptake
from bonsai.measures.terms import parse_question

NOTHING: Count = (0, 0)
_REPEATING = frozenset((Flag.TAUTOLOGY, Flag.CIRCULAR))


@dataclass(frozen=True)
class Observation:
    """A chain and what else is known of it."""

    chain: Chain
    controls: Controls = field(default_factory=dict)
    """The controls of its steps."""
    fact: str = ""
    """The regular expression that its first answer must contain; "" if no fact was asked for."""

    @property
    def steps(self) -> list[Step]:
        """The steps that were written without an error."""
        return [step for step in self.chain.steps if step.finished and not step.error]

    @property
    def answered(self) -> list[Step]:
        """The steps that have an answer."""
        return [step for step in self.steps if step.answer]


def share(items: Sequence[object], true: Callable[..., object]) -> Count:
    """Count the items for which something is true, among all."""
    return sum(bool(true(item)) for item in items), len(items)


def with_reasoning(seen: Observation) -> list[Step]:
    """Return the steps of a method that writes a Reasoning."""
    return seen.steps if Role.REASONING in seen.chain.method.roles else []


def reasonings_used(seen: Observation) -> Count:
    """Count the steps whose Reasoning is used."""
    number = seen.chain.number
    return share(with_reasoning(seen), lambda step: is_used(step, seen.controls.get((number, step.number))))


def words_taken_up(seen: Observation) -> Count:
    """Sum up how many more of the words of its Reasoning an answer has than its control has."""
    pairs = [
        uptake(step, control)
        for step in filter(has_own_reasoning, with_reasoning(seen))
        if (control := seen.controls.get((seen.chain.number, step.number)))
    ]
    return sum(own - other for own, other in pairs), len(pairs)


def accepted(seen: Observation) -> Count:
    """Count the candidates that the guard accepts, among those of every try."""
    return share([one for step in seen.steps for one in step.candidates], lambda one: one.verdict == Verdict.ACCEPTED)


def first_try_without(*verdicts: Verdict, after: Sequence[Verdict] = ()) -> Callable[[Observation], Count]:
    """Count candidates of first tries without these verdicts, among those without the verdicts `after` which they come.

    The verdicts are given in this order, so that the others were never judged by the later ones.
    """

    def count(seen: Observation) -> Count:
        first = [one for step in seen.steps for one in step.candidates[: seen.chain.candidates]]
        return share([one for one in first if one.verdict not in after], lambda one: one.verdict not in verdicts)

    return count


def reaches(number: int) -> Callable[[Observation], Count]:
    """Count the chains in which the question of a step is answered, among those that are to be so long."""

    def count(seen: Observation) -> Count:
        return (any(step.number >= number for step in seen.answered), 1) if seen.chain.length >= number else NOTHING

    return count


def reaches_without_repeat(number: int) -> Callable[[Observation], Count]:
    """Count the chains that reach a step while no step up to it is flagged as a repeat, among those so long."""

    def count(seen: Observation) -> Count:
        reached, among = reaches(number)(seen)
        repeats = any(_REPEATING & set(step.flags) for step in seen.chain.steps[:number])
        return (bool(reached) and not repeats, among) if among else NOTHING

    return count


def new_content(seen: Observation) -> Count:
    """Sum up the new content of answered steps; a first step has nothing before it."""
    added = [step.new_content for step in seen.answered if step.number > 1 and step.new_content is not None]
    return sum(added), len(added)


def moves(seen: Observation) -> Count:
    """Count the different moves of a chain."""
    return (len(set(seen.chain.taken)), 1) if seen.chain.moves else NOTHING


def on_first_topic(seen: Observation) -> Count:
    """Count the questions after the first that have a word which the first one is about."""
    first, *later = seen.chain.questions
    return share(later, lambda question: names_topic(first, question))


def ways_of_asking(seen: Observation) -> Count:
    """Count the different ways in which the questions of a chain ask, among its questions."""
    asked = [parse_question(question).intents for question in seen.chain.questions]
    return (len(set(asked)), len(asked)) if len(asked) > 1 else NOTHING


def seconds(seen: Observation) -> Count:
    """Sum up the seconds of steps."""
    return sum(step.seconds for step in seen.steps), len(seen.steps)


def tokens(seen: Observation) -> Count:
    """Sum up the tokens written in steps."""
    return sum(step.completion_tokens for step in seen.steps), len(seen.steps)


def facts_right(seen: Observation) -> Count:
    """Count the first answers that contain the fact that was asked for."""
    if not seen.fact:
        return NOTHING
    return bool(re.search(seen.fact, seen.chain.steps[0].answer, re.IGNORECASE)), 1
