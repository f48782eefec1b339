"""The command `serve`: the page."""

import argparse

from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    command.add_argument("--host", default="127.0.0.1", help="default: %(default)s; 0.0.0.0 lets other machines in")
    command.add_argument("--port", type=int, default=7860, help="default: %(default)s")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Open the page, until it is closed."""
    from bonsai.ui.page import run as run_page

    run_page(settings, options.host, options.port)
    return 0
