"""The lines of a journal: what is kept in each, written as JSON and read with checks by type."""

import json
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeVar

from bonsai.chains.conclusion import Conclusion
from bonsai.chains.outcomes import StopReason
from bonsai.chains.step import Step
from bonsai.runs.json_values import as_json, from_json, parse
from bonsai.runs.run.answering import Answering
from bonsai.runs.run.verdicts import StepVerdict


@dataclass(frozen=True)
class StepLine:
    """A finished step."""

    chain: int
    """The number of its chain."""
    stop_reason: StopReason | Literal[""]
    """Why the chain ended, if it did here."""
    step: Step


@dataclass(frozen=True)
class ConclusionLine:
    """The conclusion of a chain that ended."""

    chain: int
    conclusion: Conclusion


@dataclass(frozen=True)
class SeedLine:
    """A chain that begins again with a seed of its own."""

    chain: int
    seed: int


@dataclass(frozen=True)
class VerdictLine:
    """What a person says of a step that was kept before."""

    chain: int
    """The chain of the verdict."""
    verdict: StepVerdict


Line = StepLine | ConclusionLine | SeedLine | VerdictLine | Answering
"""What a line after the first one says: an Answering of the texts before it and after it; the last one counts."""
# By a key that no other kind has; a step has none of these.
_KINDS: dict[str, type[Line]] = {
    "seed": SeedLine,
    "conclusion": ConclusionLine,
    "verdict": VerdictLine,
    "prompt_format": Answering,
    "notes": Answering,
}
_Kind = TypeVar("_Kind", StepLine, ConclusionLine)


def line_bytes(line: Line | dict[str, Any]) -> bytes:
    """Return a line as it stands in the file; the first one of a journal is given as an object."""
    data = line if isinstance(line, dict) else as_json(line)
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def parse_line(text: bytes) -> Line:
    """Return what a line after the first one says.

    Raises RunFileError, naming the field that is wrong, if it is no such line, and ValueError or RecursionError if it
    is no JSON.
    """
    data = parse(text)
    keys = data if isinstance(data, dict) else {}
    return from_json(next((kind for key, kind in _KINDS.items() if key in keys), StepLine), data)


def line_at(kind: type[_Kind], file: BinaryIO, place: int) -> _Kind:
    """Return the line that begins at a place of the file."""
    file.seek(place)
    return from_json(kind, parse(file.readline()))
