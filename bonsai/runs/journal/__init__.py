"""Journals: a run kept step by step in a file, so that it can be read at any time and resumed after any end."""

import os
from pathlib import Path

from bonsai.errors import BonsaiError, RunFileError, UsageError
from bonsai.runs.journal.journal import Journal
from bonsai.runs.journal.lines import line_bytes
from bonsai.runs.json_values import as_json, from_json, parse
from bonsai.runs.plan import Plan
from bonsai.runs.run import Run, read_run

__all__ = ["Journal", "begin_journal", "open_journal", "read_saved", "resume_journal"]

FORMAT = 1
_KIND = "bonsai journal"
_HEAD = f'{{"kind": "{_KIND}"'.encode()


def begin_journal(file: Path, plan: Plan) -> Journal:
    """Return a new journal of a plan in `file`.

    Raises UsageError if the file exists already, and RunFileError if it cannot be made.
    """
    head = line_bytes({"kind": _KIND, "format": FORMAT, "plan": as_json(plan)})
    try:
        with file.open("xb") as new:
            new.write(head)
            new.flush()
            os.fsync(new.fileno())
    except FileExistsError as error:
        raise UsageError(
            "The journal {file} exists already; go on with its run by --resume, or choose another file.", file=file
        ) from error
    except OSError as error:
        raise RunFileError(
            "The journal {file} cannot be written: {reason}.", file=file, reason=error.strerror
        ) from error
    return Journal(file, plan)


def open_journal(file: Path) -> Journal | None:
    """Return the journal in `file`, or None if it was left before anything was kept; the file is only read.

    Raises RunFileError if the file cannot be read, is no journal, or is damaged before its last line.
    """
    try:
        with file.open("rb") as opened:
            head = opened.readline()
            if not head.endswith(b"\n") and (head.startswith(_HEAD) or _HEAD.startswith(head)):
                return None
            journal = Journal(file, _plan(head, file))
            journal.read_steps(opened)
            return journal
    except OSError as error:
        raise RunFileError("The journal {file} cannot be read: {reason}.", file=file, reason=error.strerror) from error


def read_saved(file: Path) -> Run:
    """Return the run that was saved in a file as JSON, or that a journal keeps; raise RunFileError if it is neither."""
    try:
        with file.open("rb") as opened:
            kept = opened.read(len(_HEAD)) == _HEAD
    except OSError as error:
        raise RunFileError("{file} cannot be read: {reason}.", file=file, reason=error.strerror) from error
    journal = open_journal(file) if kept else None
    return journal.run if journal else read_run(file)


def resume_journal(file: Path, plan: Plan) -> Journal:
    """Return the journal of a plan in `file`, as far as it came; a new one if there is none.

    Raises UsageError, naming what is different, if the file is the journal of another plan, and RunFileError if it is
    none or damaged.
    """
    journal = open_journal(file) if file.exists() else None
    if journal is None:
        file.unlink(missing_ok=True)
        return begin_journal(file, plan)
    if differences := journal.plan.differences(plan):
        raise UsageError(
            "The journal {file} is of other settings, so it cannot be resumed with these:{differences}",
            file=file,
            differences="".join(f"\n  {difference}" for difference in differences),
        )
    return journal


def _plan(head: bytes, file: Path) -> Plan:
    try:
        data = parse(head)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("kind") != _KIND:
        raise RunFileError(
            "{file} is not a journal; --journal names the file that keeps a run while it goes on.", file=file
        )
    if data.get("format") != FORMAT:
        raise RunFileError(
            "{file} has the format {format!r}; this version reads format {known}.",
            file=file,
            format=data.get("format"),
            known=FORMAT,
        )
    try:
        return from_json(Plan, data.get("plan"))
    except BonsaiError as error:
        raise RunFileError("The plan of the journal {file} is wrong. {reason}", file=file, reason=error) from error
