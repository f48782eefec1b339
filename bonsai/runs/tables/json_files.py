"""Values in JSON with their lines: an object or text a line (JSONL), or a whole array or object over many lines."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from bonsai.runs.tables.lines import line_ends, numbered_lines
from bonsai.runs.tables.sheet import normalised_name

Value = tuple[int, Any]
"""A line, and the value that begins there; `BROKEN` if it is no JSON."""
_SPACE = re.compile(r"[\s,]*")


class Fields(list[tuple[str, Any]]):
    """An object as it stands in JSON: its keys in their order, each as often as it was given."""

    @property
    def keys(self) -> list[str]:
        """The keys as they stand."""
        return [key for key, _ in self]

    def of(self, name: str) -> list[Any]:
        """Return the values of the keys of a name, in whatever case they are written."""
        return [value for key, value in self if normalised_name(key) == name]


BROKEN = object()
_DECODER = json.JSONDecoder(object_pairs_hook=Fields)


def json_values(text: str, names: Sequence[str]) -> list[Value]:
    """Return the values in a text: those of an array, or of a list in a single object, one by one.

    In an object the list may have one of the `names`, or be the only one. A blank line of JSONL is "".
    """
    lines = list(_of_lines(text))
    values = [value for _, value in lines if value != ""]
    if BROKEN not in values and len(values) != 1:
        return lines
    # However many lines each has.
    whole = list(_decoded(text, 0))
    if any(value is BROKEN for _, value in whole):
        return _elements(text) if text.lstrip().startswith("[") else lines
    if len(whole) != 1:
        return whole
    line, value = whole[0]
    if isinstance(value, Fields):
        return _listed_in(value, line, names)
    return _elements(text) if isinstance(value, list) else whole


def _of_lines(text: str) -> Iterator[Value]:
    for number, line in numbered_lines(text):
        value: Any = ""
        if line.strip():
            try:
                value = _DECODER.decode(line.strip().rstrip(","))
            except (ValueError, RecursionError):
                value = BROKEN
        yield number, value


def _elements(text: str) -> list[Value]:
    """Return the elements of the array in a text; where it breaks off, BROKEN is the last."""
    return list(_decoded(text, text.index("[") + 1, "]"))


def _decoded(text: str, place: int, end: str = "") -> Iterator[Value]:
    """Yield the values that follow each other from a place to the `end`; where that is no JSON, BROKEN is the last."""
    line, counted = 1, 0
    while True:
        place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
        line, counted = line + line_ends(text, counted, place), place
        if text.startswith(end, place) if end else place == len(text):
            return
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            yield line, BROKEN
            return
        yield line, value


def _listed_in(value: Fields, line: int, names: Sequence[str]) -> list[Value]:
    """Return the values of the list in an object, or the object itself if it has none."""
    lists = [found for name in names for found in value.of(name) if isinstance(found, list)]
    lists = lists or [found for _, found in value if isinstance(found, list) and not isinstance(found, Fields)]
    if len(lists) != 1:
        return [(line, value)]
    # pandas writes a column as an object, whose keys are the rows.
    items = [item for _, item in lists[0]] if isinstance(lists[0], Fields) else lists[0]
    return [(line, item) for item in items]
