"""The test of a Reasoning: is the answer another one without it, or with its words shuffled?"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from bonsai.chains.chain import Chain
from bonsai.chains.formats import split_thought
from bonsai.chains.outcomes import Role
from bonsai.chains.roles import next_prompt, with_stops
from bonsai.chains.step import Step
from bonsai.engines.base import Completion, Engine, SamplingParams
from bonsai.errors import EngineError, UsageError
from bonsai.measures.reasoning import compare, shuffled


def test_reasoning(
    engine: Engine, chain: Chain, step_number: int, sampling: SamplingParams
) -> Generator[Chain, None, None]:
    """Yield the chain as the `reasoning_test` of one of its steps fills.

    The step's question is answered three times in one engine call, always with the likeliest tokens, so that nothing
    but the Reasoning is different. Raises UsageError if the step has no Reasoning and answer to test, and EngineError
    if the model cannot answer.
    """
    step = _step(chain, step_number)
    before, after = chain.steps[: step_number - 1], chain.steps[step_number:]
    reasonings = (step.reasoning, "", shuffled(step.reasoning, chain.seed))
    asked = [replace(step, writing=Role.ANSWER, reasoning=text, answer="", candidates=()) for text in reasonings]
    prompts = [next_prompt(engine, replace(chain, steps=(*before, item)), sampling)[0] for item in asked]
    answers = [Completion()] * len(prompts)
    likeliest = replace(with_stops(engine, chain, sampling), temperature=0, seed=chain.seed)
    with closing(engine.generate(prompts, likeliest)) as snapshots:
        for row, completion in snapshots:
            if completion.error:
                raise EngineError("The Reasoning could not be tested: {reason}", reason=completion.error)
            answers[row] = completion
            test = compare([split_thought(item.text)[1] for item in answers])
            yield replace(chain, steps=(*before, replace(step, reasoning_test=test), *after))


def can_be_tested(step: Step) -> bool:
    """Say whether a step has a Reasoning and an answer, so that the one can be tested on the other."""
    return step.finished and bool(step.reasoning and step.answer)


def _step(chain: Chain, number: int) -> Step:
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
