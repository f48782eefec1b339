"""The parser of the command line; nothing heavy is imported here, so that `--help` answers at once."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import NoReturn

from bonsai import __version__
from bonsai.cli.output import WRONG_USAGE
from bonsai.cli.parser.asking import ask, batch, compare, judge, prompts, score, show
from bonsai.cli.parser.offline_work import bench, evaluate, merge, train


class _SentenceParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with a sentence and the exit code of wrong usage; the whole usage is a --help away."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message}. See {self.prog} --help.\n")


def parser() -> ArgumentParser:
    """Return the parser of the command line; what it parses has the name of a command in `command`."""
    top = _SentenceParser(
        prog="bonsai", description="Grow better questions: Reasoning, answer, next question, step by step."
    )
    top.add_argument("--version", action="version", version=f"bonsai {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (add_options, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        command.set_defaults(command=name)
        add_options(command)
    return top


def _serve(command: ArgumentParser) -> None:
    command.add_argument("--host", help="default: GRADIO_SERVER_NAME or 127.0.0.1; 0.0.0.0 lets other machines in")
    command.add_argument("--port", type=int, help="default: GRADIO_SERVER_PORT or 7860")


_COMMANDS: dict[str, tuple[Callable[[ArgumentParser], None], str]] = {
    "ask": (ask, "ask a question and print the table of its steps"),
    "compare": (compare, "ask with several prompt variants and print them side by side"),
    "batch": (batch, "ask a whole list of questions"),
    "show": (show, "draw a saved run again"),
    "judge": (judge, "say which answers of a saved run are better or good, names hidden"),
    "score": (score, "measure and flag the steps of chains made elsewhere"),
    "prompts": (prompts, "list and check the prompt variants"),
    "train": (train, "train a LoRA adapter on records or on steps marked good"),
    "evaluate": (evaluate, "measure the faults of chains, with and without an adapter"),
    "merge": (merge, "write a model with its adapter merged, for servers"),
    "bench": (bench, "measure Bonsai beside the usual way of asking a model"),
    "serve": (_serve, "open the page"),
}
