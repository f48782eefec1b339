"""The files of a run: each form in which it can be taken away, drawn part by part, so that it may be long."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from bonsai.errors import UsageError
from bonsai.reports.comparison import columns_axis
from bonsai.reports.formats import Format, Language
from bonsai.reports.llm_comparator import comparator_json
from bonsai.reports.markdown import header, inline, printable, row
from bonsai.reports.sections import ReportOptions, comparison_tables, sections
from bonsai.reports.statistics import statistics
from bonsai.reports.statistics import to_csv as statistics_csv
from bonsai.reports.summary import heading, summary
from bonsai.reports.table import COLUMNS, csv_parts, rows
from bonsai.runs.run import Run, json_parts

_TEMPLATE = "run.html.jinja"
DEFAULT = ReportOptions()


def export(run: Run, form: Format, view: ReportOptions = DEFAULT) -> Iterator[str]:
    """Yield the parts of a run's text in a format; raise UsageError if the run cannot be drawn so."""
    return _PARTS[form](run, replace(view, axis=view.axis or columns_axis(run)))


def format_of(file: Path) -> Format | None:
    """Return the format that the ending of a file's name asks for, or None."""
    endings = {form.suffix: form for form in Format}
    return next((endings[end] for end in ("".join(file.suffixes[-2:]), file.suffix) if end in endings), None)


def to_markdown(run: Run, view: ReportOptions = DEFAULT) -> str:
    """Return the report of a run in GitHub's Markdown, as one text."""
    return "".join(export(run, Format.MARKDOWN, view))


def to_csv(run: Run) -> str:
    """Return the table of a run as CSV, as one text."""
    return "".join(export(run, Format.CSV))


def summary_markdown(run: Run, language: Language = Language.EN) -> str:
    """Return the summary of a run as a list in Markdown."""
    lines = [f"- **{inline(name)}:** {inline(text)}" for name, text in summary(run, language)]
    return "\n".join([f"**{heading(language)}**", "", *lines])


def _markdown(run: Run, view: ReportOptions) -> Iterator[str]:
    yield f"# Bonsai run {run.id}\n\nMeasured with {inline(run.measure)}.\n\n{summary_markdown(run, view.language)}\n\n"
    tables = comparison_tables(run, view.axis) if view.axis else []
    for table in tables:
        yield _lines([f"## {inline(table.title)}", "", *table.markdown(), ""])
    yield _lines([*(["## Table", ""] if tables else []), *header(COLUMNS)])
    for values in rows(run):
        yield _lines([row("" if value is None else inline(str(value)) for value in values.values())])
    for section in sections(run):
        parts = [("", f"**{name}{'' if name.endswith('?') else ':'}** {inline(text)}") for name, text in section.parts]
        end = ["", f"*{section.ending}*"] if section.ending else []
        yield _lines(["", f"## {section.title}", *(line for pair in parts for line in pair), *end])


def _csv(run: Run, view: ReportOptions) -> Iterator[str]:
    return csv_parts(run)


def _json(run: Run, view: ReportOptions) -> Iterator[str]:
    return json_parts(run, {"statistics": statistics(run, view.axis).records()} if view.axis else {})


def _html(run: Run, view: ReportOptions) -> Iterator[str]:
    """Yield one page that needs no other file and runs nothing."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    page = environment.get_template(_TEMPLATE)
    return page.generate(
        run=run,
        language=view.language,
        heading=heading(view.language),
        summary=summary(run, view.language),
        tables=comparison_tables(run, view.axis) if view.axis else [],
        columns=COLUMNS,
        rows=rows(run),
        sections=sections(run),
    )


def _comparator(run: Run, view: ReportOptions) -> Iterator[str]:
    yield comparator_json(run, view.axis)


def _statistics(run: Run, view: ReportOptions) -> Iterator[str]:
    if not view.axis:
        raise UsageError("There are no statistics of this run, since it has but one column; ask with two variants.")
    yield statistics_csv(statistics(run, view.axis))


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


_PARTS: dict[Format, Callable[[Run, ReportOptions], Iterator[str]]] = {
    Format.MARKDOWN: _markdown,
    Format.CSV: _csv,
    Format.JSON: _json,
    Format.HTML: _html,
    Format.STATISTICS: _statistics,
    Format.LLM_COMPARATOR: _comparator,
}
