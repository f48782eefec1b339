"""The options of the commands that ask a model, and of those that measure and draw what was answered.

Each command has a function of its name, which adds them to its parser.
"""

from argparse import ArgumentParser
from pathlib import Path

from bonsai.chains.outcomes import Axis, Judgement, Method
from bonsai.cli.parser.shared_options import (
    add_chain_options,
    add_drawing_options,
    add_grid_options,
    add_model_options,
    output_file,
    words,
)


def ask(command: ArgumentParser) -> None:
    add = command.add_argument
    # Defaults are filled in where a run begins: a branch goes on with the values of its own run.
    add("question", metavar="QUESTION", nargs="?")
    add("--method", choices=words(Method), help=f"default: {Method.QTQ}")
    add("--prompt", metavar="NAME", help="prompt variant (see the command prompts)")
    add_chain_options(command)
    add(
        "--test-reasoning",
        action="store_true",
        help="does the answer change more than chance with other texts in place of the Reasoning?",
    )
    branch = command.add_argument_group(
        "branches", "Go on from a step of a saved run, with another question, candidate, variant or seed."
    )
    branch.add_argument("--from", dest="run", type=Path, metavar="RUN.json", help="the run; it is kept whole")
    branch.add_argument("--chain", type=int, metavar="C", help="chain of the run (default: 1)")
    branch.add_argument("--step", type=int, metavar="N", help="step of the chain, which is asked anew")
    branch.add_argument("--candidate", type=int, metavar="K", help="keep the step and ask its candidate K next")
    branch.add_argument(
        "--next", type=int, nargs="?", const=1, metavar="N", help="ask the Nth question not asked yet (the best first)"
    )
    add_model_options(command)
    add_drawing_options(command)


def compare(command: ArgumentParser) -> None:
    add = command.add_argument
    add("question", metavar="QUESTION", nargs="+", help="one question, or several")
    add("--method", action="append", choices=words(Method), help=f"repeat for several (default: {Method.QTQ})")
    add_grid_options(command)
    command.set_defaults(journal=None)


def batch(command: ArgumentParser) -> None:
    add = command.add_argument
    add("file", type=Path, metavar="FILE", help=".csv, .tsv, .xlsx, .json, .jsonl or .txt")
    add("--column", default="", metavar="NAME", help="column of the questions (default: it is found)")
    add("--method", choices=words(Method), default=Method.QTQ, help="default: %(default)s")
    add_grid_options(command)
    journal = command.add_argument_group("journal", "Keep each finished step in a file, and go on with it later.")
    journal.add_argument("--journal", type=Path, metavar="FILE.jsonl", help="where finished steps are kept")
    journal.add_argument("--resume", action="store_true", help="go on with the journal; no finished step is repeated")
    journal.add_argument("--retry-failed", action="store_true", help="when resuming, ask again where a chain failed")


def show(command: ArgumentParser) -> None:
    command.add_argument("run", type=Path, metavar="RUN.json", help="a saved run, or the journal of one")
    add_drawing_options(command)


def score(command: ArgumentParser) -> None:
    add = command.add_argument
    add("file", type=Path, metavar="FILE", help="CSV or Excel, columns chain and question, and answer if there is one")
    add("--out", type=output_file, metavar="FILE", help="a .csv or .xlsx file, instead of stdout")


def judge(command: ArgumentParser) -> None:
    add = command.add_argument
    add("run", type=Path, metavar="RUN.json", help="a saved run, or the journal of one; it is changed")
    add("--columns", choices=words(Axis), default="", help="between what pairs are judged (default: what varies)")
    step = command.add_argument_group("one step", "Say what you think of a step, instead of judging pairs blind.")
    step.add_argument("--chain", type=int, metavar="C", help="its chain (default: 1)")
    step.add_argument("--step", type=int, metavar="N", help="its number in the chain")
    step.add_argument(
        "--verdict", choices=words(Judgement), help="good or bad; with --beside better, worse or tie; none takes back"
    )
    step.add_argument("--reason", default="", metavar="TEXT", help="why")
    step.add_argument("--beside", type=int, default=0, metavar="C", help="the chain to whose step it is compared")


def prompts(command: ArgumentParser) -> None:
    """Add no options: there are none."""
