"""Grids: every question with every variant, method, adapter and seed, as chains that are made on demand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.prompts import PromptVariant
from bonsai.engines.base import SamplingParams
from bonsai.errors import UsageError

AXES = ("question", "prompt", "method", "adapter", "seed")


@dataclass(frozen=True)
class Grid:
    """What is asked of a model: the values of each axis, and how the chains go on.

    The first of `adapters` is the one that answers as a rule; "" stands for the model alone. Raises UsageError if an
    axis has no value, or one twice, and for chains that cannot be.
    """

    questions: tuple[str, ...]
    prompts: tuple[PromptVariant, ...]
    methods: tuple[str, ...] = ("qtq",)
    adapters: tuple[str, ...] = ("",)
    seeds: tuple[int, ...] = (1,)
    length: int = 1
    candidates: int = 1
    guarded: bool = True
    stop_without_progress: bool = True

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.prompts]
        axes: dict[str, Sequence[object]] = {
            "question": self.questions,
            "prompt variant": names,
            "method": self.methods,
            "adapter": self.adapters,
            "seed": self.seeds,
        }
        for axis, values in axes.items():
            if not values:
                raise UsageError(f"No {axis} is chosen; choose at least one.")
            if len(set(values)) < len(values):
                twice = next(value for value in values if list(values).count(value) > 1)
                raise UsageError(f"The {axis} {twice} is chosen twice; leave one out.")
        for seed in self.seeds:
            SamplingParams(seed=seed)
        for method in self.methods:
            new_chain(self.questions[0], method, self.prompts[0], length=self.length, candidates=self.candidates)

    def __len__(self) -> int:
        """Return the number of chains."""
        return len(self.questions) * len(self.seeds) * len(self.methods) * len(self.prompts) * len(self.adapters)

    def chain(self, number: int, model: str) -> Chain:
        """Return the chain with a number from 1, as it begins; `model` is the one that answers with every adapter.

        Adapters change first, then variants, methods and seeds, and last the questions: what is compared stands
        together.
        """
        rest, adapter = divmod(number - 1, len(self.adapters))
        rest, prompt = divmod(rest, len(self.prompts))
        rest, method = divmod(rest, len(self.methods))
        question, seed = divmod(rest, len(self.seeds))
        chain = new_chain(
            self.questions[question],
            self.methods[method],
            self.prompts[prompt],
            number=number,
            length=self.length,
            candidates=self.candidates,
            seed=self.seeds[seed],
        )
        chain = replace(chain, guarded=self.guarded, stop_without_progress=self.stop_without_progress)
        return replace(chain, model=model, adapter=self.adapters[adapter]) if adapter else chain

    def chains(self, model: str) -> Iterator[Chain]:
        """Yield all chains in the order of their numbers."""
        return (self.chain(number, model) for number in range(1, len(self) + 1))


def seeds_from(seed: int, repeats: int) -> tuple[int, ...]:
    """Return as many seeds as there are repeats, one after the other; raise UsageError for less than one repeat."""
    if repeats < 1:
        raise UsageError(f"The number of repeats is {repeats}; it must be at least 1.")
    return tuple(range(seed, seed + repeats))
