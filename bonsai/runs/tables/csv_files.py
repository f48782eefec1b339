"""CSV files: their separator by what their rows have in common, their quotes as people and programs write them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from bonsai.errors import Note, UsageError
from bonsai.runs.tables.lines import MARKS, first_line_of, line_ends
from bonsai.runs.tables.sheet import (
    ROWS_LOOKED_AT,
    Row,
    Sheet,
    asks,
    asks_below,
    find_header,
    make_sheet,
    may_be_question,
)
from bonsai.runs.tables.text_files import read_text

_SEPARATORS = ",;\t|"
# The line by which Excel is told the separator.
_TOLD_SEPARATOR = re.compile(r'\s*"?sep=(.)"?[ \t]*(?:\r\n|\n|\r|$)', re.IGNORECASE)
_LETTERS_LOOKED_AT = 2**15


class _OpenQuoteError(ValueError):
    """A cell begins with a quote that is never closed."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def read_csv(file: Path, names: Sequence[str]) -> Sheet:
    """Return the rows of a CSV file in which a column of one of the `names`, written as they are compared, is sought.

    Blank lines are passed over. Raises UsageError, saying what is wrong with the file and where.
    """
    found = read_text(file, "CSV")
    sheet = sheet_of_text(file, found.text, names, "\t" if file.suffix.lower() == ".tsv" else ",")
    return replace(sheet, notes=(*found.notes, *sheet.notes))


def sheet_of_text(file: Path | Note, text: str, names: Sequence[str], usual: str) -> Sheet:
    """Return the sheet in the text of a file that errors name, in which the `usual` separator is the likeliest."""
    text, told, skipped = _without_told_separator(text)
    separator = told or _separator(text, names, usual)
    try:
        rows = [(line + skipped, cells) for line, cells in _rows(text, separator)]
    except _OpenQuoteError as error:
        raise UsageError(
            "{file}, line {line}, is not well-formed CSV: a double quote is opened and not closed.",
            file=file,
            line=error.line + skipped,
        ) from error
    return make_sheet(file, rows, names, separator)


def has_table(text: str, names: Sequence[str]) -> bool:
    """Say whether a text is a table: it has rows below a header with one of the names, or lines of the same tabs."""
    if _TOLD_SEPARATOR.match(text):
        return True
    for separator in _SEPARATORS:
        look = _look(text, separator, names)
        if separator == "\t" and look.width > 1 and (look.same or (look.headed and look.whole)):
            return True
        if look.headed and look.same and not look.doubtful:
            return True
    return False


@dataclass(frozen=True, order=True)
class _Look:
    """How much sense the first rows of a text make with a separator; more is greater."""

    headed: bool
    """Whether one of the names sought is found."""
    whole: bool
    """Whether every quote is closed and no row has more cells than the header."""
    same: bool
    """Whether all rows have as many cells as the header, two at least."""
    width: int
    doubtful: bool = field(default=False, compare=False)
    """Whether the header may be a line of a text with such separators in it."""


def _separator(text: str, names: Sequence[str], usual: str) -> str:
    """Return the separator with which a text makes most sense, "" for a single column."""
    looks = {one: _look(text, one, names) for one in sorted(_SEPARATORS, key=lambda one: one != usual)}
    separator, best = max(looks.items(), key=lambda item: item[1])
    told_by_none = not best.headed and not best.same and asks(first_line_of(text))
    return "" if best.width == 1 or told_by_none else separator


def _look(text: str, separator: str, names: Sequence[str]) -> _Look:
    rows: list[Row] = []
    head = text[:_LETTERS_LOOKED_AT]
    cut, closed = len(head) < len(text), True
    try:
        rows.extend(islice(_rows(head, separator), ROWS_LOOKED_AT))
    except _OpenQuoteError:
        closed = cut
    if cut and 1 < len(rows) < ROWS_LOOKED_AT:
        # The last one is not whole.
        rows.pop()
    if not rows:
        return _Look(False, closed, False, 0)
    place = find_header(rows, names)
    below = rows[place or 0 :]
    table = [cells for _, cells in below]
    width = _filled(table[0])
    fits = closed and all(_filled(cells) <= width for cells in table)
    # A line that is indented has a separator too, but nothing before it.
    separates = any(sum(bool(cell.strip()) for cell in cells) > 1 for cells in table)
    same = fits and separates and width > 1 and all(len(cells) >= width for cells in table)
    doubtful = len(table) == 1 or (may_be_question(table[0]) and not asks_below(below, names))
    return _Look(place is not None, fits, same, width, doubtful)


def _filled(cells: Sequence[str]) -> int:
    """Return the number of cells up to the last one with something in it."""
    return max((place for place, cell in enumerate(cells, start=1) if cell.strip()), default=1)


def _without_told_separator(text: str) -> tuple[str, str, int]:
    """Return a text without the line that tells its separator, the separator, and how many lines were cut off."""
    told = _TOLD_SEPARATOR.match(text)
    if not told:
        return text, "", 0
    return text[told.end() :], told[1], line_ends(told[0])


def _rows(text: str, separator: str) -> Iterator[Row]:
    """Yield the rows of a text that are not blank; raise _OpenQuoteError where a quote is not closed."""
    cell_at = _cell_pattern(separator).match
    place, line, begin = 0, 1, 1
    cells: list[str] = []
    while cell := cell_at(text, place):
        bare, quoted, escaped, end = cell["bare"], cell["quoted"], cell["escaped"], cell["end"]
        if quoted is not None:
            line += line_ends(quoted)
            bare = quoted.replace('""', '"')
        elif escaped is not None:
            bare = re.sub(r'\\(["\\])|""', lambda pair: pair[1] or '"', escaped)
        elif bare.lstrip().startswith('"') and bare.count('"') % 2:
            raise _OpenQuoteError(line)
        elif not separator:
            bare = bare.rstrip(_SEPARATORS + " ")
        cells.append(bare if cells else bare.lstrip(MARKS))
        place = cell.end()
        if end != separator or not separator:
            if cells[1:] or cells[0].strip():
                yield begin, tuple(cells)
            if not end:
                return
            line += 1
            begin, cells = line, []


def _cell_pattern(separator: str) -> re.Pattern[str]:
    """Return the pattern of a cell and what ends it: a separator, a line's end, or "" at the end of the text.

    A cell is quoted if its closing quote is followed by its end; elsewhere quotes are letters like others. Spaces
    around the quotes do not count.
    """
    mark = re.escape(separator)
    space = f"[{MARKS} \u3000]*" if separator == "\t" else f"[{MARKS} \t\u3000]*"
    # In a single column a separator may be left over at the end of a row.
    left_over = "" if separator else f"[{re.escape(_SEPARATORS)} ]*"
    ends = [*([mark] if mark else []), r"\r\n|\n|\r|\Z"]
    quoted = rf'{space}"(?P<quoted>[^"]*+(?:""[^"]*+)*+)"{space}{left_over}'
    escaped = rf'{space}"(?P<escaped>(?:[^"\\\r\n]|\\.|"")*+)"{space}{left_over}'
    return re.compile(rf"(?:{quoted}|{escaped}|(?P<bare>[^{mark}\r\n]*+))(?P<end>{'|'.join(ends)})")
