"""Trackers that draw the losses of a training run while it goes on."""

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from bonsai.errors import UsageError
from bonsai.lab.training.progress import Progress

TRACKERS = ("none", "trackio", "tensorboard")


class Tracker(Protocol):
    """Where the figures of each step go."""

    def log(self, progress: Progress) -> None:
        """Add the figures of a step."""

    def close(self) -> None:
        """Write what is left."""


def open_tracker(name: str, out: Path, settings: Mapping[str, Any]) -> Tracker:
    """Return a tracker of TRACKERS; raise UsageError, saying how to get it, if it is not installed."""
    kinds: dict[str, Callable[[Path, Mapping[str, Any]], Tracker]] = {
        "none": _Nothing,
        "trackio": _Trackio,
        "tensorboard": _TensorBoard,
    }
    try:
        return kinds[name](out, settings)
    except ImportError as error:
        raise UsageError(f"--report-to {name} needs a package: pip install -r requirements-train.txt") from error


class _Nothing:
    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        pass

    def log(self, progress: Progress) -> None:
        pass

    def close(self) -> None:
        pass


class _Trackio:
    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self._trackio = import_module("trackio")
        # It says where it keeps the figures, and stdout is for tables.
        with redirect_stdout(sys.stderr):
            self._trackio.init(project="bonsai", name=out.name, config=dict(settings), resume="allow", embed=False)

    def log(self, progress: Progress) -> None:
        self._trackio.log(_figures(progress), step=progress.step)

    def close(self) -> None:
        with redirect_stdout(sys.stderr):
            self._trackio.finish()


class _TensorBoard:
    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self._writer = import_module("torch.utils.tensorboard").SummaryWriter(str(out / "runs"))

    def log(self, progress: Progress) -> None:
        for name, value in _figures(progress).items():
            self._writer.add_scalar(name, value, progress.step)

    def close(self) -> None:
        self._writer.close()


def _figures(progress: Progress) -> dict[str, float]:
    figures = {"loss": progress.loss, "tokens_per_second": progress.tokens_per_second}
    return figures if progress.held_out is None else {**figures, "held_out_loss": progress.held_out}
