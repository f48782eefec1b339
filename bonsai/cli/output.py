"""What commands say on stderr, and their exit codes."""

import os
import sys
import time
from collections.abc import Iterable
from typing import Self

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
_SECONDS_BETWEEN_CHANGES = 0.2
_USUAL_COLUMNS = 80


def say(text: str, end: str = "\n") -> None:
    """Say a sentence on stderr, if it can be written."""
    if sys.stderr is None:
        return
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        # What is asked for is worth more than what is said of it, and what is left would fail again at the end.
        sys.stderr = None


def say_each(sentences: Iterable[object], of: object = "bonsai") -> None:
    """Say sentences line by line, each with what it is of before it."""
    for sentence in sentences:
        say(f"{of}: {sentence}")


class ProgressLine:
    """Says on stderr how far a command is: on a terminal in one line that changes, elsewhere in lines that stay.

    As a context it clears what changes at its end, however that comes, so that what follows begins a line of its own.
    """

    def __init__(self, seconds_between_lines: float | None = 2.0) -> None:
        """Without seconds only what is kept is said where there is no terminal."""
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._pause = _SECONDS_BETWEEN_CHANGES if self._terminal else seconds_between_lines
        self._next = 0.0
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._say("", end="")

    def show(self, text: str) -> None:
        """Say how far it is, unless that was said a moment ago."""
        now = time.monotonic()
        if self._pause is not None and now >= self._next:
            self._next = now + self._pause
            # A line that wraps could not be cleared.
            self._say(text[: _columns() - 1] if self._terminal else text, "" if self._terminal else "\n")

    def keep(self, text: str) -> None:
        """Say what is done, in a line that stays."""
        self._say(text, "\n")

    def _say(self, text: str, end: str) -> None:
        self._open = bool(text) and not end
        say(f"\r\033[K{text}" if self._terminal else text, end)


def _columns() -> int:
    """Return how wide the terminal is that stderr goes to."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL_COLUMNS
    except OSError:
        return _USUAL_COLUMNS
