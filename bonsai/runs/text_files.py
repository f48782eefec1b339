"""Files that people bring: text in the encodings that are about, and the rows of a CSV file with their lines."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonsai.errors import UsageError

MAX_BYTES = 32 * 2**20
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")
_KANA = re.compile("[\u3041-\u30ff]")
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Sheet:
    """A CSV file in memory: its header, its rows of text, and the line of the file that each row begins at."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the columns as they are compared: without regard to case and surrounding space."""
        return [normalised_name(name) for name in self.header]

    def to_csv(self) -> str:
        """Return the sheet as RFC 4180 text that begins with a byte order mark, safe to open in a spreadsheet."""
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows([escape_formula(cell) for cell in row] for row in self._all())
        return "\ufeff" + text.getvalue()

    def _all(self) -> Iterator[tuple[str, ...]]:
        yield self.header
        yield from self.rows


def normalised_name(name: str) -> str:
    """Return the name of a column as it is compared."""
    return name.strip().casefold()


def read_sheet(file: Path) -> Sheet:
    """Return the rows of a CSV file, cell by cell as they stand; raise UsageError, saying what is wrong with it.

    Cells are separated by commas, semicolons or tabs, whichever the header has most of. Blank lines are passed over,
    and cells that a row lacks at its end are empty.
    """
    text = read_text(file, "CSV")
    # Not split into lines here: a cell may hold any of them.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    found: list[tuple[int, tuple[str, ...]]] = []
    begin = 1
    try:
        for row in reader:
            if row:
                found.append((begin, tuple(row)))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{file}, line {reader.line_num}, is not well-formed CSV: {error}.") from error
    if not found:
        raise UsageError(f"{file} has no rows; it needs a header and rows below it.")
    header = found[0][1]
    for line, cells in found[1:]:
        if len(cells) > len(header):
            raise UsageError(
                f"{file}, line {line}, has {len(cells)} cells, and the header has {len(header)}; "
                "put double quotes around texts that have commas in them."
            )
    rows = tuple((*cells, *[""] * (len(header) - len(cells))) for _, cells in found[1:])
    return Sheet(header, rows, tuple(line for line, _ in found[1:]))


def read_text(file: Path, form: str) -> str:
    """Return the text of a file in UTF-8, UTF-16 or Shift-JIS, its line ends as they are.

    Raise UsageError, naming the `form` that the file should have, if it cannot be read, is too large or is no text.
    """
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(
                f"{file} has {size / 2**20:,.0f} MB; at most {MAX_BYTES // 2**20} MB are read. Split it into parts."
            )
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    text = _decoded(data)
    # A file of another kind has its marks at its head; further on, a stray character harms nobody.
    if text is None or _NOT_TEXT.search(text.partition("\n")[0]):
        raise UsageError(f"{file} is not text in UTF-8, UTF-16 or Shift-JIS; save it as {form} in UTF-8.")
    return text


def escape_formula(value: object) -> object:
    """Return a cell that no spreadsheet runs as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _decoded(data: bytes) -> str | None:
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        return None
    # Text in other encodings of one byte may pass for Shift-JIS, but no Japanese text is without kana.
    return text if _KANA.search(text) else None


def _delimiter(text: str) -> str:
    header = text.lstrip("\r\n").split("\n", 1)[0]
    return max(_DELIMITERS, key=header.count)


def missing_column(file: Path, header: Sequence[str], name: str) -> str:
    """Return the sentence, to be followed by what to do, that a file has no column `name` but these."""
    return f"{file} has no column {name}; found: {', '.join(header)}."
