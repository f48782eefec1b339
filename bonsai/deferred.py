"""A value that is made in the background while others already hold a reference to it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Value = TypeVar("Value")


class Deferred(Future[Value]):
    """The future of a value that `open` makes, on whatever thread calls it."""

    def __init__(self, making: Callable[[], Value]) -> None:
        super().__init__()
        self._making = making

    def open(self) -> None:
        """Make the value and let all who wait go on; what making it raised is raised to them, not here."""
        try:
            self.set_result(self._making())
        except Exception as error:
            self.set_exception(error)
        finally:
            # Whoever breaks off the program while it is made leaves nobody waiting.
            if not self.done():
                self.set_exception(RuntimeError("There is no value."))
