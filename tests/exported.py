"""The files of a run, each as one text."""

from bonsai.reports.exports import export
from bonsai.reports.formats import Format
from bonsai.reports.report import DEFAULT, ReportOptions
from bonsai.runs.run import Run


def to_csv(run: Run) -> str:
    return "".join(export(run, Format.CSV))


def to_markdown(run: Run, options: ReportOptions = DEFAULT) -> str:
    return "".join(export(run, Format.MARKDOWN, options))
