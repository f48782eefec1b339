"""What becomes of a chain by the completions of a role: its step goes on, ends, or is followed by the next one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bonsai.chains.chain import Chain, finish, with_last
from bonsai.chains.conclusion import Conclusion, conclusion_flags, parse_conclusion
from bonsai.chains.formats import split_thought
from bonsai.chains.guard import Candidate, choose, first_asked, judge, without_duplicates
from bonsai.chains.outcomes import Flag, Role, StopReason, Verdict
from bonsai.chains.questions import first_question
from bonsai.chains.roles.request import RoleRequest
from bonsai.chains.step import Step, adds_nothing, with_measures
from bonsai.engines.base import Completion
from bonsai.measures.reasoning import ReasoningState, state
from bonsai.measures.similarity import Measure

NEW_TRIES = 2

# What is known of a Reasoning after a role that asks for a second try: a copy of the answer only with the answer.
_WORTH_ANOTHER_TRY: Mapping[str, tuple[ReasoningState, ...]] = {
    Role.REASONING: (ReasoningState.EMPTY, ReasoningState.COPIED_FROM_QUESTION),
    Role.ANSWER: (ReasoningState.COPIED_FROM_ANSWER,),
}


def with_partial_text(request: RoleRequest, completion: Completion) -> Chain:
    """Return the chain with the text so far, of the first of its completions, in the step being written."""
    if request.chain.concluding:
        return replace(request.chain, conclusion=Conclusion(split_thought(completion.text)[1]))
    return with_last(request.chain, _written(request.chain.steps[-1], completion.text))


def with_completions(request: RoleRequest, completions: Sequence[Completion], measure: Measure) -> Chain:
    """Return the chain after a role: the step goes on to its next role, ends, or is followed by the next step."""
    if request.chain.concluding:
        return _with_conclusion(request, completions[0], measure)
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


def _with_conclusion(request: RoleRequest, completion: Completion, measure: Measure) -> Chain:
    """Return the chain with its conclusion."""
    chain = request.chain
    thought, written = split_thought(completion.text)
    text, named = parse_conclusion(written)
    flags = conclusion_flags(text, [(step.question, step.answer) for step in chain.steps])
    if request.truncated or completion.finish_reason == "length":
        flags = (*flags, Flag.TRUNCATED)
    conclusion = Conclusion(
        text,
        "" if completion.error else _open_question(chain, named, measure),
        writing=False,
        flags=(Flag.ERROR,) if completion.error else flags,
        error=completion.error,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        seconds=completion.seconds,
        thought=thought,
    )
    return replace(chain, conclusion=conclusion)


def _open_question(chain: Chain, named: str, measure: Measure) -> str:
    """Return the question that a conclusion names, or else what would have been asked next, if it was not asked yet."""
    candidates = (named, chain.steps[-1].next_question)
    return next((one for one in candidates if one and not _was_asked(chain, one, measure)), "")


def _was_asked(chain: Chain, question: str, measure: Measure) -> bool:
    return measure.compare_with_earlier(question, chain.questions).rejected is not None


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
