"""Plans: all that decides what the texts of a run are, as one value that is saved, loaded and compared."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from operator import eq

from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.outcomes import Method
from bonsai.chains.prompts import PromptVariant
from bonsai.engines.base import SamplingParams
from bonsai.errors import Note, UsageError

_NAMES = ("question", "prompt variant", "method", "adapter", "seed")
_NAMES_TOLD = {"length": "steps"}


@dataclass(frozen=True)
class Grid:
    """What is asked of a model: the values of each axis, and how the chains go on.

    Raises UsageError if an axis has no value, or one twice, and for chains that cannot be.
    """

    questions: tuple[str, ...]
    prompts: tuple[PromptVariant, ...]
    methods: tuple[Method, ...] = (Method.QTQ,)
    adapters: tuple[str, ...] = ("",)
    """"" is the model alone. The first one is that of the run."""
    seeds: tuple[int, ...] = (1,)
    length: int = 1
    """Steps of a qtq chain at most."""
    candidates: int = 1
    """Next questions that are proposed at a time."""
    guarded: bool = True
    """See `Chain.guarded`."""
    stop_without_progress: bool = True
    """See `Chain.stop_without_progress`."""
    moves: str = ""
    """See `Chain.moves`."""
    concludes: bool = False
    """See `Chain.concludes`."""

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.prompts]
        check_axes(self.questions, names, self.methods, self.adapters, self.seeds)
        for seed in self.seeds:
            SamplingParams(seed=seed)
        for method in self.methods:
            new_chain(self.questions[0], method, self.prompts[0], length=self.length, candidates=self.candidates)

    def __len__(self) -> int:
        """Return the number of chains."""
        return len(self.questions) * len(self.seeds) * len(self.methods) * len(self.prompts) * len(self.adapters)

    def chain(self, number: int, model: str) -> Chain:
        """Return the chain with a number from 1, as it begins; `model` answers with every adapter.

        Numbers go through the adapters first, then through variants, methods and seeds, and last through the questions:
        what is compared stands together.
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
            moves=self.moves,
        )
        return replace(
            chain,
            guarded=self.guarded,
            stop_without_progress=self.stop_without_progress,
            concludes=self.concludes and chain.method == Method.QTQ,
            model=model if adapter else "",
            adapter=self.adapters[adapter] if adapter else "",
        )


def check_axes(*axes: Sequence[object]) -> None:
    """Raise UsageError if one of the axes, in the order of Axis, has no value, or one twice."""
    for axis, values in zip(_NAMES, axes, strict=False):
        if not values:
            raise UsageError("No {axis} is chosen; choose at least one.", axis=Note(axis))
        if len(set(values)) < len(values):
            twice = next(value for value in values if list(values).count(value) > 1)
            raise UsageError("The {axis} {value} is chosen twice; leave one out.", axis=Note(axis), value=twice)


@dataclass(frozen=True)
class Plan:
    """A grid of chains, how their texts are drawn, what answers, and what measures."""

    grid: Grid
    sampling: SamplingParams
    model: str
    adapter: str
    engine: str
    measure: str

    def chains(self) -> Iterator[Chain]:
        """Yield the chains of the grid as they begin, in the order of their numbers."""
        return (self.grid.chain(number, self.model) for number in range(1, len(self.grid) + 1))

    def fits(self, chains: Sequence[Chain]) -> bool:
        """Say whether chains are those of the plan, all of them and in their order, however far they came."""
        return len(self.grid) == len(chains) and all(map(eq, map(_settings, chains), map(_settings, self.chains())))

    def differences(self, other: "Plan") -> list[str]:
        """Return a sentence part for each setting that is another one in `other`: "seed: 1, now 2"."""
        sampling = [item.name for item in fields(SamplingParams) if item.name != "seed"]
        rest = [item.name for item in fields(Grid) if item.name not in ("questions", "prompts")]
        return [
            *_changed(self, other, ("model", "adapter", "engine", "measure")),
            *_changed(self.sampling, other.sampling, sampling),
            *_changed_questions(self.grid.questions, other.grid.questions),
            *_changed_prompts(self.grid.prompts, other.grid.prompts),
            *_changed(self.grid, other.grid, rest),
        ]


def infer_plan(
    chains: Sequence[Chain], sampling: SamplingParams, model: str, adapter: str, engine: str, measure: str
) -> Plan | None:
    """Return the plan that chains could be of, None if there is none: no plan has branches.

    That is for runs that were saved without their plan; whether they are of it, `Plan.fits` tells.
    """
    if not chains or not all(chain.is_root for chain in chains):
        return None
    first = chains[0]
    questions = dict.fromkeys(chain.steps[0].question for chain in chains)
    prompts = {chain.prompt.name: chain.prompt for chain in chains}
    methods = dict.fromkeys(chain.method for chain in chains)
    adapters = dict.fromkeys(chain.adapter if chain.model else adapter for chain in chains)
    together = len(prompts) * len(methods) * len(adapters)
    try:
        grid = Grid(
            tuple(questions),
            tuple(prompts.values()),
            tuple(methods),
            tuple(adapters),
            _seeds(chains, together, len(questions)),
            max(chain.length for chain in chains),
            first.candidates,
            first.guarded,
            first.stop_without_progress,
            first.moves,
            first.concludes,
        )
    except UsageError:
        # Chains of the same, begun one by one, are no grid.
        return None
    return Plan(grid, sampling, model, adapter, engine, measure)


def _seeds(chains: Sequence[Chain], together: int, questions: int) -> tuple[int, ...]:
    """Return the seeds of chains that are `together` for each question and seed: of most, where they differ."""
    repeats = max(1, len(chains) // (together * questions))
    seen = [Counter[int]() for _ in range(repeats)]
    for place, chain in enumerate(chains):
        seen[place // together % repeats][chain.seed] += 1
    return tuple(counts.most_common(1)[0][0] for counts in seen)


def _settings(chain: Chain) -> tuple[object, ...]:
    """Return what a plan decides of a chain; its seed alone may be another one, if it was asked again."""
    others = ("steps", "stop_reason", "seed", "conclusion")
    return chain.steps[0].question, *(getattr(chain, item.name) for item in fields(Chain) if item.name not in others)


def _changed(before: object, now: object, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        one, other = getattr(before, name), getattr(now, name)
        if not _same(one, other):
            yield f"{_NAMES_TOLD.get(name, name).replace('_', ' ')}: {_shown(one)}, now {_shown(other)}"


def _same(one: object, other: object) -> bool:
    """Say whether two values are the same; names also if they are of one folder, or would be: ./m and m."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if one and other and isinstance(one, str) and isinstance(other, str):
        return os.path.realpath(one) == os.path.realpath(other)
    return one == other


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_shown, value))
    return str(value) or "none"


def _changed_questions(before: Sequence[str], now: Sequence[str]) -> list[str]:
    if before == now:
        return []
    place = next((at for at, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]), None)
    if place is None:
        return [f"questions: {len(before):,}, now {len(now):,}"]
    return [
        f"question {place + 1}: {before[place]!r}, now {now[place]!r} ({len(before):,} questions, now {len(now):,})"
    ]


def _changed_prompts(before: Sequence[PromptVariant], now: Sequence[PromptVariant]) -> list[str]:
    names, new_names = tuple(one.name for one in before), tuple(one.name for one in now)
    if names != new_names:
        return [f"prompt variants: {_shown(names)}, now {_shown(new_names)}"]
    return [
        f"prompt variant {one.name}: another {', '.join(parts)}"
        for one, other in zip(before, now, strict=True)
        if (parts := [item.name for item in fields(one) if getattr(one, item.name) != getattr(other, item.name)])
    ]
