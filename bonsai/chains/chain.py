"""Chains: a question followed by a method, its steps, how one begins, branches and is stopped."""

from dataclasses import dataclass, replace
from typing import Literal

from bonsai.chains.conclusion import CONCLUDED, Conclusion
from bonsai.chains.outcomes import Flag, Method, Role, StopReason
from bonsai.chains.prompts import PromptVariant
from bonsai.chains.step import Step, with_measures
from bonsai.errors import UsageError
from bonsai.measures.similarity import WORDS, Measure

ONE_STEP = "A {method} chain has one step and no next question; begin its step again."


@dataclass(frozen=True)
class Chain:
    """A question followed by a method. Immutable: a chain after a completion is a new chain."""

    number: int
    """Its number in the run, from 1."""
    method: Method
    prompt: PromptVariant
    steps: tuple[Step, ...]
    """All steps, oldest first; the last one may be unfinished."""
    length: int = 1
    """Steps that it has at most, those shared with its parent included."""
    candidates: int = 1
    """Next questions that are proposed at a time."""
    seed: int = 0
    """The seed of every text; candidates and second tries count up from it."""
    stop_reason: StopReason | Literal[""] = ""
    """Why it goes no further; "" while it can."""
    parent: int = 0
    """The number of the chain that it branches from; 0 for none."""
    shared: int = 0
    """The steps at its head that are its parent's."""
    stop_without_progress: bool = True
    """Whether it ends when two steps in a row add next to nothing."""
    guarded: bool = True
    """Whether the guard chooses the next question; else the first one proposed is asked, whatever it repeats."""
    moves: str = ""
    """The directions of its next questions: "auto", one move, or "" for none; see `bonsai.chains.moves`."""
    concludes: bool = False
    """Whether a conclusion is written at its end."""
    conclusion: Conclusion | None = None
    """What it found; None if none was asked for."""
    model: str = ""
    """What answers, if that is not the model and adapter of its run; see `Run.answered_by`."""
    adapter: str = ""
    """The adapter of `model`; "" for the model alone."""

    @property
    def finished(self) -> bool:
        """Whether it goes no further."""
        return bool(self.stop_reason) and not self.concluding

    @property
    def concluding(self) -> bool:
        """Whether its steps are done and its conclusion is to be written."""
        return self.conclusion is not None and self.conclusion.writing

    @property
    def lacks_conclusion(self) -> bool:
        """Whether a conclusion can be written now: it ended with an answer, and has none or only one that failed."""
        written = self.conclusion is not None and not self.conclusion.error
        return self.finished and not written and self.method == Method.QTQ and any(step.answer for step in self.steps)

    @property
    def error(self) -> str:
        """Why its last step or its conclusion could not be written; "" if they could."""
        return self.steps[-1].error or (self.conclusion.error if self.conclusion else "")

    @property
    def is_root(self) -> bool:
        """Whether it was asked as the run was planned, and is no branch."""
        return not self.parent

    @property
    def without_adapter(self) -> bool:
        """Whether the model answers without the adapter of its run."""
        return bool(self.model) and not self.adapter

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions asked so far, oldest first."""
        return tuple(step.question for step in self.steps)

    @property
    def taken(self) -> tuple[str, ...]:
        """The moves of its next questions so far, oldest first."""
        return tuple(step.move for step in self.steps if step.move)

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
    moves: str = "",
) -> Chain:
    """Return a chain that is about to begin; only `qtq` can be longer than one step.

    Raises UsageError if there is no such method, and for less than one step or candidate.
    """
    chosen = choose_method(method)
    if length < 1 or candidates < 1:
        raise UsageError("A chain needs at least one step and one candidate for the next question.")
    length = length if chosen is Method.QTQ else 1
    return Chain(number, chosen, prompt, (Step(1, question, chosen.roles[0]),), length, candidates, seed, moves=moves)


def choose_method(name: str) -> Method:
    """Return the method called `name`; raise UsageError with the names that exist if there is none."""
    if name not in set(Method):
        raise UsageError("There is no method {name!r}; choose one of {names}.", name=name, names=", ".join(Method))
    return Method(name)


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
        raise UsageError(
            "A branch of chain {chain} can keep 0 to {finished} of its steps, not {keep}.",
            chain=chain.number,
            finished=finished,
            keep=keep,
        )
    if keep and chain.method != Method.QTQ:
        raise UsageError(ONE_STEP, method=chain.method)
    first = Step(keep + 1, question, chain.method.roles[0])
    new = _branched(chain, number, keep, first, _branch_length(chain, keep, length), seed)
    new = replace(new, prompt=prompt or chain.prompt)
    if (new.questions, new.prompt, new.seed) == (chain.questions[: keep + 1], chain.prompt, chain.seed):
        raise UsageError("This branch would be the chain again; change the question, candidate, variant or seed.")
    return new


def branch_in_direction(
    chain: Chain, *, number: int, step: int, moves: str, seed: int | None = None, length: int | None = None
) -> Chain:
    """Return a new chain that keeps a step of `chain` with its texts, and asks for its next question anew.

    `moves` are the directions from there on, as in `Chain.moves`. Raises UsageError if the chain is not of the method
    qtq, has no such finished step, or if `length`, the shared steps included, leaves no room for a next question.
    """
    if chain.method != Method.QTQ:
        raise UsageError(ONE_STEP, method=chain.method)
    finished = sum(one.finished for one in chain.steps)
    if not 1 <= step <= finished:
        raise UsageError(
            "A branch of chain {chain} can go on from steps 1 to {finished}, not {step}.",
            chain=chain.number,
            finished=finished,
            step=step,
        )
    length = _branch_length(chain, step, length)
    kept = chain.steps[step - 1]
    texts = replace(Step(kept.number, kept.question, Role.NEXT_QUESTION), reasoning=kept.reasoning, answer=kept.answer)
    again = replace(
        texts, reasoning_state=kept.reasoning_state, flags=tuple(flag for flag in kept.flags if flag == Flag.TRUNCATED)
    )
    return replace(_branched(chain, number, step - 1, again, length, seed), moves=moves)


def _branch_length(chain: Chain, keep: int, length: int | None) -> int:
    """Return the steps in all of a branch after step `keep`; raise UsageError if there is no room for another one."""
    length = max(chain.length, keep + 1) if length is None else length
    if length <= keep:
        raise UsageError(
            "A branch after step {keep} has at least {least} steps in all, not {length}.",
            keep=keep,
            least=keep + 1,
            length=length,
        )
    return length


def _branched(chain: Chain, number: int, shared: int, first: Step, length: int, seed: int | None) -> Chain:
    """Return a chain that shares steps with another one and goes on with its own `first` step."""
    seed = chain.seed if seed is None else seed
    new = replace(chain, number=number, parent=chain.number, shared=shared, length=length, seed=seed)
    return replace(new, stop_reason="", conclusion=None, model="", adapter="", steps=(*chain.steps[:shared], first))


def stop(chain: Chain, measure: Measure = WORDS) -> Chain:
    """Return the chain as it stands, ended by the person; the step being written is kept if anything is in it."""
    if chain.finished:
        return chain
    if chain.concluding:
        return replace(chain, conclusion=None)
    last = chain.steps[-1]
    if not (last.reasoning or last.answer or last.number == 1):
        return replace(chain, steps=chain.steps[:-1], stop_reason=StopReason.STOPPED)
    if last.writing == Role.NEXT_QUESTION:
        last = replace(last, next_question="")
    return finish(with_last(chain, last.flagged(Flag.STOPPED)), StopReason.STOPPED, measure)


def finish(chain: Chain, reason: StopReason, measure: Measure) -> Chain:
    """Return the chain with its last step measured and finished, and why it goes no further."""
    chain = replace(with_last(chain, with_measures(chain.steps[-1], chain.steps[:-1], measure)), stop_reason=reason)
    return conclude(chain) if chain.concludes and reason in CONCLUDED else chain


def conclude(chain: Chain) -> Chain:
    """Return an ended chain whose conclusion is to be written, anew if it has one.

    Raises UsageError if it is not of the method qtq, or has no answer.
    """
    if chain.method != Method.QTQ or not any(step.answer for step in chain.steps):
        raise UsageError(
            "Chain {chain} has nothing to conclude; that takes a qtq chain with an answer.", chain=chain.number
        )
    return replace(chain, conclusion=Conclusion())


def with_last(chain: Chain, step: Step) -> Chain:
    """Return the chain with another last step."""
    return replace(chain, steps=(*chain.steps[:-1], step))
