"""The lines of a list that are no questions, told by their numbers."""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum

COMMENT = re.compile(r"\s*#+\s")
# The rule under the header of a table in Markdown or of a database.
RULE = re.compile(r"[-=+:|\s]*[-=]{2}[-=+:|\s]*")
# What Excel shows in the place of a result, and writes into a CSV.
ERROR = re.compile(
    r"\s*#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!|FIELD!|GETTING_DATA|BLOCKED!|CONNECT!|UNKNOWN!|BUSY!)\s*"
)
_MAX_LINES_TOLD = 10


class PassedOver(StrEnum):
    """What is said of the lines of each kind."""

    WITHOUT = "Lines without a question, passed over: {lines}."
    BLANK = "Blank lines, passed over: {lines}."
    COMMENTS = "Lines that begin with #, passed over: {lines}."
    REPEATED = "Lines that repeat a question, passed over: {lines}."


def listed(lines: Sequence[str]) -> str:
    """Return the first of some line numbers, and how many more there are."""
    shown = ", ".join(lines[:_MAX_LINES_TOLD])
    return shown if len(lines) <= _MAX_LINES_TOLD else f"{shown} and {len(lines) - _MAX_LINES_TOLD:,} more"


def is_blank(text: str) -> bool:
    """Say whether nobody sees anything of a text."""
    return all(letter.isspace() or unicodedata.category(letter) in ("Cc", "Cf") for letter in text)
