"""The results of the tabs Compare and Batch: summary, table, figures with their charts, and the downloads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.reports.exports.markdown_report import summary_markdown
from bonsai.reports.formats import Format
from bonsai.reports.markdown import inline
from bonsai.reports.report import Report
from bonsai.reports.statistics import Statistics, tables
from bonsai.runs.journal import Journal
from bonsai.ui.grid_tab.cells import PLAIN, Cells, Layout
from bonsai.ui.grid_tab.cells import draw as draw_cells
from bonsai.ui.grid_tab.charts import charts
from bonsai.ui.locales.translate import short_name, translatable, translate
from bonsai.ui.views import downloads, status
from bonsai.ui.views.conversation import Conversation
from bonsai.ui.views.downloads import EACH
from bonsai.ui.views.results import EMPTY, EXAMPLE, MAX_ROWS, Results, markdown_box, page_report
from bonsai.ui.views.table import rows_table, table_box

COLUMNS = {
    "chain": 68,
    "step": 62,
    "method": 92,
    "prompt": 96,
    "question": 190,
    "reasoning": 230,
    "answer": 230,
    "next_question": 170,
    "flags": 110,
    "adapter": 92,
    "seed": 66,
}
ONE_COLUMN = "There is one column only, so there is nothing to compare: ask with two variants, or more."


@dataclass(frozen=True)
class GridResults(Results):
    """The results of many chains: figures and charts too; only Compare has its cells side by side."""

    cells: Cells | None
    figures: gr.Markdown
    charts: gr.HTML

    @property
    def places(self) -> list[Any]:
        """All components that the methods give values for."""
        return [*super().places, self.figures, self.charts, *(self.cells.places if self.cells else [])]

    def show(self, journal: Journal, folder: Path, language: str, layout: Layout = PLAIN) -> dict[Any, Any]:
        """Return the values that show what a journal keeps, and write its files to a folder.

        The journal is read twice: for what is shown, and for the files.
        """
        report = page_report(journal.run, language, layout.axis or "", side_by_side=self.cells is not None)
        if not report.rows:
            # What nobody wrote yet can go on.
            return self.empty() | {self.downloads.token: folder.name}
        shown = self.show_report(report, _note(journal, language), folder, language)
        shown[self.figures] = _figures(report.statistics)
        return shown | (self.cells.show(report, layout) if self.cells else {})

    def tell(self, report: Report, language: str) -> dict[Any, Any]:
        """Return the values of what is told in a visitor's language, of an example too."""
        return super().tell(report, language) | {self.charts: charts(report.statistics, language)}

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that there is nothing yet."""
        return super().empty() | {self.figures: "", self.charts: ""} | (self.cells.empty() if self.cells else {})


def draw(compares: bool, example: Journal | None, conversation: Conversation) -> GridResults:
    """Return the results of a tab; until the first run they show the example, if there is one."""
    report = page_report(example.run, side_by_side=compares) if example else None
    figures = report.statistics if report else None
    with gr.Column(elem_classes="bonsai-results"):
        note = gr.HTML(status.note(translatable(EXAMPLE if report else EMPTY)))
        summary = markdown_box(summary_markdown(report) if report else "", "bonsai-summary")
        with gr.Tabs():
            cells = draw_cells(report) if compares else None
            with gr.Tab(translatable("Table")):
                table = table_box(rows_table(COLUMNS, report.rows if report else []))
            with gr.Tab(translatable("Statistics")):
                bars = gr.HTML(charts(figures, "en"))
                told = markdown_box(_figures(figures), "bonsai-report", "bonsai-figures")
        files = downloads.draw((*EACH, Format.STATISTICS, *([Format.LLM_COMPARATOR] if compares else [])))
    return GridResults(COLUMNS, note, summary, table, files, conversation, cells, told, bars)


def _figures(figures: Statistics | None) -> str:
    """Return the tables of the figures in Markdown, or what stands in their place."""
    if figures is None:
        return translatable(ONE_COLUMN)
    lines = [line for table in tables(figures) for line in (f"### {inline(table.title)}", "", *table.markdown(), "")]
    return "\n".join(lines)


def _note(journal: Journal, language: str) -> str:
    counts = [f"{count:,}" for count in (journal.finished, len(journal), journal.steps)]
    note = "Run {}. Chains: {} of {}. Finished steps: {}. Measure: {}"
    note = translate(language, note, journal.run.id, *counts, short_name(journal.run.measure))
    if journal.steps > MAX_ROWS:
        note += " " + translate(language, "The first {} are shown; the files hold all.", f"{MAX_ROWS:,}")
    return note
