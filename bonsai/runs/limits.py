"""What a request asks for if nothing else is said, and the most that it may ask for.

Nothing heavy is imported here, so that the command line can tell the defaults at once.
"""

import sys
from dataclasses import dataclass
from typing import Any

from bonsai.engines.base import SamplingParams
from bonsai.errors import Note, UsageError, quoted
from bonsai.settings import Settings

DEFAULT_STEPS, DEFAULT_CANDIDATES = 3, 3
DEFAULT_SAMPLING = SamplingParams(seed=1, repetition_penalty=1.07)
"""The penalty keeps a small model from circles: answers that say one thing three times, or only their Reasoning.

A higher one keeps the words of the question and of the Reasoning out of what is written next (docs/methods.md).
"""
MAX_CANDIDATES, MAX_REPEATS = 8, 20
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Limits:
    """The most that one request may ask for; None for no limit.

    Visitors of the page and callers of its API have those of the settings. The command line has none of these: who
    works there owns the machine, and BONSAI_MAX_QUESTIONS bounds the list when it is read.
    """

    steps: int | None = None
    """Of one chain, or those that a branch adds."""
    candidates: int | None = None
    repeats: int | None = None
    max_new_tokens: int | None = None
    chains: int | None = None
    """Of one grid."""

    @classmethod
    def for_visitors(cls, settings: Settings) -> "Limits":
        """Return the limits of the page and its API."""
        return cls(
            settings.max_steps, MAX_CANDIDATES, MAX_REPEATS, settings.max_new_tokens, chains=settings.max_questions
        )

    def check(self, name: str, value: int) -> None:
        """Raise UsageError if a value is less than 1, or over the limit of its name."""
        limit: int | None = getattr(self, name)
        if limit is None:
            check_count(name, value)
        elif not 1 <= value <= limit:
            raise UsageError(
                "{name} is {value}; it must be between {low} and {high}.", name=name, value=value, low=1, high=limit
            )


NO_LIMITS = Limits()


def check_count(name: str, value: int) -> None:
    """Raise UsageError if a number of things is less than 1."""
    if value < 1:
        raise UsageError("{name} is {value}; it must be at least 1.", name=name, value=value)


def number(name: str, value: Any, like: float) -> Any:
    """Return a value from outside as the kind of number that `like` is; raise UsageError if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST:
        shown = Note("empty") if value is None else quoted(value)
        raise UsageError("{name} is {value}; it must be a number.", name=name, value=shown)
    found = type(like)(value)
    if found != value:
        raise UsageError("{name} is {value}; it must be a whole number.", name=name, value=value)
    return found
