"""Lists of questions: pasted lines, or a CSV, Excel, JSON or TXT file; what is passed over in them is told by line."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bonsai.chains.questions import clean_question
from bonsai.errors import Note, QuestionError, together
from bonsai.runs.question_lists.finding import Found, of_json, of_sheet, of_text, sheet_in
from bonsai.runs.question_lists.passed_over import COMMENT, ERROR, RULE, PassedOver, is_blank, listed
from bonsai.runs.tables.excel_files import SUFFIXES as EXCEL
from bonsai.runs.tables.text_files import read_text

_PASTED = Note("The list")
FORMS = ("csv", "tsv", "xlsx", "jsonl", "json", "txt")


@dataclass(frozen=True)
class QuestionList:
    """Different questions in their order, and sentences that say what was guessed or passed over, and where."""

    questions: tuple[str, ...]
    notes: tuple[Note, ...] = ()


def read_questions(file: Path, most: int, column: str = "") -> QuestionList:
    """Return the questions of a file, whose form its ending tells.

    `column` names the column of a table, or the key of objects in JSON; without it that is found. Raises UsageError,
    saying what is wrong with the file and where, if there are none in it or more than `most`.
    """
    form = file.suffix.lower()
    if form in (".jsonl", ".ndjson", ".json"):
        found = of_json(file, column)
    elif form == ".txt":
        text = read_text(file, "TXT")
        found = of_text(file, text.text, column)
        found = replace(found, notes=(*text.notes, *found.notes))
    else:
        found = of_sheet(file, sheet_in(file, column), column)
    return _chosen(found, file, most)


def columns(file: Path) -> tuple[str, ...]:
    """Return the columns of a CSV or Excel file, to choose the one with the questions; none for another file."""
    return sheet_in(file, "").header if file.suffix.lower() in (".csv", ".tsv", *EXCEL) else ()


def pasted(text: str, most: int) -> QuestionList:
    """Return the questions in a text, one a line; raise QuestionError if there are none or more than `most`."""
    return _chosen(of_text(_PASTED, text, ""), _PASTED, most)


def asked(texts: Iterable[str], most: int) -> tuple[str, ...]:
    """Return the different questions among texts that are one each, whatever they look like.

    Blank ones are left out. Raises QuestionError if there are none or more than `most`.
    """
    lines = [(number, " ".join(text.split())) for number, text in enumerate(texts, start=1)]
    return _chosen(Found(lines, literal=True), _PASTED, most).questions


def _chosen(found: Found, file: Path | Note, most: int) -> QuestionList:
    """Return the different questions of numbered lines, and what was passed over."""
    first: dict[str, int] = {}
    questions: list[str] = []
    passed: dict[PassedOver, list[str]] = {kind: [] for kind in PassedOver}
    for number, text in found.lines:
        if text is None or (not found.literal and (RULE.fullmatch(text) or ERROR.fullmatch(text))):
            passed[PassedOver.WITHOUT].append(f"{number}")
        elif is_blank(text):
            passed[PassedOver.BLANK].append(f"{number}")
        elif COMMENT.match(text) and not found.literal:
            passed[PassedOver.COMMENTS].append(f"{number}")
        elif (key := " ".join(text.casefold().split())) in first:
            passed[PassedOver.REPEATED].append(f"{number} (as {first[key]})")
        else:
            first[key] = number
            questions.append(clean_question(text))
    told = (*found.notes, *(Note(kind, lines=listed(lines)) for kind, lines in passed.items() if lines))
    if not questions:
        raise QuestionError(
            "{file} has no questions. Write one a line, or give a file that has some.{why}",
            file=file,
            why=together(told),
        )
    if len(questions) > most:
        raise QuestionError(
            "{file} has {count:,} questions; at most {limit:,} can be run at once. Leave some out, or split the list.",
            file=file,
            count=len(questions),
            limit=most,
        )
    return QuestionList(tuple(questions), told)
