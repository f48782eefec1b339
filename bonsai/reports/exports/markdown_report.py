"""The report as Markdown: summary, comparison, table, and a section for each step."""

from collections.abc import Iterable, Iterator

from bonsai.reports.exports.text_spool import read_back, text_spool
from bonsai.reports.markdown import header, inline, inside_html, row
from bonsai.reports.report import ChainReport, Report
from bonsai.reports.sections import Section
from bonsai.reports.summary import heading
from bonsai.reports.table import COLUMNS, Row


def summary_markdown(report: Report) -> str:
    """Return the summary of a run as a list in Markdown."""
    lines = [f"- **{inline(name)}:** {inline(text)}" for name, text in report.summary]
    return "\n".join([f"**{heading(report.language)}**", "", *lines])


def markdown_parts(report: Report, chains: Iterator[ChainReport]) -> Iterator[str]:
    """Yield the report in GitHub's Markdown: its head, the rows of each chain, and then the sections."""
    yield _head(report)
    with text_spool() as sections:
        for chain in chains:
            sections.write("".join(map(_section, chain.sections)))
            yield _lines(map(_row, chain.rows))
        yield from read_back(sections)


def _head(report: Report) -> str:
    title = f"# Bonsai run {report.run.id}\n\nMeasured with {inline(report.run.measure)}."
    tables = report.tables()
    compared = "".join(_lines([f"## {inline(table.title)}", "", *table.markdown(), ""]) for table in tables)
    table = _lines([*(["## Table", ""] if tables else []), *header(COLUMNS)])
    return f"{title}\n\n{summary_markdown(report)}\n\n{compared}{table}"


def _row(values: Row) -> str:
    return row("" if value is None else inline(str(value)) for value in values.values())


def _section(section: Section) -> str:
    parts = [("", f"**{name}{'' if name.endswith('?') else ':'}** {inline(text)}") for name, text in section.parts]
    end = ["", f"*{section.ending}*"] if section.ending else []
    thoughts = [("", _folded(name, text)) for name, text in section.thoughts]
    return _lines(["", f"## {section.title}", *(line for pair in (*parts, *thoughts) for line in pair), *end])


def _folded(name: str, text: str) -> str:
    """Return a text that is shown when its name is clicked."""
    return f"<details><summary>{name}</summary>{inside_html(text)}</details>"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
