"""Training records: a question with its Reasoning, its answer and what may be asked next, a JSON object a line.

The records that ship with Bonsai lie in this folder, a file for each field.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bonsai.chains.moves import Move
from bonsai.errors import UsageError

CATEGORIES = ("open_qa", "closed_qa", "classification", "creative", "translation", "reasoning", "brainstorm", "q_to_q")
_TEXTS = ("question", "answer", "reasoning", "persona", "category", "language", "field")
_KEYS = (*_TEXTS, "next_questions", "next_question", "move", "earlier", "repeats")


@dataclass(frozen=True)
class NextQuestion:
    """A question that may be asked next."""

    question: str
    move: str = ""
    """The name of the direction in which it leads; empty if the record names none."""


@dataclass(frozen=True)
class Record:
    """One line of a training file."""

    question: str
    answer: str
    reasoning: str = ""
    """What to weigh before the answer; without it the record trains the single answer alone."""
    next_questions: tuple[NextQuestion, ...] = ()
    earlier: tuple[str, ...] = ()
    """The questions asked before this one, oldest first."""
    persona: str = ""
    """Who answers; empty for the persona of the prompt variant."""
    category: str = ""
    language: str = ""
    field: str = ""
    where: str = dataclasses.field(default="", repr=False, compare=False)
    """Its file and line."""


def read_records(file: Path) -> list[Record]:
    """Return the records of a JSONL file; raise UsageError, naming the line, for the first that is wrong."""
    return all_right(read_lines(file))


def all_right(items: Iterable[Record | UsageError]) -> list[Record]:
    """Return what was read as records; raise the first UsageError among it."""
    records = []
    for item in items:
        if isinstance(item, UsageError):
            raise item
        records.append(item)
    return records


def read_lines(file: Path) -> Iterator[Record | UsageError]:
    """Yield each record of a JSONL file, or what is wrong with its line; raise UsageError if there are none."""
    try:
        # A line ends with a newline and nothing else: texts may have other ends of line in them.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as UTF-8 text: {error}.") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise UsageError(f"{file} has no records; each line is a JSON object with question, reasoning and answer.")
    for number, line in numbered:
        where = f"{file}, line {number}"
        try:
            yield _record(line, where)
        except UsageError as error:
            yield UsageError(f"{where}: {error}")


def shipped_records() -> list[Record]:
    """Return the records that ship with Bonsai, field by field."""
    return [
        replace(record, field=record.field or file.stem) for file in shipped_files() for record in read_records(file)
    ]


def shipped_files() -> list[Path]:
    """Return the files of the records that ship with Bonsai."""
    return sorted(Path(__file__).parent.glob("*.jsonl"))


def _record(line: str, where: str) -> Record:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is not JSON ({error}).") from error
    if not isinstance(data, dict):
        raise UsageError("a record is a JSON object with question, reasoning and answer.")
    if unknown := sorted(set(data) - set(_KEYS)):
        raise UsageError(f"unknown key {unknown[0]!r}; allowed are {', '.join(_KEYS)}.")
    # What is null is as good as absent.
    data = {key: value for key, value in data.items() if value is not None}
    texts = {key: _text(data.get(key, ""), key) for key in _TEXTS}
    for key in ("question", "answer"):
        if not texts[key].strip():
            raise UsageError(f"{key} is missing or empty.")
    if texts["category"] and texts["category"] not in CATEGORIES:
        raise UsageError(f"category is {texts['category']!r}; it must be one of {', '.join(CATEGORIES)}.")
    _questions(data.get("repeats", []), "repeats")
    return Record(
        **texts, next_questions=_next(data), earlier=_questions(data.get("earlier", []), "earlier"), where=where
    )


def _next(data: dict[str, Any]) -> tuple[NextQuestion, ...]:
    """Return the next questions of a record, which may be texts, objects with a move, or a single one."""
    if "next_question" in data:
        if "next_questions" in data:
            raise UsageError("next_question and next_questions say the same; keep one of them.")
        found: list[Any] = [{"question": data["next_question"], "move": data.get("move", "")}]
        return tuple(_one_next(item) for item in found if item["question"] != "")
    if "move" in data:
        raise UsageError("move stands beside next_question, or inside each of next_questions.")
    items = data.get("next_questions", [])
    if not isinstance(items, list):
        raise UsageError("next_questions must be a list of questions.")
    return tuple(_one_next(item) for item in items)


def _one_next(item: object) -> NextQuestion:
    if isinstance(item, str):
        item = {"question": item}
    if not isinstance(item, dict) or set(item) - {"question", "move"}:
        raise UsageError('each of next_questions is a text, or an object like {"move": "cause", "question": "Why?"}.')
    question, move = _text(item.get("question", ""), "next_question"), _text(item.get("move") or "", "move")
    if not question.strip():
        raise UsageError("a next question is empty.")
    if move and move not in set(Move):
        raise UsageError(f"move is {move!r}; it must be one of {', '.join(Move)}.")
    return NextQuestion(question, move)


def _questions(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{key} must be a list of questions.")
    return tuple(_text(item, key) for item in value)


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{key} must be text.")
    if not value.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise UsageError(f"{key} has half of a character in it (an escape like \\ud83d without its second half).")
    return value
