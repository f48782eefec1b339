"""Excel workbooks, read and written row by row: neither a cell far away nor a long list takes much memory."""

import io
import math
import re
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter
from openpyxl.utils.escape import unescape

from bonsai.errors import Note, UsageError, first_line
from bonsai.runs.tables.formulas import cell_text
from bonsai.runs.tables.sheet import Row, Sheet, find_header, make_sheet
from bonsai.runs.tables.text_files import MAX_BYTES, read_bytes

SUFFIXES = (".xlsx", ".xlsm")
# What a workbook unpacks to; a hostile one can hold a thousand times its size.
_MAX_UNPACKED = 16 * MAX_BYTES
_MAX_CELLS = 20_000_000
_EXCEL_ROWS = 2**20
MAX_CELL = 32_767
"""The most characters of a cell, counted in UTF-16 as Excel does."""
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LIKE_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


def read_excel(file: Path, names: Sequence[str]) -> Sheet:
    """Return the rows of a workbook: of its first sheet that has a column of one of the `names`, or else any rows.

    Numbers, dates and results of formulas are texts as Excel shows them plainly. Raises UsageError, saying what is
    wrong with the file.
    """
    data = read_bytes(file)
    try:
        sheets = _sheets(data)
    # openpyxl raises whatever its parsers meet.
    except Exception as error:
        raise UsageError(
            "{file} cannot be read as an Excel workbook ({reason}); save it as .xlsx or CSV again.",
            file=file,
            reason=first_line(error),
        ) from error
    filled = {name: rows for name, rows in sheets.items() if rows}
    chosen = next(
        (name for name, rows in filled.items() if find_header(rows, names) is not None), next(iter(filled), "")
    )
    sheet = make_sheet(file, filled.get(chosen, []), names)
    if len(filled) > 1:
        others = ", ".join(name for name in filled if name != chosen)
        told = Note("The sheet {name} is read; passed over: {others}.", name=chosen, others=others)
        return replace(sheet, notes=(told, *sheet.notes))
    return sheet


def _sheets(data: bytes) -> dict[str, list[Row]]:
    """Return the rows of each visible sheet of a workbook."""
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        if sum(part.file_size for part in parts.infolist()) > _MAX_UNPACKED:
            raise ValueError(f"it unpacks to more than {_MAX_UNPACKED // 2**20} MB")
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    for sheet in sheets:
        # What a file says of its size may be wrong.
        sheet.reset_dimensions()
    return {sheet.title: list(_rows(sheet)) for sheet in sheets}


def _rows(sheet: Any) -> Iterator[Row]:
    count = 0
    for number, values in enumerate(sheet.iter_rows(max_row=_EXCEL_ROWS, values_only=True), start=1):
        if not values:
            continue
        count += len(values)
        if count > _MAX_CELLS:
            raise ValueError(f"it has more than {_MAX_CELLS:,} cells")
        cells = tuple(map(_text, values))
        if any(cell.strip() for cell in cells):
            yield number, cells


def _text(value: object) -> str:
    """Return what is in a cell as a text that says no more than Excel shows."""
    if isinstance(value, str):
        return str(unescape(value))
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return "" if value is None else str(value)


class Workbook:
    """A workbook that is written row by row; the rows before are in a file already.

    Texts stay texts, whatever they begin with, and numbers are numbers. A text that is too long for a cell is cut, and
    the last sheet tells which.
    """

    def __init__(self) -> None:
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet: Any = None
        self._rows = 0
        self._cut: list[tuple[str, str]] = []

    def add_sheet(self, name: str, header: Sequence[object]) -> None:
        """Begin a sheet, to which rows are added from now on."""
        self._sheet, self._rows = self._book.create_sheet(name), 0
        self._sheet.freeze_panes = "A2"
        self.add_row(header)

    def add_row(self, row: Sequence[object]) -> None:
        """Add a row to the last sheet."""
        self._rows += 1
        self._sheet.append([_cell(self._sheet, value) for value in row])
        for column, value in enumerate(row, start=1):
            if isinstance(value, str) and utf16_length(value) > MAX_CELL:
                self._cut.append((f"{get_column_letter(column)}{self._rows}", self._sheet.title))

    def parts(self) -> Iterator[bytes]:
        """End the workbook and yield its file, part by part."""
        if self._cut:
            sheet = self._book.create_sheet("cut")
            sheet.append(["cell", "sheet", f"Excel holds {MAX_CELL:,} characters in a cell; these texts are longer."])
            for place in self._cut:
                sheet.append(place)
        with tempfile.TemporaryFile() as file:
            self._book.save(file)
            file.seek(0)
            yield from iter(lambda: file.read(2**16), b"")


def as_workbook(sheet: Sheet, numbers: Collection[str] = ()) -> Iterator[bytes]:
    """Yield the parts of a workbook with the rows of a sheet; cells of the columns `numbers` as numbers."""
    book = Workbook()
    book.add_sheet("rows", sheet.header)
    for row in sheet.rows:
        pairs = zip(sheet.names, row, strict=True)
        book.add_row([_number(cell) if name in numbers else cell_text(cell) for name, cell in pairs])
    yield from book.parts()


def _number(cell: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def utf16_length(text: str) -> int:
    """Return how many characters Excel counts in a text."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def _cell(sheet: Any, value: object) -> Any:
    if not isinstance(value, str):
        return WriteOnlyCell(sheet, None if isinstance(value, float) and not math.isfinite(value) else value)
    cell = WriteOnlyCell(sheet)
    # Set as a value, one that begins with = would be a formula, and one with escapes would be cut once more.
    cell._value, cell.data_type = _escaped(_fitting(value)), "s"
    return cell


def _fitting(text: str) -> str:
    """Return as much of a text as a cell holds."""
    if utf16_length(text) <= MAX_CELL:
        return text
    units = text.encode("utf-16-le", "replace")[: 2 * MAX_CELL]
    return units.decode("utf-16-le", "ignore")


def _escaped(text: str) -> str:
    """Return a text as it is written in a workbook: without what XML cannot hold, and with what it would change."""
    text = _NOT_IN_XML.sub("", text.encode("utf-8", "replace").decode())
    return _LIKE_ESCAPE.sub("_x005F_", text).replace("\r", "_x000D_")
