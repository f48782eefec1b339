"""The command `train`: a LoRA adapter from records."""

import argparse

from bonsai.chains.prompts import choose_variant, load_variants
from bonsai.cli.output import say
from bonsai.lab.train import Schedule, read_records, train
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Train an adapter and save it."""
    variants = load_variants(settings.prompts)
    chosen = [choose_variant(variants, name) for name in options.prompt or ["assistant"]]
    schedule = Schedule(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        rank=options.rank,
        batch_size=options.batch_size,
        max_tokens=options.max_tokens,
        seed=options.seed,
    )
    train(read_records(options.data), options.base, options.out, chosen, schedule, options.adapter)
    say(f"The adapter is in {options.out}; use it with --adapter {options.out} or BONSAI_ADAPTER={options.out}.")
    return 0
