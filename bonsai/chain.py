"""The core: chains of steps, advanced together by one engine call per round."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from bonsai.engines.base import Completion, Engine, SamplingParams
from bonsai.errors import QuestionError, UsageError
from bonsai.guard import OFF_TOPIC, Candidate, choose, first_asked, judge
from bonsai.measures import WORDS, Measure
from bonsai.prompts import PromptVariant
from bonsai.questions import first_question
from bonsai.reasoning import COPIED_FROM_ANSWER, COPIED_FROM_QUESTION, EMPTY, TRUNCATED, state
from bonsai.step import Step, measured, stalls

METHODS: dict[str, tuple[str, ...]] = {
    "single": ("single",),
    "two-step": ("reasoning", "answer"),
    "qtq": ("reasoning", "answer", "next_question"),
}
NEXT_QUESTION_TOKENS = 64
NEW_TRIES = 2

# What is known of a Reasoning after a role that asks for a second try: a copy of the answer only with the answer.
_WORTH_ANOTHER_TRY = {"reasoning": (EMPTY, COPIED_FROM_QUESTION), "answer": (COPIED_FROM_ANSWER,)}


@dataclass(frozen=True)
class Chain:
    """A question followed by a method. Immutable: a chain after a completion is a new chain.

    `stop_reason` is "" while the chain can go on; then "done", "tautology" (the proposed questions repeat earlier
    ones), "off-topic" (they leave the topic), "no-question" (none was proposed), "no-progress" (two steps running added
    next to nothing), "error" or "stopped".

    A branch names the chain that it came from (`parent`, 0 for none) and how many steps at its head are that chain's
    (`shared`); `model` and `adapter` are given where they are not those of its run. A chain that is not `guarded` asks
    the first question proposed, whatever it repeats.
    """

    number: int
    method: str
    prompt: PromptVariant
    steps: tuple[Step, ...]
    length: int = 1
    candidates: int = 1
    seed: int = 0
    stop_reason: str = ""
    parent: int = 0
    shared: int = 0
    stop_without_progress: bool = True
    guarded: bool = True
    model: str = ""
    adapter: str = ""

    @property
    def finished(self) -> bool:
        """Say whether the chain has come to its end."""
        return bool(self.stop_reason)

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions asked so far, oldest first."""
        return tuple(step.question for step in self.steps)

    @property
    def own_steps(self) -> tuple[Step, ...]:
        """The steps that no parent shares: what a table or picture shows of this chain."""
        return self.steps[self.shared :]


@dataclass(frozen=True)
class _Want:
    """What one chain asks of the engine in one round: the same prompt, once for each sampling."""

    chain: Chain
    prompt: str
    sampling: tuple[SamplingParams, ...]
    truncated: bool


def new_chain(
    question: str,
    method: str,
    prompt: PromptVariant,
    *,
    number: int = 1,
    length: int = 1,
    candidates: int = 1,
    seed: int = 0,
) -> Chain:
    """Return a chain that is about to begin; only `qtq` can be longer than one step. Raises UsageError if it cannot."""
    if method not in METHODS:
        raise UsageError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
    if length < 1 or candidates < 1:
        raise UsageError("A chain needs at least one step and one candidate for the next question.")
    first = Step(1, question, METHODS[method][0])
    return Chain(number, method, prompt, (first,), length if method == "qtq" else 1, candidates, seed)


def branch(
    chain: Chain,
    *,
    number: int,
    keep: int,
    question: str,
    prompt: PromptVariant | None = None,
    seed: int | None = None,
    length: int | None = None,
) -> Chain:
    """Return a new chain that shares the first `keep` steps of `chain` and goes on with `question`.

    To ask another candidate of a step, keep that step; to write a step anew with an edited question, another variant
    or another seed, keep those before it. `length` counts the shared steps too; without it, it is that of `chain`, or
    one more step than is kept. Raises UsageError if so many steps cannot be kept, or if nothing would be different.
    """
    finished = sum(step.finished for step in chain.steps)
    if not 0 <= keep <= finished:
        raise UsageError(f"A branch of chain {chain.number} can keep 0 to {finished} of its steps, not {keep}.")
    if keep and chain.method != "qtq":
        raise UsageError(f"A {chain.method} chain has one step and no next question; begin its step again.")
    length = max(chain.length, keep + 1) if length is None else length
    if length <= keep:
        raise UsageError(f"A branch after step {keep} has at least {keep + 1} steps in all, not {length}.")
    new = replace(
        chain, number=number, parent=chain.number, shared=keep, length=length, stop_reason="", model="", adapter="",
        steps=(*chain.steps[:keep], Step(keep + 1, question, METHODS[chain.method][0])),
        prompt=prompt or chain.prompt, seed=chain.seed if seed is None else seed,
    )  # fmt: skip
    if (new.questions, new.prompt, new.seed) == (chain.questions[: keep + 1], chain.prompt, chain.seed):
        raise UsageError("This branch would be the chain again; change the question, candidate, variant or seed.")
    return new


def check_fit(engine: Engine, chains: Sequence[Chain], sampling: SamplingParams) -> None:
    """Raise QuestionError, naming both token counts, for the first question that the engine cannot read."""
    for chain in chains:
        tokens = engine.count_tokens(next_prompt(engine, chain, sampling)[0])
        if tokens + 1 > engine.context_length:
            raise QuestionError(
                f"The question is too long: with its prompt it has {tokens:,} tokens, and the model reads at most "
                f"{engine.context_length:,}, the answer included. Shorten it."
            )


def advance(
    engine: Engine, chains: Sequence[Chain], sampling: SamplingParams, measure: Measure = WORDS
) -> Generator[tuple[Chain, ...], None, None]:
    """Yield all chains, again and again as their texts grow, until every one of them is finished.

    Each round is one engine call with the prompts that all unfinished chains want now. A step that fails ends its
    chain and spares the others. Closing the iterator stops the work; the last tuple yielded holds what was reached.
    """
    current = list(chains)
    yield tuple(current)
    while any(not chain.finished for chain in current):
        places = [place for place, chain in enumerate(current) if not chain.finished]
        wants = [_want(engine, current[place], sampling) for place in places]
        rows = [(number, k) for number, want in enumerate(wants) for k in range(len(want.sampling))]
        prompts = [wants[number].prompt for number, _ in rows]
        each = [wants[number].sampling[k] for number, k in rows]
        written = [[Completion()] * len(want.sampling) for want in wants]
        with closing(engine.generate(prompts, each)) as snapshots:
            for row, completion in snapshots:
                number, k = rows[row]
                written[number][k] = completion
                if all(item.finished for item in written[number]):
                    current[places[number]] = _finish_role(wants[number], written[number], measure)
                else:
                    current[places[number]] = _show(wants[number], written[number])
                yield tuple(current)


def stop(chain: Chain, measure: Measure = WORDS) -> Chain:
    """Return the chain as it stands, ended by the person; the step being written is kept if anything is in it."""
    if chain.finished:
        return chain
    last = chain.steps[-1]
    if not (last.reasoning or last.answer or last.number == 1):
        return replace(chain, steps=chain.steps[:-1], stop_reason="stopped")
    if last.writing == "next_question":
        last = replace(last, next_question="")
    return _end(_with_last(chain, last.flagged("stopped")), "stopped", measure)


def next_prompt(engine: Engine, chain: Chain, sampling: SamplingParams) -> tuple[str, bool]:
    """Return the prompt that an unfinished chain wants completed, and whether earlier steps were left out to fit it."""
    step, variant = chain.steps[-1], chain.prompt
    tried = [(candidate.question, "") for candidate in step.candidates if candidate.question]
    earlier = [(past.question, past.answer) for past in chain.steps[:-1]] + tried
    room = engine.context_length - sampling.max_new_tokens
    truncated = False
    prompt = _render(variant, step, earlier)
    while earlier and variant.uses_transcript(step.writing) and engine.count_tokens(prompt) > room:
        earlier, truncated = earlier[1:], True
        prompt = _render(variant, step, earlier)
    return prompt, truncated


def with_stops(chain: Chain, sampling: SamplingParams) -> SamplingParams:
    """Return the sampling with the texts at which the chain's variant cuts a completion, before its own."""
    own = tuple(text for text in sampling.stop if text not in chain.prompt.stop)
    return replace(sampling, stop=(*chain.prompt.stop, *own))


def _want(engine: Engine, chain: Chain, sampling: SamplingParams) -> _Want:
    step = chain.steps[-1]
    prompt, truncated = next_prompt(engine, chain, sampling)
    sampling = with_stops(chain, sampling)
    if step.writing == "next_question":
        count, tries = chain.candidates, len(step.candidates)
        sampling = replace(sampling, max_new_tokens=min(sampling.max_new_tokens, NEXT_QUESTION_TOKENS))
    else:
        count, tries = 1, step.reasoning_tries - 1
        if tries and not sampling.temperature:
            # The likeliest tokens would be the same again, whatever the seed.
            sampling = replace(sampling, temperature=SamplingParams.temperature)
    each = tuple(replace(sampling, seed=(chain.seed + tries + k) % 2**31) for k in range(count))
    return _Want(chain, prompt, each, truncated)


def _render(variant: PromptVariant, step: Step, earlier: Sequence[tuple[str, str]]) -> str:
    return variant.render(
        step.writing, question=step.question, reasoning=step.reasoning, answer=step.answer, earlier=earlier
    )


def _show(want: _Want, completions: Sequence[Completion]) -> Chain:
    """Return the chain with the text so far in the step being written."""
    return _with_last(want.chain, _written(want.chain.steps[-1], completions[0].text))


def _finish_role(want: _Want, completions: Sequence[Completion], measure: Measure) -> Chain:
    """Return the chain after a role: the step goes on to its next role, ends, or is followed by the next step."""
    step = want.chain.steps[-1]
    step = replace(
        step,
        # Candidates share one prompt, which the engine reads once.
        prompt_tokens=step.prompt_tokens + completions[0].prompt_tokens,
        completion_tokens=step.completion_tokens + sum(item.completion_tokens for item in completions),
        seconds=step.seconds + max(item.seconds for item in completions),
    )
    if want.truncated:
        step = step.flagged("truncated")
    errors = [item.error for item in completions if item.finish_reason == "error"]
    if len(errors) == len(completions):
        step = replace(step, next_question="", error=errors[0]).flagged("error")
        return _end(_with_last(want.chain, step), "error", measure)
    if step.writing == "next_question":
        return _finish_next_question(_with_last(want.chain, step), want, completions, measure)
    return _finish_text(_with_last(want.chain, step), completions[0], measure)


def _finish_text(chain: Chain, completion: Completion, measure: Measure) -> Chain:
    step = _written(chain.steps[-1], completion.text)
    cut = completion.finish_reason == "length"
    if cut:
        step = step.flagged("truncated")
    if completion.finish_reason == "cancelled":
        return stop(_with_last(chain, step), measure)
    roles = METHODS[chain.method]
    if "reasoning" in roles:
        cut = cut if step.writing == "reasoning" else step.reasoning_state == TRUNCATED
        step = replace(step, reasoning_state=state(step.reasoning, step.question, step.answer, cut))
    if step.reasoning_tries == 1 and step.reasoning_state in _WORTH_ANOTHER_TRY.get(step.writing, ()):
        # What it cost stays; what was found in it does not.
        step = replace(step, writing="reasoning", reasoning="", answer="", reasoning_state="", flags=())
        return _with_last(chain, replace(step, reasoning_tries=2))
    place = roles.index(step.writing) + 1
    if place == len(roles):
        return _end(_with_last(chain, step), "done", measure)
    if step.writing == "answer" and chain.stop_without_progress and stalls(step, chain.steps[:-1]):
        return _end(_with_last(chain, step), "no-progress", measure)
    return _with_last(chain, replace(step, writing=roles[place]))


def _finish_next_question(chain: Chain, want: _Want, completions: Sequence[Completion], measure: Measure) -> Chain:
    step = chain.steps[-1]
    measure.read([first_question(completion.text) for completion in completions], [step.answer])
    judged = tuple(
        judge(completion.text, sampling.seed, chain.questions, step.answer, measure)
        for completion, sampling in zip(completions, want.sampling, strict=True)
        if completion.finish_reason != "error"
    )
    step = replace(step, candidates=(*step.candidates, *judged), next_question="")
    chosen = choose(judged) if chain.guarded else first_asked(judged)
    if chosen is None:
        if len(step.candidates) < chain.candidates * (1 + NEW_TRIES):
            return _with_last(chain, step)
        return _end(_with_last(chain, step), _why_none(step.candidates), measure)
    step = replace(step, next_question=chosen.question)
    if step.number >= chain.length:
        return _end(_with_last(chain, step), "done", measure)
    chain = _with_last(chain, measured(step, chain.steps[:-1], measure))
    return replace(chain, steps=(*chain.steps, Step(step.number + 1, chosen.question, METHODS[chain.method][0])))


def _why_none(candidates: Sequence[Candidate]) -> str:
    """Return the stop reason of a chain whose candidates were all rejected."""
    if any(candidate.repeats for candidate in candidates):
        return "tautology"
    return "off-topic" if any(candidate.verdict == OFF_TOPIC for candidate in candidates) else "no-question"


def _end(chain: Chain, reason: str, measure: Measure) -> Chain:
    return replace(_with_last(chain, measured(chain.steps[-1], chain.steps[:-1], measure)), stop_reason=reason)


def _written(step: Step, text: str) -> Step:
    """Return the step with the text of the role being written."""
    if step.writing == "reasoning":
        return replace(step, reasoning=text.strip())
    if step.writing == "next_question":
        return replace(step, next_question=text.strip())
    return replace(step, answer=text.strip())


def _with_last(chain: Chain, step: Step) -> Chain:
    return replace(chain, steps=(*chain.steps[:-1], step))
