"""The table of a run as an Excel workbook, with the summary and the statistics on sheets of their own."""

from collections.abc import Iterable, Iterator

from bonsai.reports.report import ChainReport, Report
from bonsai.reports.table import COLUMNS
from bonsai.runs.run import Run
from bonsai.runs.tables.excel_files import MAX_CELL, utf16_length, workbook


def excel_parts(report: Report, chains: Iterator[ChainReport]) -> Iterator[bytes]:
    """Yield the parts of a workbook: a sheet of all steps, with one row each, one of the summary, one of statistics."""
    sheets: dict[str, Iterator[tuple[object, ...]]] = {
        "steps": _steps(chains),
        "summary": iter([("name", "text"), *report.summary]),
    }
    if report.statistics:
        records = report.statistics.records()
        sheets["statistics"] = iter([tuple(one) for one in records[:1]] + [_plain(one.values()) for one in records])
    yield from workbook(sheets)


def texts_too_long(run: Run) -> list[str]:
    """Return where the texts of a run stand that no cell holds whole: "chain 1, step 2"."""
    return [
        f"chain {chain.number}, step {step.number}"
        for chain in run.chains
        for step in chain.own_steps
        if any(utf16_length(text) > MAX_CELL for text in (step.question, step.reasoning, step.answer))
    ]


def _plain(values: Iterable[object]) -> tuple[object, ...]:
    return tuple(value if isinstance(value, str | int | float | None) else str(value) for value in values)


def _steps(chains: Iterator[ChainReport]) -> Iterator[tuple[object, ...]]:
    yield COLUMNS
    for chain in chains:
        for row in chain.rows:
            yield tuple(row.values())
