"""The data of a calibration: pairs, chains and rated follow-up questions, read from files."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bonsai.errors import UsageError
from bonsai.measures.terms import content_words
from bonsai.runs.scoring import Turn
from bonsai.runs.tables.text_files import read_text

# A question, and the questions asked before it: a turn of a chain, or the second question of a pair.
Case = tuple[str, tuple[str, ...]]
SAME_MEANING, HARD = 4, 0.3
_RATINGS = ("similarity_0_to_5", "duplicate")
RATED = ("new_information", "reasoning", "relevance")
"""What people rated follow-up questions by."""


@dataclass(frozen=True)
class Pair:
    """Two questions, and whether they mean the same; rewordings and deeper questions also have a kind and a split."""

    question: str
    other: str
    same: bool
    kind: str = ""
    split: str = ""

    @property
    def case(self) -> Case:
        """The pair as a chain of two."""
        return self.other, (self.question,)

    @property
    def hard(self) -> bool:
        """Say whether the questions share topic words: at least 0.3 of their content words (Jaccard index)."""
        ours, theirs = content_words(self.question), content_words(self.other)
        return len(ours & theirs) >= HARD * len(ours | theirs) > 0


@dataclass(frozen=True)
class FollowUp:
    """A question that follows from a question and its answer, and the means of its ratings by RATED."""

    question: str
    answer: str
    text: str
    ratings: dict[str, float]


@dataclass(frozen=True)
class Data:
    """What the figures are measured on; rated pairs and turns of chains by file name."""

    pairs: dict[str, list[Pair]]
    chains: dict[str, list[Turn]]
    rewordings: list[Pair]
    deeper: list[Pair]
    followups: list[FollowUp] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """All questions."""
        pairs = [pair for rated in (*self.pairs.values(), self.rewordings, self.deeper) for pair in rated]
        turns = [turn for file in self.chains.values() for turn in file]
        return [*(text for pair in pairs for text in (pair.question, pair.other)), *(turn.question for turn in turns)]


def read_pairs(file: Path) -> list[Pair]:
    """Return the pairs of a TSV or CSV file with question_1, question_2 and similarity_0_to_5 or duplicate.

    A similarity of 4 and above is the same meaning. Raise UsageError, saying what is wrong with the file.
    """
    pairs = []
    for place, row in _rows(file, ("question_1", "question_2"), _RATINGS):
        rated = [name for name in _RATINGS if name in row]
        if len(rated) != 1:
            raise UsageError(f"{file} must have one of the columns {' and '.join(_RATINGS)}; it has {len(rated)}.")
        rating, allowed = row[rated[0]], (0, 5) if rated[0] == _RATINGS[0] else (0, 1)
        try:
            value = float(rating)
        except ValueError:
            value = -1
        if not allowed[0] <= value <= allowed[1]:
            raise UsageError(
                f"{place}: {rated[0]} is {rating!r}; it must be a number from {allowed[0]} to {allowed[1]}."
            )
        same = value >= SAME_MEANING if rated[0] == _RATINGS[0] else value == 1
        pairs.append(Pair(row["question_1"], row["question_2"], same))
    return pairs


def read_chains(file: Path) -> list[Turn]:
    """Return the turns of a TSV or CSV file with chain, question, and perhaps step (for the reader) and answer."""
    rows = _rows(file, ("chain", "question"), ("step", "answer"))
    return [Turn(row["chain"], row["question"], row.get("answer", "")) for _, row in rows]


def read_kinds(file: Path, same: bool) -> list[Pair]:
    """Return the pairs of a file with kind, split, question_1, question_2: all the same in meaning, or none."""
    rows = _rows(file, ("kind", "split", "question_1", "question_2"))
    return [Pair(row["question_1"], row["question_2"], same, row["kind"], row["split"]) for _, row in rows]


def read_followups(file: Path) -> list[FollowUp]:
    """Return the rows of a file with question, answer, follow_up and the columns RATED; raise UsageError."""
    found = []
    other = ("id", "called_redundant", "raters")
    for place, row in _rows(file, ("question", "answer", "follow_up", *RATED), other):
        try:
            ratings = {name: float(row[name]) for name in RATED}
        except ValueError as error:
            raise UsageError(f"{place}: {', '.join(RATED)} must be numbers.") from error
        found.append(FollowUp(row["question"], row["answer"], row["follow_up"], ratings))
    return found


def _rows(file: Path, needed: Sequence[str], other: Sequence[str] = ()) -> list[tuple[str, dict[str, str]]]:
    """Return each row of a TSV file (tabs in its header; quotes are letters) or CSV file, with where it stands."""
    text = read_text(file, "TSV or CSV").text
    source, tabs = io.StringIO(text, newline=""), "\t" in text.partition("\n")[0]
    lines = csv.reader(source, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(source, strict=True)
    try:
        header = next(lines, [])
        if len(set(header)) < len(header) or not set(needed) <= set(header) <= {*needed, *other}:
            may = f", and may have {', '.join(other)}" if other else ""
            raise UsageError(f"{file} has the columns {', '.join(header)}; it must have {', '.join(needed)}{may}.")
        rows = []
        for cells in filter(None, lines):
            place = f"{file}, line {lines.line_num}"
            row = dict(zip(header, cells, strict=False))
            if len(cells) != len(header) or not all(row[name].strip() for name in needed):
                raise UsageError(f"{place} must have {len(header)} cells, and none of {', '.join(needed)} empty.")
            rows.append((place, row))
    except csv.Error as error:
        raise UsageError(f"{file}, line {lines.line_num}, is not well-formed: {error}.") from error
    if not rows:
        raise UsageError(f"{file} has no rows under its header.")
    return rows
