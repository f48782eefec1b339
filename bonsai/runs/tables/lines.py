"""Lines as editors count them: ended by a carriage return, a line feed or both, and by nothing else."""

import re
from collections.abc import Iterator

# Where files were joined, a line may begin with the byte order mark of one, or the end-of-file mark that DOS gave one.
MARKS = "\ufeff\x1a"
# str.splitlines also splits at what Unicode calls separators and at form feeds, which are letters of a text here.
_LINE_END = re.compile(r"\r\n|\n|\r")


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers from 1, without MARKS; after the end of the last one is none."""
    lines = _LINE_END.split(text)
    if not lines[-1]:
        lines.pop()
    return ((number, line.lstrip(MARKS)) for number, line in enumerate(lines, start=1))


def first_line_of(text: str) -> str:
    """Return the first line of a text."""
    return _LINE_END.split(text, maxsplit=1)[0]


def line_ends(text: str, start: int = 0, end: int | None = None) -> int:
    """Return how many lines end in a part of a text."""
    return len(_LINE_END.findall(text, start, len(text) if end is None else end))
