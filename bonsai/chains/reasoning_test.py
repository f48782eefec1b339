"""The test of a Reasoning: does the answer change by more than chance when another text is in its place?"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from bonsai.chains.chain import Chain
from bonsai.chains.formats import split_thought
from bonsai.chains.outcomes import Role
from bonsai.chains.roles import next_request
from bonsai.chains.step import Step
from bonsai.engines.base import Completion, Engine, Request, RequestQueue, SamplingParams
from bonsai.errors import EngineError, UsageError
from bonsai.measures.reasoning.controls import Control, first_half, one_negated, shuffled
from bonsai.measures.reasoning.effect import COUNTING, ReasoningTest, reasoning_effect
from bonsai.measures.terms import content_words, has_no_word_breaks

OWN_ANSWERS, CONTROL_ANSWERS = 5, 3
"""How many answers are drawn with the Reasoning, and with each control: the fewest by which a change can be sure."""
MOST_ANSWERS = OWN_ANSWERS + CONTROL_ANSWERS * len(Control)

# Whose Reasoning is held against that of a step: the first that has nothing to do with it.
_OTHER_QUESTIONS = ("How do bees make honey?", "How does a sailing boat move against the wind?")
_OTHER_QUESTIONS_JAPANESE = ("蜂はどのようにして蜂蜜を作るのですか。", "帆船はどのようにして風上に進むのですか。")


def test_reasoning(
    engine: Engine, chain: Chain, step_number: int, sampling: SamplingParams
) -> Generator[Chain, None, None]:
    """Yield the chain as the `reasoning_test` of one of its steps fills: until its end it only counts its answers.

    The step's question is answered with its Reasoning and with each control in its place, all at once and drawn as the
    run was, each answer with a seed of its own. Before that the model writes the Reasoning of another question. Raises
    UsageError if the step has no Reasoning and answer to test, and EngineError if the model cannot answer.
    """
    step = tested_step(chain, step_number)
    # The likeliest tokens would be the same each time: then there is no chance to hold a change against.
    drawn = replace(sampling, temperature=sampling.temperature or SamplingParams.temperature)
    other = [Completion()]
    for _ in _written(engine, [_other_reasoning(engine, chain, drawn)], other):
        yield _tested(chain, step, COUNTING)
    controls = {
        Control.OTHER: split_thought(other[0].text)[1],
        Control.HALF: first_half(step.reasoning),
        Control.NEGATED: one_negated(step.reasoning, step.answer),
        Control.WITHOUT: "",
        Control.SHUFFLED: shuffled(step.reasoning, chain.seed),
    }
    # A control that could not be made would be the one without a Reasoning once more.
    controls = {control: text for control, text in controls.items() if text or control == Control.WITHOUT}
    reasonings = [step.reasoning] * OWN_ANSWERS + [text for text in controls.values() for _ in range(CONTROL_ANSWERS)]
    requests = [
        _with_seed(answer_request(engine, chain, step, text, drawn), chain.seed + place)
        for place, text in enumerate(reasonings)
    ]
    completions = [Completion()] * len(requests)
    for done in _written(engine, requests, completions):
        yield _tested(chain, step, replace(COUNTING, answers=done))
    answers = [split_thought(completion.text)[1] for completion in completions]
    each = {
        control: answers[start : start + CONTROL_ANSWERS]
        for control, start in zip(controls, range(OWN_ANSWERS, len(answers), CONTROL_ANSWERS), strict=True)
    }
    yield _tested(chain, step, reasoning_effect(answers[:OWN_ANSWERS], controls, each))


def answer_request(engine: Engine, chain: Chain, step: Step, reasoning: str, sampling: SamplingParams) -> Request:
    """Return the request by which a step's answer was drawn, with another Reasoning in its prompt."""
    asked = replace(step, writing=Role.ANSWER, reasoning=reasoning, answer="", candidates=())
    return _first_request(engine, replace(chain, steps=(*chain.steps[: step.number - 1], asked)), sampling)


def can_be_tested(step: Step) -> bool:
    """Say whether a step has a Reasoning and an answer, so that the one can be tested on the other."""
    return step.finished and bool(step.reasoning and step.answer)


def tested_step(chain: Chain, number: int) -> Step:
    """Return a step by its number; raise UsageError if there is none, or if it has nothing to test."""
    if not 1 <= number <= len(chain.steps):
        raise UsageError(
            "Chain {chain} has no step {number} to test; its last is step {last}.",
            chain=chain.number,
            number=number,
            last=len(chain.steps),
        )
    step = chain.steps[number - 1]
    if not can_be_tested(step):
        raise UsageError("Step {number} has no Reasoning with an answer, so there is nothing to test.", number=number)
    return step


def _tested(chain: Chain, step: Step, test: ReasoningTest) -> Chain:
    tested = replace(step, reasoning_test=test)
    return replace(chain, steps=(*chain.steps[: step.number - 1], tested, *chain.steps[step.number :]))


def _other_reasoning(engine: Engine, chain: Chain, sampling: SamplingParams) -> Request:
    """Return the request for the Reasoning of a question that has nothing to do with those of a chain."""
    japanese = has_no_word_breaks(chain.steps[0].question)
    known = content_words(" ".join(f"{step.question} {step.answer}" for step in chain.steps))
    questions = _OTHER_QUESTIONS_JAPANESE if japanese else _OTHER_QUESTIONS
    other = min(questions, key=lambda question: len(known & content_words(question)))
    return _first_request(engine, replace(chain, steps=(Step(1, other, Role.REASONING),)), sampling)


def _first_request(engine: Engine, chain: Chain, sampling: SamplingParams) -> Request:
    wanted = next_request(engine, replace(chain, stop_reason="", conclusion=None), sampling)
    return Request(wanted.prompts[0], wanted.sampling[0])


def _with_seed(request: Request, seed: int) -> Request:
    return Request(request.prompt, replace(request.sampling, seed=seed % 2**31))


def _written(engine: Engine, requests: list[Request], completions: list[Completion]) -> Generator[int, None, None]:
    """Yield how many requests are done while completions fill; raise EngineError if one fails."""
    with closing(engine.stream(RequestQueue(requests))) as snapshots:
        for row, completion in snapshots:
            if completion.error:
                raise EngineError("The Reasoning could not be tested: {reason}", reason=completion.error)
            completions[row] = completion
            yield sum(one.finished for one in completions)
