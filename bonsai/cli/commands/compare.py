"""The command `compare`: the same questions with several variants, methods, seeds, with and without the adapter."""

import argparse

from bonsai.cli.grid_run import METHODS, add_axes, run_grid
from bonsai.cli.options import add_chain_options, add_drawing_options, add_model_options
from bonsai.cli.output import check_out
from bonsai.errors import UsageError
from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    command.add_argument("question", metavar="QUESTION", nargs="+", help="one question, or several")
    command.add_argument("--method", action="append", choices=METHODS, help="repeat for several (default: qtq)")
    add_axes(command)
    add_chain_options(command)
    add_model_options(command)
    add_drawing_options(command)
    command.set_defaults(journal=None)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask all questions with everything that is compared, and draw them side by side."""
    from bonsai.runs.question_lists import pasted

    check_out(options.out)
    methods = options.method or ["qtq"]
    several = len(options.prompt or []) > 1 or len(methods) > 1 or options.repeats > 1
    if not (several or options.with_and_without_adapter):
        raise UsageError(
            "There is nothing to compare; name two prompt variants with --prompt, two methods with --method, or give "
            "--repeats or --with-and-without-adapter."
        )
    questions = pasted("\n".join(" ".join(text.split()) for text in options.question), settings.max_questions)
    return run_grid(options, settings, questions.questions, methods)
