"""Lists of questions: pasted lines, or a CSV, JSONL or TXT file; what is passed over in them is told by line."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bonsai.chains.questions import clean_question, is_question
from bonsai.errors import QuestionError, UsageError
from bonsai.runs.text_files import Sheet, missing_column, normalised_name, read_sheet, read_text

FORMS = ("csv", "tsv", "jsonl", "txt")
# The names of a question column that are found by themselves, the likeliest first.
COLUMNS = ("question", "questions", "質問", "問い", "問題", "prompt", "query", "text")
_MAX_LINES_TOLD = 10

Line = tuple[int, str | None]


@dataclass(frozen=True)
class QuestionList:
    """Different questions in their order, and sentences that say which lines were passed over and why."""

    questions: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_questions(file: Path, most: int, column: str = "") -> QuestionList:
    """Return the questions of a file, whose form its ending tells: CSV, TSV, JSONL or TXT (a question a line).

    `column` names the column of a CSV file, or the key in a JSONL file; without it that is found. Raises UsageError,
    saying what is wrong with the file and where, if there are none in it or more than `most`.
    """
    form = file.suffix.lower().removeprefix(".")
    if form in ("csv", "tsv"):
        lines = _of_sheet(file, read_sheet(file), column)
    elif form in ("jsonl", "ndjson"):
        lines = _of_objects(file, read_text(file, "JSONL"), column)
    elif form == "txt":
        lines = enumerate(read_text(file, "TXT").splitlines(), start=1)
    else:
        raise UsageError(f"{file} is none of .csv, .tsv, .jsonl and .txt; save the questions in one of these.")
    return _chosen(lines, str(file), most)


def columns(file: Path) -> tuple[str, ...]:
    """Return the columns of a CSV file, to choose the one with the questions; none for a file of another form."""
    return read_sheet(file).header if file.suffix.lower() in (".csv", ".tsv") else ()


def pasted(text: str, most: int) -> QuestionList:
    """Return the questions in a text, one a line; raise QuestionError if there are none or more than `most`."""
    return _chosen(enumerate(text.splitlines(), start=1), "The list", most)


def _of_sheet(file: Path, sheet: Sheet, column: str) -> Iterator[Line]:
    wanted = [normalised_name(column)] if column else COLUMNS
    place = next((sheet.names.index(name) for name in wanted if name in sheet.names), None)
    if place is None and not column and len(sheet.header) == 1:
        place = 0
        if is_question(sheet.header[0]):
            yield 1, sheet.header[0]
    if place is None:
        told = missing_column(file, sheet.header, column or "question")
        raise UsageError(f"{told} Choose the one that has the questions, or rename it.")
    yield from ((line, row[place]) for line, row in zip(sheet.lines, sheet.rows, strict=True))


def _of_objects(file: Path, text: str, key: str) -> Iterator[Line]:
    wanted, found = [key] if key else COLUMNS, set[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            yield number, ""
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            item = None
        if isinstance(item, dict):
            found |= item.keys()
            item = next((item[name] for name in wanted if name in item), None)
        yield number, item if isinstance(item, str) else None
    if found and not found & set(wanted):
        told = missing_column(file, sorted(found), key or "question").replace("no column", "no key")
        raise UsageError(f"{told} Name the one that has the questions.")


def _chosen(lines: Iterable[Line], name: str, most: int) -> QuestionList:
    """Return the different questions of numbered lines (None: it has no question), and what was passed over."""
    first: dict[str, int] = {}
    questions, blank, without, repeated = [], [], [], []
    for number, text in lines:
        if text is None:
            without.append(f"{number}")
        elif not text.replace("\x00", "").strip():
            blank.append(f"{number}")
        elif (key := " ".join(text.casefold().split())) in first:
            repeated.append(f"{number} (as {first[key]})")
        else:
            first[key] = number
            questions.append(clean_question(text))
    if not questions:
        raise QuestionError(f"{name} has no questions. Write one a line, or give a file that has some.")
    if len(questions) > most:
        raise QuestionError(
            f"{name} has {len(questions):,} questions; at most {most:,} can be run at once. Leave some out, or split "
            "the list."
        )
    told = (
        ("Lines without a question, passed over: {}.", without),
        ("Blank lines, passed over: {}.", blank),
        ("Lines that repeat a question, passed over: {}.", repeated),
    )
    return QuestionList(tuple(questions), tuple(note.format(_listed(numbers)) for note, numbers in told if numbers))


def _listed(lines: list[str]) -> str:
    shown = ", ".join(lines[:_MAX_LINES_TOLD])
    return shown if len(lines) <= _MAX_LINES_TOLD else f"{shown} and {len(lines) - _MAX_LINES_TOLD:,} more"
