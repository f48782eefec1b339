"""Where the questions of a list stand: which column, key or line has them, and what was guessed to find it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bonsai.errors import Note, UsageError
from bonsai.runs.question_lists.passed_over import COMMENT, listed
from bonsai.runs.tables.csv_files import has_table, read_csv, sheet_of_text
from bonsai.runs.tables.excel_files import SUFFIXES as EXCEL
from bonsai.runs.tables.excel_files import read_excel
from bonsai.runs.tables.formulas import cell_text
from bonsai.runs.tables.json_files import BROKEN, Fields, json_values
from bonsai.runs.tables.lines import numbered_lines
from bonsai.runs.tables.sheet import Sheet, asks, normalised_name
from bonsai.runs.tables.text_files import read_text

# The names of a question column that are found by themselves, the likeliest first.
COLUMNS = ("question", "questions", "質問", "問い", "問題", "prompt", "query", "text")

Line = tuple[int, str | None]
"""The line that a question stands in, and its text, None if there is none."""


@dataclass(frozen=True)
class Found:
    """The lines of a list before any is passed over, and what was guessed to find them."""

    lines: Iterable[Line]
    notes: tuple[Note, ...] = ()
    literal: bool = False
    """Whether each line is a question whatever it looks like, and none a comment or a rule."""


def of_text(file: Path | Note, text: str, column: str) -> Found:
    """Return the lines of a text: those of the table in it, if there is one."""
    names = _names(column)
    if has_table(text, names):
        sheet = sheet_of_text(file, text, names, "\t")
        found = of_sheet(file, sheet, column)
        if not set(sheet.names) & set(names):
            return found
        return replace(found, notes=(*found.notes, _header_note(sheet)))
    lines = list(numbered_lines(text))
    tabs = [f"{number}" for number, line in lines if "\t" in line.strip()]
    note = Note("Lines with tabs in them, taken whole: {lines}.", lines=listed(tabs))
    return Found(lines, (note,) if tabs else ())


def of_sheet(file: Path | Note, sheet: Sheet, column: str) -> Found:
    """Return the lines of the column of questions in a sheet; raise UsageError, naming its columns, if none is."""
    named = [place for name in _names(column) for place, other in enumerate(sheet.names) if other == name]
    rows = list(zip(sheet.lines, sheet.rows, strict=True))
    if named:
        same = [place for place in named if sheet.names[place] == sheet.names[named[0]]]
        return _of_columns(file, sheet, same)
    everything = [(sheet.header_line, sheet.header), *rows]
    if not column and len(sheet.header) == 1:
        if asks(sheet.header[0]) or COMMENT.match(sheet.header[0]):
            return Found([(line, cells[0]) for line, cells in everything], sheet.notes)
        return Found([(line, cells[0]) for line, cells in rows], (*sheet.notes, _header_note(sheet)))
    asking = [place for place in range(len(sheet.header)) if all(asks(cells[place]) for _, cells in everything)]
    if not column and len(asking) == 1:
        note = Note("There is no header; column {column} has the questions.", column=asking[0] + 1)
        return Found([(line, cells[asking[0]]) for line, cells in everything], (*sheet.notes, note))
    raise UsageError(
        "{file} has no column {name}; found: {columns}. Choose the one that has the questions, or rename it.",
        file=file,
        name=column or "question",
        columns=", ".join(sheet.header),
    )


def _header_note(sheet: Sheet) -> Note:
    header = ", ".join(name.strip() for name in sheet.header)
    return Note("Line {line} is taken for a header: {header}.", line=sheet.header_line, header=header)


def _of_columns(file: Path | Note, sheet: Sheet, places: Sequence[int]) -> Found:
    """Return the lines of the columns of one name: of the one that is filled, where there are several."""
    lines = []
    for line, cells in zip(sheet.lines, sheet.rows, strict=True):
        filled = dict.fromkeys(cell_text(cells[place]) for place in places if cells[place].strip())
        if len(filled) > 1:
            raise UsageError(
                "{file} has {count} columns {name}, and in line {line} they differ; rename those that are not meant.",
                file=file,
                count=len(places),
                name=sheet.header[places[0]],
                line=line,
            )
        lines.append((line, next(iter(filled), "")))
    if len(places) == 1:
        return Found(lines, sheet.notes)
    numbers = ", ".join(str(place + 1) for place in places)
    note = Note(
        "The columns {numbers} have the same name, {name}; in each line the one that is filled is read.",
        numbers=numbers,
        name=sheet.header[places[0]],
    )
    return Found(lines, (*sheet.notes, note))


def of_json(file: Path, column: str) -> Found:
    """Return the lines of a JSON file: an object or text each; raise UsageError if it has no such question."""
    text = read_text(file, "JSONL")
    names = _names(column)
    values = json_values(text.text, names)
    if values and all(value is BROKEN or value == "" for _, value in values):
        raise UsageError(
            "{file} has no line that is JSON; write an object a line, as {example}, or one array.",
            file=file,
            example='{"question": "Why?"}',
        )
    keys = {key: None for _, value in values if isinstance(value, Fields) for key in value.keys}
    if keys and not {normalised_name(key) for key in keys} & set(names):
        raise UsageError(
            "{file} has no key {name}; found: {keys}. Name the one that has the questions.",
            file=file,
            name=column or "question",
            keys=", ".join(sorted(keys)),
        )
    return Found([(line, _question_in(file, line, value, names)) for line, value in values], text.notes)


def _question_in(file: Path, line: int, value: Any, names: Sequence[str]) -> str | None:
    """Return the text that a value in JSON is, or has under the likeliest of the names; None if there is none."""
    if isinstance(value, Fields):
        under = next((found for name in names if (found := value.of(name))), [])
        texts = dict.fromkeys(text for text in under if isinstance(text, str) and text.strip())
        if len(texts) > 1:
            raise UsageError(
                "{file} has in line {line} several keys {name}, and they differ; rename those that are not meant.",
                file=file,
                line=line,
                name=names[0],
            )
        return next(iter(texts), "" if "" in under else None)
    if isinstance(value, list):
        # A row without names: the question is found by itself, if there is but one.
        asking = [text for text in value if isinstance(text, str) and asks(text)]
        return asking[0] if len(asking) == 1 else None
    return value if isinstance(value, str) else None


def sheet_in(file: Path, column: str) -> Sheet:
    """Return the sheet in a file; raise UsageError if it is no table, by its ending."""
    form = file.suffix.lower()
    if form in (".csv", ".tsv"):
        return read_csv(file, _names(column))
    if form in EXCEL:
        return read_excel(file, _names(column))
    raise UsageError(
        "{file} is none of .csv, .tsv, .xlsx, .jsonl, .json and .txt; save the questions in one of these.", file=file
    )


def _names(column: str) -> Sequence[str]:
    return (normalised_name(column),) if column else COLUMNS
