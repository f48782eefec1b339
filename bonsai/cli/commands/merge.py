"""The command `merge`: a model and its adapter as one checkpoint."""

import argparse
from pathlib import Path

from bonsai.cli.options import add_model_options, with_model
from bonsai.cli.output import say
from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_model_options(command)
    command.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the merged model is saved")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Write the merged checkpoint."""
    from bonsai.engines.model.merging import merge

    merge(with_model(options, settings), options.out)
    say(f"The merged model is in {options.out}; use it with --model {options.out}, or have a server serve it.")
    return 0
