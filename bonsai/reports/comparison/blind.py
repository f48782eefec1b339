"""Blind judging: pairs of answers of a comparison, shuffled, for a person who does not see whose they are."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from bonsai.chains.outcomes import Judgement
from bonsai.reports.comparison import Comparison, Entry
from bonsai.runs.run import Run
from bonsai.runs.run.verdicts import StepVerdict

MARKS = {"1": Judgement.BETTER, "2": Judgement.WORSE, "0": Judgement.TIE}
"""What a person marks: which of the two is better, or a tie."""


@dataclass(frozen=True)
class BlindPair:
    """Two steps with different answers in one line of a comparison, in the order in which they are shown."""

    first: Entry
    second: Entry

    def verdict(self, mark: str) -> StepVerdict:
        """Return what one of the MARKS says of the pair."""
        one, other = self.first, self.second
        return StepVerdict(one.chain.number, one.step.number, MARKS[mark], beside=other.chain.number).ordered()


def blind_pairs(run: Run, comparison: Comparison) -> list[BlindPair]:
    """Return the pairs of a run that nobody judged yet, in an order and with sides that are drawn by its id.

    Pairs of the same answer, or without one, are left out: there is nothing to judge.
    """
    draw = random.Random(run.id)
    pairs = [BlindPair(*draw.sample(pair, 2)) for pair in _pairs(comparison)]
    draw.shuffle(pairs)
    judged = {one.key for one in run.verdicts}
    return [pair for pair in pairs if pair.verdict("0").key not in judged]


def _pairs(comparison: Comparison) -> Iterator[tuple[Entry, Entry]]:
    for line in comparison.lines:
        for columns in combinations(comparison.columns, 2):
            for one, other in comparison.pairs(line, *columns):
                if one.step.answer and other.step.answer and one.step.answer != other.step.answer:
                    yield one, other
