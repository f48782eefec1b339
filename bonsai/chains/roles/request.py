"""What a chain asks of the engine for its next role: prompts that fit the context, and how they are sampled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bonsai.chains.chain import Chain
from bonsai.chains.conclusion import shortened
from bonsai.chains.formats import PromptFormat, format_of
from bonsai.chains.moves import next_moves
from bonsai.chains.outcomes import Role
from bonsai.chains.prompts import PromptVariant
from bonsai.chains.step import Step
from bonsai.engines.base import Engine, Prompt, SamplingParams
from bonsai.errors import QuestionError

NEXT_QUESTION_TOKENS = 64
CANDIDATE_TEMPERATURE = 0.7
"""At least so warm are candidates: at the temperature of the texts a small model writes one question several times."""


@dataclass(frozen=True)
class RoleRequest:
    """What a chain asks of the engine for its next role: as many completions as there are prompts."""

    chain: Chain
    prompts: tuple[Prompt, ...]
    """They differ in nothing but their moves, which stand near their ends."""
    sampling: tuple[SamplingParams, ...]
    """One for each prompt."""
    moves: tuple[str, ...]
    """The direction in which each completion is asked for; "" for none."""
    truncated: bool
    """Whether earlier steps were left out, so that the prompts fit."""


def next_prompt(engine: Engine, chain: Chain, sampling: SamplingParams, move: str = "") -> tuple[Prompt, bool]:
    """Return the prompt that an unfinished chain wants completed, and whether earlier steps were left out to fit it."""
    if chain.concluding:
        return _conclusion_prompt(engine, chain, sampling)
    step, variant = chain.steps[-1], chain.prompt
    tried = [(candidate.question, "") for candidate in step.candidates if candidate.question]
    earlier = [(past.question, past.answer) for past in chain.steps[:-1]] + tried
    room = engine.info.context_length - sampling.max_new_tokens
    truncated = False
    form = format_of(engine.info)
    prompt = _render(variant, form, step, earlier, move)
    while earlier and variant.uses("transcript", step.writing) and engine.count_tokens(prompt) > room:
        # The oldest, but what the chain is about comes last.
        del earlier[min(1, len(earlier) - 1)]
        truncated = True
        prompt = _render(variant, form, step, earlier, move)
    return prompt, truncated


def with_stops(engine: Engine, chain: Chain, sampling: SamplingParams) -> SamplingParams:
    """Return the sampling with the texts at which variant and format cut a completion, before its own."""
    stops = chain.prompt.stops(format_of(engine.info))
    return replace(sampling, stop=tuple(dict.fromkeys((*stops, *sampling.stop))))


def check_context(engine: Engine, chains: Sequence[Chain], sampling: SamplingParams) -> None:
    """Raise QuestionError, naming both token counts, for the first question that the engine cannot read."""
    for chain in chains:
        tokens = engine.count_tokens(next_prompt(engine, chain, sampling)[0])
        if tokens + 1 > engine.info.context_length:
            raise QuestionError(
                "The question is too long: with its prompt it has {tokens:,} tokens, and the model reads at most "
                "{limit:,}, the answer included. Shorten it.",
                tokens=tokens,
                limit=engine.info.context_length,
            )


def next_request(engine: Engine, chain: Chain, sampling: SamplingParams) -> RoleRequest:
    """Return what an unfinished chain asks of the engine now: candidates come with one seed after the other."""
    step = chain.steps[-1]
    sampling = with_stops(engine, chain, sampling)
    moves: tuple[str, ...] = ("",)
    if chain.concluding:
        tries = 0
        # A summary has to use the words of what it sums up.
        sampling = replace(sampling, repetition_penalty=SamplingParams.repetition_penalty)
    elif step.writing == Role.NEXT_QUESTION:
        moves, tries = _moves(chain), len(step.candidates)
        sampling = _candidate_sampling(sampling, thinks=bool(step.thoughts))
    else:
        tries = step.reasoning_tries - 1
        if tries and not sampling.temperature:
            # The likeliest tokens would be the same again, whatever the seed.
            sampling = replace(sampling, temperature=SamplingParams.temperature)
    each = tuple(replace(sampling, seed=(chain.seed + tries + k) % 2**31) for k in range(len(moves)))
    prompts = {move: next_prompt(engine, chain, sampling, move) for move in dict.fromkeys(moves)}
    truncated = any(left_out for _, left_out in prompts.values())
    return RoleRequest(chain, tuple(prompts[move][0] for move in moves), each, moves, truncated)


def _moves(chain: Chain) -> tuple[str, ...]:
    """Return the moves of the candidates that a chain asks for now."""
    step = chain.steps[-1]
    if not chain.prompt.uses("move", step.writing):
        return ("",) * chain.candidates
    tried = [candidate.move for candidate in step.candidates]
    return next_moves(chain.moves, chain.taken, tried, chain.candidates, chain.seed)


def _conclusion_prompt(engine: Engine, chain: Chain, sampling: SamplingParams) -> tuple[Prompt, bool]:
    """Return the prompt for a conclusion, with as much of what the steps said as fits, the newest in full."""
    room, form = engine.info.context_length - sampling.max_new_tokens, format_of(engine.info)
    said = [(step.question, step.answer) for step in chain.steps]
    first = chain.steps[0].question
    for earlier in shortened(said):
        prompt = chain.prompt.render(Role.CONCLUSION, form, question=first, earlier=earlier)
        if engine.count_tokens(prompt) <= room:
            break
    return prompt, earlier != said


def _candidate_sampling(sampling: SamplingParams, thinks: bool) -> SamplingParams:
    """Return how candidates are sampled: a question is short, but not the thought before it."""
    most = sampling.max_new_tokens if thinks else min(sampling.max_new_tokens, NEXT_QUESTION_TOKENS)
    warm = max(sampling.temperature, CANDIDATE_TEMPERATURE) if sampling.temperature else 0
    return replace(sampling, temperature=warm, max_new_tokens=most)


def _render(
    variant: PromptVariant, form: PromptFormat, step: Step, earlier: Sequence[tuple[str, str]], move: str
) -> Prompt:
    return variant.render(
        step.writing,
        form,
        question=step.question,
        reasoning=step.reasoning,
        answer=step.answer,
        earlier=earlier,
        move=move,
    )
