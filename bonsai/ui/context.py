"""What the page has to offer: an engine, a measure, prompt variants, starters and examples, within the settings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.prompts import PromptVariant, choose_variant
from bonsai.chains.questions import Starter, clean_question
from bonsai.chains.roles import check_context
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import UsageError
from bonsai.measures.similarity import WORDS, Measure
from bonsai.runs.grid import Grid, seeds_from
from bonsai.runs.plan import Plan
from bonsai.runs.run import Run
from bonsai.settings import Settings

MAX_CANDIDATES = 8
MAX_REPEATS = 20
NO_ADAPTER_HERE = "No adapter answers here, so there is nothing to compare it with."
OTHER_MODEL = (
    "Another model or another measure made this run, so it cannot go on here. Press Run to begin one that can."
)
DEFAULT_STEPS, DEFAULT_CANDIDATES = 3, 3
DEFAULT_SAMPLING = SamplingParams(max_new_tokens=128, seed=1)


@dataclass(frozen=True)
class PageContext:
    """An engine and a measure with the prompt variants, starters and limits of their page, and a saved run a tab.

    `alone` is the engine's model without its adapter, if there is one; else `why_not_alone` says why there is none.
    """

    engine: Engine
    settings: Settings
    variants: Mapping[str, PromptVariant]
    starters: Sequence[Starter]
    examples: Mapping[str, Run]
    measure: Measure = WORDS
    base_engine: Engine | None = None
    base_engine_error: str = ""

    @property
    def prompt(self) -> str:
        """The name of the prompt variant that is chosen at first."""
        return self.settings.prompt

    def begin(
        self,
        method: str,
        question: str,
        prompt: str = "",
        steps: int = 1,
        candidates: int = 1,
        stop_without_progress: bool = True,
        **sampling: Any,
    ) -> Run:
        """Return a run that may be grown; raise UsageError, with a sentence for the visitor, if it may not."""
        question = clean_question(question)
        variant = choose_variant(self.variants, prompt or self.prompt)
        steps = _number("steps", steps, 1, 1, self.settings.max_steps)
        candidates = _number("candidates", candidates, 1, 1, MAX_CANDIDATES)
        params = self._sampling(sampling)
        chain = new_chain(question, method, variant, length=steps, candidates=candidates, seed=params.seed)
        chain = replace(chain, stop_without_progress=bool(stop_without_progress))
        engine = self.engine
        # Of a model that is being loaded, its own refusal will tell.
        if engine.is_ready:
            check_context(engine, [chain], params)
        return Run((chain,), params, engine.info.model_id, engine.info.adapter_id, engine.info.name, self.measure.name)

    def plan(
        self,
        questions: Sequence[str],
        prompts: Sequence[PromptVariant],
        methods: Sequence[str],
        *,
        steps: int = 1,
        candidates: int = 1,
        repeats: int = 1,
        stop_without_progress: bool = True,
        adapters: Sequence[bool] = (True,),
        **sampling: Any,
    ) -> Plan:
        """Return the plan of a run over a grid; raise UsageError, with a sentence for the visitor, if it may not be.

        `adapters` says whether answers are with the adapter (True), without it (False), or both.
        """
        params = self._sampling(sampling)
        if False in adapters and self.base_engine is None:
            raise UsageError(self.base_engine_error or NO_ADAPTER_HERE)
        grid = Grid(
            tuple(questions),
            tuple(prompts),
            tuple(methods),
            tuple(self.engine.info.adapter_id if with_it else "" for with_it in adapters),
            seeds_from(params.seed, _number("repeats", repeats, 1, 1, MAX_REPEATS)),
            _number("steps", steps, 1, 1, self.settings.max_steps),
            _number("candidates", candidates, 1, 1, MAX_CANDIDATES),
            stop_without_progress=bool(stop_without_progress),
        )
        if len(grid) > self.settings.max_questions:
            raise UsageError(
                f"That would be {len(grid):,} chains; at most {self.settings.max_questions:,} can be run at once."
            )
        engine = self.engine
        return Plan(grid, params, engine.info.model_id, engine.info.adapter_id, engine.info.name, self.measure.name)

    def branch(self, run: Run, chain: Chain, keep: int, question: str, prompt: str, steps: int, seed: int) -> Run:
        """Return the run with one more chain, which shares `keep` steps with `chain` and asks `steps` new questions.

        Raises UsageError, with a sentence for the visitor, if that cannot be.
        """
        self.check_same(run)
        variant = choose_variant(self.variants, prompt)
        steps = _number("steps", steps, 1, 1, self.settings.max_steps)
        run = run.with_branch(
            chain,
            keep=keep,
            question=clean_question(question),
            prompt=variant,
            seed=_number("seed", seed, 1, 0),
            length=keep + steps,
        )
        check_context(self.engine, run.chains[-1:], run.sampling)
        return run

    def _sampling(self, given: Mapping[str, Any]) -> SamplingParams:
        numbers = {name: _number(name, value, getattr(DEFAULT_SAMPLING, name)) for name, value in given.items()}
        params = SamplingParams(**numbers)
        _number("max_new_tokens", params.max_new_tokens, 1, 1, self.settings.max_new_tokens)
        return params

    def check_same(self, run: Run) -> None:
        """Raise UsageError if another model or another measure made the run: it names one of each for all its rows."""
        here = (self.engine.info.model_id, self.engine.info.adapter_id, self.measure.name)
        if (run.model, run.adapter, run.measure) != here:
            raise UsageError(OTHER_MODEL)


def _number(name: str, value: Any, like: float, low: float = -math.inf, high: float = math.inf) -> Any:
    """Return `value` as the kind of number that `like` is; raise UsageError if it is none, or not between the two."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{name} is {'empty' if value is None else repr(value)}; it must be a number.")
    number = type(like)(value)
    if number != value:
        raise UsageError(f"{name} is {value}; it must be a whole number.")
    if not low <= number <= high:
        raise UsageError(f"{name} is {number}; it must be between {low} and {high}.")
    return number
