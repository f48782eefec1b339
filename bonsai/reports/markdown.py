"""Markdown: texts that are shown letter by letter, and tables of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_MARKS = re.compile(r"[\\`*_\[\]|~$#]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def printable(text: str) -> str:
    """Return a text without control characters, which no table can hold."""
    return _CONTROL.sub("", text)


def inline(text: str) -> str:
    """Return text that Markdown shows letter by letter, on one line."""
    plain = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_MARKS.sub(r"\\\g<0>", plain).splitlines())


@dataclass(frozen=True)
class TextTable:
    """A table of plain texts, which page and files show alike; a cell may have several lines."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> list[str]:
        """Return the lines of the table in GitHub's Markdown, without its title."""
        return [*header(map(inline, self.head)), *(row(map(inline, cells)) for cells in self.rows)]


def header(names: Iterable[str]) -> list[str]:
    """Return the two lines that begin a table; the names are Markdown."""
    cells = list(names)
    return [row(cells), row("---" for _ in cells)]


def row(cells: Iterable[str]) -> str:
    """Return a row of a table; its cells are Markdown."""
    return "| " + " | ".join(cells) + " |"
