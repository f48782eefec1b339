"""Sheets: the header and rows of a table that a person brings, whatever file it came in."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bonsai.chains.questions import QUESTION_MARKS, is_question
from bonsai.errors import Note, UsageError
from bonsai.runs.tables.formulas import safe_cell

# Titles and comments stand in so many rows at the head of a table at most.
_ROWS_BEFORE_HEADER = 10
ROWS_LOOKED_AT = 200
"""The rows that tell what a table is."""
_QUESTION_MARK = re.compile(f"[{QUESTION_MARKS}]")

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "": "more than one line"}

Row = tuple[int, tuple[str, ...]]
"""The line that a row begins at, and its cells."""


@dataclass(frozen=True)
class Sheet:
    """A table in memory: its header, its rows of cells as they stand, and the line that each row begins at."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...] = ()
    header_line: int = 1
    notes: tuple[Note, ...] = ()
    """What was guessed or passed over when it was read."""

    @property
    def names(self) -> list[str]:
        """The names of the columns as they are compared, see `normalised_name`."""
        return [normalised_name(name) for name in self.header]

    def to_csv(self) -> str:
        """Return the sheet as RFC 4180 text that begins with a byte order mark, safe to open in a spreadsheet."""
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(map(safe_cell, row) for row in (self.header, *self.rows))
        return "\ufeff" + text.getvalue()


def normalised_name(name: str) -> str:
    """Return the name of a column or key as it is compared: width, case, spaces and invisible marks do not count."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) != "Cf")
    return " ".join(seen.split()).strip(" :*\"'").casefold()


def find_header(rows: Sequence[Row], names: Sequence[str]) -> int | None:
    """Return the place of the row that has a column of one of the names, None if there is none.

    Before it there may be titles and comments: rows of one cell that is no question. A list of questions has no header,
    even if a separator in the first one cuts out a word that is such a name.
    """
    for place, (_, cells) in enumerate(rows[: _ROWS_BEFORE_HEADER + 1]):
        if _places(cells, names):
            below = rows[place:ROWS_LOOKED_AT]
            return place if asks_below(below, names) or not all(_ends_as_question(row) for _, row in below) else None
        filled = [cell for cell in cells if cell.strip()]
        is_comment = cells[0].lstrip().startswith("#")
        if not is_comment and (len(filled) > 1 or any(map(_QUESTION_MARK.search, filled))):
            return None
    return None


def asks(text: str) -> bool:
    """Say whether a cell is a question; a word alone is none but with a mark, since it may be a name ("List")."""
    return is_question(text) and (len(text.split()) > 1 or not text.isascii() or bool(_QUESTION_MARK.search(text)))


def asks_below(rows: Sequence[Row], names: Sequence[str]) -> bool:
    """Say whether questions stand in a column of one of the names, which the first row has, below it."""
    places = _places(rows[0][1], names)
    return any(asks(cells[place]) for _, cells in rows[1:] for place in places if place < len(cells))


def may_be_question(cells: Sequence[str]) -> bool:
    """Say whether the cells of a row may be one question that separators cut into pieces."""
    return any(map(_QUESTION_MARK.search, cells)) or asks(cells[0]) or _ends_as_question(cells)


def _ends_as_question(cells: Sequence[str]) -> bool:
    return asks(next((cell for cell in reversed(cells) if cell.strip()), ""))


def _places(cells: Sequence[str], names: Sequence[str]) -> list[int]:
    return [place for place, cell in enumerate(cells) if normalised_name(cell) in names]


def make_sheet(file: Path | Note, rows: Sequence[Row], names: Sequence[str], separator: str = "") -> Sheet:
    """Return the sheet of rows that are found in a file: cells that a row lacks at its end are empty.

    Raises UsageError if there is none, or if a row has more cells, with something in them, than the header.
    """
    if not rows:
        raise UsageError("{file} has no rows; it needs a header and rows below it.", file=file)
    place = find_header(rows, names)
    before = rows[: place or 0]
    header_line, header = rows[place or 0]
    header = _without_surplus(header, 1)
    below = [(line, _without_surplus(cells, len(header))) for line, cells in rows[len(before) + 1 :]]
    for line, cells in below:
        if len(cells) > len(header):
            raise UsageError(
                "{file}, line {line}, has {cells} cells, and the header has {names}; put double quotes around texts "
                "that have {separator} in them.",
                file=file,
                line=line,
                cells=len(cells),
                names=len(header),
                separator=_SEPARATORS.get(separator, repr(separator)),
            )
    passed = ", ".join(str(line) for line, _ in before)
    return Sheet(
        header,
        tuple((*cells, *[""] * (len(header) - len(cells))) for _, cells in below),
        tuple(line for line, _ in below),
        header_line,
        (Note("Lines before the header, passed over: {lines}.", lines=passed),) if passed else (),
    )


def _without_surplus(cells: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Return the cells of a row without the empty ones at its end that have no column."""
    end = len(cells)
    while end > width and not cells[end - 1].strip():
        end -= 1
    return cells[:end]
