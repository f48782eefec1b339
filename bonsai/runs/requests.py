"""Requests: what a person asked for, checked before a model is loaded.

Page, API and command line all fill these in, so that defaults, limits and the sentences for them stand here alone.
`check` refuses what no model could change; `resolve` makes the run, or the plan of one, for the engine that answers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from bonsai.chains.chain import Chain, choose_method
from bonsai.chains.moves import AUTO, parse_moves
from bonsai.chains.outcomes import Axis, Method
from bonsai.chains.prompts import PromptVariant, choose_variant
from bonsai.chains.questions import clean_question
from bonsai.chains.roles import check_context
from bonsai.engines.base import Engine, EngineInfo, SamplingParams
from bonsai.errors import UsageError
from bonsai.measures.similarity import Measure
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS, NO_LIMITS, Limits, number
from bonsai.runs.plan import Grid, Plan, check_axes
from bonsai.runs.run import Run

Variants = Mapping[str, PromptVariant]
_SAMPLING = {item.name for item in fields(SamplingParams)} - {"stop"}


@dataclass(frozen=True, kw_only=True)
class GridRequest:
    """Every question with every variant, method and seed, with and without the adapter.

    Raises UsageError if one of these axes has no value, or one twice, and for an unknown method.
    """

    questions: Sequence[str]
    prompts: Sequence[str]
    """Names of prompt variants."""
    methods: Sequence[str] = (Method.QTQ,)
    with_adapter: Sequence[bool] = (True,)
    """Whether answers are with the adapter (True), without it (False), or both."""
    repeats: int = 1
    """Seeds that each is asked with, counted up from that of `sampling`."""
    steps: int = DEFAULT_STEPS
    """Questions that a qtq chain asks."""
    candidates: int = DEFAULT_CANDIDATES
    """Next questions that a qtq chain chooses from."""
    stop_without_progress: bool = True
    """Whether a chain ends when two steps in a row add next to nothing."""
    guarded: bool = True
    """Whether a next question that repeats one is dropped."""
    moves: str = AUTO
    """The directions of next questions: "auto", "off", or one move."""
    concludes: bool = False
    """Whether a qtq chain ends with a conclusion."""
    sampling: SamplingParams = DEFAULT_SAMPLING

    def __post_init__(self) -> None:
        check_axes(self.questions, self.prompts, self.methods, self.with_adapter)
        for method in self.methods:
            choose_method(method)
        parse_moves(self.moves)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return a request with values as they come from a form, an option or an API caller.

        They are named as the fields are, and as those of SamplingParams. Raises UsageError for a number that is none.
        """
        sampling, own = {}, {}
        for name, value in values.items():
            if name in _SAMPLING:
                sampling[name] = number(name, value, getattr(DEFAULT_SAMPLING, name))
            else:
                own[name] = number(name, value, 1) if name in ("steps", "candidates", "repeats") else value
        return cls(**own, sampling=replace(DEFAULT_SAMPLING, **sampling))

    @classmethod
    def of_one(cls, question: str, prompt: str, method: str = Method.QTQ, **options: Any) -> Self:
        """Return the request for one chain, with `options` as `of` has them; raise UsageError for a blank question."""
        return cls.of(questions=[clean_question(question)], prompts=[prompt], methods=[method], **options)

    @property
    def axes(self) -> dict[str, Sequence[object]]:
        """As many values for each axis as it will have."""
        values = (self.questions, self.prompts, self.methods, self.with_adapter, range(self.repeats))
        return dict(zip(Axis, values, strict=True))

    def check(self, variants: Variants, limits: Limits = NO_LIMITS) -> None:
        """Raise UsageError for a prompt variant that does not exist, and for more than the limits allow."""
        for name in ("steps", "candidates", "repeats"):
            limits.check(name, getattr(self, name))
        limits.check("max_new_tokens", self.sampling.max_new_tokens)
        # The last seed may be out of range where the first one is not.
        replace(self.sampling, seed=self.sampling.seed + self.repeats - 1)
        for name in self.prompts:
            choose_variant(variants, name)
        chains = math.prod(map(len, self.axes.values()))
        if limits.chains is not None and chains > limits.chains:
            raise UsageError(
                "That would be {chains:,} chains; at most {limit:,} can be run at once.",
                chains=chains,
                limit=limits.chains,
            )

    def resolve(self, engine: Engine, measure: Measure, variants: Variants) -> Plan:
        """Return the plan of the run."""
        info = engine.info
        first = self.sampling.seed
        grid = Grid(
            tuple(self.questions),
            tuple(choose_variant(variants, name) for name in self.prompts),
            tuple(map(choose_method, self.methods)),
            tuple(info.adapter_id if with_it else "" for with_it in self.with_adapter),
            tuple(range(first, first + self.repeats)),
            self.steps,
            self.candidates,
            self.guarded,
            self.stop_without_progress,
            parse_moves(self.moves),
            self.concludes,
        )
        sampling = _honoured(self.sampling, info)
        return Plan(grid, sampling, info.model_id, info.adapter_id, info.name, measure.name)

    def begin(self, engine: Engine, measure: Measure, variants: Variants) -> Run:
        """Return a run in memory, about to begin; raise QuestionError if a question does not fit the engine's context.

        It names no plan, since branches can be added to it.
        """
        plan = self.resolve(engine, measure, variants)
        chains = tuple(plan.chains())
        check_fits(engine, chains, plan.sampling)
        return replace(Run.of_plan(plan, chains), plan=None)


def _honoured(sampling: SamplingParams, info: EngineInfo) -> SamplingParams:
    """Return the sampling without the default penalty if the engine has none; what a person chose it refuses itself."""
    penalty = "repetition_penalty"
    if penalty in info.options or getattr(sampling, penalty) != getattr(DEFAULT_SAMPLING, penalty):
        return sampling
    return replace(sampling, repetition_penalty=SamplingParams.repetition_penalty)


def check_fits(engine: Engine, chains: Sequence[Chain], sampling: SamplingParams) -> None:
    """Raise QuestionError if the question of a new chain does not fit the context of an engine."""
    # While a model is still being loaded its context is not known; a question that is too long fails in its chain.
    if engine.is_ready:
        check_context(engine, chains, sampling)


def check_saved(run: Run, limits: Limits) -> None:
    """Raise UsageError if a saved run asks for more than the limits allow, so that it cannot go on."""
    asked = {"max_new_tokens": run.sampling.max_new_tokens, "candidates": 1, "steps": 0, "chains": 0}
    for chain in run.chains:
        asked["candidates"] = max(asked["candidates"], chain.candidates)
        if not chain.finished:
            # What was written elsewhere may be longer than what may be asked for here.
            left = chain.length - sum(step.finished for step in chain.steps)
            asked |= {"steps": max(asked["steps"], left), "chains": asked["chains"] + 1}
    for name, value in asked.items():
        limit: int | None = getattr(limits, name)
        if limit is not None and value > limit:
            raise UsageError(
                "{name} of the run is {value}; it must be at most {limit} here.", name=name, value=value, limit=limit
            )
