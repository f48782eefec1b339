"""The command line: one subcommand per job; tables go to stdout, everything else to stderr."""

import argparse
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn

from bonsai import __version__
from bonsai.cli.commands import ask, batch, bench, compare, merge, prompts, score, serve, show, train
from bonsai.cli.output import FAILED, INTERRUPTED, WRONG_USAGE, say
from bonsai.errors import BonsaiError, UsageError
from bonsai.settings import Settings

_COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "ask": (ask, "ask a question and print the table of its steps"),
    "compare": (compare, "ask with several prompt variants and print them side by side"),
    "batch": (batch, "ask a whole list of questions"),
    "show": (show, "draw a saved run again"),
    "score": (score, "measure and flag the steps of chains made elsewhere"),
    "prompts": (prompts, "list and check the prompt variants"),
    "train": (train, "train a LoRA adapter on records in a JSONL file"),
    "merge": (merge, "write a model with its adapter merged, for servers"),
    "bench": (bench, "measure Bonsai beside the usual way of asking a model"),
    "serve": (serve, "open the page"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.command
    try:
        return command(options, Settings.from_env())
    except BonsaiError as error:
        say(f"bonsai: {error}")
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        say("bonsai: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone, for example `| head`; nothing is left to say, and no flush at exit may fail.
        sys.stdout = None
        return FAILED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with a sentence and the exit code of wrong usage; the whole usage is a --help away."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message}. See {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bonsai", description="Grow better questions: Reasoning, answer, next question, step by step."
    )
    parser.add_argument("--version", action="version", version=f"bonsai {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        command.set_defaults(command=module.run)
        module.add_options(command)
    return parser
