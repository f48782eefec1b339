"""Scores for chains made elsewhere: the measures and flags of their steps, for the rows of any CSV or Excel file."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bonsai.chains.outcomes import Flag
from bonsai.chains.questions import is_question
from bonsai.chains.step import Step, with_measures
from bonsai.errors import Note, UsageError
from bonsai.measures.similarity import Measure
from bonsai.runs.question_lists.passed_over import ERROR, listed
from bonsai.runs.tables.csv_files import read_csv
from bonsai.runs.tables.excel_files import SUFFIXES as EXCEL
from bonsai.runs.tables.excel_files import read_excel
from bonsai.runs.tables.formulas import cell_text
from bonsai.runs.tables.sheet import Sheet

_COLUMNS = ("chain", "question", "answer")
ADDED = ("step", "similarity", "nearest", "new_content", "flags")
# A step is measured against so many steps before it, so that the work for one row is bounded in any file.
LOOKBACK = 100
_BLOCK = 512


@dataclass(frozen=True)
class Turn:
    """A row of a chain made elsewhere: the chain that it belongs to, its question, and its answer, "" for none."""

    chain: str
    question: str
    answer: str = ""


def read_turns(file: Path) -> Sheet:
    """Return the sheet of a CSV or Excel file that has chain and question and perhaps answer, in any case, and rows.

    Rows without a chain, as merged cells leave them, are told in its notes. Raise UsageError, saying what is
    wrong with it.
    """
    read = read_excel if file.suffix.lower() in EXCEL else read_csv
    sheet = read(file, _COLUMNS)
    for name in _COLUMNS[:2]:
        if name not in sheet.names:
            raise UsageError(
                "{file} has no column {name}; found: {columns}. It needs chain and question, and may have answer.",
                file=file,
                name=name,
                columns=", ".join(sheet.header),
            )
    for name in _COLUMNS:
        if sheet.names.count(name) > 1:
            raise UsageError(
                "{file} has {count} columns {name}; leave one of them.",
                file=file,
                count=sheet.names.count(name),
                name=name,
            )
    if not sheet.rows:
        raise UsageError(
            "{file} has no rows; it needs a header with the columns chain and question, and rows.", file=file
        )
    return _with_note(file, sheet)


def _with_note(file: Path, sheet: Sheet) -> Sheet:
    """Return the sheet with a note of the rows without a chain; raise UsageError if the first one has none."""
    chain = sheet.names.index("chain")
    lines = [line for line, row in zip(sheet.lines, sheet.rows, strict=True) if not _text(row[chain]).strip()]
    if not lines:
        return sheet
    if lines[0] == sheet.lines[0]:
        raise UsageError(
            "{file}, line {line}, names no chain, and none is named above it; write its name there.",
            file=file,
            line=lines[0],
        )
    note = Note(
        "Rows without a chain, taken for the next steps of the chain above them: {lines}.",
        lines=listed([str(line) for line in lines]),
    )
    return replace(sheet, notes=(*sheet.notes, note))


def _text(cell: str) -> str:
    return "" if ERROR.fullmatch(cell) else cell_text(cell)


def turns(sheet: Sheet) -> list[Turn]:
    """Return the rows of a sheet as turns, in their order; one without a chain is of the chain above it."""
    places = {name: place for place, name in enumerate(sheet.names)}
    used = [places[name] for name in _COLUMNS if name in places]
    found, chain = [], ""
    for row in sheet.rows:
        turn = Turn(*(_text(row[place]) for place in used))
        chain = turn.chain if turn.chain.strip() else chain
        found.append(replace(turn, chain=chain))
    return found


def with_scores(sheet: Sheet, steps: Sequence[Step]) -> Sheet:
    """Return the sheet with the columns ADDED, each in place of one of its name in any case, or else at the end."""
    new = [name for name in ADDED if name not in sheet.names]
    rows = []
    for row, step in zip(sheet.rows, steps, strict=True):
        cells = {name: "" if value is None else str(value) for name, value in scores(step).items()}
        kept = (cells.get(name, cell) for name, cell in zip(sheet.names, row, strict=True))
        rows.append((*kept, *(cells[name] for name in new)))
    return replace(sheet, header=(*sheet.header, *new), rows=tuple(rows))


def turns_of(records: Sequence[object]) -> list[Turn]:
    """Return records as turns; raise UsageError, naming the first that has no chain and question."""
    turns = []
    for number, record in enumerate(records, 1):
        named = isinstance(record, Mapping) and record.get("chain") not in (None, "")
        if not isinstance(record, Mapping) or not named or "question" not in record:
            raise UsageError(
                "Row {number} must be an object with chain and question, and answer if there is one.", number=number
            )
        question, answer = record["question"], record.get("answer") or ""
        if not isinstance(question, str) or not isinstance(answer, str):
            raise UsageError("Row {number} must have texts as its question and answer.", number=number)
        turns.append(Turn(str(record["chain"]), question, answer))
    return turns


def score(turns: Sequence[Turn], measure: Measure) -> Iterator[Step]:
    """Yield for each turn, in the order given, the finished step that it is of its chain, with measures and flags.

    The steps of a chain are its turns in their order, which may stand among those of other chains. A turn without a
    question has no measures, and none is measured against it. One question and one rewording make a pair of a chain.
    """
    chains: dict[str, list[Step]] = defaultdict(list)
    for start in range(0, len(turns), _BLOCK):
        block = turns[start : start + _BLOCK]
        measure.read([turn.question for turn in block])
        for turn in block:
            steps = chains[turn.chain]
            step = _scored(Step(len(steps) + 1, turn.question, "", answer=turn.answer), steps, measure)
            steps.append(step)
            yield step


def scores(step: Step) -> dict[str, int | float | str | None]:
    """Return the values of the columns ADDED for a step; None for a number that does not apply."""
    return {name: getattr(step, name) for name in ADDED[1:-1]} | {"step": step.number, "flags": " ".join(step.flags)}


def _scored(step: Step, steps: Sequence[Step], measure: Measure) -> Step:
    if not step.question.strip():
        return step.flagged(Flag.NOT_A_QUESTION)
    earlier = [past for past in steps[-LOOKBACK:] if past.question.strip()]
    step = with_measures(step, earlier, measure)
    numbers = {None: None} | {place: past.number for place, past in enumerate(earlier, start=1)}
    step = replace(step, nearest=numbers[step.nearest], repeats=numbers[step.repeats])
    return step if is_question(step.question) else step.flagged(Flag.NOT_A_QUESTION)
