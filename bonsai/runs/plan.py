"""Plans: all that decides what the texts of a run are, as one value that is saved, loaded and compared."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from bonsai.chains.chain import Chain
from bonsai.chains.prompts import PromptVariant
from bonsai.engines.base import SamplingParams
from bonsai.runs.grid import Grid
from bonsai.runs.json_values import as_json
from bonsai.runs.run import Run

_GRID_NAMES = {"length": "steps", "stop_without_progress": "stop without progress"}


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
        return self.grid.chains(self.model)

    def run(self, chains: Sequence[Chain]) -> Run:
        """Return the run of this plan with its chains as they stand now."""
        return Run(chains, self.sampling, self.model, self.adapter, self.engine, self.measure)

    def differences(self, other: "Plan") -> list[str]:
        """Return a sentence part for each setting that is another one in `other`: "seed: 1, now 2"."""
        found = []
        for name in ("model", "adapter", "engine", "measure"):
            found += _changed(name, getattr(self, name), getattr(other, name))
        for item in fields(SamplingParams):
            if item.name != "seed":
                found += _changed(item.name, getattr(self.sampling, item.name), getattr(other.sampling, item.name))
        ours, theirs = self.grid, other.grid
        found += _changed_questions(ours.questions, theirs.questions)
        found += _changed_prompts(ours.prompts, theirs.prompts)
        for item in fields(Grid):
            if item.name not in ("questions", "prompts"):
                name = _GRID_NAMES.get(item.name, item.name)
                found += _changed(name, getattr(ours, item.name), getattr(theirs, item.name))
        return found


def to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as an object for JSON, which `from_json` turns back into an equal plan."""
    return as_json(plan)


def from_json(data: Mapping[str, Any]) -> Plan:
    """Return the plan in an object.

    Raises KeyError, TypeError or ValueError if it is none, and UsageError if it is one that cannot be.
    """
    grid = data["grid"]
    prompts = tuple(PromptVariant(**{**item, "stop": tuple(item["stop"])}) for item in grid["prompts"])
    axes = {name: tuple(grid[name]) for name in ("questions", "methods", "adapters", "seeds")}
    sampling = SamplingParams(**{**data["sampling"], "stop": tuple(data["sampling"]["stop"])})
    return Plan(**{**data, "grid": Grid(**{**grid, **axes, "prompts": prompts}), "sampling": sampling})


def infer_plan(run: Run) -> Plan | None:
    """Return the plan whose chains a run holds, all of them and in their order; None if it is no such run."""
    if not run.chains:
        return None
    first = run.chains[0]
    found: dict[str, dict[Any, None]] = {name: {} for name in ("questions", "prompts", "methods", "adapters")}
    for chain in run.chains:
        _, adapter = run.answered_by(chain)
        values = chain.steps[0].question, chain.prompt.name, chain.method, adapter
        for name, value in zip(found, values, strict=True):
            found[name][value] = None
    together = math.prod(len(found[name]) for name in ("prompts", "methods", "adapters"))
    grid = Grid(
        tuple(found["questions"]),
        tuple({chain.prompt.name: chain.prompt for chain in run.chains}.values()),
        tuple(found["methods"]),
        tuple(found["adapters"]),
        _seeds(run, together, len(found["questions"])),
        max(chain.length for chain in run.chains),
        first.candidates,
        first.guarded,
        first.stop_without_progress,
    )
    plan = Plan(grid, run.sampling, run.model, run.adapter, run.engine, run.measure)
    same = len(grid) == len(run.chains) and all(map(_begins_as, run.chains, plan.chains()))
    return plan if same else None


def _seeds(run: Run, together: int, questions: int) -> tuple[int, ...]:
    """Return the seeds of a run whose chains are `together` for each question and seed: of most, where they differ."""
    repeats = max(1, len(run.chains) // (together * questions))
    seen = [Counter[int]() for _ in range(repeats)]
    for place, chain in enumerate(run.chains):
        seen[place // together % repeats][chain.seed] += 1
    return tuple(counts.most_common(1)[0][0] for counts in seen)


def _begins_as(chain: Chain, planned: Chain) -> bool:
    return (chain.steps[0].question, _settings(chain)) == (planned.steps[0].question, _settings(planned))


def _settings(chain: Chain) -> tuple[object, ...]:
    """Return what a plan decides of a chain; its seed alone may be another one, if it was asked again."""
    others = ("steps", "stop_reason", "seed")
    return tuple(getattr(chain, item.name) for item in fields(Chain) if item.name not in others)


def _changed(name: str, before: object, now: object) -> list[str]:
    return [] if before == now else [f"{name.replace('_', ' ')}: {_shown(before)}, now {_shown(now)}"]


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
        return _changed("prompt variants", names, new_names)
    return [
        f"prompt variant {one.name}: another {', '.join(parts)}"
        for one, other in zip(before, now, strict=True)
        if (parts := [item.name for item in fields(one) if getattr(one, item.name) != getattr(other, item.name)])
    ]
