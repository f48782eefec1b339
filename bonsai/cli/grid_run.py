"""What `compare` and `batch` share: run a grid of chains into a journal, report progress, and export the result."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bonsai import engines
from bonsai.chains.advance import advance_each
from bonsai.chains.prompts import load_variants
from bonsai.cli.drawing import check_drawing, draw
from bonsai.cli.opening import chain_values, open_all, with_model
from bonsai.cli.output import FAILED, INTERRUPTED, ProgressLine, say, say_each
from bonsai.engines.base import Engine
from bonsai.measures.similarity import Measure
from bonsai.runs.journal import Journal, begin_journal, resume_journal
from bonsai.runs.journal.progress import Progress, duration, record
from bonsai.runs.plan import Plan
from bonsai.runs.requests import GridRequest
from bonsai.settings import Settings

_MAX_FAILURES_NAMED = 10


def run_grid(options: argparse.Namespace, settings: Settings, questions: Sequence[str], methods: Sequence[str]) -> int:
    """Ask all questions as the options say, draw the run, and return the exit code."""
    settings = with_model(options, settings)
    variants = load_variants(settings.prompts)
    request = GridRequest.of(
        questions=questions,
        prompts=options.prompt or [settings.prompt],
        methods=methods,
        with_adapter=(True, False) if options.with_and_without_adapter else (True,),
        repeats=options.repeats,
        **chain_values(options),
    )
    request.check(variants)
    check_drawing(options, request.axes)
    engine, measure = open_all(settings)
    base_engine = engines.open_base_engine(settings, engine) if options.with_and_without_adapter else None
    plan = request.resolve(engine, measure, variants)
    with _journal(options, plan) as journal:
        code = _advance(journal, engine, base_engine, measure)
        _say_end(journal, code, options.journal)
        say_each(engine.notes)
        draw(journal.run, options, options.journal)
    return code


@contextmanager
def _journal(options: argparse.Namespace, plan: Plan) -> Iterator[Journal]:
    """Give the journal that the options name, or one in a folder that lasts as long as the run."""
    if options.journal is None:
        with tempfile.TemporaryDirectory() as folder:
            yield begin_journal(Path(folder) / "journal.jsonl", plan)
    elif options.resume:
        yield _resumed(options, plan)
    else:
        yield begin_journal(options.journal, plan)


def _resumed(options: argparse.Namespace, plan: Plan) -> Journal:
    """Return the journal that the options name, about to go on."""
    journal = resume_journal(options.journal, plan)
    say(f"{options.journal}: {journal.finished:,} of {len(journal):,} chains are finished, {journal.steps:,} steps.")
    if options.retry_failed:
        journal.reopen(journal.failed)
    return journal


def _advance(journal: Journal, engine: Engine, base_engine: Engine | None, measure: Measure) -> int:
    """Let the chains of the journal go on to their end, and return the exit code."""
    growing = advance_each(engine, journal.unfinished(), journal.plan.sampling, measure, base_engine)
    try:
        with ProgressLine() as line:
            for progress in record(journal, growing, engine, base_engine):
                if progress.finished == progress.chains:
                    line.keep(_sentence(progress))
                elif progress.kept:
                    line.show(_sentence(progress))
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED if journal.failed else 0


def _sentence(progress: Progress) -> str:
    """Return how far a run is: "3 of 8 chains, 12 s, about 20 s to go, 1 failed"."""
    parts = [f"{progress.finished:,} of {progress.chains:,} chains", f"{duration(progress.seconds)}"]
    if progress.expected and progress.finished < progress.chains:
        parts.append(f"about {duration(progress.expected)} to go")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ", ".join(parts)


def _say_end(journal: Journal, code: int, file: Path | None) -> None:
    """Say what is left and what failed."""
    if code == INTERRUPTED:
        more = f"; go on with --journal {file} --resume" if file else ""
        say(f"bonsai: interrupted after {journal.finished:,} of {len(journal):,} chains{more}")
    failed = journal.failed
    for number in failed[:_MAX_FAILURES_NAMED]:
        chain = journal[number - 1]
        say(f"bonsai: chain {number} ({chain.questions[0]!r}, {chain.prompt.name}): {chain.error}")
    if len(failed) > _MAX_FAILURES_NAMED:
        say(f"bonsai: and {len(failed) - _MAX_FAILURES_NAMED:,} more chains failed")
