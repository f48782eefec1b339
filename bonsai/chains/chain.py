"""Chains: a question followed by a method, its steps, how one begins, branches and is stopped."""

from dataclasses import dataclass, replace

from bonsai.chains.prompts import PromptVariant
from bonsai.chains.step import Step, with_measures
from bonsai.errors import UsageError
from bonsai.measures.similarity import WORDS, Measure

METHODS: dict[str, tuple[str, ...]] = {
    "single": ("single",),
    "two-step": ("reasoning", "answer"),
    "qtq": ("reasoning", "answer", "next_question"),
}


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
        chain,
        number=number,
        parent=chain.number,
        shared=keep,
        length=length,
        stop_reason="",
        model="",
        adapter="",
        steps=(*chain.steps[:keep], Step(keep + 1, question, METHODS[chain.method][0])),
        prompt=prompt or chain.prompt,
        seed=chain.seed if seed is None else seed,
    )
    if (new.questions, new.prompt, new.seed) == (chain.questions[: keep + 1], chain.prompt, chain.seed):
        raise UsageError("This branch would be the chain again; change the question, candidate, variant or seed.")
    return new


def stop(chain: Chain, measure: Measure = WORDS) -> Chain:
    """Return the chain as it stands, ended by the person; the step being written is kept if anything is in it."""
    if chain.finished:
        return chain
    last = chain.steps[-1]
    if not (last.reasoning or last.answer or last.number == 1):
        return replace(chain, steps=chain.steps[:-1], stop_reason="stopped")
    if last.writing == "next_question":
        last = replace(last, next_question="")
    return finish(with_last(chain, last.flagged("stopped")), "stopped", measure)


def finish(chain: Chain, reason: str, measure: Measure) -> Chain:
    """Return the chain with its last step measured and finished, and why it goes no further."""
    return replace(with_last(chain, with_measures(chain.steps[-1], chain.steps[:-1], measure)), stop_reason=reason)


def with_last(chain: Chain, step: Step) -> Chain:
    """Return the chain with another last step."""
    return replace(chain, steps=(*chain.steps[:-1], step))
