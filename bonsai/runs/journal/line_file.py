"""A file of lines that only grows: one process writes it, any number read it meanwhile."""

import errno
import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from bonsai.errors import RunFileError
from bonsai.runs.journal.lock import WriterLock


class LineFile:
    """The whole lines of a file; a torn last one counts as not written, and the next line is written over it."""

    def __init__(self, path: Path, end: int = 0) -> None:
        """`end` is where what is known of the file ends."""
        self.path = path
        self.lock = WriterLock(path)
        self.count = 1
        """The lines that are known, the first one included."""
        self._end = end
        # Where the last whole line ends, if a torn one follows it.
        self._torn_at: int | None = None

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

        Raises UsageError if another one is writing, and RunFileError if the file cannot be written.
        """
        file = self.lock.acquire()
        if not self._end or file.seek(0, os.SEEK_END) <= self._end:
            return None
        file.seek(self._end)
        return file

    def append(self, lines: Sequence[bytes]) -> list[int]:
        """Write lines to the end of the file, onto the disk, and return where each begins.

        Raises RunFileError if they cannot be written.
        """
        file = self.lock.acquire()
        begin = self._torn_at
        try:
            if not self.path.exists():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if self._torn_at is not None:
                file.truncate(self._torn_at)
                self._torn_at = None
            begin = file.seek(0, os.SEEK_END)
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()
        except OSError as error:
            # A part of the lines may be in the file by now, or get there yet.
            self._torn_at = begin
            raise RunFileError(
                "The journal {file} cannot be written: {reason}.", file=self.path, reason=error.strerror
            ) from error
        self.count += len(lines)
        return list(accumulate(map(len, lines), initial=begin))[:-1]
