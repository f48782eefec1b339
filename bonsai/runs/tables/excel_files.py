"""Excel workbooks, read row by row, so that neither a stray cell far away nor a long list takes much memory."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.escape import unescape

from bonsai.errors import Note, UsageError, first_line
from bonsai.runs.tables.sheet import Row, Sheet, find_header, make_sheet
from bonsai.runs.tables.text_files import MAX_BYTES, read_bytes

SUFFIXES = (".xlsx", ".xlsm")
# What a workbook unpacks to; a hostile one can hold a thousand times its size.
_MAX_UNPACKED = 16 * MAX_BYTES
_MAX_CELLS = 20_000_000
_EXCEL_ROWS = 2**20


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
