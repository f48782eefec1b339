"""Statistics of a comparison: means with bootstrap intervals, and paired differences corrected for their number."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np

from bonsai.chains.step import Step
from bonsai.reports.comparison import value_of, values
from bonsai.reports.markdown import TextTable
from bonsai.runs.run import Run
from bonsai.runs.text_files import escape_formula

FEWEST = 15
TOO_FEW = "too few"
MEASURES = ("similarity", "new_content", "completion_tokens")
FLAG = "flag "
_LEVEL = 0.95
_RESAMPLES = 2000
_SEED = 0
# scipy is imported where it is used: it takes a second, which a run without a comparison need not wait for.


@dataclass(frozen=True)
class Figure:
    """A number of a comparison: of one column, or of one (`column`) less another (`other`).

    `quantity` is a measure, averaged, or a flag, as the share of steps that have it. `value` is the mean over `items`;
    `low` and `high` bound its 95% interval (percentile bootstrap over items), and `p` is that of a two-sided sign-flip
    test, corrected for all differences of the table (Benjamini and Hochberg 1995). Under 15 paired items there is
    no number but `note`; under 15 items a mean has no interval.
    """

    quantity: str
    column: str
    other: str
    items: int
    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    note: str = ""


COLUMNS = tuple(item.name for item in fields(Figure))


@dataclass(frozen=True)
class Statistics:
    """The figures of a run with the values of `axis` as columns, over items that are "questions" or "seeds".

    `dropped` names the items that some columns lack, with these columns: no difference takes them in.
    """

    axis: str
    unit: str
    columns: tuple[str, ...]
    figures: tuple[Figure, ...]
    dropped: Mapping[str, tuple[str, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Return the figures as objects for JSON."""
        return [asdict(figure) for figure in self.figures]


def statistics(run: Run, axis: str) -> Statistics:
    """Return the figures of a run for each value of an axis, and for each pair of them.

    An item is a question; where there is only one, or questions are the columns, it is a seed. Its value is the mean
    over the item's finished steps. The same run gives the same figures, wherever it is asked for them.
    """
    found = values(run)
    unit = "question" if axis != "question" and len(found["question"]) > 1 else "seed"
    table = _means(run, axis, unit)
    columns = found[axis]
    items = list(dict.fromkeys(item for (column, item) in table[MEASURES[-1]]))
    quantities = [name for name in (*MEASURES, *sorted(table.keys() - set(MEASURES))) if table[name]]
    own = [_mean(name, column, _pick(table[name], column)) for name in quantities for column in columns]
    paired = [
        _difference(name, one, other, _pick(table[name], one), _pick(table[name], other))
        for name in quantities
        for one, other in combinations(columns, 2)
    ]
    present = {column: set(_pick(table[MEASURES[-1]], column)) for column in columns}
    dropped = {item: tuple(column for column in columns if item not in present[column]) for item in items}
    return Statistics(
        axis,
        f"{unit}s",
        tuple(columns),
        (*own, *_corrected(paired)),
        {item: missing for item, missing in dropped.items() if missing},
    )


Table = dict[str, dict[tuple[str, str], float]]


def _means(run: Run, axis: str, unit: str) -> Table:
    """Return for each quantity the mean of each (column, item)."""
    sums: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0]))
    for chain in run.chains:
        if not chain.is_root:
            continue
        key = value_of(run, chain, axis), value_of(run, chain, unit)
        for step in filter(_counts, chain.steps):
            for name in MEASURES:
                if (value := getattr(step, name)) is not None:
                    _add(sums[name][key], value)
            _add(sums["steps"][key], 0)
            for flag in step.flags:
                _add(sums[FLAG + flag][key], 1)
    steps = sums.pop("steps")
    for name in [name for name in sums if name.startswith(FLAG)]:
        sums[name] = defaultdict(list, {key: [sums[name][key][0], steps[key][1]] for key in steps})
    table = {name: {key: total / count for key, (total, count) in cells.items()} for name, cells in sums.items()}
    return defaultdict(dict, table)


def _counts(step: Step) -> bool:
    return step.finished and not step.error


def _add(cell: list[float], value: float) -> None:
    cell[0] += value
    cell[1] += 1


def _pick(cells: Mapping[tuple[str, str], float], column: str) -> dict[str, float]:
    return {item: value for (name, item), value in cells.items() if name == column}


def _mean(quantity: str, column: str, items: Mapping[str, float]) -> Figure:
    if not items:
        return Figure(quantity, column, "", 0, None, note=TOO_FEW)
    sample = np.array(list(items.values()))
    low, high = _interval(sample) if len(sample) >= FEWEST else (None, None)
    note = "" if len(sample) >= FEWEST else TOO_FEW
    return Figure(quantity, column, "", len(sample), _rounded(sample.mean()), low, high, note=note)


def _difference(
    quantity: str, column: str, other: str, ours: Mapping[str, float], theirs: Mapping[str, float]
) -> Figure:
    sample = np.array([value - theirs[item] for item, value in ours.items() if item in theirs])
    if len(sample) < FEWEST:
        return Figure(quantity, column, other, len(sample), None, note=TOO_FEW)
    low, high = _interval(sample)
    return Figure(quantity, column, other, len(sample), _rounded(sample.mean()), low, high, _p_value(sample))


def _interval(sample: np.ndarray[Any, Any]) -> tuple[float, float]:
    if np.ptp(sample) == 0:
        return _rounded(sample[0]), _rounded(sample[0])
    from scipy import stats

    found = stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=_LEVEL,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    )
    return _rounded(found.confidence_interval.low), _rounded(found.confidence_interval.high)


def _p_value(sample: np.ndarray[Any, Any]) -> float:
    if not sample.any():
        return 1.0
    from scipy import stats

    found = stats.permutation_test(
        (sample,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(_SEED),
    )
    return float(found.pvalue)


def _corrected(figures: Sequence[Figure]) -> list[Figure]:
    tested = [figure.p for figure in figures if figure.p is not None]
    if not tested:
        return list(figures)
    from scipy import stats

    corrected = iter(stats.false_discovery_control(tested))
    return [figure if figure.p is None else replace(figure, p=_rounded(next(corrected))) for figure in figures]


def _rounded(value: Any) -> float:
    # And no negative zero, which would be another text in a file.
    return round(float(value), 4) + 0.0


def tables(figures: Statistics) -> list[TextTable]:
    """Return the figures as tables of texts: the means, the differences, and the items that these leave out."""
    own = [figure for figure in figures.figures if not figure.other]
    paired = [figure for figure in figures.figures if figure.other]
    means = [(one.quantity, one.column, str(one.items), _number(one.value), _between(one)) for one in own]
    differences = [
        (one.quantity, f"{one.column} - {one.other}", str(one.items), _number(one.value), _between(one), _number(one.p))
        for one in paired
    ]
    found = [
        TextTable(
            f"Means over {figures.unit}", ("quantity", figures.axis, "items", "mean", "95% interval"), tuple(means)
        ),
        TextTable(
            f"Differences, paired over {figures.unit}",
            ("quantity", figures.axis, "items", "mean", "95% interval", "p, corrected"),
            tuple(differences),
        ),
    ]
    if figures.dropped:
        rows = [(item, ", ".join(columns)) for item, columns in figures.dropped.items()]
        found.append(TextTable("Left out of the differences", (figures.unit, "lacking in"), tuple(rows)))
    return found


def to_csv(figures: Statistics) -> str:
    """Return the figures as RFC 4180 text with the COLUMNS, safe to open in a spreadsheet."""
    text = io.StringIO(newline="")
    rows = ([escape_formula(value) for value in astuple(figure)] for figure in figures.figures)
    csv.writer(text, lineterminator="\r\n").writerows([COLUMNS, *rows])
    return "\ufeff" + text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _between(figure: Figure) -> str:
    return figure.note if figure.low is None or figure.high is None else f"{figure.low:g} to {figure.high:g}"
