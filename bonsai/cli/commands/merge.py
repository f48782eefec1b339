"""The command `merge`: a model and its adapter as one checkpoint."""

import argparse

from bonsai.cli.opening import with_model
from bonsai.cli.output import say, say_each
from bonsai.engines.model.merging import merge
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Write the merged checkpoint."""
    say_each(merge(with_model(options, settings), options.out))
    say(f"The merged model is in {options.out}; use it with --model {options.out}, or have a server serve it.")
    return 0
