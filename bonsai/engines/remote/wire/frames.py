"""The frames of a server's answer, read as tolerantly as can be: events, lines of JSON, or one JSON text."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

_LINE_ENDS = re.compile(rb"\r\n|\n|\r")
_LONGEST_LINE = 1 << 24
_LAST_EVENTS = ("done", "end")


@dataclass(frozen=True)
class Frame:
    """One object of an answer."""

    payload: Mapping[str, Any]
    is_error: bool = False
    """Whether the server calls it an error."""
    in_stream: bool = True
    """Whether it came as an event, rather than as the JSON text that is all of the answer."""


class Mark(Enum):
    """What an answer has beside its objects."""

    DONE = auto()
    """The server says that this is all."""
    END = auto()
    """The answer has come to the end that HTTP sets for it, and did not just break off."""
    TORN = auto()
    """A frame that cannot be read, so that something is missing."""


class FrameReader:
    """Turns the bytes of an answer, cut anywhere, into its frames.

    What servers send to keep a connection open is passed over: comments, empty frames, frames without an object.
    Where frames are not kept apart by blank lines, each line is one.
    """

    def __init__(self) -> None:
        self.text = ""
        """What has come that is neither an event nor JSON, such as a web page."""
        self._rest = b""
        self._event = self._data = ""

    def feed(self, data: bytes) -> Iterator[Frame | Mark]:
        """Yield the frames that end in `data`."""
        data = self._rest + data
        # A CR at the end may be half of a CR LF.
        end = len(data) - data.endswith(b"\r")
        *lines, rest = _LINE_ENDS.split(data[:end])
        self._rest = rest + data[end:]
        for line in lines:
            yield from self._read(line)
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
            yield Mark.TORN

    def close(self) -> Iterator[Frame | Mark]:
        """Yield what is left at the end of the answer."""
        line, self._rest = self._rest, b""
        yield from self._read(line.removesuffix(b"\r"))
        yield from self._read(b"")

    def _read(self, line: bytes) -> Iterator[Frame | Mark]:
        text = line.decode("utf-8", "replace").removeprefix("\ufeff")
        name, colon, value = text.partition(":")
        name = name.strip().lower()
        if not text.strip():
            if self._data:
                yield Mark.TORN
            elif self._event in _LAST_EVENTS:
                yield Mark.DONE
            self._data = self._event = ""
        elif name == "data":
            yield from self._read_data(value.strip())
        elif colon and name == "event":
            self._event = value.strip().lower()
        elif not (colon and name in ("", "id", "retry")):
            yield from self._read_text(text)

    def _read_data(self, value: str) -> Iterator[Frame | Mark]:
        if _says_done(value):
            if self._data:
                yield Mark.TORN
            self._data = ""
            yield Mark.DONE
        elif self._data or value.startswith("{"):
            whole = _object(f"{self._data}\n{value}")
            alone = _object(value) if whole is None and self._data else None
            if alone is not None:
                yield Mark.TORN
            found = whole if whole is not None else alone
            if found is None:
                self._data += f"\n{value}"
            else:
                yield Frame(found, "error" in self._event)
                self._data = self._event = ""
        elif "error" in self._event or re.match(r"\W*(?:internal server )?error\b", value, re.IGNORECASE):
            yield Frame({"error": value.strip('"')}, True)

    def _read_text(self, text: str) -> Iterator[Frame | Mark]:
        """Take a line that is no field of an event: a part of a JSON text, or of a page."""
        if _says_done(text):
            yield Mark.DONE
            return
        if len(self.text) < _LONGEST_LINE:
            self.text += f"{text}\n"
        if text.rstrip().endswith("}") and self.text.lstrip().startswith("{"):
            found = _object(self.text)
            if found is not None:
                self.text = ""
                yield Frame(found, in_stream=False)


def _says_done(text: str) -> bool:
    return text.strip().strip('"').lower() == "[done]"


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
