"""How a comparison by people went: wins, losses and ties, with the interval and the test of a share."""

from dataclasses import dataclass
from typing import Any

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and the bounds of its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Wins:
    """How often one of two was judged better."""

    wins: int
    losses: int
    ties: int

    @property
    def decided(self) -> int:
        """How many were no ties."""
        return self.wins + self.losses

    @property
    def share(self) -> Estimate | None:
        """The share of wins among what was decided, with its exact interval (Clopper and Pearson 1934).

        None if nothing was decided.
        """
        if not self.decided:
            return None
        interval = self._test().proportion_ci(LEVEL)
        return Estimate(self.wins / self.decided, float(interval.low), float(interval.high))

    @property
    def p_value(self) -> float:
        """The chance of a result as uneven if both were as good: that of a two-sided sign test, ties left out."""
        return float(self._test().pvalue) if self.decided else 1.0

    def _test(self) -> Any:
        # It takes a second to import, and most runs are judged by nobody.
        from scipy import stats

        return stats.binomtest(self.wins, self.decided)
