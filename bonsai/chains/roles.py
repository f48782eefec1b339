"""Roles: the prompt that a chain wants completed now, and what becomes of the chain by the completions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bonsai.chains.chain import Chain, finish, stop, with_last
from bonsai.chains.conclusion import Conclusion, conclusion_flags, parse_conclusion, shortened
from bonsai.chains.formats import PromptFormat, format_of, split_thought
from bonsai.chains.guard import Candidate, choose, first_asked, judge, without_duplicates
from bonsai.chains.moves import next_moves
from bonsai.chains.outcomes import Flag, Role, StopReason, Verdict
from bonsai.chains.prompts import PromptVariant
from bonsai.chains.questions import first_question
from bonsai.chains.step import Step, adds_nothing, with_measures
from bonsai.engines.base import Completion, Engine, Prompt, SamplingParams
from bonsai.errors import QuestionError
from bonsai.measures.reasoning import ReasoningState, state
from bonsai.measures.similarity import Measure

NEXT_QUESTION_TOKENS = 64
NEW_TRIES = 2
CANDIDATE_TEMPERATURE = 0.7
"""At least so warm are candidates: at the temperature of the texts a small model writes one question several times."""

# What is known of a Reasoning after a role that asks for a second try: a copy of the answer only with the answer.
_WORTH_ANOTHER_TRY: Mapping[str, tuple[ReasoningState, ...]] = {
    Role.REASONING: (ReasoningState.EMPTY, ReasoningState.COPIED_FROM_QUESTION),
    Role.ANSWER: (ReasoningState.COPIED_FROM_ANSWER,),
}


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
        earlier, truncated = earlier[1:], True
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


def with_partial_text(request: RoleRequest, completion: Completion) -> Chain:
    """Return the chain with the text so far, of the first of its completions, in the step being written."""
    if request.chain.concluding:
        return replace(request.chain, conclusion=Conclusion(split_thought(completion.text)[1]))
    return with_last(request.chain, _written(request.chain.steps[-1], completion.text))


def with_completions(request: RoleRequest, completions: Sequence[Completion], measure: Measure) -> Chain:
    """Return the chain after a role: the step goes on to its next role, ends, or is followed by the next step."""
    if request.chain.concluding:
        return _with_conclusion(request, completions[0])
    step = request.chain.steps[-1]
    step = replace(
        step,
        # Candidates share their prompt but for its last sentence, so the engine reads it once.
        prompt_tokens=step.prompt_tokens + completions[0].prompt_tokens,
        completion_tokens=step.completion_tokens + sum(item.completion_tokens for item in completions),
        seconds=step.seconds + max(item.seconds for item in completions),
    )
    if request.truncated:
        step = step.flagged(Flag.TRUNCATED)
    errors = [item.error for item in completions if item.finish_reason == "error"]
    if len(errors) == len(completions):
        step = replace(step, next_question="", error=errors[0]).flagged(Flag.ERROR)
        return finish(with_last(request.chain, step), StopReason.ERROR, measure)
    if step.writing == Role.NEXT_QUESTION:
        return _finish_next_question(with_last(request.chain, step), request, completions, measure)
    return _finish_text(with_last(request.chain, step), completions[0], measure)


def _finish_text(chain: Chain, completion: Completion, measure: Measure) -> Chain:
    step = _written(chain.steps[-1], completion.text)
    cut = completion.finish_reason == "length"
    if cut:
        step = step.flagged(Flag.TRUNCATED)
    if completion.finish_reason == "cancelled":
        return stop(with_last(chain, step), measure)
    roles = chain.method.roles
    if Role.REASONING in roles:
        cut = cut if step.writing == Role.REASONING else step.reasoning_state == ReasoningState.TRUNCATED
        step = replace(step, reasoning_state=state(step.reasoning, step.question, step.answer, cut))
    if step.reasoning_tries == 1 and step.reasoning_state in _WORTH_ANOTHER_TRY.get(step.writing, ()):
        # What it cost stays; what was found in it does not.
        step = replace(step, writing=Role.REASONING, reasoning="", answer="", reasoning_state="", flags=())
        return with_last(chain, replace(step, reasoning_tries=2))
    place = roles.index(step.writing) + 1
    if place == len(roles):
        return finish(with_last(chain, step), StopReason.DONE, measure)
    if step.writing == Role.ANSWER and chain.stop_without_progress and adds_nothing(step, chain.steps[:-1]):
        return finish(with_last(chain, step), StopReason.NO_PROGRESS, measure)
    return with_last(chain, replace(step, writing=roles[place]))


def _with_conclusion(request: RoleRequest, completion: Completion) -> Chain:
    """Return the chain with its conclusion; a run that was stopped meanwhile has none."""
    chain = request.chain
    if completion.finish_reason == "cancelled":
        return replace(chain, conclusion=None)
    thought, written = split_thought(completion.text)
    text, open_question = parse_conclusion(written)
    flags = conclusion_flags(text, [(step.question, step.answer) for step in chain.steps])
    if request.truncated or completion.finish_reason == "length":
        flags = (*flags, Flag.TRUNCATED)
    conclusion = Conclusion(
        text,
        open_question,
        writing=False,
        flags=(Flag.ERROR,) if completion.error else flags,
        error=completion.error,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        seconds=completion.seconds,
        thought=thought,
    )
    return replace(chain, conclusion=conclusion)


def _finish_next_question(
    chain: Chain, request: RoleRequest, completions: Sequence[Completion], measure: Measure
) -> Chain:
    step = chain.steps[-1]
    texts = []
    for completion in completions:
        thought, text = split_thought(completion.text)
        step = step.with_thought(Role.NEXT_QUESTION, thought)
        texts.append(text)
    measure.read([first_question(text) for text in texts], [step.answer])
    judged = without_duplicates(
        [
            judge(text, sampling.seed, chain.questions, step.answer, measure, move)
            for text, completion, sampling, move in zip(
                texts, completions, request.sampling, request.moves, strict=True
            )
            if completion.finish_reason != "error"
        ],
        step.candidates,
        measure,
    )
    step = replace(step, candidates=(*step.candidates, *judged), next_question="")
    chosen = choose(judged, chain.taken) if chain.guarded else first_asked(judged)
    if chosen is None:
        if len(step.candidates) < chain.candidates * (1 + NEW_TRIES):
            return with_last(chain, step)
        return finish(with_last(chain, step), _why_none(step.candidates), measure)
    step = replace(step, next_question=chosen.question, move=chosen.move)
    if step.number >= chain.length:
        return finish(with_last(chain, step), StopReason.DONE, measure)
    chain = with_last(chain, with_measures(step, chain.steps[:-1], measure))
    return replace(chain, steps=(*chain.steps, Step(step.number + 1, chosen.question, chain.method.roles[0])))


def _why_none(candidates: Sequence[Candidate]) -> StopReason:
    """Return the stop reason of a chain whose candidates were all rejected."""
    if any(candidate.repeats for candidate in candidates):
        return StopReason.TAUTOLOGY
    off_topic = any(candidate.verdict == Verdict.OFF_TOPIC for candidate in candidates)
    return StopReason.OFF_TOPIC if off_topic else StopReason.NO_QUESTION


def _written(step: Step, text: str) -> Step:
    """Return the step with the text of the role being written, and what was thought before it."""
    thought, text = split_thought(text)
    role = Role(step.writing)
    step = step.with_thought(role, thought)
    if role == Role.REASONING:
        return replace(step, reasoning=text)
    if role == Role.NEXT_QUESTION:
        return replace(step, next_question=text)
    return replace(step, answer=text)
