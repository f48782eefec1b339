"""The command `compare`: the same questions with several variants, methods, seeds, with and without the adapter."""

import argparse

from bonsai.chains.outcomes import Method
from bonsai.cli.drawing import check_out
from bonsai.cli.grid_run import run_grid
from bonsai.errors import UsageError
from bonsai.runs.question_lists import asked
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask all questions with everything that is compared, and draw them side by side."""
    check_out(options.out)
    methods = options.method or [Method.QTQ]
    several = len(options.prompt or []) > 1 or len(methods) > 1 or options.repeats > 1
    if not (several or options.with_and_without_adapter or options.repeats < 1):
        raise UsageError(
            "There is nothing to compare; name two prompt variants with --prompt, two methods with --method, or give "
            "--repeats or --with-and-without-adapter."
        )
    return run_grid(options, settings, asked(options.question, settings.max_questions), methods)
