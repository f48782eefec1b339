"""Where tables and reports of a command go: to stdout, or to the file of --out."""

import argparse
import os
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from bonsai.cli.output import say
from bonsai.errors import RunFileError, UsageError
from bonsai.reports.exports import check_values, export, format_of
from bonsai.reports.exports.excel_book import texts_too_long
from bonsai.reports.formats import Format, Language
from bonsai.reports.report import ReportOptions
from bonsai.runs.run import Run
from bonsai.runs.tables.output_files import Part, as_bytes, check_writable, write_whole


def check_out(out: Path | None, *inputs: Path | None) -> None:
    """Raise UsageError if no file can be written at `out`, or if that is one of the files that are read."""
    if out is None:
        return
    check_writable(out)
    for file in inputs:
        if file is not None and _is_same(out, file):
            raise UsageError("{file} is read by this command; choose another file for --out.", file=out)


def keeps_run(options: argparse.Namespace) -> bool:
    """Say whether a run can be read back from what the options ask for."""
    return _format(options) == Format.JSON


def check_drawing(options: argparse.Namespace, values: Mapping[str, Collection[object]]) -> None:
    """Raise UsageError if a run whose axes will have these values cannot be drawn as the options ask for."""
    check_values(_format(options), values, options.columns)


def draw(run: Run, options: argparse.Namespace, kept: Path | None = None) -> None:
    """Write a run in the format, language and file that the options ask for.

    Without --format the ending of --out decides, or else it is Markdown. If that fails, the run is saved, unless it is
    `kept` already, and its place is said.
    """
    form = _format(options)
    try:
        write(export(run, form, ReportOptions(Language(options.language), options.columns)), options.out)
        if form == Format.XLSX and (places := texts_too_long(run)):
            say(f"bonsai: cut, since no cell of Excel holds more: {', '.join(places)}")
    except BrokenPipeError:
        raise
    # Whatever went wrong, what was written by the model cost more than the drawing.
    except Exception:
        if file := kept or _saved(run):
            say(f"bonsai: the run is kept in {file}; draw it with: python -m bonsai show {file}")
        raise


def write(parts: Iterable[Part], out: Path | None) -> None:
    """Write a text to `out`, whole or not at all, or to stdout; raise RunFileError if it cannot be written."""
    if out is not None:
        write_whole(out, parts)
        say(f"Written to {out}.")
        return
    if sys.stdout is None:
        raise RunFileError("Stdout cannot be written: {reason}.", reason="it is closed")
    try:
        for part in parts:
            sys.stdout.buffer.write(as_bytes(part))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer would fail again at the end.
        sys.stdout = None
        raise RunFileError("Stdout cannot be written: {reason}.", reason=error.strerror or error) from error


def _is_same(out: Path, file: Path) -> bool:
    """Say whether two places are those of one file, which need not be there yet; a pipe or device holds nothing."""
    if out.exists():
        return out.is_file() and file.exists() and out.samefile(file)
    return os.path.realpath(out) == os.path.realpath(file)


def _format(options: argparse.Namespace) -> Format:
    if options.format:
        return Format(options.format)
    if not options.out or not options.out.suffix:
        return Format.MARKDOWN
    form = format_of(options.out)
    if form is None:
        raise UsageError(
            "No format has the ending {ending}; let the name of the file end in {endings}, or choose with --format.",
            ending=options.out.suffix,
            endings=", ".join(one.suffix for one in Format),
        )
    return form


def _saved(run: Run) -> Path | None:
    """Return where a run was saved, None if it can be saved nowhere."""
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        file = folder / f"bonsai-{run.id}.kept.json"
        try:
            check_writable(file)
            write_whole(file, export(run, Format.JSON))
        except (UsageError, RunFileError):
            continue
        return file
    return None
