"""What people's verdicts say of the columns of a comparison: how often each was judged better than another one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bonsai.chains.outcomes import Judgement
from bonsai.reports.markdown import TextTable
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.runs.run.wins import Wins

_SCORES = {Judgement.BETTER: 1, Judgement.WORSE: -1}

Place = tuple[str, str]
"""The column and the item of a chain."""


@dataclass(frozen=True)
class ColumnWins:
    """How two columns fared against each other, over items: several verdicts on one item count as one."""

    column: str
    other: str
    wins: Wins
    """Those of `column`."""


def column_wins(
    verdicts: Iterable[StepVerdict], places: Mapping[int, Place], columns: Sequence[str]
) -> tuple[ColumnWins, ...]:
    """Return how each two columns fared that were judged beside each other; `places` are those of chains by number.

    An item is won by the column that was judged better more often in it.
    """
    balance: dict[tuple[str, str], Counter[str]] = {pair: Counter() for pair in combinations(columns, 2)}
    for one in verdicts:
        if one.chain not in places or one.beside not in places:
            continue
        (column, item), (other, other_item) = places[one.chain], places[one.beside]
        if item != other_item:
            continue
        score = _SCORES.get(one.judgement, 0)
        for pair, sign in (((column, other), 1), ((other, column), -1)):
            if pair in balance:
                balance[pair][item] += sign * score
    return tuple(ColumnWins(*pair, _counted(items)) for pair, items in balance.items() if items)


def wins_table(found: Sequence[ColumnWins], unit: str, p_values: Sequence[float | None]) -> TextTable:
    """Return the wins as a table of texts, with p-values that are corrected for the number of pairs."""
    head = ("columns", unit, "wins", "losses", "ties", "share of wins", "95% interval", "p, corrected")
    rows = []
    for one, p in zip(found, p_values, strict=True):
        won, share = one.wins, one.wins.share
        counts = (won.decided + won.ties, won.wins, won.losses, won.ties)
        interval = (f"{share.value:.0%}", f"{share.low:.0%} to {share.high:.0%}") if share else ("", "")
        rows.append((f"{one.column} : {one.other}", *map(str, counts), *interval, "" if p is None else f"{p:g}"))
    return TextTable(f"Verdicts of people, over {unit}", head, tuple(rows))


def _counted(balance: Counter[str]) -> Wins:
    values = balance.values()
    return Wins(sum(one > 0 for one in values), sum(one < 0 for one in values), sum(one == 0 for one in values))
