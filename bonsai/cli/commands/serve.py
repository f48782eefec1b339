"""The command `serve`: the page."""

import argparse

from bonsai.settings import Settings
from bonsai.ui.page import run as run_page


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Open the page, until it is closed."""
    run_page(settings, options.host, options.port)
    return 0
