"""A value that is made in the background while others already hold a reference to it."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Deferred(Generic[Value]):
    """A value that `open` makes later, on whatever thread calls it.

    `value` is None until then. If it cannot be made it stays None, `error` says why, and `wait` raises `failure`, or
    the error itself without one.
    """

    def __init__(self, making: Callable[[], Value], failure: Exception | None = None) -> None:
        self.value: Value | None = None
        self.error: Exception | None = None
        self._making, self._failure = making, failure
        self._done = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether `open` has ended, with or without a value."""
        return self._done.is_set()

    def open(self) -> None:
        """Make the value and let all who wait go on; never raises what making it raised."""
        try:
            self.value = self._making()
        except Exception as error:
            self.error = error
        finally:
            self._done.set()

    def wait_for(self, seconds: float) -> bool:
        """Wait at most so many seconds; return whether `open` has ended."""
        return self._done.wait(seconds)

    def wait(self) -> Value:
        """Return the value once it is there; raise what went wrong if it could not be made."""
        self._done.wait()
        if self.value is None:
            raise self._failure or self.error or RuntimeError("There is no value.")
        return self.value
