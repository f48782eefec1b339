"""The command `serve`: the page."""

import argparse

from bonsai.settings import Settings, check_gradio_port


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Open the page, until it is closed."""
    check_gradio_port()
    # Gradio reads the port when it is imported.
    from bonsai.ui.page import run as run_page

    run_page(settings, options.host, options.port)
    return 0
