"""The figures of a calibration: shares and areas with their 95% intervals, and a threshold by its false alarms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bonsai.lab.calibration.data import Case, Pair
from bonsai.measures.similarity import Measure

FALSE_ALARMS = 0.05
_DRAWS, _SEED = 1000, 1


@dataclass(frozen=True)
class Share:
    """How many of `total` were found; as text the share in percent, with Wilson's 95% interval."""

    found: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "none"
        share, z = self.found / self.total, 1.96
        middle = share + z * z / (2 * self.total)
        reach = z * (share * (1 - share) / self.total + (z / (2 * self.total)) ** 2) ** 0.5
        low, high = (max(0.0, (middle + side * reach) / (1 + z * z / self.total)) for side in (-1, 1))
        return f"{share:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def share(tests: Iterable[bool]) -> Share:
    """Return how many of some tests are true."""
    found = list(tests)
    return Share(sum(found), len(found))


def roc_area(pairs: Sequence[Pair], measure: Measure) -> str:
    """Return the area under the ROC curve of similarity, with an interval from draws with replacement."""
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
