"""The command `train`: a LoRA adapter from records."""

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace

from bonsai.chains.prompts import PromptVariant, choose_variant, load_variants
from bonsai.cli.drawing import write
from bonsai.cli.output import FAILED, ProgressLine, say
from bonsai.errors import UsageError
from bonsai.lab.records import all_right
from bonsai.lab.records.training_data import read_data
from bonsai.lab.training.check import check
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.tracking import Progress
from bonsai.lab.training.train import TrainingJob, train
from bonsai.settings import Settings

_SECONDS_BETWEEN_LINES = 30.0


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Train an adapter and save it, or check its records."""
    variants = load_variants(settings.prompts)
    chosen = [choose_variant(variants, name) for name in options.prompt or ["assistant"]]
    how = _hyperparameters(options)
    if options.check:
        return _check(options, chosen, how)
    if options.out is None:
        raise UsageError("--out is missing: name a folder for the adapter, or give --check to look at the records.")
    return _train(options, settings, chosen, how)


def _hyperparameters(options: argparse.Namespace) -> Hyperparameters:
    given = {item.name: getattr(options, item.name) for item in fields(Hyperparameters)}
    return Hyperparameters(**{**given, "targets": tuple(name for name in options.targets.split(",") if name)})


def _check(options: argparse.Namespace, variants: Sequence[PromptVariant], how: Hyperparameters) -> int:
    found = check(options.data, variants[0], how.max_tokens, say)
    write((f"{problem}\n" for problem in found.problems), None)
    named = sorted((move, count) for move, count in found.moves.items() if move)
    total = found.moves.total()
    shares = ", ".join(f"{move} {count / total:.0%}" for move, count in named) or "none is named"
    say(f"{len(found.records):,} records with {total:,} next questions; moves: {shares}.")
    say(f"{len(found.problems):,} problems." if found.problems else "Nothing is wrong with them.")
    return FAILED if found.problems else 0


def _train(
    options: argparse.Namespace, settings: Settings, variants: Sequence[PromptVariant], how: Hyperparameters
) -> int:
    records = [record for file in options.data for record in all_right(read_data(file, say))]
    settings = replace(settings, model=options.base, quantization=options.quantization or settings.quantization)
    job = TrainingJob(
        records, settings, options.out, variants, how, options.adapter, options.overwrite, options.report_to
    )
    try:
        with ProgressLine(_SECONDS_BETWEEN_LINES) as line:
            state = train(job, line.keep, lambda progress: line.show(_words(progress)))
    except KeyboardInterrupt:
        say("Training is interrupted; the same command goes on from its last state.")
        raise
    say(f"The loss of the last steps is {state.points[-1].loss:.3f}.")
    if state.best_weights:
        first = state.points[0].held_out
        say(f"On held-out questions it fell from {first:.3f} to {state.best:.3f}, after step {state.best_step}.")
    say(f"The adapter is in {options.out}; use it with --adapter {options.out} or BONSAI_ADAPTER={options.out}.")
    return 0


def _words(progress: Progress) -> str:
    held_out = "" if progress.held_out is None else f", held out {progress.held_out:.3f}"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    return (
        f"Step {progress.step:,} of {progress.steps:,}: loss {progress.loss:.3f}{held_out}, "
        f"{progress.tokens_per_second:,.0f} tokens/s, {minutes}:{seconds:02} left"
    )
