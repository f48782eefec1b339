"""What commands say: texts to stdout or a file, sentences to stderr."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bonsai.errors import UsageError

if TYPE_CHECKING:
    from bonsai.runs.run import Run

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
FORMS = ("markdown", "csv", "json", "html", "statistics", "llm-comparator")
LANGUAGES = ("en", "ja")


def say(text: str, end: str = "\n") -> None:
    """Say a sentence on stderr."""
    print(text, end=end, file=sys.stderr, flush=True)


def check_out(out: Path | None) -> None:
    """Raise UsageError if no file can be written at `out`."""
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist; make it, or choose another place for --out.")
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder; --out takes the name of a file.")


def draw(run: "Run", options: argparse.Namespace) -> None:
    """Write a run as the options of `add_drawing_options` ask: without a form the ending of --out tells it."""
    from bonsai.reports.exports import export, format_of
    from bonsai.reports.sections import ReportOptions

    form = options.format or (format_of(options.out) if options.out else None) or "markdown"
    write(export(run, form, ReportOptions(options.language, options.columns)), options.out)


def write(parts: Iterable[str], out: Path | None) -> None:
    """Write a text to `out`, whole or not at all, or to stdout."""
    from bonsai.runs.run import write_whole

    if out is None:
        for part in parts:
            sys.stdout.buffer.write(part.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    else:
        write_whole(out, parts)
        say(f"Written to {out}.")
