"""What the options of a command ask for: settings, engine and measure, and the values of a request."""

import argparse
from dataclasses import replace
from typing import Any

from bonsai import engines
from bonsai.engines.base import Engine
from bonsai.measures.opening import open_measure
from bonsai.measures.similarity import Measure
from bonsai.settings import Settings


def with_model(options: argparse.Namespace, settings: Settings) -> Settings:
    """Return the settings with the model and adapter of the options."""
    given = {name: getattr(options, name) for name in ("model", "adapter") if getattr(options, name)}
    return replace(settings, **given)


def open_all(settings: Settings) -> tuple[Engine, Measure]:
    """Return the engine and the measure of the settings; raise EngineError if the model cannot be loaded."""
    return engines.open_engine(settings), open_measure(settings)


def chain_values(options: argparse.Namespace) -> dict[str, Any]:
    """Return the values for a request that the options of chains give; those that are not given are left out."""
    names = ("steps", "candidates", "moves", "seed", "temperature", "repetition_penalty", "max_new_tokens")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None} | switches(options)


def switches(options: argparse.Namespace) -> dict[str, Any]:
    """Return how chains go on and end, for a request or a branch."""
    return {
        "guarded": not options.no_guard,
        "stop_without_progress": not options.keep_going,
        "concludes": options.conclude,
    }
