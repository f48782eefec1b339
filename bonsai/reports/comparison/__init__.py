"""Comparisons: the chains of a run side by side, a column for each value of an axis, aligned by question and step."""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import Axis
from bonsai.chains.step import Step
from bonsai.measures.segments import segments
from bonsai.reports.markdown import TextTable
from bonsai.runs.run import Run

NO_ADAPTER = "no adapter"
# Which axis the columns are when nobody says: the first of these that has several values.
_LIKELIEST = (Axis.PROMPT, Axis.ADAPTER, Axis.METHOD, Axis.SEED)

Kind = Literal["same", "removed", "added"]


@dataclass(frozen=True)
class Entry:
    """One step in a cell, and the chain that it is of."""

    chain: Chain
    step: Step


@dataclass(frozen=True)
class Cell:
    """The steps that stand in one place of a comparison: several, if the same was asked with several seeds."""

    entries: tuple[Entry, ...] = ()

    def texts(self, field: str) -> list[tuple[str, int]]:
        """Return the different texts of a field of the steps with how often each came, the most frequent first."""
        return Counter(str(getattr(entry.step, field)) for entry in self.entries).most_common()

    def told(self, field: str) -> str:
        """Return the texts of a field in one: each on a line of its own, if there are several, with its count."""
        if len(self.entries) == 1:
            return str(getattr(self.entries[0].step, field))
        return "\n".join(f"{count}× {text}" for text, count in self.texts(field))


@dataclass(frozen=True)
class Line:
    """A row of a comparison: what is the same in it, by axis, its step, and a cell for each column."""

    labels: Mapping[str, str]
    step: int
    cells: Mapping[str, Cell]

    def differs(self, field: str) -> bool:
        """Say whether the columns have different texts of a field, or not as often."""
        return len({tuple(sorted(cell.texts(field))) for cell in self.cells.values()}) > 1


@dataclass(frozen=True)
class Comparison:
    """The finished steps of a run, with the values of `axis` as columns; `labels` are the axes of the lines."""

    axis: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    lines: tuple[Line, ...]

    def pairs(self, line: Line, column: str, other: str) -> list[tuple[Entry, Entry]]:
        """Return the steps of two columns in a line that belong together: those of the same seed."""
        ours, theirs = (self._by_seed(line.cells[name]) for name in (column, other))
        return [(entry, theirs[seed]) for seed, entry in ours.items() if seed in theirs]

    def _by_seed(self, cell: Cell) -> dict[int, Entry]:
        # Where the seeds are the columns, a cell has one step.
        return {0 if self.axis == Axis.SEED else entry.chain.seed: entry for entry in cell.entries}

    def table(self, field: str) -> TextTable:
        """Return the texts of a field of the steps, line by line."""
        rows = (
            (
                *(line.labels[name] for name in self.labels),
                str(line.step),
                *(line.cells[column].told(field) for column in self.columns),
            )
            for line in self.lines
        )
        return TextTable("Side by side", (*self.labels, "step", *self.columns), tuple(rows))


def value_of(run: Run, chain: Chain, axis: str) -> str:
    """Return where a chain of a run stands on an axis, in words."""
    if axis == "adapter":
        return run.answered_by(chain)[1] or NO_ADAPTER
    return {
        "question": chain.steps[0].question,
        "prompt": chain.prompt.name,
        "method": chain.method,
        "seed": str(chain.seed),
    }[axis]


def values(run: Run) -> dict[str, list[str]]:
    """Return the values that each axis has in a run, in the order in which they come; no journal is read for it."""
    found: dict[str, dict[str, None]] = {axis: {} for axis in Axis}
    for chain in run.begun():
        for axis in Axis:
            found[axis][value_of(run, chain, axis)] = None
    return {axis: list(names) for axis, names in found.items()}


def columns_axis(values: Mapping[str, Collection[object]]) -> str:
    """Return the axis whose values are the columns when nothing is said; "" if no axis has more than one."""
    return next((axis for axis in _LIKELIEST if len(values[axis]) > 1), "")


class SideBySide:
    """The finished steps of a run, gathered while its chains pass by, with a column for each value of an axis.

    Chains that are different in nothing but their seed share a cell, unless the seeds are the columns.
    """

    def __init__(self, run: Run, axis: str, values: Mapping[str, Sequence[str]]) -> None:
        self._run, self._axis, self._values = run, axis, values
        self._others = [name for name in Axis if name not in (axis, "seed")]
        self._table: dict[tuple[tuple[str, ...], int], dict[str, list[Entry]]] = {}

    def add(self, chain: Chain) -> None:
        """Take in a chain; a branch does not stand on the axes, since it was not asked as the others were."""
        if not chain.is_root:
            return
        column = value_of(self._run, chain, self._axis)
        key = tuple(value_of(self._run, chain, name) for name in self._others)
        for step in chain.steps:
            if step.finished:
                self._table.setdefault((key, step.number), {}).setdefault(column, []).append(Entry(chain, step))

    def comparison(self) -> Comparison:
        """Return what was gathered, line by line."""
        columns = tuple(self._values[self._axis])
        labels = tuple(name for name in self._others if name == "question" or len(self._values[name]) > 1)
        order = {key: place for place, key in enumerate(dict.fromkeys(key for key, _ in self._table))}
        lines = [
            Line(
                {name: value for name, value in zip(self._others, key, strict=True) if name in labels},
                number,
                {column: Cell(tuple(cells.get(column, ()))) for column in columns},
            )
            for (key, number), cells in sorted(self._table.items(), key=lambda item: (order[item[0][0]], item[0][1]))
        ]
        return Comparison(self._axis, columns, labels, tuple(lines))


def side_by_side(run: Run, axis: str) -> Comparison:
    """Return the finished steps of a run with a column for each value of an axis; its chains are read once."""
    found = SideBySide(run, axis, values(run))
    for chain in run.chains:
        found.add(chain)
    return found.comparison()


def difference(text: str, other: str) -> list[tuple[str, Kind]]:
    """Return the words that lead from a text to another one: runs of what is the same, removed and added.

    All but what is added, joined, is the text; all but what is removed is the other one.
    """
    ours, theirs = segments(text), segments(other)
    parts: list[tuple[str, Kind]] = []
    for kind, start, end, begin, stop in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(("".join(ours[start:end]), "same"))
            continue
        if start < end:
            parts.append(("".join(ours[start:end]), "removed"))
        if begin < stop:
            parts.append(("".join(theirs[begin:stop]), "added"))
    return parts
