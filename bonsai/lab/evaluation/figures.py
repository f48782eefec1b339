"""The figures: what is counted in a chain, in words and in code."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bonsai.chains.chain import Chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Role, Verdict
from bonsai.chains.step import Step
from bonsai.lab.evaluation.answers import is_whole, names_topic, repeats_itself
from bonsai.lab.evaluation.intervals import Count
from bonsai.lab.evaluation.reasoning_use import Controls, has_own_reasoning, is_used, uptake
from bonsai.measures.reasoning import ReasoningState
from bonsai.measures.terms import parse_question

NOTHING: Count = (0, 0)
_NO_QUESTION = (Verdict.EMPTY, Verdict.NOT_A_QUESTION)
_REPEATS = (Verdict.REPEATS, Verdict.DUPLICATE)


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


@dataclass(frozen=True)
class Figure:
    """One number that is told of a system: a sum over chains of how much, divided by that of among how many."""

    name: str
    meaning: str
    """What is counted, among what."""
    count: Callable[[Observation], Count]
    """What a chain adds."""
    is_share: bool = True
    """Whether it is said in percent."""
    wanted: float | None = None
    """The least that is wanted."""
    wanted_change: float | None = None
    """The least that is wanted of its difference to the model alone."""

    def counts(self, observations: Iterable[Observation]) -> list[Count]:
        """Return what each chain adds to the figure."""
        return [self.count(observation) for observation in observations]


def _share(items: Sequence[object], true: Callable[..., object]) -> Count:
    return sum(bool(true(item)) for item in items), len(items)


def _with_reasoning(seen: Observation) -> list[Step]:
    return seen.steps if Role.REASONING in seen.chain.method.roles else []


def _is_used(seen: Observation) -> Count:
    number = seen.chain.number
    return _share(_with_reasoning(seen), lambda step: is_used(step, seen.controls.get((number, step.number))))


def _uptake(seen: Observation) -> Count:
    pairs = [
        uptake(step, control)
        for step in filter(has_own_reasoning, _with_reasoning(seen))
        if (control := seen.controls.get((seen.chain.number, step.number)))
    ]
    return sum(own - other for own, other in pairs), len(pairs)


def _first_try(seen: Observation) -> list[Candidate]:
    return [one for step in seen.steps for one in step.candidates[: seen.chain.candidates]]


def _no_verdict(*verdicts: Verdict, after: Sequence[Verdict] = ()) -> Callable[[Observation], Count]:
    """Count candidates without these verdicts, among those that none of the verdicts `after` which they come befell."""

    def count(seen: Observation) -> Count:
        among = [one for one in _first_try(seen) if one.verdict not in after]
        return _share(among, lambda one: one.verdict not in verdicts)

    return count


def _reaches(number: int) -> Callable[[Observation], Count]:
    def count(seen: Observation) -> Count:
        return (any(step.number >= number for step in seen.answered), 1) if seen.chain.length >= number else NOTHING

    return count


def _new_content(seen: Observation) -> Count:
    added = [step.new_content for step in seen.answered if step.number > 1 and step.new_content is not None]
    return sum(added), len(added)


def _moves(seen: Observation) -> Count:
    return (len(set(seen.chain.taken)), 1) if seen.chain.moves else NOTHING


def _ways_of_asking(seen: Observation) -> Count:
    asked = [parse_question(question).intents for question in seen.chain.questions]
    return (len(set(asked)), len(asked)) if len(asked) > 1 else NOTHING


def _seconds(seen: Observation) -> Count:
    return sum(step.seconds for step in seen.steps), len(seen.steps)


def _tokens(seen: Observation) -> Count:
    return sum(step.completion_tokens for step in seen.steps), len(seen.steps)


def _is_right(seen: Observation) -> Count:
    if not seen.fact:
        return NOTHING
    return bool(re.search(seen.fact, seen.chain.steps[0].answer, re.IGNORECASE)), 1


OF_CHAINS = (
    Figure(
        "Reasoning present",
        "steps with a Reasoning, among all steps",
        lambda seen: _share(_with_reasoning(seen), lambda step: step.reasoning_state != ReasoningState.EMPTY),
    ),
    Figure(
        "Reasoning present and its own",
        "steps with a Reasoning that is a copy of neither question nor answer (docs/methods.md), among all steps; an "
        "empty or copied one was asked for a second time",
        lambda seen: _share(_with_reasoning(seen), has_own_reasoning),
        wanted=0.97,
    ),
    Figure(
        "Reasoning used",
        "steps whose answer has more of the words that only its own Reasoning brings than a control has, among all "
        "steps; see below",
        _is_used,
        wanted=0.60,
    ),
    Figure(
        "words taken up beyond the control",
        "share of the words that only the own Reasoning brings which the answer has, less the share that the control "
        "has: the mean over steps whose Reasoning is their own",
        _uptake,
    ),
    Figure(
        "candidates accepted at first try",
        "proposed next questions that the guard accepts, among those of each step's first try; one that asks what "
        "another one of its step asks is not accepted",
        _no_verdict(*_NO_QUESTION, *_REPEATS, Verdict.OFF_TOPIC),
        wanted=0.80,
    ),
    Figure("... that are a question", "among the candidates of first tries", _no_verdict(*_NO_QUESTION)),
    Figure(
        "... that repeat nothing",
        "neither a question of the chain nor a candidate of the step, among first candidates that are questions",
        _no_verdict(*_REPEATS, after=_NO_QUESTION),
    ),
    Figure(
        "... that are on topic",
        "among first candidates that are questions and repeat nothing; words alone, without an embedder, cannot tell",
        _no_verdict(Verdict.OFF_TOPIC, after=(*_NO_QUESTION, *_REPEATS)),
    ),
    *(
        Figure(
            f"chains that reach step {number}",
            f"chains in which a question is answered in step {number}, among all chains",
            _reaches(number),
            wanted=0.92 if number == 5 else None,
        )
        for number in (2, 3, 4, 5)
    ),
    Figure(
        "new content a step",
        "share of the content words of question and answer that no earlier step has: the mean over answered steps "
        "after the first",
        _new_content,
    ),
    Figure(
        "different moves in a chain",
        "directions in which the next questions of a chain were asked for: the mean over chains",
        _moves,
        is_share=False,
    ),
    Figure(
        "different ways of asking",
        "ways in which the questions of a chain ask (cause, method, evidence, time ..., read off their words), for "
        "each of its questions; chains of one question left out",
        _ways_of_asking,
    ),
    Figure(
        "answers in whole sentences, without a repeated run",
        "answers that count in both of the next two figures, among all answers",
        lambda seen: _share(seen.answered, lambda step: is_whole(step.answer) and not repeats_itself(step.answer)),
        wanted=0.95,
    ),
    Figure(
        "... in whole sentences",
        "each line begins with a capital or digit and ends with a full stop, question mark or exclamation mark; no "
        "mark of a role or chat stands in it",
        lambda seen: _share(seen.answered, lambda step: is_whole(step.answer)),
    ),
    Figure(
        "... without a repeated run",
        "no four words running stand in it three times",
        lambda seen: _share(seen.answered, lambda step: not repeats_itself(step.answer)),
    ),
    Figure(
        "answers that name their topic",
        "answers with a word, by its stem, that the step's question is about, among all answers",
        lambda seen: _share(seen.answered, lambda step: names_topic(step.question, step.answer)),
        wanted=0.90,
    ),
    Figure("tokens written a step", "Reasoning, answer and all candidates", _tokens, is_share=False),
    Figure(
        "seconds a step",
        "from when the engine is asked for a text to its end, while many chains are written at once",
        _seconds,
        is_share=False,
    ),
)
FACTS_RIGHT = Figure(
    "plain questions answered rightly",
    "answers that contain the fact, among plain questions; asked for with the likeliest tokens, by the method single "
    "or else by two-step",
    _is_right,
    wanted_change=-0.03,
)
EVERY = (*OF_CHAINS, FACTS_RIGHT)
