"""Statistics of a comparison: means with bootstrap intervals, and paired differences corrected for their number."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np

from bonsai.chains.chain import Chain
from bonsai.reports.comparison import value_of
from bonsai.reports.markdown import TextTable
from bonsai.reports.statistics.resampling import Array, intervals, p_values
from bonsai.reports.statistics.verdict_wins import ColumnWins, column_wins, wins_table
from bonsai.reports.table import csv_header, csv_text
from bonsai.runs.run import Run

FEWEST = 15
TOO_FEW = "too few"
MEASURES = ("similarity", "new_content", "completion_tokens")
FLAG = "flag "
WINS = "wins"
# Of more columns not every pair is compared, but each with the first one: the pairs would be too many to read.
MAX_PAIRED_COLUMNS = 20


@dataclass(frozen=True)
class Figure:
    """A number of a comparison: of one column, or of one less another."""

    quantity: str
    """A measure, averaged; a flag, as the share of steps that have it; or WINS, by the verdicts of people."""
    column: str
    other: str
    """The column that is subtracted, or won against; "" for a figure of one column."""
    items: int
    """How many questions or seeds it is taken over; of WINS those that are no ties."""
    value: float | None
    """The mean over the items; None for a difference over fewer than FEWEST items, and for no item."""
    low: float | None = None
    """The lower end of the 95% interval; None over fewer than FEWEST items.

    A percentile bootstrap over items; of WINS the exact interval, of however few.
    """
    high: float | None = None
    """Its upper end."""
    p: float | None = None
    """Of a difference: two-sided sign-flip test, corrected for all differences (Benjamini and Hochberg 1995).

    Of WINS: two-sided sign test, corrected for all pairs of columns that were judged.
    """
    note: str = ""
    """TOO_FEW where that is so; of WINS the number of ties."""


COLUMNS = tuple(item.name for item in fields(Figure))


@dataclass(frozen=True)
class Statistics:
    """The figures of a run with the values of an axis as columns."""

    axis: str
    unit: str
    """What the items are: "questions" or "seeds"."""
    columns: tuple[str, ...]
    figures: tuple[Figure, ...]
    dropped: Mapping[str, tuple[str, ...]]
    """The items that some columns lack, with these columns: no difference takes them in."""
    wins: tuple[ColumnWins, ...] = ()
    """How columns fared that people judged beside each other."""

    def records(self) -> list[dict[str, Any]]:
        """Return the figures as objects for JSON."""
        return [asdict(figure) for figure in self.figures]


class ItemMeans:
    """The mean of each quantity for each column and item, gathered while the chains of a run pass by.

    An item is a question; where there is only one, or questions are the columns, it is a seed. Its value is the mean
    over the item's finished steps. `values` are those of the run's axes.
    """

    def __init__(self, run: Run, axis: str, values: Mapping[str, Sequence[str]]) -> None:
        self._run, self._axis, self._columns = run, axis, tuple(values[axis])
        self._unit = "question" if axis != "question" and len(values["question"]) > 1 else "seed"
        # For each quantity, and the steps themselves, the sum and the count of each (column, item).
        self._sums: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0]))
        self._places: dict[int, tuple[str, str]] = {}

    def add(self, chain: Chain) -> None:
        """Take in a chain; branches do not count, since they were not asked as the others were."""
        if not chain.is_root:
            return
        key = value_of(self._run, chain, self._axis), value_of(self._run, chain, self._unit)
        self._places[chain.number] = key
        for step in (one for one in chain.steps if one.finished and not one.error):
            for name in MEASURES:
                if (value := getattr(step, name)) is not None:
                    self._add(name, key, value)
            self._add("steps", key, 0)
            for flag in step.flags:
                self._add(FLAG + flag, key, 1)

    def statistics(self) -> Statistics:
        """Return the figures for each column and each pair of columns. The same run gives the same figures."""
        means, columns = self._means(), self._columns
        # Every step that counts has this measure.
        counted = means.get(MEASURES[-1], {})
        items = list(dict.fromkeys(item for _, item in counted))
        own = [(name, column, "", _values(means[name], column, items)) for name in means for column in columns]
        paired = [
            (name, one, other, _differences(means[name], one, other, items))
            for name in means
            for one, other in _pairs(columns)
        ]
        lacking = {item: tuple(column for column in columns if (column, item) not in counted) for item in items}
        wins = column_wins(self._run.verdicts, self._places, columns)
        return Statistics(
            self._axis,
            f"{self._unit}s",
            columns,
            (*_figures(own), *_corrected(_figures(paired)), *_corrected([_wins_figure(one) for one in wins])),
            {item: names for item, names in lacking.items() if names},
            wins,
        )

    def _add(self, quantity: str, key: tuple[str, str], value: float) -> None:
        cell = self._sums[quantity][key]
        cell[0] += value
        cell[1] += 1

    def _means(self) -> dict[str, dict[tuple[str, str], float]]:
        """Return the means of the measures, and of the flags in the order of their names, without empty ones."""
        steps = self._sums["steps"]
        found = {name: {key: total / count for key, (total, count) in self._sums[name].items()} for name in MEASURES}
        for name in sorted(name for name in self._sums if name.startswith(FLAG)):
            found[name] = {key: self._sums[name][key][0] / count for key, (_, count) in steps.items()}
        return {name: cells for name, cells in found.items() if cells}


# A quantity, its column, the column that is subtracted, and the values of the items.
_Sample = tuple[str, str, str, Array]


def _pairs(columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(columns) <= MAX_PAIRED_COLUMNS:
        return combinations(columns, 2)
    return ((column, columns[0]) for column in columns[1:])


def _values(cells: Mapping[tuple[str, str], float], column: str, items: Sequence[str]) -> Array:
    return np.array([cells[column, item] for item in items if (column, item) in cells])


def _differences(cells: Mapping[tuple[str, str], float], one: str, other: str, items: Sequence[str]) -> Array:
    shared = [item for item in items if (one, item) in cells and (other, item) in cells]
    return np.array([cells[one, item] - cells[other, item] for item in shared])


def _figures(samples: Sequence[_Sample]) -> list[Figure]:
    """Return the figure of each sample, those that are of differences with p-values that are not corrected yet."""
    enough = [values for *_, values in samples if len(values) >= FEWEST]
    bounds = iter(intervals(enough))
    tested = iter(p_values([values for _, _, other, values in samples if other and len(values) >= FEWEST]))
    found = []
    for quantity, column, other, values in samples:
        items = len(values)
        is_enough = items >= FEWEST
        mean = _rounded(values.mean()) if items and (is_enough or not other) else None
        low, high = map(_rounded, next(bounds)) if is_enough else (None, None)
        p = next(tested) if is_enough and other else None
        found.append(Figure(quantity, column, other, items, mean, low, high, p, "" if is_enough else TOO_FEW))
    return found


def _wins_figure(found: ColumnWins) -> Figure:
    won, share = found.wins, found.wins.share
    value, low, high = map(_rounded, (share.value, share.low, share.high)) if share else (None, None, None)
    p, note = won.p_value if share else None, f"{won.ties} ties" if won.ties else ""
    return Figure(WINS, found.column, found.other, won.decided, value, low, high, p, note)


def _corrected(figures: Sequence[Figure]) -> list[Figure]:
    tested = [figure.p for figure in figures if figure.p is not None]
    if not tested:
        return list(figures)
    order = np.argsort(tested)[::-1]
    ranks = np.arange(len(tested), 0, -1)
    corrected = np.empty(len(tested))
    # Benjamini and Hochberg (1995): from the largest on, none is more than the one before it.
    corrected[order] = np.minimum.accumulate(np.minimum(1, np.array(tested)[order] * len(tested) / ranks))
    values = (_rounded(p) or float(f"{p:.1g}") for p in corrected)  # A chance that is small is not none.
    return [figure if figure.p is None else replace(figure, p=next(values)) for figure in figures]


def _rounded(value: Any) -> float:
    # And no negative zero, which would be another text in a file.
    return round(float(value), 4) + 0.0


def tables(figures: Statistics) -> list[TextTable]:
    """Return the figures as tables of texts: verdicts, means, differences, and the items that these leave out."""
    own = [figure for figure in figures.figures if not figure.other]
    paired = [figure for figure in figures.figures if figure.other and figure.quantity != WINS]
    judged = [figure.p for figure in figures.figures if figure.quantity == WINS]
    head = ("quantity", figures.axis, "items", "mean", "95% interval")
    means = [(one.quantity, one.column, *_cells(one)) for one in own]
    differences = [(one.quantity, f"{one.column} - {one.other}", *_cells(one), _number(one.p)) for one in paired]
    found = [
        *([wins_table(figures.wins, figures.unit, judged)] if judged else []),
        TextTable(f"Means over {figures.unit}", head, tuple(means)),
        TextTable(f"Differences, paired over {figures.unit}", (*head, "p, corrected"), tuple(differences)),
    ]
    if figures.dropped:
        rows = [(item, ", ".join(columns)) for item, columns in figures.dropped.items()]
        found.append(TextTable("Left out of the differences", (figures.unit, "lacking in"), tuple(rows)))
    return found


def to_csv(figures: Statistics) -> str:
    """Return the figures as RFC 4180 text with the COLUMNS, safe to open in a spreadsheet."""
    return csv_header(COLUMNS) + csv_text(map(astuple, figures.figures))


def _cells(figure: Figure) -> tuple[str, str, str]:
    between = figure.note if figure.low is None or figure.high is None else f"{figure.low:g} to {figure.high:g}"
    return str(figure.items), _number(figure.value), between


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
