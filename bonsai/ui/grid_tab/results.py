"""The results of the tabs Compare and Batch: summary, table, figures with their charts, and the downloads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.reports.exports import summary_markdown
from bonsai.reports.formats import Format
from bonsai.reports.markdown import inline
from bonsai.reports.statistics import Statistics, tables
from bonsai.runs.journal import Journal
from bonsai.runs.run import Run
from bonsai.ui.grid_tab.cells import PLAIN, Cells, Layout
from bonsai.ui.grid_tab.cells import draw as draw_cells
from bonsai.ui.grid_tab.charts import charts
from bonsai.ui.locales.translate import report_language, short_name, translatable, translate
from bonsai.ui.views import downloads
from bonsai.ui.views.conversation import Conversation
from bonsai.ui.views.downloads import EACH, Downloads
from bonsai.ui.views.results import EMPTY, EXAMPLE, MAX_ROWS, note_line, page_report, summary_box
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
class GridResults:
    """The places in which a run of many chains is shown; only Compare has its cells side by side."""

    note: gr.HTML
    summary: gr.Markdown
    cells: Cells | None
    table: gr.HTML
    figures: gr.Markdown
    charts: gr.HTML
    downloads: Downloads
    conversation: Conversation

    @property
    def places(self) -> list[Any]:
        """All components that `show` and `empty` give values for."""
        cells = self.cells.places if self.cells else []
        return [
            self.note,
            self.summary,
            self.table,
            self.figures,
            self.charts,
            self.conversation.turns,
            *self.downloads.buttons.values(),
            *cells,
        ]

    def show(self, journal: Journal, folder: Path, language: str, layout: Layout = PLAIN) -> dict[Any, Any]:
        """Return the values that show what a journal keeps, and write its files to a folder.

        The journal is read twice: for what is shown, and for the files.
        """
        report = page_report(journal.run, report_language(language), layout.axis, side_by_side=self.cells is not None)
        if not report.rows:
            return self.empty()
        files = self.downloads.show(report, folder)
        # A run of a journal is found again by the journal.
        del files[self.downloads.token]
        values = {
            self.note: note_line(_note(journal, language)),
            self.summary: summary_markdown(report),
            self.table: rows_table(COLUMNS, report.rows),
            self.figures: _figures(report.statistics),
            self.charts: charts(report.statistics, language),
            **self.conversation.show(report, language),
        }
        return values | files | (self.cells.show(report, layout) if self.cells else {})

    def tell(self, example: Run, language: str) -> dict[Any, Any]:
        """Return the values that tell an example in a visitor's language."""
        report = page_report(example, report_language(language))
        told = {self.summary: summary_markdown(report), self.charts: charts(report.statistics, language)}
        return told | self.conversation.show(report, language)

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that there is nothing yet."""
        files = self.downloads.empty()
        del files[self.downloads.token]
        values = {
            self.note: note_line(translatable(EMPTY)),
            self.summary: "",
            self.table: rows_table(COLUMNS, []),
            self.figures: "",
            self.charts: "",
            **self.conversation.empty(),
        }
        return values | files | (self.cells.empty() if self.cells else {})


def draw(compares: bool, example: Journal | None, conversation: Conversation) -> GridResults:
    """Return the results of a tab; until the first run they show the example, if there is one."""
    report = page_report(example.run, side_by_side=compares) if example else None
    figures = report.statistics if report else None
    with gr.Column(elem_classes="bonsai-results"):
        note = gr.HTML(note_line(translatable(EXAMPLE if report else EMPTY)))
        summary = summary_box(report)
        with gr.Tabs():
            cells = draw_cells(report) if compares else None
            with gr.Tab(translatable("Table")):
                table = table_box(rows_table(COLUMNS, report.rows if report else []))
            with gr.Tab(translatable("Statistics")):
                bars = gr.HTML(charts(figures, "en"))
                told = gr.Markdown(
                    _figures(figures),
                    latex_delimiters=[],
                    sanitize_html=True,
                    elem_classes=["bonsai-report", "bonsai-figures"],
                )
        files = downloads.draw(
            (*EACH, Format.STATISTICS, Format.LLM_COMPARATOR) if compares else (*EACH, Format.STATISTICS)
        )
    return GridResults(note, summary, cells, table, told, bars, files, conversation)


def _figures(figures: Statistics | None) -> str:
    """Return the tables of the figures in Markdown, or what stands in their place."""
    if figures is None:
        return translatable(ONE_COLUMN)
    lines = [line for table in tables(figures) for line in (f"### {inline(table.title)}", "", *table.markdown(), "")]
    return "\n".join(lines)


def _note(journal: Journal, language: str) -> str:
    note = translate(
        language,
        "Run {}. Chains: {} of {}. Finished steps: {}. Measure: {}",
        journal.run.id,
        f"{journal.finished:,}",
        f"{len(journal):,}",
        f"{journal.steps:,}",
        short_name(journal.run.measure),
    )
    if journal.steps > MAX_ROWS:
        note += " " + translate(language, "The first {} are shown; the files hold all.", f"{MAX_ROWS:,}")
    return note
