"""How an adapter is trained, checked before anything is loaded."""

import math
from dataclasses import dataclass

from bonsai.errors import UsageError


@dataclass(frozen=True)
class Hyperparameters:
    """How long and how strongly to train; raise UsageError, naming the option, for a value that cannot be used."""

    epochs: float = 2
    """How often each record is trained."""
    learning_rate: float = 2e-4
    """The highest step; it rises at first and falls to nothing by half a cosine."""
    rank: int = 16
    """The rank of a new adapter."""
    alpha: int = 0
    """The strength of a new adapter is alpha / rank; 0 for twice the rank."""
    dropout: float = 0
    """The share of the adapter's inputs that is left out at each step."""
    targets: tuple[str, ...] = ()
    """The layers that a new adapter changes, by the ends of their names; empty for all linear layers."""
    last_layers: int = 0
    """How many of the last blocks a new adapter changes; 0 for all."""
    batch_size: int = 8
    """Records a step."""
    max_tokens: int = 1024
    """The most tokens of a prompt and its completion; longer ones are left out."""
    held_out: float = 0.05
    """The share of the questions that is not trained but measured."""
    patience: int = 3
    """After how many measures of the held-out loss without a lower one training ends; 0 for never."""
    seed: int = 0
    gradient_checkpointing: bool = False
    """Less memory, a third more time."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("epochs", 0.001, 1000),
            ("learning_rate", 1e-12, 1),
            ("rank", 1, 1024),
            ("alpha", 0, 4096),
            ("dropout", 0, 0.9),
            ("last_layers", 0, 1000),
            ("batch_size", 1, 4096),
            ("max_tokens", 16, 1_000_000),
            ("held_out", 0, 0.5),
            ("patience", 0, 1000),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} is {value:g}; it must be between {low:g} and {high:,}.")
