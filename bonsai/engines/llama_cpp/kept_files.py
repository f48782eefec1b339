"""Files that are made of others once, and kept for the next start."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_KEPT = Path(".cache") / "bonsai"


def made_once(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """Return the kept file `name` among those of a `kind`; where it is not there yet, `make` writes it.

    A file that is there is whole: what breaks off never gets its name. Raises OSError if it cannot be written.
    """
    kept = _folder(kind) / name
    if not kept.is_file():
        handle, path = tempfile.mkstemp(".unfinished", name, kept.parent)
        os.close(handle)
        try:
            make(Path(path))
            Path(path).replace(kept)
        finally:
            Path(path).unlink(missing_ok=True)
    return kept


def _folder(kind: str) -> Path:
    """Return the folder for files of a kind; among temporary files if there is no home to write to."""
    refusals = []
    for place in (Path.home(), Path(tempfile.gettempdir())):
        folder = place / _KEPT / kind
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        except OSError as error:
            refusals.append(error)
    raise refusals[0]
