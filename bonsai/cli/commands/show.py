"""The command `show`: a saved run, drawn again."""

import argparse

from bonsai.cli.drawing import check_out, draw
from bonsai.runs.journal import read_saved
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Draw a saved run."""
    check_out(options.out, options.run)
    draw(read_saved(options.run), options, options.run)
    return 0
