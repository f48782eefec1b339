"""The command `batch`: a whole list of questions, kept step by step in a journal if one is named."""

import argparse
from pathlib import Path

from bonsai.cli.grid_run import METHODS, add_axes, run_grid
from bonsai.cli.options import add_chain_options, add_drawing_options, add_model_options
from bonsai.cli.output import check_out, say
from bonsai.errors import UsageError
from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    command.add_argument("file", type=Path, metavar="FILE", help=".csv, .tsv, .jsonl or .txt with a question a line")
    command.add_argument("--column", default="", metavar="NAME", help="column of the questions (default: it is found)")
    command.add_argument("--method", choices=METHODS, default="qtq", help="default: %(default)s")
    add_axes(command)
    add_chain_options(command)
    add_model_options(command)
    journal = command.add_argument_group("journal", "Keep each finished step in a file, and go on with it later.")
    journal.add_argument("--journal", type=Path, metavar="FILE.jsonl", help="where finished steps are kept")
    journal.add_argument("--resume", action="store_true", help="go on with the journal; no finished step is repeated")
    journal.add_argument("--retry-failed", action="store_true", help="when resuming, ask again where a chain failed")
    add_drawing_options(command)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask all questions of the list, and draw the run."""
    from bonsai.runs.question_lists import read_questions

    check_out(options.out)
    if options.resume and options.journal is None:
        raise UsageError("--resume goes on with a journal; name it with --journal FILE.jsonl.")
    if options.retry_failed and not options.resume:
        raise UsageError("--retry-failed is for a run that is resumed; give --resume and --journal too.")
    found = read_questions(options.file, settings.max_questions, options.column)
    for note in found.notes:
        say(f"{options.file}: {note}")
    return run_grid(options, settings, found.questions, [options.method])
