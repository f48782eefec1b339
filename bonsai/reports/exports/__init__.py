"""The files of a run: each form in which it can be taken away, drawn chain by chain, so that it may be long."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import tee, zip_longest
from pathlib import Path

from bonsai.chains.outcomes import Axis, Method
from bonsai.errors import UsageError
from bonsai.reports.comparison import columns_axis
from bonsai.reports.exports.excel_book import excel_parts
from bonsai.reports.exports.html_page import html_parts
from bonsai.reports.exports.llm_comparator import comparator_json
from bonsai.reports.exports.markdown_report import markdown_parts
from bonsai.reports.formats import Format
from bonsai.reports.question_bank import question_list
from bonsai.reports.report import DEFAULT, ChainReport, Report, ReportOptions
from bonsai.reports.statistics import to_csv as statistics_csv
from bonsai.reports.table import csv_header, csv_text
from bonsai.runs.run import Run, chain_json, json_frame
from bonsai.runs.tables.output_files import Part, as_bytes, replacing

Chains = Iterator[ChainReport]


def export(run: Run, form: Format, options: ReportOptions = DEFAULT) -> Iterator[Part]:
    """Return the parts of a run's file in a format; raise UsageError if the run cannot be drawn so."""
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
                draft.write(as_bytes(part))


def draw(report: Report, form: Format, chains: Chains) -> Iterator[Part]:
    """Return the parts of a report in a format: what comes first, then one part for each chain, and what is left.

    Raises UsageError if the run cannot be drawn so.
    """
    check(report, form)
    return _PARTS[form](report, chains)


def check(report: Report, form: Format) -> None:
    """Raise UsageError if a run cannot be drawn in a format."""
    beside = report.comparison is not None and len(report.comparison.columns) > 1
    _check(form, report.statistics is not None, beside)


def check_values(form: Format, values: Mapping[str, Collection[object]], axis: str = "") -> None:
    """Raise UsageError if a run whose axes will have these values cannot be drawn in a format."""
    if form == Format.QUESTIONS and Method.QTQ not in values["method"]:
        raise UsageError("No question is proposed by the methods asked; a qtq chain proposes some.")
    axis = axis or columns_axis(values)
    _check(form, bool(axis), len(values[axis or Axis.PROMPT]) > 1)


def _check(form: Format, has_statistics: bool, has_columns: bool) -> None:
    if form == Format.STATISTICS and not has_statistics:
        raise UsageError("There are no statistics of this run, since it has but one column; ask with two variants.")
    if form == Format.LLM_COMPARATOR and not has_columns:
        raise UsageError(
            "LLM Comparator shows two columns side by side, and this run has one; ask with two prompt variants."
        )


def format_of(file: Path) -> Format | None:
    """Return the format that the ending of a file's name asks for, in any case, or None."""
    endings = {form.suffix: form for form in Format} | {".htm": Format.HTML, ".markdown": Format.MARKDOWN}
    name = file.name.lower()
    # The longer endings come first: .statistics.csv before .csv.
    return next((endings[one] for one in sorted(endings, key=len, reverse=True) if name.endswith(one)), None)


def _csv(report: Report, chains: Chains) -> Iterator[str]:
    yield csv_header()
    for chain in chains:
        yield csv_text(row.values() for row in chain.rows)


def _json(report: Report, chains: Chains) -> Iterator[str]:
    more = {"statistics": report.statistics.records()} if report.statistics else {}
    before, after = json_frame(report.run, more)
    yield before
    for place, chain in enumerate(chains):
        yield f"{',' if place else ''}{chain_json(chain.chain)}"
    yield after


_PARTS: dict[Format, Callable[[Report, Chains], Iterator[Part]]] = {
    Format.MARKDOWN: markdown_parts,
    Format.CSV: _csv,
    Format.JSON: _json,
    Format.HTML: html_parts,
    Format.XLSX: excel_parts,
    Format.STATISTICS: lambda report, _: iter([statistics_csv(report.statistics)] if report.statistics else []),
    Format.LLM_COMPARATOR: lambda report, _: iter([comparator_json(report)]),
    Format.QUESTIONS: lambda report, _: iter([question_list(report.bank)]),
}
