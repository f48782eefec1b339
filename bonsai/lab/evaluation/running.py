"""Running an evaluation: every system's chains, plain questions and controls, kept in journals that can be resumed."""

import gc
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bonsai.chains.advance import advance_each
from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import Role
from bonsai.chains.prompts import PromptVariant
from bonsai.engines.base import Engine, EngineInfo
from bonsai.errors import RunFileError, UsageError
from bonsai.lab.evaluation.figures.counts import Observation
from bonsai.lab.evaluation.questions import Fact
from bonsai.lab.evaluation.reasoning_use import Controls, answered_controls, read_controls
from bonsai.lab.evaluation.systems import ALONE, Way, file_name, request_of, short_name, table_names
from bonsai.machine import allowed_cores
from bonsai.measures.similarity import Measure
from bonsai.runs.journal import Journal, resume_journal
from bonsai.runs.journal.progress import duration
from bonsai.runs.plan import Plan
from bonsai.runs.requests import GridRequest
from bonsai.settings import NO_ADAPTER

OpenEngine = Callable[[str], Engine]
"""Opens the model with an adapter as it was given, or with none for NO_ADAPTER."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """What is asked of a model with each adapter, and where it is kept."""

    request: GridRequest
    """The questions, and how chains go on; prompts and methods stand in `ways`."""
    ways: Sequence[Way]
    adapters: Sequence[str]
    """Hub ids or folders, "" for the adapter that is the model's own; the model alone is asked in any case."""
    facts: Sequence[Fact]
    folder: Path
    """Where the journals are."""
    variants: Mapping[str, PromptVariant]
    open_measure: Callable[[], Measure]
    source: str = ""
    """The file of the questions; "" for the shipped ones."""

    @cached_property
    def measure(self) -> Measure:
        """What compares the questions, opened when it is needed: an engine that is there before limits its threads."""
        return self.open_measure()

    @property
    def facts_request(self) -> GridRequest:
        """What asks for the facts: one answer each, of the likeliest tokens, so that chance has no part in it."""
        sampling = replace(self.request.sampling, temperature=0)
        return replace(self.request, questions=[fact.question for fact in self.facts], sampling=sampling)

    def check(self) -> None:
        """Raise UsageError for what cannot be asked of any model."""
        for way in self.ways:
            request_of(way, self.request).check(self.variants)


@dataclass(frozen=True)
class Observed:
    """What was seen of one system."""

    way: Way
    chains: tuple[Observation, ...]
    """One a question, in the order of the questions."""
    facts: tuple[Observation, ...]


@dataclass(frozen=True)
class Results:
    """What was seen of all systems: by the names of the adapters in the report, the model alone first."""

    observed: Mapping[str, Sequence[Observed]]
    infos: Mapping[str, EngineInfo]
    """What answered, by the same names."""
    machine: str

    @property
    def subject(self) -> str:
        """The name of the first adapter, or else that of the model alone."""
        return list(self.observed)[:2][-1]

    @property
    def failed(self) -> int:
        """The number of chains that ended with an error."""
        every = (seen for systems in self.observed.values() for seen in systems)
        return sum(bool(one.chain.steps[-1].error) for seen in every for one in (*seen.chains, *seen.facts))


def evaluate(evaluation: Evaluation, open_engine: OpenEngine, say: Say, resume: bool) -> Results:
    """Run what is not in the journals yet, and return what was seen; `say` is told how far it is.

    With `resume` the journals are gone on with, and chains that failed are asked for again. Raises UsageError if there
    are journals and `resume` is not said, or if they are of other settings, and EngineError if a model cannot be
    loaded.
    """
    _open_folder(evaluation.folder, resume)
    seen: dict[str, list[Observed]] = {}
    infos: dict[str, EngineInfo] = {}
    for adapter in dict.fromkeys((NO_ADAPTER, *evaluation.adapters)):
        say("Opening the model alone." if adapter == NO_ADAPTER else f"Opening the model with {short_name(adapter)}.")
        engine = open_engine(adapter)
        if adapter == "" and not engine.info.adapter_id:
            say("The model has no adapter of its own, so that it is evaluated alone.")
            continue
        if bool(engine.info.adapter_id) != (adapter != NO_ADAPTER):
            raise UsageError(
                "The engine {engine} does not answer with the adapter {adapter}, so there is nothing to compare.",
                engine=engine.info.name,
                adapter=adapter,
            )
        infos[adapter] = engine.info
        seen[adapter] = _Adapter(evaluation, engine, say).observe()
        # The next model may not fit beside it.
        del engine
        gc.collect()
    names = table_names({adapter: info.adapter_id for adapter, info in infos.items()})
    return Results(
        {names[adapter]: found for adapter, found in seen.items()},
        {names[adapter]: info for adapter, info in infos.items()},
        _machine(),
    )


def _open_folder(folder: Path, resume: bool) -> None:
    if not resume and folder.exists() and any(folder.iterdir()):
        raise UsageError(
            "The journals in {folder} are of an evaluation that was begun before; go on with it by --resume, or choose "
            "another folder with --journal.",
            folder=folder,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFileError("{folder} cannot be made: {reason}.", folder=folder, reason=error.strerror) from error


class _Adapter:
    """The model with one adapter or none, and all that is asked of it."""

    def __init__(self, evaluation: Evaluation, engine: Engine, say: Say) -> None:
        self._evaluation, self._engine, self._say = evaluation, engine, say
        self._name = file_name(engine.info.adapter_id)

    def observe(self) -> list[Observed]:
        """Return what is seen of each way of asking, when all is written."""
        chains = {way: self._journal(way, self._evaluation.request) for way in self._evaluation.ways}
        of_facts = dict.fromkeys(way.of_facts for way in self._evaluation.ways) if self._evaluation.facts else ()
        facts = {way: self._journal(way, self._evaluation.facts_request, "-facts") for way in of_facts}
        self._grow("chains", list(chains.values()))
        self._grow("plain questions", list(facts.values()))
        controls = {way: self._controls(way, journal) for way, journal in chains.items()}
        patterns = [fact.pattern for fact in self._evaluation.facts]
        return [
            Observed(
                way,
                tuple(Observation(chain, controls[way]) for chain in journal),
                tuple(
                    Observation(chain, fact=pattern)
                    for chain, pattern in zip(facts.get(way.of_facts, ()), patterns, strict=True)
                ),
            )
            for way, journal in chains.items()
        ]

    def _file(self, way: Way, ending: str) -> Path:
        return self._evaluation.folder / f"{self._name}-{way.file_name}{ending}"

    def _plan(self, way: Way, request: GridRequest) -> Plan:
        evaluation = self._evaluation
        return request_of(way, request).resolve(self._engine, evaluation.measure, evaluation.variants)

    def _journal(self, way: Way, request: GridRequest, kind: str = "") -> Journal:
        journal = resume_journal(self._file(way, f"{kind}.jsonl"), self._plan(way, request))
        journal.reopen(journal.failed)
        return journal

    def _grow(self, what: str, journals: Sequence[Journal]) -> None:
        """Let the chains of all journals grow together to their end; they are drawn alike."""
        owners: list[Journal] = []

        def unfinished() -> Iterator[Chain]:
            for journal in journals:
                for chain in journal.unfinished():
                    owners.append(journal)
                    yield chain

        if not journals:
            return
        sampling, every, began = journals[0].plan.sampling, sum(map(len, journals)), time.monotonic()

        def chains_done() -> float:
            return sum(journal.done * len(journal) for journal in journals)

        before = chains_done()
        with ExitStack() as held:
            for journal in journals:
                held.enter_context(journal.writing())
            growing = advance_each(self._engine, unfinished(), sampling, self._evaluation.measure)
            held.enter_context(closing(growing))
            for place, chain in growing:
                if owners[place].append(chain):
                    seconds, done = time.monotonic() - began, chains_done()
                    to_go = seconds * (every - done) / (done - before) if done > before else 0
                    finished = sum(journal.finished for journal in journals)
                    self._tell(f"{finished:,} of {every:,} {what}, {duration(seconds)}, about {duration(to_go)} to go")

    def _controls(self, way: Way, journal: Journal) -> Controls:
        if Role.REASONING not in way.method.roles:
            return {}
        file = self._file(way, ".controls.jsonl")
        for done, every in answered_controls(self._engine, list(journal), journal.plan.sampling, file):
            self._tell(f"{done:,} of {every:,} controls, {way}")
        return read_controls(file)

    def _tell(self, text: str) -> None:
        self._say(f"{self._engine.info.adapter_id or ALONE}: {text}")


def _machine() -> str:
    """Return the machine in words."""
    return f"{platform.system()} on {platform.machine()}, {allowed_cores()} cores, Python {platform.python_version()}"
