"""Journals: a run kept step by step in a file, so that it can be read at any time and resumed after any end."""

import os
from pathlib import Path
from typing import BinaryIO

from bonsai.errors import BonsaiError, RunFileError, UsageError
from bonsai.runs.journal.journal import Journal
from bonsai.runs.journal.line_file import LineFile, told_unreadable, told_unwritable
from bonsai.runs.journal.lines import line_bytes
from bonsai.runs.json_values import FORMAT, as_json, check_format, from_json, parse
from bonsai.runs.plan import Plan
from bonsai.runs.run import Run, read_run

__all__ = ["Journal", "begin_journal", "open_journal", "read_saved", "resume_journal"]

_KIND = "bonsai journal"
_MARK = b"\xef\xbb\xbf"
_LONGEST_HEAD = 100
_HEAD = f'{{"kind": "{_KIND}"'.encode()


def begin_journal(file: Path, plan: Plan) -> Journal:
    """Return a new journal of a plan in `file`.

    Raises UsageError if the file exists already, and RunFileError if it cannot be made.
    """
    head = _head(plan)
    with told_unwritable(file):
        try:
            opened = file.open("xb")
        except FileExistsError as error:
            raise UsageError(
                "The journal {file} exists already; go on with its run by --resume, or choose another file.", file=file
            ) from error
        with opened as new:
            new.write(head)
            new.flush()
            os.fsync(new.fileno())
    return Journal(LineFile(file, len(head)), plan)


def _head(plan: Plan) -> bytes:
    return line_bytes({"kind": _KIND, "format": FORMAT, "plan": as_json(plan)})


def open_journal(file: Path) -> Journal | None:
    """Return the journal in `file`, or None if it was left before anything was kept; the file is only read.

    Raises RunFileError if the file cannot be read, is no journal, or is damaged before its last line.
    """
    with told_unreadable(file), file.open("rb") as opened:
        return _read(LineFile(file), opened)


def read_saved(file: Path) -> Run:
    """Return the run that was saved in a file as JSON, or that a journal keeps; raise RunFileError if it is neither."""
    try:
        with file.open("rb") as opened:
            # In whatever encoding it was saved since.
            kept = _HEAD in opened.read(_LONGEST_HEAD).replace(b"\x00", b"")
    except OSError as error:
        raise RunFileError("{file} cannot be read: {reason}.", file=file, reason=error.strerror) from error
    journal = open_journal(file) if kept else None
    return journal.run if journal else read_run(file)


def resume_journal(file: Path, plan: Plan) -> Journal:
    """Return the journal of a plan in `file`, as far as it came, kept from other writers; a new one if there is none.

    Raises UsageError, naming what is different, if the file is the journal of another plan, or if another one writes
    it, and RunFileError if it is no journal, damaged, or cannot be written.
    """
    if not os.path.lexists(file):
        return begin_journal(file, plan)
    lines = LineFile(file)
    opened = lines.acquire()
    try:
        journal = _read(lines, opened)
        if journal is None:
            opened.truncate(0)
            opened.seek(0)
            opened.write(_head(plan))
            opened.flush()
            journal = Journal(lines, plan)
            # There are none yet, and their place is known from here on.
            journal.read_steps(opened)
        elif differences := journal.plan.differences(plan):
            raise UsageError(
                "The journal {file} is of other settings, so it cannot be resumed with these (give those that it "
                "was begun with, or name another journal):{differences}",
                file=file,
                differences="".join(f"\n  {difference}" for difference in differences),
            )
    except BaseException:
        lines.release()
        raise
    return journal


def _read(lines: LineFile, opened: BinaryIO) -> Journal | None:
    file, head = lines.path, opened.readline()
    if b"\x00" in head and _HEAD in head.replace(b"\x00", b""):
        raise RunFileError("The journal {file} is in UTF-16; save it in UTF-8, as it was written.", file=file)
    # Such as an editor puts before it.
    while head.startswith(_MARK):
        head = head.removeprefix(_MARK)
    if not head.endswith(b"\n") and (head.startswith(_HEAD) or _HEAD.startswith(head)):
        return None
    journal = Journal(lines, _plan(head, file))
    journal.read_steps(opened)
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
    check_format(data, file)
    try:
        return from_json(Plan, data.get("plan"))
    except BonsaiError as error:
        raise RunFileError("The plan of the journal {file} is wrong. {reason}", file=file, reason=error) from error
