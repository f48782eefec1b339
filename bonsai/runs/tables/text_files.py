"""Text in the files that people bring, in whichever encoding it was saved."""

from pathlib import Path

from bonsai.errors import UsageError
from bonsai.runs.tables.encodings import DamagedTextError, Decoded, decode

MAX_BYTES = 32 * 2**20


def read_text(file: Path, form: str) -> Decoded:
    """Return the text of a file in Unicode or in an East Asian encoding that can be told.

    Raise UsageError, naming the `form` that the file should have, if it cannot be read, is too large, damaged or no
    text.
    """
    data = read_bytes(file)
    try:
        found = decode(data)
    except DamagedTextError as error:
        raise UsageError(
            "{file} is {encoding} in which bytes are damaged or missing, first in line {line}; save it again as {form} "
            "in UTF-8.",
            file=file,
            encoding=error.encoding,
            line=error.line,
            form=form,
        ) from error
    if found is None:
        raise UsageError(
            "{file} is not text in UTF-8, UTF-16 or Shift-JIS, nor in another encoding that can be told for certain; "
            "save it as {form} in UTF-8.",
            file=file,
            form=form,
        )
    return found


def read_bytes(file: Path) -> bytes:
    """Return what is in a file; raise UsageError if it cannot be read or is too large."""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(
                "{file} has {size:,.0f} MB; at most {limit} MB are read. Split it into parts.",
                file=file,
                size=size / 2**20,
                limit=MAX_BYTES // 2**20,
            )
        return file.read_bytes()
    except OSError as error:
        raise UsageError("{file} cannot be read: {reason}.", file=file, reason=error.strerror) from error
