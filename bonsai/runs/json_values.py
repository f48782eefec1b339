"""Runs as JSON values: what every version of Bonsai wrote, and what later versions added; read with checks by type."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bonsai.errors import Note, RunFileError, quoted

T = TypeVar("T")

# What pydantic calls a type, and what it is called here.
_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "is": "a list",
    "dict": "an object",
    "mapping": "an object",
    "dataclass": "an object",
}
# Fields that earlier versions had not. They are left out while they are empty, so that the ids and files of runs that
# make no use of them stay as they were.
_ADDED_LATER = frozenset(
    ("roles", "moves", "move", "same_as", "thoughts", "thought", "concludes", "conclusion", "verdicts", "beside")
    + ("chance", "answers", "controls", "prompt_format", "notes")
)


FORMAT = 1
"""The version of what is written; files of the same are read."""


def check_format(data: Mapping[str, Any], source: object) -> None:
    """Raise RunFileError, naming the `source`, if an object in JSON is of another format than FORMAT."""
    if data.get("format") != FORMAT:
        raise RunFileError(
            "{file} has the format {format!r}; this version reads format {known}.",
            file=source,
            format=data.get("format"),
            known=FORMAT,
        )


def as_json(value: Any) -> dict[str, Any]:
    """Return a dataclass of a run as what `json` writes."""
    return asdict(value, dict_factory=_fields)


def parse(text: str | bytes) -> Any:
    """Return the values in JSON text, ready for `from_json`; raise ValueError or RecursionError if it is none."""
    return json.loads(text, object_hook=_read_fields)


def from_json(kind: type[T], data: object) -> T:
    """Return the dataclass that an object of `as_json` holds.

    Raises RunFileError, naming the place and the field, if something in it is missing, unknown or of another type.
    """
    try:
        adapter: TypeAdapter[T] = _adapter(kind)  # type: ignore[arg-type]
        found = adapter.validate_python(data, extra="forbid")
    except ValidationError as error:
        raise _refusal(error, data) from error
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _refusal(error: ValidationError, data: object) -> RunFileError:
    """Return what is wrong first: "The key 'length' is missing in chains[0].", "chains[0].seed is 'x'; ..."."""
    first = error.errors(include_url=False)[0]
    *path, last = first["loc"] or ("",)
    if first["type"] in ("missing", "missing_argument"):
        return RunFileError("The key {key!r} is missing in {where}.", key=last, where=_place(path))
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return RunFileError("The key {key!r} is unknown in {where}.", key=last, where=_place(path))
    kind = _KINDS.get(first["type"].partition("_")[0])
    return RunFileError(
        "{where} is {value}; it must be {kind}.",
        where=_place(_within(data, first["loc"])),
        value=quoted(first["input"]),
        kind=Note(kind) if kind else first.get("ctx", {}).get("expected") or first["msg"],
    )


def _within(data: object, loc: Sequence[int | str]) -> list[int | str]:
    """Return the part of a location that is in the data: after it come the kinds that a field could have been of."""
    path: list[int | str] = []
    for part in loc:
        known = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if not known:
            break
        path.append(part)
        data = data[part]  # type: ignore[index]
    return path


def _place(path: Sequence[int | str]) -> str | Note:
    """Return a location as it is written in programs: chains[0].steps[1].seconds."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return place.removeprefix(".") or Note("the file")


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = {name: value for name, value in pairs if value or name not in _ADDED_LATER}
    if isinstance(data.get("verdict"), str):
        # A candidate: its verdict is written in words, "repeats step 2".
        repeats = data.pop("repeats")
        data["verdict"] += "" if repeats is None else f" step {repeats}"
    return data


def _read_fields(data: dict[str, Any]) -> dict[str, Any]:
    """Return an object of JSON with the verdict of a candidate taken apart again."""
    if isinstance(data.get("verdict"), str):
        data["verdict"], _, repeats = data["verdict"].partition(" step ")
        data["repeats"] = int(repeats) if repeats.isdecimal() else None
    return data
