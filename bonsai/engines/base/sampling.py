"""How a completion is sampled."""

from dataclasses import dataclass

from bonsai.errors import UsageError

DEFAULT_OPTIONS = frozenset({"temperature", "top_p", "top_k", "repetition_penalty", "seed"})
"""The options of SamplingParams that an engine may leave unhonoured, if it says so."""
_OUT_OF_RANGE = "{name} is {value}; it must be between {low} and {high}."


@dataclass(frozen=True)
class SamplingParams:
    """How one completion is sampled.

    A temperature of 0 takes the likeliest token each time; a top_k of 0 and a top_p of 1 keep every token.
    `stop` holds texts at which the completion is cut: the first of them to appear and all after it are left out.

    Raises UsageError, naming the option and its range, if a value is outside of it.
    """

    max_new_tokens: int = 128
    temperature: float = 0.3
    top_p: float = 0.95
    top_k: int = 50
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_new_tokens", 1, 4096),
            ("temperature", 0, 5),
            ("top_p", 0.01, 1),
            ("top_k", 0, 1000),
            ("repetition_penalty", 0.5, 2),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(_OUT_OF_RANGE, name=name, value=value, low=low, high=high)
