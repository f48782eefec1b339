"""Scores for chains made elsewhere: the measures and flags of their steps, for the rows of any CSV file."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bonsai.errors import UsageError
from bonsai.measures import Measure
from bonsai.questions import is_question
from bonsai.step import Step, measured
from bonsai.table import inert

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


@dataclass(frozen=True)
class Sheet:
    """A CSV file in memory: a header that has chain, question and perhaps answer, in any case, and rows of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def turns(self) -> list[Turn]:
        """The rows as turns, in the order of the file."""
        places = {_plain(name): place for place, name in enumerate(self.header)}
        used = [places[name] for name in ("chain", "question", "answer") if name in places]
        return [Turn(*(row[place] for place in used)) for row in self.rows]

    def with_scores(self, steps: Sequence[Step]) -> "Sheet":
        """Return the sheet with the columns ADDED, each in place of one of its name in any case, or else at the end."""
        names = [_plain(name) for name in self.header]
        new = [name for name in ADDED if name not in names]
        rows = []
        for row, step in zip(self.rows, steps, strict=True):
            cells = {name: "" if value is None else str(value) for name, value in scores(step).items()}
            kept = (cells.get(name, cell) for name, cell in zip(names, row, strict=True))
            rows.append((*kept, *(cells[name] for name in new)))
        return Sheet((*self.header, *new), tuple(rows))

    def to_csv(self) -> str:
        """Return the sheet as RFC 4180 text that begins with a byte order mark, safe to open in a spreadsheet."""
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows([inert(cell) for cell in row] for row in self._lines())
        return "\ufeff" + text.getvalue()

    def _lines(self) -> Iterator[tuple[str, ...]]:
        yield self.header
        yield from self.rows


def read_sheet(file: Path) -> Sheet:
    """Return the rows of a CSV file, cell by cell as they stand; raise UsageError, saying what is wrong with it.

    Blank lines are passed over, and cells that a row lacks at its end are empty.
    """
    reader = csv.reader(open_text(file, "CSV"), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if line]
    except csv.Error as error:
        raise UsageError(f"{file}, line {reader.line_num}, is not well-formed CSV: {error}.") from error
    if len(lines) < 2:
        raise UsageError(f"{file} has no rows; it needs a header with the columns chain and question, and rows.")
    header = tuple(lines[0][1])
    _check_header(header, file)
    for number, line in lines[1:]:
        if len(line) > len(header):
            raise UsageError(
                f"{file}, line {number}, has {len(line)} cells, and the header has {len(header)}; "
                "put double quotes around texts that have commas in them."
            )
    return Sheet(header, tuple((*line, *[""] * (len(header) - len(line))) for _, line in lines[1:]))


def open_text(file: Path, form: str) -> io.StringIO:
    """Return the UTF-8 text of a file, its line ends as they are; raise UsageError if it is none, naming its `form`."""
    try:
        # Not split into lines here: a cell may hold any of them.
        return io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text; save it as {form} in UTF-8.") from error


def turns_of(records: Sequence[object]) -> list[Turn]:
    """Return records as turns; raise UsageError, naming the first that has no chain and question."""
    turns = []
    for number, record in enumerate(records, 1):
        if not isinstance(record, Mapping) or not {"chain", "question"} <= record.keys():
            raise UsageError(f"Row {number} must be an object with chain and question, and answer if there is one.")
        question, answer = record["question"], record.get("answer") or ""
        if not isinstance(question, str) or not isinstance(answer, str):
            raise UsageError(f"Row {number} must have texts as its question and answer.")
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
        return step.flagged("not-a-question")
    earlier = [past for past in steps[-LOOKBACK:] if past.question.strip()]
    step = measured(step, earlier, measure)
    numbers = {None: None} | {place: past.number for place, past in enumerate(earlier, start=1)}
    step = replace(step, nearest=numbers[step.nearest], repeats=numbers[step.repeats])
    return step if is_question(step.question) else step.flagged("not-a-question")


def _check_header(header: Sequence[str], file: Path) -> None:
    names = [_plain(name) for name in header]
    for name in ("chain", "question"):
        if name not in names:
            raise UsageError(
                f"{file} has no column {name}; found: {', '.join(header)}. It needs chain and question, and may have "
                "answer, separated by commas."
            )
    for name in ("chain", "question", "answer"):
        if names.count(name) > 1:
            raise UsageError(f"{file} has {names.count(name)} columns {name}; leave one of them.")


def _plain(name: str) -> str:
    return name.strip().casefold()
