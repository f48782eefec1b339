"""Cells that a spreadsheet would run as a formula: how a CSV file holds them, and how they are read again."""

import re

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:[eE][+-]?\d+)?\s?%?")


def escape_formula(value: object) -> object:
    """Return a cell that no spreadsheet runs as a formula: with an apostrophe before it, unless it is a number.

    `read_cell` gives the cell as it was, one that had apostrophes itself too.
    """
    return f"'{value}" if isinstance(value, str) and _would_run(value) else value


def read_cell(cell: str) -> str:
    """Return the cell that `escape_formula` made this one of."""
    return cell[1:] if cell.startswith("'") and _would_run(cell) else cell


def _would_run(text: str) -> bool:
    bare = text.lstrip("'")
    return bare.startswith(_STARTS) and not _NUMBER.fullmatch(bare)
