"""The command `train`: a LoRA adapter from records."""

import argparse
from pathlib import Path

from bonsai.cli.output import say
from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    command.add_argument("data", type=Path, metavar="DATA.jsonl")
    command.add_argument("--base", required=True, metavar="MODEL", help="hub id or folder of the model to adapt")
    command.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the adapter is saved")
    command.add_argument(
        "--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several (assistant)"
    )
    command.add_argument("--adapter", type=Path, metavar="FOLDER", help="go on from this adapter, at its own rank")
    command.add_argument("--epochs", type=float, default=2, metavar="N", help="default: %(default)s")
    command.add_argument("--learning-rate", type=float, default=2e-4, metavar="R", help="default: %(default)s")
    command.add_argument("--rank", type=int, default=16, metavar="N", help="of the adapter (default: %(default)s)")
    command.add_argument("--batch-size", type=int, default=8, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--max-tokens", type=int, default=1024, metavar="N", help="of one record (default: %(default)s)"
    )
    command.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Train an adapter and save it."""
    from bonsai.chains.prompts import choose_variant, load_variants
    from bonsai.lab.train import Schedule, read_records, train

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
