"""The command `prompts`: the prompt variants there are."""

import argparse

from bonsai.chains.prompts import load_variants
from bonsai.cli.drawing import write
from bonsai.cli.output import say
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """List the prompt variants, all of which are checked."""
    variants = load_variants(settings.prompts)
    width = max(map(len, variants))
    write((f"{name:<{width}}  {variant.description}\n" for name, variant in variants.items()), None)
    say(f"{len(variants)} prompt variants in {settings.prompts}, all well-formed.")
    return 0
