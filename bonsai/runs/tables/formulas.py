"""Cells that a spreadsheet would run as a formula: how a CSV file holds them, and how they are read again."""

import re

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:[eE][+-]?\d+)?\s?%?")


def escape_formula(value: object) -> object:
    """Return a text as a cell that no spreadsheet runs: with an apostrophe before it, which `cell_text` takes away."""
    # An apostrophe that the text has itself counts as one of ours when it is read.
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(_STARTS) else value


def cell_text(cell: str) -> str:
    """Return the text of a cell of a CSV file: without the apostrophe of `escape_formula`."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_STARTS) else cell


def safe_cell(cell: str) -> str:
    """Return a cell of another's CSV file as it may stand in ours: as it was, unless a spreadsheet would run it.

    A number that begins with a sign is none that would.
    """
    return f"'{cell}" if cell.startswith(_STARTS) and not _NUMBER.fullmatch(cell) else cell
