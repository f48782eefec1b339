"""The table of a run as an Excel workbook, with the summary and the statistics on sheets of their own."""

from collections.abc import Iterator
from dataclasses import astuple

from bonsai.reports.report import ChainReport, Report
from bonsai.reports.statistics import COLUMNS as FIGURE_COLUMNS
from bonsai.reports.table import COLUMNS
from bonsai.runs.run import Run
from bonsai.runs.tables.excel_files import MAX_CELL, Workbook, utf16_length


def excel_parts(report: Report, chains: Iterator[ChainReport]) -> Iterator[bytes]:
    """Yield the parts of a workbook: a sheet of all steps, with one row each, one of the summary, one of statistics."""
    book = Workbook()
    book.add_sheet("steps", COLUMNS)
    for chain in chains:
        for row in chain.rows:
            book.add_row(tuple(row.values()))
        # A part for each chain, so that files that are made at the same time wait for none that is far ahead.
        yield b""
    book.add_sheet("summary", ("name", "text"))
    for line in report.summary:
        book.add_row(line)
    figures = report.statistics.figures if report.statistics else ()
    if figures:
        book.add_sheet("statistics", FIGURE_COLUMNS)
    for figure in figures:
        book.add_row(astuple(figure))
    yield from book.parts()


def texts_too_long(run: Run) -> list[str]:
    """Return where the texts of a run stand that no cell holds whole: "chain 1, step 2"."""
    return [
        f"chain {chain.number}, step {step.number}"
        for chain in run.chains
        for step in chain.own_steps
        if any(utf16_length(text) > MAX_CELL for text in (step.question, step.reasoning, step.answer))
    ]
