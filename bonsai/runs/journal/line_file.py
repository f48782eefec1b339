"""A file of lines that only grows: one process writes it, any number read it meanwhile."""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from bonsai.errors import RunFileError, UsageError


class LineFile:
    """The whole lines of a file; a torn last one counts as not written, and the next line is written over it.

    One writer at a time holds it, whichever process or page it is in; that ends when it is released, and with its
    process, however that ends. Readers need not hold it.
    """

    def __init__(self, path: Path, end: int = 0) -> None:
        """`end` is where what is known of the file ends."""
        self.path = path
        self.count = 1
        """The lines that are known, the first one included."""
        self._end = end
        # Where the last whole line ends, if a torn one follows it.
        self._torn_at: int | None = None
        self._file: BinaryIO | None = None

    @property
    def held(self) -> bool:
        """Whether this is the writer now."""
        return self._file is not None

    def acquire(self) -> BinaryIO:
        """Return the file, open for reading and writing, kept from other writers until it is released.

        Raises UsageError if another one writes it, and RunFileError if it cannot be written.
        """
        if self._file is None:
            with told_unwritable(self.path):
                self._file = _locked(self.path)
        return self._file

    def release(self) -> None:
        """Let others write."""
        file, self._file = self._file, None
        if file is not None:
            # What could not be written was told when it was; closing tries again.
            with suppress(OSError):
                file.close()

    def read(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield each whole line of the open file from where it stands, and its place; it is known when it was taken."""
        end = self._end = file.tell()
        self._torn_at = None
        for line in file:
            if not line.endswith(b"\n"):
                self._torn_at = end
                break
            yield end, line
            end += len(line)
            self._end = end
            self.count += 1

    def hold(self) -> BinaryIO | None:
        """Keep other writers away; return the file where lines begin that others wrote since it was read, if they did.

        Raises what `acquire` raises.
        """
        file = self.acquire()
        if file.seek(0, os.SEEK_END) <= self._end:
            return None
        file.seek(self._end)
        return file

    def append(self, lines: Sequence[bytes]) -> list[int]:
        """Write lines to the end of the file, onto the disk, and return where each begins.

        Raises RunFileError if they cannot be written.
        """
        file = self.acquire()
        begin = self._torn_at
        try:
            with told_unwritable(self.path):
                if not self.path.exists():
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                if self._torn_at is not None:
                    file.truncate(self._torn_at)
                begin = file.seek(0, os.SEEK_END)
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())
        except RunFileError:
            # A part of the lines may be in the file by now, or get there yet.
            self._torn_at = begin
            raise
        self._torn_at, self._end = None, file.tell()
        self.count += len(lines)
        return list(accumulate(map(len, lines), initial=begin))[:-1]


@contextmanager
def told_unwritable(file: Path) -> Iterator[None]:
    """Raise RunFileError, naming the file, in the place of what the system says when a journal cannot be written."""
    try:
        yield
    except OSError as error:
        raise RunFileError(
            "The journal {file} cannot be written: {reason}.", file=file, reason=error.strerror
        ) from error


@contextmanager
def told_unreadable(file: Path) -> Iterator[None]:
    """Raise RunFileError, naming the file, in the place of what the system says when a journal cannot be read."""
    try:
        yield
    except OSError as error:
        raise RunFileError("The journal {file} cannot be read: {reason}.", file=file, reason=error.strerror) from error


def _locked(path: Path) -> BinaryIO:
    file = path.open("r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise UsageError(
            "The journal {file} is being written by another command; wait until it ends, or name another journal.",
            file=path,
        ) from error
    except OSError as error:
        # Some file systems know no locks; there nobody is kept away.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            file.close()
            raise
    return file
