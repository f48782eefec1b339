"""How far a training run is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a training run is."""

    step: int
    steps: int
    loss: float
    held_out: float | None
    tokens_per_second: float
    seconds_left: float
