"""The figures: what is counted in a chain, in words and in code."""

from collections.abc import Callable
from dataclasses import dataclass

from bonsai.chains.outcomes import Verdict
from bonsai.lab.evaluation.figures import counts
from bonsai.lab.evaluation.figures.answers import is_whole, names_topic, repeats_itself
from bonsai.lab.evaluation.figures.counts import Observation, share
from bonsai.lab.evaluation.intervals import Count
from bonsai.lab.evaluation.reasoning_use import has_own_reasoning
from bonsai.measures.reasoning import ReasoningState

_NO_QUESTION = (Verdict.EMPTY, Verdict.NOT_A_QUESTION)
_REPEATS = (Verdict.REPEATS, Verdict.DUPLICATE)


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


OF_CHAINS = (
    Figure(
        "Reasoning present",
        "steps with a Reasoning, among all steps",
        lambda seen: share(counts.with_reasoning(seen), lambda step: step.reasoning_state != ReasoningState.EMPTY),
    ),
    Figure(
        "Reasoning present and its own",
        "steps with a Reasoning that is a copy of neither question nor answer (docs/methods.md), among all steps; an "
        "empty or copied one was asked for a second time",
        lambda seen: share(counts.with_reasoning(seen), has_own_reasoning),
        wanted=0.97,
    ),
    Figure(
        "Reasoning used",
        "steps whose answer has more of the words that only its own Reasoning brings than a control has, among all "
        "steps; see below",
        counts.reasonings_used,
        wanted=0.60,
    ),
    Figure(
        "words taken up beyond the control",
        "share of the words that only the own Reasoning brings which the answer has, less the share that the control "
        "has: the mean over steps whose Reasoning is their own",
        counts.words_taken_up,
    ),
    Figure(
        "candidates accepted at first try",
        "proposed next questions that the guard accepts, among those of each step's first try; one that asks what "
        "another one of its step asks is not accepted",
        counts.first_try_without(*_NO_QUESTION, *_REPEATS, Verdict.OFF_TOPIC),
        wanted=0.80,
    ),
    Figure(
        "candidates accepted at every try",
        "the same among all candidates, those of second and third tries too, which come only where the first failed",
        counts.accepted,
        wanted=0.80,
    ),
    Figure("... that are a question", "among the candidates of first tries", counts.first_try_without(*_NO_QUESTION)),
    Figure(
        "... that repeat nothing",
        "neither a question of the chain nor a candidate of the step, among first candidates that are questions",
        counts.first_try_without(*_REPEATS, after=_NO_QUESTION),
    ),
    Figure(
        "... that are on topic",
        "among first candidates that are questions and repeat nothing; words alone, without an embedder, cannot tell",
        counts.first_try_without(Verdict.OFF_TOPIC, after=(*_NO_QUESTION, *_REPEATS)),
    ),
    *(
        Figure(
            f"chains that reach step {number}",
            f"chains in which a question is answered in step {number}, among all chains",
            counts.reaches(number),
            wanted=0.92 if number == 5 else None,
        )
        for number in (2, 3, 4, 5)
    ),
    Figure(
        "chains that reach step 5 without a repeat",
        "chains in which a question is answered in step 5, and none of the five is flagged tautology or circular, "
        "among all chains",
        counts.reaches_without_repeat(5),
        wanted=0.90,
    ),
    Figure(
        "new content a step",
        "share of the content words of question and answer that no earlier step has: the mean over answered steps "
        "after the first",
        counts.new_content,
        wanted=0.50,
    ),
    Figure(
        "next questions that name the first one's topic",
        "questions with a word, by its stem, that the first question of their chain is about, among those after the "
        "first",
        counts.on_first_topic,
    ),
    Figure(
        "different moves in a chain",
        "directions in which the next questions of a chain were asked for: the mean over chains",
        counts.moves,
        is_share=False,
        wanted=4,
    ),
    Figure(
        "different ways of asking",
        "ways in which the questions of a chain ask (cause, method, evidence, time ..., read off their words), for "
        "each of its questions; chains of one question left out",
        counts.ways_of_asking,
    ),
    Figure(
        "answers in whole sentences, without a repeated run",
        "answers that count in both of the next two figures, among all answers",
        lambda seen: share(seen.answered, lambda step: is_whole(step.answer) and not repeats_itself(step.answer)),
        wanted=0.95,
    ),
    Figure(
        "... in whole sentences",
        "each line begins with a capital or digit and ends with a full stop, question mark or exclamation mark; no "
        "mark of a role or chat stands in it",
        lambda seen: share(seen.answered, lambda step: is_whole(step.answer)),
    ),
    Figure(
        "... without a repeated run",
        "no four words running stand in it three times",
        lambda seen: share(seen.answered, lambda step: not repeats_itself(step.answer)),
    ),
    Figure(
        "answers that name their topic",
        "answers with a word, by its stem, that the step's question is about, among all answers",
        lambda seen: share(seen.answered, lambda step: names_topic(step.question, step.answer)),
        wanted=0.90,
    ),
    Figure("tokens written a step", "Reasoning, answer and all candidates", counts.tokens, is_share=False),
    Figure(
        "seconds a step",
        "from when the engine is asked for a text to its end, while many chains are written at once",
        counts.seconds,
        is_share=False,
    ),
)
FACTS_RIGHT = Figure(
    "plain questions answered rightly",
    "answers that contain the fact, among plain questions; asked for with the likeliest tokens, by the method single "
    "or else by two-step",
    counts.facts_right,
    wanted_change=-0.03,
)
EVERY = (*OF_CHAINS, FACTS_RIGHT)
