"""Files that are written for people: whole or not at all, and never in the place of what is no regular file."""

import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from bonsai.errors import RunFileError, UsageError

Part = str | bytes
"""A part of a file: text is written in UTF-8."""
# Names of what is open already, the place of which no other file may take.
_OPEN_FILE = re.compile(r"/(?:dev/fd|proc/(?:self|\d+)/fd)/\d+|/dev/std(?:out|err)")


def as_bytes(part: Part) -> bytes:
    """Return a part as it is written; half a surrogate pair, which no file can hold, becomes a question mark."""
    return part.encode("utf-8", "replace") if isinstance(part, str) else part


def check_writable(file: Path) -> None:
    """Raise UsageError if no file can be written at a place, which is left as it is."""
    try:
        _check(file)
    except OSError as error:
        raise UsageError(
            "{file} cannot be written: {reason}. Choose another place.", file=file, reason=error.strerror or error
        ) from error


def write_whole(file: Path, parts: Iterable[Part]) -> None:
    """Write `file` so that it is either the old one or the new one, never a part of it.

    Raises RunFileError if it cannot be written.
    """
    with replacing(file) as output:
        for part in parts:
            output.write(as_bytes(part))


@contextmanager
def replacing(file: Path) -> Iterator[IO[bytes]]:
    """Open what takes the place of `file` when it is whole, and is gone if something goes wrong before.

    A link stays, and what it points to is replaced. A pipe or device is written into. Raises RunFileError if the file
    cannot be written.
    """
    try:
        with _into_it(file) if _is_written_into(file) else _into_draft(Path(os.path.realpath(file))) as opened:
            yield opened
    except OSError as error:
        raise RunFileError("{file} cannot be written: {reason}.", file=file, reason=error.strerror or error) from error


def _check(file: Path) -> None:
    found = _stat(file)
    if found is None and not (folder := Path(os.path.realpath(file)).parent).is_dir():
        raise UsageError("The folder {folder} does not exist; make it, or choose another place.", folder=folder)
    if found and stat.S_ISDIR(found.st_mode):
        raise UsageError("{folder} is a folder; name a file.", folder=file)
    if found and (stat.S_ISBLK(found.st_mode) or stat.S_ISSOCK(found.st_mode)):
        raise UsageError("{file} is a device or socket that holds no file; choose another place.", file=file)
    if found and not os.access(file, os.W_OK):
        raise UsageError("{file} may not be written; choose another place.", file=file)
    if not _is_written_into(file):
        target = Path(os.path.realpath(file))
        draft = _draft_of(target)
        try:
            draft.open("xb").close()
            draft.unlink()
        except PermissionError:
            # One that is there is filled where no other may be made.
            if not found:
                raise


def _stat(file: Path) -> os.stat_result | None:
    """Return what has the name of a file, None if nothing has; raise OSError if that cannot be told."""
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _is_written_into(file: Path) -> bool:
    return bool(_OPEN_FILE.fullmatch(str(file))) or (os.path.exists(file) and not file.is_file())


def _draft_of(target: Path) -> Path:
    return target.with_name(f".bonsai-{secrets.token_hex(4)}")


@contextmanager
def _into_draft(target: Path) -> Iterator[BinaryIO]:
    draft = _draft_of(target)
    try:
        opened = draft.open("xb")
    except PermissionError:
        # Where no file may be made, one that is there may still be filled.
        if not target.is_file():
            raise
        with _into_it(target) as kept:
            yield kept
        return
    try:
        with opened:
            yield opened
            # Else a power cut could leave an empty file in the place of the old one.
            opened.flush()
            os.fsync(opened.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _into_it(file: Path) -> Iterator[BinaryIO]:
    """Open what waits in a temporary file until it is whole, and is then written into `file`."""
    with tempfile.TemporaryFile() as whole:
        yield whole
        whole.seek(0)
        # A pipe that nobody reads is an error, and nothing to wait for.
        handle = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK)
        os.set_blocking(handle, True)
        with open(handle, "wb") as opened:
            shutil.copyfileobj(whole, opened)
