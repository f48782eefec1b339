"""The blind comparison: a sheet on which a person marks the better of two answers without knowing whose it is."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from bonsai.errors import UsageError
from bonsai.lab.evaluation.figures.counts import Observation
from bonsai.runs.run.wins import Wins
from bonsai.runs.tables.csv_files import read_csv
from bonsai.runs.tables.output_files import write_whole
from bonsai.runs.tables.sheet import Sheet

SHEET = ("pair", "question", "answer A", "answer B", "better")
KEY = ("pair", "A", "B")
SAME = "="
SEED = 1


def key_of(sheet: Path) -> Path:
    """Return the file that keeps whose answers stand on a sheet."""
    return sheet.with_suffix(f".key{sheet.suffix}")


def write_sheet(
    file: Path, pairs: int, alone: Sequence[Observation], adapter: Sequence[Observation], names: tuple[str, str]
) -> None:
    """Write a sheet of so many pairs of first answers, and its key beside it; `names` are those of the two systems.

    Questions and sides are drawn by a seed. Pairs of the same answer, or without one, are left out. Raises UsageError
    if there are too few pairs, and RunFileError if a file cannot be written.
    """
    found = [
        (one.chain.questions[0], answers)
        for one, other in zip(alone, adapter, strict=True)
        if all(answers := (one.chain.steps[0].answer, other.chain.steps[0].answer)) and len(set(answers)) == 2
    ]
    if len(found) < pairs:
        raise UsageError(
            "--blind is {wanted}, and only {found} questions have two different answers; ask for fewer pairs.",
            wanted=pairs,
            found=len(found),
        )
    draw = random.Random(SEED)
    rows, keys = [], []
    for number, (question, answers) in enumerate(draw.sample(found, pairs), start=1):
        sides = draw.sample((0, 1), 2)
        rows.append((str(number), question, *(answers[side] for side in sides), ""))
        keys.append((str(number), *(names[side] for side in sides)))
    write_whole(file, [Sheet(SHEET, tuple(rows)).to_csv()])
    write_whole(key_of(file), [Sheet(KEY, tuple(keys)).to_csv()])


def read_judged(file: Path) -> tuple[Mapping[str, Wins], int]:
    """Return how often each of the two systems on a filled sheet was marked better, and how many pairs are unmarked.

    Raises UsageError, naming pair or column, for a mark that is none of A, B and =, and if the key does not fit.
    """
    rows, keys = _rows(file, ("pair", "better")), _rows(key_of(file), ("pair", "a", "b"))
    whose = {row["pair"]: row for row in keys}
    names = sorted({name for row in keys for name in (row["a"], row["b"])})
    won = dict.fromkeys(names, 0)
    ties = unmarked = 0
    for row in rows:
        mark = row["better"].strip().lower()
        if row["pair"] not in whose:
            raise UsageError("{file}: its key has no pair {pair}.", file=file, pair=row["pair"])
        if mark in ("a", "b"):
            won[whose[row["pair"]][mark]] += 1
        elif mark == SAME:
            ties += 1
        elif mark:
            raise UsageError(
                "{file}, pair {pair}: better is {mark!r}; write A, B, or = where neither is better.",
                file=file,
                pair=row["pair"],
                mark=row["better"],
            )
        else:
            unmarked += 1
    decided = sum(won.values())
    return {name: Wins(won[name], decided - won[name], ties) for name in names}, unmarked


def _rows(file: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    sheet = read_csv(file, columns)
    for column in columns:
        if column not in sheet.names:
            raise UsageError(
                "{file} has no column {column}; give the sheet that --blind wrote.", file=file, column=column
            )
    return [dict(zip(sheet.names, row, strict=True)) for row in sheet.rows]
