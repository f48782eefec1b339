"""The training records that ship with Bonsai, a JSONL file for each field."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ShippedRecord:
    """A question with its Reasoning, its answer, and the questions that may be asked next."""

    question: str
    reasoning: str
    answer: str
    next_questions: tuple[str, ...]
    field: str


def shipped_records() -> list[ShippedRecord]:
    """Return all records, field by field."""
    records = []
    for file in sorted(Path(__file__).parent.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            data = json.loads(line)
            following = tuple(_question(item) for item in data["next_questions"])
            records.append(ShippedRecord(data["question"], data["reasoning"], data["answer"], following, file.stem))
    return records


def _question(item: str | dict[str, str]) -> str:
    """Return a next question, which a record gives as text or with the move that leads to it."""
    return item if isinstance(item, str) else item["question"]
