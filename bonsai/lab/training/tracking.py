"""How far a training run is, and the trackers that draw its losses while it goes on."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bonsai.errors import UsageError


@dataclass(frozen=True)
class Progress:
    """How far a training run is."""

    step: int
    steps: int
    loss: float
    held_out: float | None
    tokens_per_second: float
    seconds_left: float

    @property
    def figures(self) -> dict[str, float]:
        """What a tracker draws, by name."""
        figures = {"loss": self.loss, "tokens_per_second": self.tokens_per_second}
        return figures if self.held_out is None else {**figures, "held_out_loss": self.held_out}


Tell = Callable[[Progress], None]
"""Is given each step."""


@contextmanager
def open_tracker(name: str, out: Path, settings: Mapping[str, Any]) -> Iterator[Tell]:
    """Give what draws each step in one of TRACKERS; raise UsageError, saying how to get it, if it is not installed."""
    with ExitStack() as opened:
        try:
            tell = opened.enter_context(_KINDS[name](out, settings))
        except ImportError as error:
            raise UsageError(f"--report-to {name} needs a package: pip install -r requirements-train.txt") from error
        yield tell


def _none(out: Path, settings: Mapping[str, Any]) -> AbstractContextManager[Tell]:
    return nullcontext(lambda progress: None)


@contextmanager
def _trackio(out: Path, settings: Mapping[str, Any]) -> Iterator[Tell]:
    trackio = import_module("trackio")
    # It says where it keeps the figures, and stdout is for tables.
    with redirect_stdout(sys.stderr):
        trackio.init(project="bonsai", name=out.name, config=dict(settings), resume="allow", embed=False)
    try:
        yield lambda progress: trackio.log(progress.figures, step=progress.step)
    finally:
        with redirect_stdout(sys.stderr):
            trackio.finish()


@contextmanager
def _tensorboard(out: Path, settings: Mapping[str, Any]) -> Iterator[Tell]:
    with closing(import_module("torch.utils.tensorboard").SummaryWriter(str(out / "runs"))) as writer:

        def tell(progress: Progress) -> None:
            for name, value in progress.figures.items():
                writer.add_scalar(name, value, progress.step)

        yield tell


_KINDS: Mapping[str, Callable[[Path, Mapping[str, Any]], AbstractContextManager[Tell]]] = {
    "none": _none,
    "trackio": _trackio,
    "tensorboard": _tensorboard,
}
TRACKERS = tuple(_KINDS)
