"""What is asked: held-out questions of everyday and working life, and plain questions with a fact to be found."""

import re
from dataclasses import dataclass
from pathlib import Path

from bonsai.errors import UsageError
from bonsai.runs.tables.text_files import read_text

QUESTIONS = Path(__file__).with_name("questions.txt")
"""100 questions, none of which is asked in a record of `bonsai.lab.records`."""
FACTS = Path(__file__).with_name("plain_questions.tsv")
"""80 plain questions; MIT, as this project."""


@dataclass(frozen=True)
class Fact:
    """A plain question, and the regular expression (of any case) that a right answer contains."""

    question: str
    pattern: str


def read_facts(file: Path) -> list[Fact]:
    """Return the facts of a TSV file with a header: each row has a question, a tab, and what the answer must contain.

    Raises UsageError, naming the line, for a row without one of them, a pattern that is no regular expression, and a
    question that stands there twice.
    """
    found: dict[str, Fact] = {}
    for line, row in enumerate(read_text(file, "TSV").text.splitlines()[1:], start=2):
        question, _, pattern = map(str.strip, row.partition("\t"))
        if not (question and pattern):
            raise UsageError(
                "{file}, line {line}: a row has a question, a tab, and what the answer must contain.",
                file=file,
                line=line,
            )
        if question in found:
            raise UsageError("{file}, line {line}: the question stands there twice.", file=file, line=line)
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(
                "{file}, line {line}: {pattern!r} is no regular expression ({reason}).",
                file=file,
                line=line,
                pattern=pattern,
                reason=str(error),
            ) from error
        found[question] = Fact(question, pattern)
    if not found:
        raise UsageError("{file} has no plain questions.", file=file)
    return list(found.values())
