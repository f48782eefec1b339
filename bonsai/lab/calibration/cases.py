"""The questions of a calibration in groups: those that a measure is to find, and those that it is to leave alone."""

from collections import defaultdict
from collections.abc import Sequence

from bonsai.lab.calibration.data import Case, Data, Pair
from bonsai.runs.scoring import Turn


def to_be_found(data: Data) -> dict[str, list[Case]]:
    """Return the questions that repeat an earlier one, in groups by what they are from."""
    rated = {f"same meaning, {name}": [pair.case for pair in pairs if pair.same] for name, pairs in data.pairs.items()}
    return rated | by_split("reworded", data.rewordings)


def to_be_left(data: Data) -> dict[str, list[Case]]:
    """Return the questions that repeat none, in groups by what they are from."""
    chains = {f"turns, {name}": turns_of(turns) for name, turns in data.chains.items()}
    if len(chains) > 1:
        chains["turns, all of these"] = [case for cases in chains.values() for case in cases]
    rated = {
        f"another meaning, {name}": [pair.case for pair in pairs if not pair.same] for name, pairs in data.pairs.items()
    }
    return chains | rated | by_split("deeper", data.deeper)


def by_split(label: str, pairs: Sequence[Pair]) -> dict[str, list[Case]]:
    """Return pairs in a group for each split of their file."""
    splits = sorted({pair.split for pair in pairs})
    return {f"{label}, {split}": [pair.case for pair in pairs if pair.split == split] for split in splits}


def turns_of(turns: Sequence[Turn]) -> list[Case]:
    """Return the questions of chains after the first of each, with those before them."""
    asked: dict[str, list[str]] = defaultdict(list)
    cases = []
    for turn in turns:
        if asked[turn.chain]:
            cases.append((turn.question, tuple(asked[turn.chain])))
        asked[turn.chain].append(turn.question)
    return cases
