"""The figures of a calibration: shares and areas with their 95% intervals, and a threshold by its false alarms."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import binomtest

from bonsai.lab.calibration.data import Case, Pair
from bonsai.measures.similarity import Measure

FALSE_ALARMS = 0.05
_DRAWS, _SEED = 1000, 1

Named = Mapping[str, Measure]
"""Measures by what they are called in the head of a table."""


def share(tests: Iterable[bool]) -> str:
    """Return how many of some tests are true, in percent with Wilson's 95% interval."""
    found = list(tests)
    if not found:
        return "none"
    true = binomtest(sum(found), len(found))
    interval = true.proportion_ci(method="wilson")
    return f"{true.statistic:.1%} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def roc_areas(pairs: Sequence[Pair], measures: Named) -> list[str]:
    """Return the area under the ROC curve of each similarity, with an interval from draws with replacement."""
    return [_roc_area(pairs, measure) for measure in measures.values()]


def _roc_area(pairs: Sequence[Pair], measure: Measure) -> str:
    values = [(pair.same, measure.similarity(pair.question, pair.other)) for pair in pairs]
    same = np.array([value for is_same, value in values if is_same])
    other = np.array([value for is_same, value in values if not is_same])
    if not same.size or not other.size:
        return "none"
    wins = (same[:, None] > other) + 0.5 * (same[:, None] == other)
    draw = np.random.default_rng(_SEED).multinomial
    ours, theirs = (draw(size, np.full(size, 1 / size), _DRAWS) / size for size in (same.size, other.size))
    low, high = np.quantile(((ours @ wins) * theirs).sum(axis=1), (0.025, 0.975))
    return f"{wins.mean():.3f} ({low:.3f} to {high:.3f})"


def sameness(measure: Measure, case: Case) -> float:
    """Return what thresholds are held against, 0 if a question has nothing before it."""
    return measure.compare_with_earlier(*case).repeat_score or 0.0


def threshold(values: Sequence[float]) -> float:
    """Return the value that at most FALSE_ALARMS of the values are above."""
    return sorted(values, reverse=True)[int(FALSE_ALARMS * len(values))]
