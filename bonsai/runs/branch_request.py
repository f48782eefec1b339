"""Branch requests: how a person goes on from a step of a saved run another way; see `bonsai.runs.requests`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from bonsai.chains.chain import Chain, branch, branch_in_direction
from bonsai.chains.moves import parse_moves
from bonsai.chains.outcomes import Method
from bonsai.chains.prompts import choose_variant
from bonsai.chains.questions import clean_question
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import UsageError
from bonsai.measures.similarity import Measure
from bonsai.runs.limits import NO_LIMITS, Limits
from bonsai.runs.requests import Variants, check_fits
from bonsai.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class BranchRequest:
    """A new chain that leaves a saved one at one of its steps; all numbers are from 1.

    Raises UsageError for a candidate together with a question.
    """

    chain: int = 1
    """The chain that it leaves."""
    step: int
    """The step that is begun again, or is kept as the last one before a candidate."""
    question: str = ""
    """What is asked instead of the step's own question; "" to ask that again."""
    candidate: int | None = None
    """The candidate that is asked after the step."""
    after: bool = False
    """Whether `question` is asked after the step, which is kept, as a candidate is."""
    prompt: str = ""
    """The name of another prompt variant; "" for that of the chain."""
    seed: int | None = None
    """Another seed; None for that of the chain."""
    length: int | None = None
    """Steps in all, those that are kept included; None for as many as the chain may have, at least one more."""
    guarded: bool = True
    """False to ask the first question proposed, whatever the chain did."""
    stop_without_progress: bool = True
    """False to go on when nothing new comes, whatever the chain did."""
    concludes: bool = False
    """True to end with a conclusion, whatever the chain did, if it is of the method qtq."""
    moves: str = ""
    """Directions as in GridRequest; "" for those of the chain. Without `question` and `candidate` the step is kept with
    its texts, and its next question is asked for anew."""

    def __post_init__(self) -> None:
        parse_moves(self.moves)
        if self.candidate is not None and self.question:
            raise UsageError("A branch asks either a question of yours or a candidate of the step; leave one out.")
        if self.seed is not None:
            SamplingParams(seed=self.seed)

    @property
    def kept(self) -> int:
        """The steps that the branch shares with its chain."""
        return self.step if self.after or self.candidate is not None or self._in_direction else self.step - 1

    def asking(self, steps: int) -> Self:
        """Return the request for a branch that asks so many questions of its own."""
        return replace(self, length=self.kept + steps)

    def check(self, run: Run, variants: Variants, limits: Limits = NO_LIMITS) -> None:
        """Raise UsageError, naming what there is, if the run has no such step or candidate, or for one too long.

        Also if there is no such prompt variant, and if the branch would be its chain again.
        """
        if self.length is not None and limits.steps is not None:
            limits.check("steps", self.length - self.kept)
        self._branched(run, variants)

    def resolve(self, run: Run, engine: Engine, measure: Measure, variants: Variants) -> Run:
        """Return the run with the branch as its last chain, about to begin; the others stay as they are.

        If another model or measure than that of the run goes on, the chain and the run say so. Raises what `check`
        raises, and QuestionError if the question does not fit the engine's context.
        """
        chain = self._branched(run, variants)
        answers = engine.info.model_id, engine.info.adapter_id
        if answers != (run.model, run.adapter):
            chain = replace(chain, model=answers[0], adapter=answers[1])
        if measure.name != run.measure:
            run = replace(run, measure=f"{run.measure}; chain {chain.number} with {measure.name}")
        check_fits(engine, [chain], run.sampling)
        return run.with_chains((*run.chains, chain))

    @property
    def _in_direction(self) -> bool:
        """Whether the step's next question is asked for anew."""
        return bool(self.moves) and not self.question and self.candidate is None

    def _branched(self, run: Run, variants: Variants) -> Chain:
        parent, step = run.step_at(self.chain, self.step)
        number = max(chain.number for chain in run.chains) + 1
        moves = parse_moves(self.moves) if self.moves else parent.moves
        if self._in_direction:
            chain = branch_in_direction(
                parent, number=number, step=self.step, moves=moves, seed=self.seed, length=self.length
            )
        else:
            question = clean_question(self.question) if self.question else step.question
            if self.candidate is not None:
                question = self._candidate(step.proposed, self.candidate)
            chain = branch(
                parent,
                number=number,
                keep=self.kept,
                question=question,
                prompt=choose_variant(variants, self.prompt) if self.prompt else None,
                seed=self.seed,
                length=self.length,
            )
        return replace(
            chain,
            moves=moves,
            guarded=chain.guarded and self.guarded,
            stop_without_progress=chain.stop_without_progress and self.stop_without_progress,
            concludes=chain.concludes or (self.concludes and chain.method == Method.QTQ),
        )

    def _candidate(self, proposed: Mapping[int, str], number: int) -> str:
        if number not in proposed:
            raise UsageError(
                "Step {step} of chain {chain} has no candidate {candidate}; there is {found}.",
                step=self.step,
                chain=self.chain,
                candidate=number,
                found=", ".join(map(str, proposed)) or "none",
            )
        return proposed[number]
