"""The command `show`: a saved run, drawn again."""

import argparse
from pathlib import Path

from bonsai.cli.options import add_drawing_options
from bonsai.cli.output import check_out, draw
from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    command.add_argument("run", type=Path, metavar="RUN.json", help="a saved run, or the journal of one")
    add_drawing_options(command)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Draw a saved run."""
    from bonsai.runs.journal import read_saved

    check_out(options.out)
    draw(read_saved(options.run), options)
    return 0
