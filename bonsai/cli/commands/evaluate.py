"""The command `evaluate`: the faults of chains as figures, with and without adapters."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bonsai import engines
from bonsai.chains.outcomes import Method
from bonsai.chains.prompts import load_variants
from bonsai.cli.drawing import check_out, write
from bonsai.cli.output import FAILED, INTERRUPTED, ProgressLine, say, say_each
from bonsai.engines.base import Engine
from bonsai.errors import RunFileError, UsageError
from bonsai.lab.evaluation.blind import read_judged, write_sheet
from bonsai.lab.evaluation.questions import FACTS, QUESTIONS, read_facts
from bonsai.lab.evaluation.report import BLIND, blind_section, report, with_section
from bonsai.lab.evaluation.running import Evaluation, Results, evaluate
from bonsai.lab.evaluation.systems import ALONE, check_adapters, ways
from bonsai.measures.opening import open_measure
from bonsai.runs.limits import check_count
from bonsai.runs.question_lists import read_questions
from bonsai.runs.requests import GridRequest
from bonsai.settings import NO_ADAPTER, Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the evaluation and write its report, or add what a filled blind sheet says to a report."""
    if options.out == Path("-"):
        raise UsageError("--out is the file of the report, beside which its journals are kept; name one instead of -.")
    facts = Path(options.facts) if options.facts else None
    check_out(options.out, options.questions, facts, options.judged)
    if options.judged:
        return _add_judged(options)
    settings = replace(settings, model=options.model or settings.model)
    evaluation = _evaluation(options, settings)
    sheet = _sheet(options)
    if sheet:
        _check_compared(settings, evaluation.adapters)
    try:
        with ProgressLine() as line:
            results = evaluate(evaluation, lambda adapter: _open(settings, adapter), line.show, options.resume)
    except KeyboardInterrupt:
        say("bonsai: interrupted; give the same command with --resume to go on")
        return INTERRUPTED
    say(f"{len(evaluation.request.questions):,} questions, {sum(map(len, results.observed.values()))} systems")
    write([report(evaluation, results, _command())], options.out)
    if sheet:
        _write_sheet(sheet, options.blind, results)
    if results.failed:
        say(f"bonsai: {results.failed:,} chains failed; --resume asks for them again")
    return FAILED if results.failed else 0


def _evaluation(options: argparse.Namespace, settings: Settings) -> Evaluation:
    found = read_questions(options.questions or QUESTIONS, settings.max_questions)
    say_each(found.notes, options.questions)
    facts = [] if options.facts == "none" else read_facts(Path(options.facts) if options.facts else FACTS)
    adapters = options.adapter or [settings.adapter]
    check_adapters([adapter for adapter in adapters if options.adapter])
    if options.limit is not None:
        check_count("--limit", options.limit)
    prompts = options.prompt or [settings.prompt]
    questions = found.questions[: options.limit]
    request = GridRequest.of(questions=questions, prompts=prompts, steps=options.steps, seed=options.seed)
    evaluation = Evaluation(
        request,
        ways(prompts, list(map(Method, options.methods)), [guard == "on" for guard in options.guard], options.moves),
        adapters,
        facts[: options.limit],
        options.journal or options.out.with_suffix(".journal"),
        load_variants(settings.prompts),
        lambda: open_measure(settings),
        options.questions.name if options.questions else "",
    )
    evaluation.check()
    return evaluation


def _open(settings: Settings, adapter: str) -> Engine:
    return engines.open_engine(replace(settings, adapter=adapter))


def _sheet(options: argparse.Namespace) -> Path | None:
    """Return where the blind sheet goes, None if none is asked for; raise UsageError if one is there already."""
    if options.blind is None:
        return None
    check_count("--blind", options.blind)
    sheet: Path = options.out.with_suffix(".blind.csv")
    if sheet.exists():
        raise UsageError("{file} is there already, perhaps with marks; move it, then ask again.", file=sheet)
    return sheet


def _check_compared(settings: Settings, adapters: Sequence[str]) -> None:
    """Raise UsageError if no adapter would answer beside the model alone."""
    # Whether a model has an adapter of its own is known when it is open; without one all would be asked in vain.
    if set(adapters) <= {"", NO_ADAPTER} and not _open(settings, adapters[0]).info.adapter_id:
        raise UsageError("--blind compares an adapter with the model alone; give --adapter.")


def _write_sheet(sheet: Path, pairs: int, results: Results) -> None:
    alone, adapter = (results.observed[name][0].chains for name in (ALONE, results.subject))
    write_sheet(sheet, pairs, alone, adapter, (ALONE, results.subject))
    say(f"Written to {sheet}: mark A, B or = in the column better, then give --judged {sheet} --out REPORT.")


def _add_judged(options: argparse.Namespace) -> int:
    wins, unmarked = read_judged(options.judged)
    try:
        text = options.out.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFileError(
            "{file} cannot be read; --judged adds to a report that was made.", file=options.out
        ) from error
    lines = blind_section(wins, unmarked, options.judged.name)
    write([with_section(text, BLIND, lines)], options.out)
    return 0


def _command() -> str:
    """Return the command as it was given, without the folders of this machine."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", "-m", "bonsai", *words])
