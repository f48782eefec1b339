"""Text that is made now and wanted later: it waits in a file, since it may be long."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

_IN_MEMORY, _AT_ONCE = 2**20, 2**16


@contextmanager
def text_spool() -> Iterator[IO[str]]:
    """Open a text that is written first and read at the end; more than a megabyte of it waits in a temporary file."""
    encoding, errors = "utf-8", "surrogatepass"
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding=encoding, errors=errors, newline="") as file:
        yield file


def read_back(file: IO[str]) -> Iterator[str]:
    """Yield all that was written to a text, part by part."""
    file.seek(0)
    yield from iter(lambda: file.read(_AT_ONCE), "")
