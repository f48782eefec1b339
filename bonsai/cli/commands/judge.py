"""The command `judge`: what a person says of a saved run's steps, one by one, or of pairs without names."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from bonsai.cli.drawing import check_out, write
from bonsai.cli.output import say
from bonsai.errors import RunFileError, UsageError
from bonsai.reports.comparison import columns_axis, side_by_side, values
from bonsai.reports.comparison.blind import MARKS, BlindPair, blind_pairs
from bonsai.reports.exports import export
from bonsai.reports.formats import Format
from bonsai.reports.report import Report, ReportOptions
from bonsai.reports.statistics import tables
from bonsai.runs.journal import Journal, read_saved
from bonsai.runs.run import Run
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.runs.tables.output_files import write_whole
from bonsai.settings import Settings

_ASKED = "Which is better? 1, 2, or 0 where neither is; an empty line ends: "


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Keep a verdict in the file of the run, or ask for verdicts on its pairs and print how its columns fared."""
    check_out(options.run)
    saved = read_saved(options.run)
    if options.step is not None:
        if options.verdict is None:
            raise UsageError("--step names what is judged; say what you think of it with --verdict.")
        if options.columns:
            raise UsageError("--columns says between what pairs are judged; leave it out, or --step.")
        chain = 1 if options.chain is None else options.chain
        said = StepVerdict.of(chain, options.step, options.verdict, options.reason, options.beside)
        _keep(options.run, saved, [said])
        say(f"Kept in {options.run}.")
        return 0
    if options.chain is not None or options.verdict is not None or options.reason or options.beside:
        raise UsageError("--chain, --verdict, --reason and --beside are of one step; name it with --step.")
    axis = options.columns or columns_axis(values(saved))
    if not axis:
        raise UsageError("This run has but one column, so it has no pairs; judge a step of it with --step.")
    _print_wins(_judge_pairs(options.run, saved, axis), axis)
    return 0


def _judge_pairs(file: Path, run: Run, axis: str) -> Run:
    """Show the pairs that nobody judged yet, one by one, and keep each mark; return the run with the verdicts."""
    pairs = blind_pairs(run, side_by_side(run, axis))
    if not pairs:
        say("No pair with two different answers is left to judge.")
    for place, pair in enumerate(pairs, start=1):
        mark = _mark(pair, f"{place} of {len(pairs)}")
        if not mark:
            break
        run = _keep(file, run, [pair.verdict(mark)])
    return run


def _mark(pair: BlindPair, place: str) -> str:
    """Show a pair without names and return its mark, "" if the person ends here."""
    asked = dict.fromkeys((pair.first.step.question, pair.second.step.question))
    say("\n".join(["", f"{place}: {' / '.join(asked)}"]))
    for name, entry in (("1", pair.first), ("2", pair.second)):
        say(f"\n[{name}] {entry.step.answer}")
    if sys.stdin is None:
        raise RunFileError("Stdin cannot be read: {reason}.", reason="it is closed")
    while True:
        say(_ASKED, end="")
        line = sys.stdin.readline()
        # What is typed ends a line by itself; what is piped does not.
        if not sys.stdin.isatty():
            say("")
        if line.strip() in ("", *MARKS):
            return line.strip()


def _keep(file: Path, run: Run, verdicts: Iterable[StepVerdict]) -> Run:
    """Return the run with more verdicts, which its file holds by then too."""
    if isinstance(run.chains, Journal):
        run.chains.judge(verdicts)
        return run.chains.run
    run = run.with_verdicts(verdicts)
    write_whole(file, export(run, Format.JSON))
    return run


def _print_wins(run: Run, axis: str) -> None:
    statistics = Report.of(run, ReportOptions(axis=axis)).statistics
    if statistics and statistics.wins:
        write(["\n".join([*tables(statistics)[0].markdown(), ""])], None)
