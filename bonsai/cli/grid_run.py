"""What `compare` and `batch` share: a grid of chains grows into a journal, is told as it goes on, and is drawn."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bonsai.cli.options import CANDIDATES, STEPS, open_all, or_default, sampling_of, with_model
from bonsai.cli.output import FAILED, INTERRUPTED, draw, say
from bonsai.settings import Settings

if TYPE_CHECKING:
    from bonsai.chains.prompts import PromptVariant
    from bonsai.engines.base import Engine
    from bonsai.measures.similarity import Measure
    from bonsai.runs.grid import Grid
    from bonsai.runs.journal import Journal
    from bonsai.runs.plan import Plan
    from bonsai.runs.progress import Progress

METHODS = ("single", "two-step", "qtq")
_SECONDS_BETWEEN = 2.0
_MAX_TOLD = 10


def add_axes(command: argparse.ArgumentParser) -> None:
    """Add the axes of a grid but for its questions and methods."""
    command.add_argument(
        "--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several (see the command prompts)"
    )
    command.add_argument("--repeats", type=int, default=1, metavar="N", help="seeds to ask with (default: %(default)s)")
    command.add_argument(
        "--with-and-without-adapter", action="store_true", help="ask the model without its adapter too"
    )


def run_grid(options: argparse.Namespace, settings: Settings, questions: Sequence[str], methods: Sequence[str]) -> int:
    """Ask all questions with all that the options name, draw the run, and return the exit code."""
    from bonsai.chains.prompts import choose_variant, load_variants
    from bonsai.engines import open_base_engine
    from bonsai.runs.plan import Plan

    settings = with_model(options, settings)
    variants = load_variants(settings.prompts)
    chosen = [choose_variant(variants, name) for name in options.prompt or [settings.prompt]]
    sampling = sampling_of(options)
    # What cannot be asked is said before a model is loaded; only that tells the adapter.
    grid = _grid(options, questions, chosen, methods, sampling.seed)
    engine, measure = open_all(settings)
    base_engine = open_base_engine(settings, engine) if options.with_and_without_adapter else None
    grid = replace(grid, adapters=(engine.info.adapter_id, "") if base_engine else (engine.info.adapter_id,))
    plan = Plan(grid, sampling, engine.info.model_id, engine.info.adapter_id, engine.info.name, measure.name)
    with tempfile.TemporaryDirectory() as folder:
        journal = _journal(options, plan, Path(folder))
        code = _grow(journal, engine, base_engine, measure)
        _tell_end(journal, code, options.journal)
        draw(journal.run, options)
    return code


def _grid(
    options: argparse.Namespace,
    questions: Sequence[str],
    prompts: "Sequence[PromptVariant]",
    methods: Sequence[str],
    seed: int,
) -> "Grid":
    from bonsai.runs.grid import Grid, seeds_from

    return Grid(
        tuple(questions),
        tuple(prompts),
        tuple(methods),
        seeds=seeds_from(seed, options.repeats),
        length=or_default(options.steps, STEPS),
        candidates=or_default(options.candidates, CANDIDATES),
        guarded=not options.no_guard,
        stop_without_progress=not options.keep_going,
    )


def _journal(options: argparse.Namespace, plan: "Plan", folder: Path) -> "Journal":
    """Return the journal that the options name, or one for the time of the run alone."""
    from bonsai.runs.journal import begin_journal, resume_journal

    if options.journal is None:
        return begin_journal(folder / "journal.jsonl", plan)
    if not options.resume:
        return begin_journal(options.journal, plan)
    journal = resume_journal(options.journal, plan)
    say(f"{options.journal}: {journal.finished:,} of {len(journal):,} chains are finished, {journal.steps:,} steps.")
    if options.retry_failed:
        journal.begin_again(journal.failed)
    return journal


def _grow(journal: "Journal", engine: "Engine", base_engine: "Engine | None", measure: "Measure") -> int:
    """Let the chains of the journal grow to their end, and return the exit code."""
    from bonsai.chains.advance import advance_each
    from bonsai.runs.progress import record

    growing = advance_each(engine, journal.unfinished(), journal.plan.sampling, measure, base_engine)
    telling = _Telling()
    try:
        for progress in record(journal, growing):
            telling.tell(progress)
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED if journal.failures else 0


def _tell_end(journal: "Journal", code: int, file: Path | None) -> None:
    """Say what is left and what failed."""
    if code == INTERRUPTED:
        more = f"; go on with --journal {file} --resume" if file else ""
        say(f"bonsai: interrupted after {journal.finished:,} of {len(journal):,} chains{more}")
    for number in journal.failed[:_MAX_TOLD]:
        chain = journal[number - 1]
        say(f"bonsai: chain {number} ({chain.questions[0]!r}, {chain.prompt.name}): {chain.steps[-1].error}")
    if journal.failures > _MAX_TOLD:
        say(f"bonsai: and {journal.failures - _MAX_TOLD:,} more chains failed")


class _Telling:
    """Says on stderr how far a run is: on a terminal in one line that changes, else now and then in a new one."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = 0.0

    def tell(self, progress: "Progress") -> None:
        last = progress.finished == progress.chains
        due = progress.seconds - self._told >= (0.2 if self._terminal else _SECONDS_BETWEEN)
        if not (last or (progress.kept and due)):
            return
        self._told = progress.seconds
        clear, end = ("\r\033[K", "\n" if last else "") if self._terminal else ("", "\n")
        expected = f", about {progress.expected:.0f} s to go" if progress.expected and not last else ""
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        say(
            f"{clear}{progress.finished:,} of {progress.chains:,} chains, {progress.seconds:.0f} s{expected}{failed}",
            end,
        )
