"""Markdown: texts that are shown letter by letter, and tables of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

_MARKS = re.compile(r"[\\`*_\[\]|~$#]")
# By these a reader of Markdown finds addresses and makes links of them, in which no escape holds.
_LINKING = re.compile(r":(?=//)|@|(?<=www)\.", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def printable(text: str) -> str:
    """Return a text without control characters, which no table can hold."""
    return _CONTROL.sub("", text)


def inline(text: str) -> str:
    """Return text that Markdown shows letter by letter, on one line, without links."""
    plain = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    unlinked = _LINKING.sub(lambda found: f"&#{ord(found[0])};", _MARKS.sub(r"\\\g<0>", plain))
    return "<br>".join(unlinked.splitlines())


def inside_html(text: str) -> str:
    """Return text that is shown letter by letter, on one line, between tags, where no Markdown is read."""
    return "<br>".join(escape(printable(text)).splitlines())


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
