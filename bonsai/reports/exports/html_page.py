"""The report as a page of its own: one file that needs no other and runs nothing."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from bonsai.reports.exports.text_spool import read_back, text_spool
from bonsai.reports.markdown import printable
from bonsai.reports.report import ChainReport, Report
from bonsai.reports.summary import heading
from bonsai.reports.table import COLUMNS

_TEMPLATE = "run.html.jinja"


def html_parts(report: Report, chains: Iterator[ChainReport]) -> Iterator[str]:
    """Yield the report as an HTML page: its head, the rows of each chain, and then the sections."""
    page = _template()
    yield str(page.head(report, heading(report.language), COLUMNS))
    with text_spool() as sections:
        for chain in chains:
            sections.write(page.sections(chain.sections))
            yield str(page.rows(chain.rows))
        yield str(page.end_of_table())
        yield from read_back(sections)
        yield str(page.end())


@cache
def _template() -> Any:
    """Return the macros of the template."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template(_TEMPLATE).module


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value
