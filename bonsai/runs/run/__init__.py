"""Runs: the chains of one click or one command, and their lossless form as JSON."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bonsai.chains.chain import Chain, conclude
from bonsai.chains.step import Step
from bonsai.engines.base import SamplingParams
from bonsai.errors import BonsaiError, Note, RunFileError, UsageError, first_line
from bonsai.measures.similarity import WORDS
from bonsai.runs.json_values import FORMAT, as_json, check_format, from_json, parse
from bonsai.runs.plan import Plan, infer_plan
from bonsai.runs.run.answering import Answering, RunNote
from bonsai.runs.run.consistency import check_consistent
from bonsai.runs.run.verdicts import StepVerdict, by_step, check_step, merged
from bonsai.runs.tables.encodings import DamagedTextError, decode

NOTHING_TO_CONCLUDE = "No chain of this run lacks a conclusion: each has one, or no answer to conclude from."


class StoredChains(Sequence[Chain], ABC):
    """Chains that are kept outside memory and read when they are asked for."""

    @abstractmethod
    def begun(self) -> Iterator[Chain]:
        """Yield the chains as they began, without reading what became of them."""


@dataclass(frozen=True)
class Run:
    """Chains that were started together and the branches that grew from them, what answered, and what measured."""

    chains: Sequence[Chain]
    sampling: SamplingParams
    model: str
    adapter: str
    engine: str
    measure: str = WORDS.name
    plan: Plan | None = None
    """What was planned, if the chains are those of a grid; older files do not say it."""
    verdicts: tuple[StepVerdict, ...] = ()
    """What people say of the steps; see `with_verdicts`."""
    prompt_format: str = ""
    """The name of the form in which the model was prompted; "" in older files, and until a model has answered."""
    notes: tuple[RunNote, ...] = ()
    """What its engine left out or assumed."""

    @classmethod
    def of_plan(cls, plan: Plan, chains: Sequence[Chain], verdicts: tuple[StepVerdict, ...] = ()) -> "Run":
        """Return the run of a plan with its chains as they stand now."""
        return cls(chains, plan.sampling, plan.model, plan.adapter, plan.engine, plan.measure, plan, verdicts)

    def find_plan(self) -> Plan | None:
        """Return the plan whose chains the run has, all of them and in their order; None if it is no such run."""
        plan = self.plan or infer_plan(self.chains, self.sampling, self.model, self.adapter, self.engine, self.measure)
        return plan if plan and plan.fits(self.chains) else None

    @cached_property
    def id(self) -> str:
        """Eight hexadecimal digits that depend on what was asked of what, and not on answers, branches or the time."""
        # Chain by chain: a run may have more of them than should be in memory at a time.
        rest = {**_but_chains(replace(self, verdicts=(), prompt_format="", notes=())), "chains": None}
        before, after = json.dumps(rest, sort_keys=True, ensure_ascii=False).split('"chains": null')
        digest = hashlib.sha256(f'{before}"chains": ['.encode())
        for place, chain in enumerate(self.begun()):
            text = json.dumps(as_json(chain), sort_keys=True, ensure_ascii=False)
            digest.update(f"{', ' if place else ''}{text}".encode())
        digest.update(f"]{after}".encode())
        return digest.hexdigest()[:8]

    def begun(self) -> Iterator[Chain]:
        """Yield the chains that were asked as the run was planned, as they began; stored ones are not read for it."""
        chains = self.chains.begun() if isinstance(self.chains, StoredChains) else self.chains
        for chain in chains:
            if chain.is_root:
                first = Step(1, chain.steps[0].question, "")
                yield replace(chain, steps=(first,), stop_reason="", conclusion=None)

    def answered_by(self, chain: Chain) -> tuple[str, str]:
        """Return the model and the adapter that answer a chain; the adapter is "" for the model alone."""
        return (chain.model, chain.adapter) if chain.model else (self.model, self.adapter)

    def find_step(self, key: str | None) -> tuple[Chain, Step] | None:
        """Return the chain and the finished step that a key of `step_key` names, None if there is no such step."""
        steps = {step_key(chain, step): (chain, step) for chain in self.chains for step in chain.own_steps}
        found = steps.get(key or "")
        return found if found and found[1].finished else None

    def updated(self, chains: Iterable[Chain]) -> "Run":
        """Return the same run with some of its chains as they stand now, found by their numbers."""
        now = {chain.number: chain for chain in chains}
        return self.with_chains(tuple(now.get(chain.number, chain) for chain in self.chains))

    def with_chains(self, chains: Sequence[Chain]) -> "Run":
        """Return the same run with its chains as they stand now."""
        return replace(self, chains=chains)

    def answered(self, new: Answering) -> "Run":
        """Return the same run with what is known of how its texts came about, beside what was known before."""
        known = Answering(self.prompt_format, self.notes).joined(new)
        return replace(self, prompt_format=known.prompt_format, notes=known.notes)

    def with_verdicts(self, new: Iterable[StepVerdict]) -> "Run":
        """Return the same run with what a person says of its steps; of the same step the last verdict counts.

        Of a step that a branch shares the verdict is kept for the chain that it came from. Raises UsageError, naming
        those that there are, if there is no such chain or step.
        """
        chains = {one.number: one for one in self.chains}
        found = []
        for one in new:
            for number in one.chains:
                _step_in(chains, number, one.step)
            owners = {number: _owner(chains, number, one.step) for number in one.chains}
            found.append(replace(one, chain=owners[one.chain], beside=owners.get(one.beside, 0)))
        return replace(self, verdicts=merged(self.verdicts, found))

    @cached_property
    def _verdicts_by_step(self) -> Mapping[tuple[int, int], Sequence[StepVerdict]]:
        return by_step(self.verdicts)

    def verdicts_of(self, chain: Chain, step: Step) -> Sequence[StepVerdict]:
        """Return what is said of a chain's own step, what was said of it alone first."""
        return self._verdicts_by_step.get((chain.number, step.number), ())

    def concluding(self, number: int | None = None) -> "Run":
        """Return the run in which a conclusion is about to be written for a chain, or each that ended without one.

        Raises UsageError if there is no such chain.
        """
        if number is not None:
            return self.updated([conclude(self.step_at(number, 1)[0])])
        chains = [conclude(chain) if chain.lacks_conclusion else chain for chain in self.chains]
        if not any(chain.concluding for chain in chains):
            raise UsageError(NOTHING_TO_CONCLUDE)
        return self.with_chains(tuple(chains))

    def step_at(self, chain: int, step: int) -> tuple[Chain, Step]:
        """Return a chain and one of its finished steps by their numbers, steps that it shares included.

        Raises UsageError, naming those that there are, if there is no such chain or step.
        """
        return _step_in({one.number: one for one in self.chains}, chain, step)


def _step_in(chains: Mapping[int, Chain], chain: int, step: int) -> tuple[Chain, Step]:
    if chain not in chains:
        found = ", ".join(map(str, chains)) or "none"
        raise UsageError("The run has no chain {chain}; there is {found}.", chain=chain, found=found)
    steps = {one.number: one for one in chains[chain].steps if one.finished}
    check_step(chain, step, steps)
    return chains[chain], steps[step]


def _owner(chains: Mapping[int, Chain], number: int, step: int) -> int:
    """Return the number of the chain that has a step as its own: the one itself, or one that it branches from."""
    # A branch has a higher number than its parent; a file that was edited may say otherwise.
    while step <= chains[number].shared and 0 < chains[number].parent < number:
        number = chains[number].parent
    return number


def step_key(chain: Chain, step: Step) -> str:
    """Return the key of a step within its run, as "2.3" for the third step of the second chain."""
    return f"{chain.number}.{step.number}"


def dumps(run: Run) -> str:
    """Return the run as JSON text that `loads` turns back into an equal run."""
    before, after = json_frame(run)
    return before + ",".join(map(chain_json, run.chains)) + after


def json_frame(run: Run, more: Mapping[str, Any] | None = None) -> tuple[str, str]:
    """Return the JSON text of a run before its chains, and after them; `more` is told in it, and not read again."""
    before = json.dumps({"format": FORMAT, "run": run.id}, indent=2)
    plan = {"plan": as_json(run.plan)} if run.plan else {}
    after = json.dumps({**_but_chains(run), **plan, **(more or {})}, ensure_ascii=False, indent=2)
    return before.removesuffix("\n}") + ',\n  "chains": [', "\n  ]," + after.removeprefix("{") + "\n"


def chain_json(chain: Chain) -> str:
    """Return the JSON text of a chain of a run; those of several are separated by commas."""
    return "\n    " + json.dumps(as_json(chain), ensure_ascii=False, indent=2).replace("\n", "\n    ")


def loads(text: str, source: str = "This file") -> Run:
    """Return the run in JSON `text`; raise RunFileError, naming `source`, if it is not a saved run."""
    try:
        data = parse(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise RunFileError(
            "{file} is not JSON ({reason}); open a run saved with --format json.", file=source, reason=first_line(error)
        ) from error
    if not isinstance(data, dict) or "format" not in data:
        missing = RunFileError("The key {key!r} is missing in {where}.", key="format", where=Note("the file"))
        raise RunFileError("{file} is not a saved run. {reason}", file=source, reason=missing)
    check_format(data, source)
    try:
        # What else is in the file is told in it, and not read again.
        run = from_json(Run, {item.name: data[item.name] for item in fields(Run) if item.name in data})
        check_consistent(run.chains)
        run = replace(run, verdicts=()).with_verdicts(run.verdicts)
    except BonsaiError as error:
        raise RunFileError("{file} is not a saved run. {reason}", file=source, reason=error) from error
    return run.with_chains(tuple(run.chains))


def read_run(file: Path) -> Run:
    """Return the run saved in `file`, in whatever encoding; raise RunFileError if it cannot be read."""
    try:
        found = decode(file.read_bytes())
    except OSError as error:
        raise RunFileError("{file} cannot be read: {reason}.", file=file, reason=error.strerror) from error
    except DamagedTextError as error:
        raise RunFileError(
            "{file} is {encoding} in which bytes are damaged or missing, first in line {line}.",
            file=file,
            encoding=error.encoding,
            line=error.line,
        ) from error
    if found is None:
        raise RunFileError("{file} is not text; open a run saved with --format json.", file=file)
    return loads(found.text, str(file))


def _but_chains(run: Run) -> dict[str, Any]:
    """Return the fields of a run without its chains, and without what these say too: the plan."""
    data = as_json(replace(run, chains=(), plan=None))
    del data["chains"], data["plan"]
    return data
