"""The command `batch`: a whole list of questions, kept step by step in a journal if one is named."""

import argparse

from bonsai.cli.drawing import check_out
from bonsai.cli.grid_run import run_grid
from bonsai.cli.output import say_each
from bonsai.errors import UsageError
from bonsai.runs.question_lists import read_questions
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask all questions of the list, and draw the run."""
    check_out(options.out, options.file, options.journal)
    if options.resume and options.journal is None:
        raise UsageError("--resume goes on with a journal; name it with --journal FILE.jsonl.")
    if options.retry_failed and not options.resume:
        raise UsageError("--retry-failed is for a run that is resumed; give --resume and --journal too.")
    found = read_questions(options.file, settings.max_questions, options.column)
    say_each(found.notes, options.file)
    return run_grid(options, settings, found.questions, [options.method])
