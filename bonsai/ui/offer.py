"""What the page has to offer: an engine, prompt variants, starters and examples, within the limits of the settings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bonsai.chain import check_fit, new_chain
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import UsageError
from bonsai.prompts import PromptVariant, choose_variant, default_variant
from bonsai.questions import Starter, clean_question
from bonsai.runs import Run
from bonsai.settings import Settings

MOST_CANDIDATES = 8
DEFAULT_STEPS, DEFAULT_CANDIDATES = 3, 3
DEFAULT_SAMPLING = SamplingParams(max_new_tokens=128, seed=1)


@dataclass(frozen=True)
class Offer:
    """An engine with the prompt variants, starters and limits of its page, and a saved run to show for each method."""

    engine: Engine
    settings: Settings
    variants: Mapping[str, PromptVariant]
    starters: Sequence[Starter]
    examples: Mapping[str, Run]

    @property
    def prompt(self) -> str:
        """The name of the prompt variant that is chosen at first."""
        return self.settings.prompt or default_variant(self.engine.model_id, self.engine.adapter_id)

    def begin(
        self,
        method: str,
        question: str,
        prompt: str = "",
        steps: int = 1,
        candidates: int = 1,
        **sampling: Any,
    ) -> Run:
        """Return a run that may be grown; raise UsageError, with a sentence for the visitor, if it may not."""
        question = clean_question(question)
        variant = choose_variant(self.variants, prompt or self.prompt)
        steps = _number("steps", steps, 1, 1, self.settings.max_steps)
        candidates = _number("candidates", candidates, 1, 1, MOST_CANDIDATES)
        numbers = {name: _number(name, value, getattr(DEFAULT_SAMPLING, name)) for name, value in sampling.items()}
        params = SamplingParams(**numbers)
        _number("max_new_tokens", params.max_new_tokens, 1, 1, self.settings.max_new_tokens)
        chain = new_chain(question, method, variant, length=steps, candidates=candidates, seed=params.seed)
        check_fit(self.engine, [chain], params)
        return Run((chain,), params, self.engine.model_id, self.engine.adapter_id, self.engine.name)


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
