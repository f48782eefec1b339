"""Files that are made of others once, and kept for the next start."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_KEPT = Path(".cache") / "bonsai"


def made_once(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """Return the kept file `name` among those of a `kind`; where it is not there yet, `make` writes it.

    It lies in the home folder, or among temporary files if it cannot be written there. A file that is there is whole:
    what breaks off never gets its name. Raises OSError if it cannot be written at all.
    """
    refusals = []
    for place in _places():
        kept = place / _KEPT / kind / name
        try:
            if not kept.is_file():
                _write(kept, make)
            return kept
        except OSError as error:
            refusals.append(error)
    raise refusals[0]


def _places() -> Iterator[Path]:
    # A container may run for a user who has no home.
    with suppress(RuntimeError):
        yield Path.home()
    yield Path(tempfile.gettempdir())


def _write(kept: Path, make: Callable[[Path], None]) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(".unfinished", kept.name, kept.parent)
    os.close(handle)
    try:
        make(Path(path))
        Path(path).replace(kept)
    finally:
        Path(path).unlink(missing_ok=True)
