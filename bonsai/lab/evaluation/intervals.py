"""Numbers with their 95% intervals: of one system, and of the difference between two."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bonsai.runs.run.wins import LEVEL, Estimate

RESAMPLES, SEED = 2000, 0

Count = tuple[float, float]
"""What one question adds to a figure: how much (or how many), and among how many."""


def ratio(counts: Sequence[Count]) -> Estimate | None:
    """Return how much there is of a figure over all questions; None if no question says anything of it."""
    return _bootstrap([counts], lambda many, among: many / among)


def difference(counts: Sequence[Count], other: Sequence[Count]) -> Estimate | None:
    """Return the ratio of one system less that of another; None if one of them has none.

    Both hold the same questions in the same order, and are drawn together: what is hard for both is no difference.
    """
    return _bootstrap([counts, other], lambda many, among, others, others_among: many / among - others / others_among)


def _bootstrap(columns: Sequence[Sequence[Count]], statistic: Callable[..., Any]) -> Estimate | None:
    """Return a statistic of sums over questions, with the percentile interval of its bootstrap over questions."""
    counts = np.array([[part for count in row for part in count] for row in zip(*columns, strict=True)], float).T
    if not counts.size or (counts[1::2].sum(axis=1) == 0).any():
        return None
    questions = counts.shape[1]
    drawn = np.random.default_rng(SEED).integers(questions, size=(RESAMPLES, questions))
    # A sample may have none of the few questions that say anything.
    with np.errstate(invalid="ignore", divide="ignore"):
        values = statistic(*counts[:, drawn].sum(axis=2))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values[np.isfinite(values)], [tail, 1 - tail])
    return Estimate(float(statistic(*counts.sum(axis=1))), float(low), float(high))
