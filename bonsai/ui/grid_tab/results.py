"""The results of the tabs Compare and Batch: summary, table, figures with their charts, and the downloads."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
import pandas as pd

from bonsai.reports.comparison import columns_axis
from bonsai.reports.exports import summary_markdown
from bonsai.reports.formats import Format
from bonsai.reports.markdown import inline
from bonsai.reports.sections import ReportOptions
from bonsai.reports.statistics import Statistics, statistics, tables
from bonsai.runs.journal import Journal
from bonsai.runs.run import Run
from bonsai.ui.grid_tab.cells import Cells
from bonsai.ui.grid_tab.cells import draw as draw_cells
from bonsai.ui.grid_tab.charts import charts
from bonsai.ui.locales.translate import short_name, tongue_of, translatable, translate
from bonsai.ui.views import downloads
from bonsai.ui.views.downloads import EACH, Downloads
from bonsai.ui.views.results import EMPTY, EXAMPLE, MAX_ROWS, note_line, shown, summary_box

COLUMNS = {
    "chain": 62,
    "step": 56,
    "method": 92,
    "prompt": 96,
    "question": 190,
    "reasoning": 230,
    "answer": 230,
    "next_question": 170,
    "flags": 110,
    "adapter": 92,
    "seed": 62,
}
ONE_COLUMN = "There is one column only, so there is nothing to compare: ask with two variants, or more."


@dataclass(frozen=True)
class GridResults:
    """The places in which a run of many chains is shown; only Compare has its cells side by side."""

    note: gr.HTML
    summary: gr.Markdown
    cells: Cells | None
    table: gr.Dataframe
    figures: gr.Markdown
    charts: gr.HTML
    downloads: Downloads

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
            *self.downloads.buttons.values(),
            *cells,
        ]

    def show(self, journal: Journal, language: str, axis: str | None = None) -> dict[Any, Any]:
        """Return the values that show what a journal keeps, with the values of an axis as columns."""
        run = journal.run
        found = shown(run, list(COLUMNS))
        if found.empty:
            return self.empty()
        language = tongue_of(language)
        axis = axis or columns_axis(run)
        figures = statistics(run, axis) if axis else None
        files = self.downloads.show(run, ReportOptions(language, axis or ""))
        # A run of a journal is found again by the journal.
        del files[self.downloads.token]
        values = {
            self.note: note_line(_note(journal, run, language)),
            self.summary: summary_markdown(run, language),
            self.table: found,
            self.figures: _figures(figures),
            self.charts: charts(figures, language),
        }
        return values | files | (self.cells.show(run, axis) if self.cells else {})

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that there is nothing yet."""
        files = self.downloads.empty()
        del files[self.downloads.token]
        values = {
            self.note: note_line(translatable(EMPTY)),
            self.summary: "",
            self.table: pd.DataFrame(columns=list(COLUMNS)),
            self.figures: "",
            self.charts: "",
        }
        return values | files | (self.cells.empty() if self.cells else {})


def draw(compares: bool, example: Journal | None) -> GridResults:
    """Return the results of a tab; until the first run they show the example, if there is one."""
    run = example.run if example else None
    figures = statistics(run, axis) if run and (axis := columns_axis(run)) else None
    with gr.Column(elem_classes="bonsai-results"):
        note = gr.HTML(note_line(translatable(EXAMPLE if run else EMPTY)))
        summary = summary_box(run)
        with gr.Tabs():
            cells = draw_cells(run) if compares else None
            with gr.Tab(translatable("Table")):
                table = gr.Dataframe(
                    shown(run, list(COLUMNS)) if run else pd.DataFrame(columns=list(COLUMNS)),
                    datatype="str",
                    column_widths=list(COLUMNS.values()),
                    wrap=True,
                    interactive=False,
                    show_search="search",
                    buttons=["fullscreen", "copy"],
                    max_height=640,
                    show_label=False,
                    elem_classes="bonsai-table",
                )
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
    return GridResults(note, summary, cells, table, told, bars, files)


def _figures(figures: Statistics | None) -> str:
    """Return the tables of the figures in Markdown, or what stands in their place."""
    if figures is None:
        return translatable(ONE_COLUMN)
    lines = [line for table in tables(figures) for line in (f"### {inline(table.title)}", "", *table.markdown(), "")]
    return "\n".join(lines)


def _note(journal: Journal, run: Run, language: str) -> str:
    note = translate(
        language,
        "Run {}. Chains: {} of {}. Finished steps: {}. Measure: {}",
        run.id,
        f"{journal.finished:,}",
        f"{len(journal):,}",
        f"{journal.steps:,}",
        short_name(run.measure),
    )
    if journal.steps > MAX_ROWS:
        note += " " + translate(language, "The first {} are shown; the files hold all.", f"{MAX_ROWS:,}")
    return note
