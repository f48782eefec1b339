"""Where tables and reports of a command go: to stdout, or to the file of --out."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from bonsai.cli.output import say
from bonsai.errors import UsageError
from bonsai.reports.exports import export, format_of
from bonsai.reports.formats import Format, Language
from bonsai.reports.report import ReportOptions
from bonsai.runs.run import Run, write_whole


def check_out(out: Path | None) -> None:
    """Raise UsageError if no file can be written at `out`."""
    if out is not None and not out.parent.is_dir():
        raise UsageError(
            "The folder {folder} does not exist; make it, or choose another place for --out.", folder=out.parent
        )
    if out is not None and out.is_dir():
        raise UsageError("{folder} is a folder; --out takes the name of a file.", folder=out)


def draw(run: Run, options: argparse.Namespace) -> None:
    """Write a run in the format, language and file that the options ask for.

    Without --format the ending of --out decides, or else it is Markdown.
    """
    named = Format(options.format) if options.format else None
    form = named or (format_of(options.out) if options.out else None) or Format.MARKDOWN
    write(export(run, form, ReportOptions(Language(options.language), options.columns)), options.out)


def write(parts: Iterable[str], out: Path | None) -> None:
    """Write a text to `out`, whole or not at all, or to stdout."""
    if out is None:
        for part in parts:
            sys.stdout.buffer.write(part.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    else:
        write_whole(out, parts)
        say(f"Written to {out}.")
