"""How long a GPU is leased for: what chains have still to read and write, at the pace that was seen so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import Role
from bonsai.chains.reasoning_test import MOST_ANSWERS, answer_request, tested_step
from bonsai.chains.roles import NEXT_QUESTION_TOKENS, next_prompt
from bonsai.engines.base import Engine, SamplingParams

# Before anything was seen: for phi-2 in bfloat16, on the slow side. A GPU reads hundreds of tokens in one pass.
_START, _PASS, _READ = 3.0, 0.035, 0.0005
# What was seen lately counts for so much; and so much more is asked for than it was.
_WEIGHT, _MARGIN = 0.3, 1.25
_MIN_PASSES = 20


@dataclass(frozen=True)
class PendingWork:
    """What a model has to do: passes in which each row gets one token, and tokens of prompts to read."""

    passes: float
    read: int


@dataclass
class PaceEstimate:
    """The seconds that a lease takes to start, which nobody here can see, and those of a pass, learnt from leases."""

    start: float = _START
    each_pass: float = _PASS

    def seconds(self, work: PendingWork) -> int:
        """Return the whole seconds to ask for."""
        return math.ceil(self.start + work.passes * self.each_pass + work.read * _READ)

    def learn(self, passes: float, seconds: float) -> None:
        """Take in a lease: its passes, and the seconds that these took; a few passes say nothing."""
        if passes >= _MIN_PASSES:
            self.each_pass += _WEIGHT * (_MARGIN * seconds / passes - self.each_pass)


def work_of(engine: Engine, chains: Sequence[Chain], sampling: SamplingParams) -> PendingWork:
    """Return what unfinished chains have still to do, if every text has its full length and none is tried again."""
    unfinished = [chain for chain in chains if not chain.finished]
    if not unfinished:
        return PendingWork(0, 0)
    longest = max(_tokens(chain, sampling) for chain in unfinished)
    rows = sum(_tokens(chain, sampling, chain.candidates) for chain in unfinished)
    read = sum(_read(engine, chain, sampling) for chain in unfinished)
    return PendingWork(max(longest, rows / engine.info.max_batch_size), read)


def work_of_test(engine: Engine, chain: Chain, step_number: int, sampling: SamplingParams) -> PendingWork:
    """Return what the test of a step's Reasoning has to do; raise UsageError if there is nothing to test."""
    step = tested_step(chain, step_number)
    prompt = answer_request(engine, chain, step, step.reasoning, sampling).prompt
    # The Reasoning of another question comes first, by a prompt of its own.
    rounds = 1 + math.ceil(MOST_ANSWERS / engine.info.max_batch_size)
    return PendingWork(rounds * sampling.max_new_tokens, (1 + MOST_ANSWERS) * engine.count_tokens(prompt))


def active_completions(chain: Chain) -> int:
    """Return how many completions of a chain are in the making."""
    return chain.candidates if chain.steps[-1].writing == Role.NEXT_QUESTION else 1


def _tokens(chain: Chain, sampling: SamplingParams, candidates: int = 1) -> int:
    """Return the tokens that a chain has still to write, those of as many candidates for each next question."""
    conclusion = sampling.max_new_tokens if chain.concluding or chain.concludes and not chain.stop_reason else 0
    return conclusion + _steps(chain) * sum(
        candidates * min(NEXT_QUESTION_TOKENS, sampling.max_new_tokens)
        if role == Role.NEXT_QUESTION
        else sampling.max_new_tokens
        for role in chain.method.roles
    )


def _read(engine: Engine, chain: Chain, sampling: SamplingParams) -> int:
    """Return the tokens that a chain has still to read: its prompts, each longer by what was written before it."""
    roles = chain.method.roles
    first = engine.count_tokens(next_prompt(engine, chain, sampling)[0])
    if chain.concluding:
        return first
    grown = sampling.max_new_tokens * sum(range(len(roles)))
    return min(_steps(chain) * (len(roles) * first + grown), _steps(chain) * len(roles) * engine.info.context_length)


def _steps(chain: Chain) -> int:
    return 0 if chain.stop_reason else chain.length - sum(step.finished for step in chain.steps)
