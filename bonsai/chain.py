"""The core: chains of steps, advanced together by one engine call per round."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from bonsai.engines.base import Completion, Engine, SamplingParams
from bonsai.errors import QuestionError, UsageError
from bonsai.guard import Candidate, choose, judge
from bonsai.measures import most_similar, new_content, repeated_step
from bonsai.prompts import PromptVariant
from bonsai.questions import is_question

METHODS: dict[str, tuple[str, ...]] = {
    "single": ("single",),
    "two-step": ("reasoning", "answer"),
    "qtq": ("reasoning", "answer", "next_question"),
}
NEXT_QUESTION_TOKENS = 64
NEW_TRIES = 2


@dataclass(frozen=True)
class Step:
    """One row: a question and what was written for it so far.

    `writing` is the role being written now, and "" when the step is finished; `error` says why it failed.
    `nearest` is the number of the step whose question is most similar; it and `similarity` are None for a first step.
    """

    number: int
    question: str
    writing: str
    reasoning: str = ""
    answer: str = ""
    next_question: str = ""
    similarity: float | None = None
    nearest: int | None = None
    new_content: float | None = None
    flags: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def finished(self) -> bool:
        """Say whether nothing more will be written for this step."""
        return not self.writing


@dataclass(frozen=True)
class Chain:
    """A question followed by a method. Immutable: a chain after a completion is a new chain.

    `stop_reason` is "" while the chain can go on; then "done", "tautology" (every candidate repeated an earlier
    question), "no-question" (no candidate was a question), "error" or "stopped".
    """

    number: int
    method: str
    prompt: PromptVariant
    steps: tuple[Step, ...]
    length: int = 1
    candidates: int = 1
    seed: int = 0
    stop_reason: str = ""

    @property
    def finished(self) -> bool:
        """Say whether the chain has come to its end."""
        return bool(self.stop_reason)

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions asked so far, oldest first."""
        return tuple(step.question for step in self.steps)


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


def check_fit(engine: Engine, chains: Sequence[Chain], sampling: SamplingParams) -> None:
    """Raise QuestionError, naming both token counts, for the first question that the engine cannot read."""
    for chain in chains:
        want = _want(engine, chain, sampling)
        tokens = engine.count_tokens(want.prompt)
        if tokens + 1 > engine.context_length:
            raise QuestionError(
                f"The question is too long: with its prompt it has {tokens:,} tokens, and the model reads at most "
                f"{engine.context_length:,}, the answer included. Shorten it."
            )


def advance(
    engine: Engine, chains: Sequence[Chain], sampling: SamplingParams
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
                settle = _finish_role if all(item.finished for item in written[number]) else _show
                current[places[number]] = settle(wants[number], written[number])
                yield tuple(current)


def stop(chain: Chain) -> Chain:
    """Return the chain as it stands, ended by the person; the step being written is kept if anything is in it."""
    if chain.finished:
        return chain
    last = chain.steps[-1]
    if not (last.reasoning or last.answer or last.number == 1):
        return replace(chain, steps=chain.steps[:-1], stop_reason="stopped")
    if last.writing == "next_question":
        last = replace(last, next_question="")
    return _end(_with_last(chain, last), "stopped", "stopped")


def _want(engine: Engine, chain: Chain, sampling: SamplingParams) -> _Want:
    step = chain.steps[-1]
    role, variant = step.writing, chain.prompt
    tried = [(candidate.question, "") for candidate in step.candidates if candidate.question]
    earlier = [(past.question, past.answer) for past in chain.steps[:-1]] + tried
    room = engine.context_length - sampling.max_new_tokens
    truncated = False
    prompt = _render(variant, role, step, earlier)
    while earlier and variant.uses_transcript(role) and engine.count_tokens(prompt) > room:
        earlier, truncated = earlier[1:], True
        prompt = _render(variant, role, step, earlier)
    count, limit = 1, sampling.max_new_tokens
    if role == "next_question":
        count, limit = chain.candidates, min(limit, NEXT_QUESTION_TOKENS)
    seed = chain.seed + len(step.candidates)
    stops = (*variant.stop, *(text for text in sampling.stop if text not in variant.stop))
    each = tuple(replace(sampling, max_new_tokens=limit, seed=(seed + k) % 2**31, stop=stops) for k in range(count))
    return _Want(chain, prompt, each, truncated)


def _render(variant: PromptVariant, role: str, step: Step, earlier: Sequence[tuple[str, str]]) -> str:
    return variant.render(role, question=step.question, reasoning=step.reasoning, answer=step.answer, earlier=earlier)


def _show(want: _Want, completions: Sequence[Completion]) -> Chain:
    """Return the chain with the text so far in the step being written."""
    return _with_last(want.chain, _written(want.chain.steps[-1], completions[0].text))


def _finish_role(want: _Want, completions: Sequence[Completion]) -> Chain:
    """Return the chain after a role: the step goes on to its next role, ends, or is followed by the next step."""
    step = want.chain.steps[-1]
    step = replace(
        step,
        # Candidates share one prompt, which the engine reads once.
        prompt_tokens=step.prompt_tokens + completions[0].prompt_tokens,
        completion_tokens=step.completion_tokens + sum(item.completion_tokens for item in completions),
        seconds=step.seconds + max(item.seconds for item in completions),
        flags=_with(step.flags, "truncated") if want.truncated else step.flags,
    )
    errors = [item.error for item in completions if item.finish_reason == "error"]
    if len(errors) == len(completions):
        step = replace(step, next_question="", error=errors[0])
        return _end(_with_last(want.chain, step), "error", "error")
    if step.writing == "next_question":
        return _finish_next_question(_with_last(want.chain, step), want, completions)
    completion = completions[0]
    step = _written(step, completion.text)
    if completion.finish_reason == "length":
        step = replace(step, flags=_with(step.flags, "truncated"))
    if completion.finish_reason == "cancelled":
        return stop(_with_last(want.chain, step))
    roles = METHODS[want.chain.method]
    place = roles.index(step.writing) + 1
    if place < len(roles):
        return _with_last(want.chain, replace(step, writing=roles[place]))
    return _end(_with_last(want.chain, step), "done")


def _finish_next_question(chain: Chain, want: _Want, completions: Sequence[Completion]) -> Chain:
    step = chain.steps[-1]
    judged = tuple(
        judge(completion.text, sampling.seed, chain.questions, step.answer)
        for completion, sampling in zip(completions, want.sampling, strict=True)
        if completion.finish_reason != "error"
    )
    step = replace(step, candidates=(*step.candidates, *judged), next_question="")
    chosen = choose(judged)
    if chosen is None:
        if len(step.candidates) < chain.candidates * (1 + NEW_TRIES):
            return _with_last(chain, step)
        repeated = any(candidate.verdict.startswith("repeats") for candidate in step.candidates)
        return _end(_with_last(chain, step), "tautology" if repeated else "no-question")
    step = replace(step, next_question=chosen.question)
    if step.number >= chain.length:
        return _end(_with_last(chain, step), "done")
    chain = _with_last(chain, _measured(chain, step))
    return replace(chain, steps=(*chain.steps, Step(step.number + 1, chosen.question, METHODS[chain.method][0])))


def _end(chain: Chain, reason: str, flag: str = "") -> Chain:
    step = chain.steps[-1]
    step = _measured(chain, replace(step, flags=_with(step.flags, flag) if flag else step.flags))
    return replace(_with_last(chain, step), stop_reason=reason)


def _measured(chain: Chain, step: Step) -> Step:
    """Return the finished step with its measures and the flags that follow from its texts."""
    earlier = chain.steps[: step.number - 1]
    asked = [past.question for past in earlier]
    nearest = most_similar(step.question, asked)
    added = new_content(f"{step.question} {step.answer}", [f"{past.question} {past.answer}" for past in earlier])
    flags = step.flags
    if chain.method != "single" and not step.reasoning and step.answer:
        flags = _with(flags, "no-reasoning")
    repeated = repeated_step(step.question, asked)
    if repeated is not None:
        flags = _with(flags, "tautology" if repeated == step.number - 1 else "circular")
    if step.candidates and not any(is_question(candidate.question) for candidate in step.candidates):
        flags = _with(flags, "not-a-question")
    return replace(
        step,
        writing="",
        similarity=round(nearest[0], 3) if nearest else None,
        nearest=nearest[1] if nearest else None,
        new_content=round(added, 3),
        flags=flags,
    )


def _written(step: Step, text: str) -> Step:
    """Return the step with the text of the role being written."""
    if step.writing == "reasoning":
        return replace(step, reasoning=text.strip())
    if step.writing == "next_question":
        return replace(step, next_question=text.strip())
    return replace(step, answer=text.strip())


def _with(flags: tuple[str, ...], flag: str) -> tuple[str, ...]:
    return flags if flag in flags else (*flags, flag)


def _with_last(chain: Chain, step: Step) -> Chain:
    return replace(chain, steps=(*chain.steps[:-1], step))
