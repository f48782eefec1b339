"""The files of a run: each form in which it can be taken away, drawn chain by chain, so that it may be long."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import tee, zip_longest
from pathlib import Path

from bonsai.errors import UsageError
from bonsai.reports.exports.html_page import html_parts
from bonsai.reports.exports.llm_comparator import comparator_json
from bonsai.reports.exports.markdown_report import markdown_parts, summary_markdown
from bonsai.reports.formats import Format
from bonsai.reports.report import DEFAULT, ChainReport, Report, ReportOptions
from bonsai.reports.statistics import to_csv as statistics_csv
from bonsai.reports.table import csv_header, csv_lines
from bonsai.runs.run import Run, chain_json, json_frame, replacing

__all__ = ["check", "draw", "export", "format_of", "summary_markdown", "to_csv", "to_markdown", "write_files"]

Chains = Iterator[ChainReport]


def export(run: Run, form: Format, options: ReportOptions = DEFAULT) -> Iterator[str]:
    """Return the parts of a run's text in a format; raise UsageError if the run cannot be drawn so."""
    report = Report.of(run, replace(options, side_by_side=form == Format.LLM_COMPARATOR))
    return draw(report, form, report.chains())


def write_files(report: Report, files: Mapping[Format, Path]) -> None:
    """Write the files of a report, each whole or not at all, while the chains of its run are read once.

    Raises UsageError if the run cannot be drawn in one of the formats, and RunFileError if a file cannot be written.
    """
    # In step, a part of each at a time: then no more than a chain or two are in memory for those that are behind.
    shared = tee(report.chains(), len(files))
    parts = zip_longest(*(draw(report, form, chains) for form, chains in zip(files, shared, strict=True)), fillvalue="")
    del shared
    with ExitStack() as opened:
        drafts = [opened.enter_context(replacing(file)) for file in files.values()]
        for each in parts:
            for draft, part in zip(drafts, each, strict=True):
                draft.write(part)


def draw(report: Report, form: Format, chains: Chains) -> Iterator[str]:
    """Return the parts of a report in a format: what comes first, then one part for each chain, and what is left.

    Raises UsageError if the run cannot be drawn so.
    """
    check(report, form)
    return _PARTS[form](report, chains)


def check(report: Report, form: Format) -> None:
    """Raise UsageError if a run cannot be drawn in a format."""
    if form == Format.STATISTICS and report.statistics is None:
        raise UsageError("There are no statistics of this run, since it has but one column; ask with two variants.")
    if form == Format.LLM_COMPARATOR and (report.comparison is None or len(report.comparison.columns) < 2):
        raise UsageError(
            "LLM Comparator shows two columns side by side, and this run has one; ask with two prompt variants."
        )


def format_of(file: Path) -> Format | None:
    """Return the format that the ending of a file's name asks for, or None."""
    endings = {form.suffix: form for form in Format}
    return next((endings[end] for end in ("".join(file.suffixes[-2:]), file.suffix) if end in endings), None)


def to_markdown(run: Run, options: ReportOptions = DEFAULT) -> str:
    """Return the report of a run in GitHub's Markdown, as one text."""
    return "".join(export(run, Format.MARKDOWN, options))


def to_csv(run: Run) -> str:
    """Return the table of a run as CSV, as one text."""
    return "".join(export(run, Format.CSV))


def _csv(report: Report, chains: Chains) -> Iterator[str]:
    yield csv_header()
    for chain in chains:
        yield csv_lines(chain.rows)


def _json(report: Report, chains: Chains) -> Iterator[str]:
    more = {"statistics": report.statistics.records()} if report.statistics else {}
    before, after = json_frame(report.run, more)
    yield before
    for place, chain in enumerate(chains):
        yield f"{',' if place else ''}{chain_json(chain.chain)}"
    yield after


def _comparator(report: Report, chains: Chains) -> Iterator[str]:
    yield comparator_json(report)


def _statistics(report: Report, chains: Chains) -> Iterator[str]:
    assert report.statistics is not None
    yield statistics_csv(report.statistics)


_PARTS: dict[Format, Callable[[Report, Chains], Iterator[str]]] = {
    Format.MARKDOWN: markdown_parts,
    Format.CSV: _csv,
    Format.JSON: _json,
    Format.HTML: html_parts,
    Format.STATISTICS: _statistics,
    Format.LLM_COMPARATOR: _comparator,
}
