"""Runs as JSON values: what every version of Bonsai wrote, and what later versions added."""

from dataclasses import asdict
from typing import Any

# Fields that earlier versions had not. They are left out while they are empty, so that the ids and files of runs that
# make no use of them stay as they were.
_ADDED_LATER = frozenset({"roles", "moves"})


def as_json(value: Any) -> dict[str, Any]:
    """Return a dataclass of a run as what `json` writes."""
    return asdict(value, dict_factory=_fields)


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value or name not in _ADDED_LATER}
