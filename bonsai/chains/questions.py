"""Questions: the starters, and the question in what a model wrote."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from bonsai.errors import QuestionError

_LABEL = re.compile(
    r"^\s*(?:[-*•]|\d+[.)]|(?:next |deeper )?question\s*\d*\s*:|Q\d*\s*:|次の質問[:：])\s*", re.IGNORECASE
)
_QUOTES = "\"'“”‘’「」『』"
_REQUEST = re.compile(
    r"(?:please |now |next,? )*"
    r"(?:tell|describe|explain|name|list|compare|discuss|define|give|show|outline|summari[sz]e)\b",
    re.IGNORECASE,
)
_JAPANESE_ENDING = re.compile(r"(?:か|かな|のか|でしょう|だろう|なぜ|何故|教えて|(?:教えて|説明して)ください)[。.]?$")


@dataclass(frozen=True)
class Starter:
    """A question to begin with, and the field it belongs to."""

    id: str
    question: str
    field: str


def load_starters(file: Path) -> list[Starter]:
    """Return the starters in a CSV file with the columns id, question, field."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return [Starter(row["id"], row["question"], row["field"]) for row in csv.DictReader(lines)]


def clean_question(text: str) -> str:
    """Return a person's question without surrounding space; raise QuestionError if nothing is left."""
    # Half of a surrogate pair, which a browser may send, is no text that could be saved.
    question = text.replace("\x00", "").encode("utf-8", "replace").decode().strip()
    if not question:
        raise QuestionError("The question is empty. Write a question, or pick one of the starters.")
    return question


def first_question(text: str) -> str:
    """Return the first question that a model wrote in `text`, without labels and quotes, or else its first line."""
    lines = [bare for line in text.splitlines() if (bare := " ".join(_LABEL.sub("", line).split()).strip(_QUOTES))]
    for line in lines:
        end = min((place for mark in "?？" if (place := line.find(mark)) >= 0), default=-1)
        if end >= 0:
            return line[: end + 1].strip(_QUOTES)
    return lines[0] if lines else ""


def is_question(text: str) -> bool:
    """Say whether `text` reads as a question: by its question mark, its Japanese ending, or as a request (tell me)."""
    bare = text.strip(_QUOTES + " ")
    return bare.endswith(("?", "？")) or bool(_JAPANESE_ENDING.search(bare)) or bool(_REQUEST.match(bare))
