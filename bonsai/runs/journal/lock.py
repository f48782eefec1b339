"""The lock of a journal: one writer at a time, whichever process or page it is in; readers need none."""

import errno
import fcntl
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from bonsai.errors import RunFileError, UsageError


class WriterLock:
    """The right to write a journal: it ends when it is released, and with its process, however that ends."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: BinaryIO | None = None

    @property
    def held(self) -> bool:
        """Whether this is the writer now."""
        return self._file is not None

    def acquire(self) -> BinaryIO:
        """Return the file, open for reading and writing, kept from other writers until the lock is released.

        Raises UsageError if another one writes it, and RunFileError if it cannot be written.
        """
        if self._file is None:
            try:
                self._file = _locked(self._path)
            except BlockingIOError as error:
                raise UsageError(
                    "The journal {file} is being written by another command; wait until it ends, or name another "
                    "journal.",
                    file=self._path,
                ) from error
            except OSError as error:
                raise RunFileError(
                    "The journal {file} cannot be written: {reason}.", file=self._path, reason=error.strerror
                ) from error
        return self._file

    def release(self) -> None:
        """Let others write."""
        file, self._file = self._file, None
        if file is not None:
            # What could not be written was told when it was; closing tries again.
            with suppress(OSError):
                file.close()


def _locked(path: Path) -> BinaryIO:
    file = path.open("r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Some file systems know no locks; there nobody is kept away.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            file.close()
            raise
    return file
