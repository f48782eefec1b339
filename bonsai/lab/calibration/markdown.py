"""Tables of a calibration in Markdown."""

from collections.abc import Iterable, Sequence

from bonsai.lab.calibration.data import Case
from bonsai.lab.calibration.figures import Named, sameness, share, threshold


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, all columns but the first to the right."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def caught(groups: dict[str, list[Case]], measures: Named) -> list[str]:
    """Return a table of how many questions of each group the flags and the guard take for repeats."""
    rows = []
    for label, cases in groups.items():
        looks = [[measure.compare_with_earlier(*case) for case in cases] for measure in measures.values()]
        flagged = [share(look.repeated is not None for look in seen) for seen in looks]
        guarded = [share(look.rejected is not None for look in seen) for seen in looks]
        rows.append([label, f"{len(cases):,}", *flagged, *guarded])
    return table(["questions", "number", *(f"{rule} {name}" for rule in ("flag", "guard") for name in measures)], rows)


def caught_above(unlike: Sequence[Case], groups: dict[str, list[Case]], measures: Named) -> tuple[str, list[str]]:
    """Return the thresholds that `unlike` questions set, in words, and a table of how many of each group are above."""
    limits = {name: threshold([sameness(one, case) for case in unlike]) for name, one in measures.items()}
    rows = []
    for label, cases in groups.items():
        shares = (share(sameness(one, case) > limits[name] for case in cases) for name, one in measures.items())
        rows.append([label, f"{len(cases):,}", *shares])
    shown = " and ".join(f"{limit:.3f} {name}" for name, limit in limits.items())
    return shown, table(["questions", "number", *measures], rows)
