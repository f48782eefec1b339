"""What the page needs: engine, measure, prompt variants, starters, examples and limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bonsai.chains.prompts import PromptVariant
from bonsai.chains.questions import Starter
from bonsai.engines.base import Engine
from bonsai.errors import BonsaiError, UsageError
from bonsai.measures.similarity import WORDS, Measure
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.limits import Limits, number
from bonsai.runs.plan import Plan
from bonsai.runs.requests import GridRequest, check_saved
from bonsai.runs.run import Run
from bonsai.settings import Settings
from bonsai.ui.work.gpu import GpuRunner

NO_ADAPTER_HERE = "No adapter answers here, so there is nothing to compare it with."
OTHER_MODEL = (
    "Another model or another measure made this run, so it cannot go on here. Press Run to begin one that can."
)


@dataclass(frozen=True)
class PageContext:
    """What the page needs; it turns what a visitor asks for into runs and plans."""

    engine: Engine
    settings: Settings
    variants: Mapping[str, PromptVariant]
    starters: Sequence[Starter] = ()
    examples: Mapping[str, Run] = field(default_factory=dict)
    """A saved run for each tab that has one."""
    measure: Measure = WORDS
    base_engine: Engine | None = None
    """The engine's model without its adapter, to be compared with it."""
    base_engine_error: BonsaiError | None = None
    """Why there is no `base_engine`."""

    @cached_property
    def runner(self) -> GpuRunner:
        """What lets the model of this page work."""
        return GpuRunner(self.engine, self.measure, self.base_engine)

    @property
    def prompt(self) -> str:
        """The name of the prompt variant that is chosen at first."""
        return self.settings.prompt

    @property
    def limits(self) -> Limits:
        """The most that a visitor may ask for."""
        return Limits.for_visitors(self.settings)

    def begin(self, method: str, question: str, prompt: str = "", **options: Any) -> Run:
        """Return a run that can begin; raise UsageError, with a sentence for the visitor, if it cannot.

        `options` are other fields of GridRequest and of SamplingParams; without steps and candidates there is one.
        """
        options = {"steps": 1, "candidates": 1, **options}
        request = GridRequest.of_one(question, prompt or self.settings.prompt, method, **options)
        request.check(self.variants, self.limits)
        return request.begin(self.engine, self.measure, self.variants)

    def plan(self, variants: Mapping[str, PromptVariant] | None = None, **options: Any) -> Plan:
        """Return the plan of a run over a grid; raise UsageError, with a sentence for the visitor, if it cannot be.

        `variants` are those of the page and the visitor's own; `options` are fields of GridRequest and SamplingParams.
        """
        variants = self.variants if variants is None else variants
        request = GridRequest.of(**options)
        if False in request.with_adapter and self.base_engine is None:
            raise self.base_engine_error.with_values() if self.base_engine_error else UsageError(NO_ADAPTER_HERE)
        request.check(variants, self.limits)
        return request.resolve(self.engine, self.measure, variants)

    def branch(self, run: Run, request: BranchRequest, steps: int) -> Run:
        """Return the run with one more chain, which asks `steps` new questions.

        Raises UsageError, with a sentence for the visitor, if that cannot be.
        """
        self.check_same(run)
        request = request.asking(number("steps", steps, 1))
        request.check(run, self.variants, self.limits)
        return request.resolve(run, self.engine, self.measure, self.variants)

    def check_same(self, run: Run) -> None:
        """Raise UsageError if a saved run cannot go on here.

        That is if another model or another measure made it, or if it asks for more than a visitor may.
        """
        here = (self.engine.info.model_id, self.engine.info.adapter_id)
        if (run.model, run.adapter) != here or not self.measure.goes_on_from(run.measure):
            raise UsageError(OTHER_MODEL)
        check_saved(run, self.limits)
