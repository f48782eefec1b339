"""The options that several commands share."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bonsai.cli.output import FORMS, LANGUAGES
from bonsai.engines.base import SamplingParams
from bonsai.settings import Settings

if TYPE_CHECKING:
    from bonsai.engines.base import Engine
    from bonsai.measures.similarity import Measure

AXES = ("question", "prompt", "method", "adapter", "seed")
STEPS, CANDIDATES, SEED = 3, 3, 1


def add_chain_options(command: argparse.ArgumentParser) -> None:
    """Add how a chain goes on and how its texts are drawn; what is not given is None."""
    command.add_argument("--steps", type=int, metavar="N", help=f"steps of a qtq chain (default: {STEPS})")
    command.add_argument(
        "--candidates", type=int, metavar="K", help=f"next questions to choose from (default: {CANDIDATES})"
    )
    command.add_argument("--seed", type=int, metavar="S", help=f"same seed, same table (default: {SEED})")
    command.add_argument(
        "--temperature", type=float, metavar="T", help=f"0 to 5 (default: {SamplingParams.temperature})"
    )
    command.add_argument(
        "--max-new-tokens",
        type=int,
        metavar="N",
        help=f"of each completion (default: {SamplingParams.max_new_tokens})",
    )
    command.add_argument(
        "--no-guard", action="store_true", help="ask the first question proposed, even if it repeats one"
    )
    command.add_argument(
        "--keep-going", action="store_true", help="go on even if two steps running add next to nothing"
    )


def add_model_options(command: argparse.ArgumentParser) -> None:
    """Add which model and adapter answer."""
    command.add_argument("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    command.add_argument("--adapter", default="", metavar="A", help="hub id, folder or none (default: BONSAI_ADAPTER)")


def add_drawing_options(command: argparse.ArgumentParser) -> None:
    """Add in which form, language and file a run is drawn."""
    command.add_argument("--format", choices=FORMS, help="default: as the ending of --out says, or else markdown")
    command.add_argument("--language", choices=LANGUAGES, default="en", help="of the summary (default: %(default)s)")
    command.add_argument(
        "--columns", choices=AXES, default="", help="what the columns of a comparison are (default: what varies)"
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="write to a file instead of stdout")


def with_model(options: argparse.Namespace, settings: Settings) -> Settings:
    """Return the settings with the model and adapter of the options."""
    given = {name: getattr(options, name) for name in ("model", "adapter") if getattr(options, name)}
    return replace(settings, **given)


def sampling_of(options: argparse.Namespace) -> SamplingParams:
    """Return how texts are drawn; raise UsageError for a value outside its range."""
    given = {name: getattr(options, name) for name in ("max_new_tokens", "temperature", "seed")}
    return SamplingParams(**{"seed": SEED} | {name: value for name, value in given.items() if value is not None})


def or_default(value: int | None, default: int) -> int:
    """Return a value, or the default if it was not given."""
    return default if value is None else value


def open_all(settings: Settings) -> "tuple[Engine, Measure]":
    """Return the engine and the measure of the settings; raise EngineError if the model cannot be loaded."""
    from bonsai.engines import open_engine
    from bonsai.measures.embedder import open_embedder
    from bonsai.measures.similarity import Measure

    return open_engine(settings), Measure(open_embedder(settings.embedder))
