"""Runs as JSON values: what every version of Bonsai wrote, and what later versions added."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bonsai.chains.outcomes import Verdict

# Fields that earlier versions had not. They are left out while they are empty, so that the ids and files of runs that
# make no use of them stay as they were.
_ADDED_LATER = frozenset({"roles", "moves", "move", "same_as", "concludes", "conclusion"})


def as_json(value: Any) -> dict[str, Any]:
    """Return a dataclass of a run as what `json` writes."""
    return asdict(value, dict_factory=_fields)


def candidate_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a candidate in an object; raise KeyError or ValueError if it is none."""
    verdict, _, repeats = data["verdict"].partition(" step ")
    return {**data, "verdict": Verdict(verdict), "repeats": int(repeats) if repeats else None}


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = {name: value for name, value in pairs if value or name not in _ADDED_LATER}
    if "verdict" in data:
        # A candidate: its verdict is written in words, "repeats step 2".
        repeats = data.pop("repeats")
        data["verdict"] += "" if repeats is None else f" step {repeats}"
    return data
