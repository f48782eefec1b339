"""The results of a tab: a note, a summary, table, report and picture, and the downloads of exactly what is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.chains.outcomes import Method
from bonsai.reports.exports import draw as draw_report
from bonsai.reports.exports.markdown_report import summary_markdown
from bonsai.reports.formats import Format, Language
from bonsai.reports.report import Report, ReportOptions
from bonsai.runs.run import Run
from bonsai.ui.locales.translate import short_name, translatable, translate
from bonsai.ui.views import downloads, picture, status
from bonsai.ui.views.conversation import Conversation
from bonsai.ui.views.downloads import Downloads
from bonsai.ui.views.picture import Picture
from bonsai.ui.views.table import rows_table, table_box

# Pixels; together they fill the page. Measures against earlier steps apply only where there can be some.
COLUMNS: dict[str, dict[str, int]] = {
    "single": {"step": 60, "question": 340, "answer": 600, "flags": 120, "seconds": 94},
    "two-step": {"step": 60, "question": 250, "reasoning": 350, "answer": 350, "flags": 110, "seconds": 94},
    "qtq": {
        "chain": 68,
        "step": 62,
        "question": 162,
        "reasoning": 215,
        "answer": 215,
        "next_question": 162,
        "similarity": 102,
        "new_content": 116,
        "flags": 112,
    },
}
EMPTY = "No results yet. Press Run, and every finished step becomes a row here."
EXAMPLE = "Example, made with a small model. Your own run will take its place."
# More are not sent to a browser: the files hold them.
MAX_ROWS = 2000


@dataclass(frozen=True)
class Results:
    """The places in which the results of all tabs are shown, and the columns of the table."""

    columns: Mapping[str, int]
    note: gr.HTML
    summary: gr.Markdown
    table: gr.HTML
    downloads: Downloads
    conversation: Conversation

    @property
    def places(self) -> list[Any]:
        """All components that the methods give values for."""
        return [self.note, self.summary, self.table, self.conversation.turns, *self.downloads.places]

    def show_report(self, report: Report, note: str, folder: Path, language: str) -> dict[Any, Any]:
        """Return the values that show a report under a note, and offer it as files in a folder."""
        values = {self.note: status.note(note), self.table: rows_table(self.columns, report.rows)}
        return values | self.tell(report, language) | self.downloads.show(report, folder)

    def tell(self, report: Report, language: str) -> dict[Any, Any]:
        """Return the values of what is told in a visitor's language, of an example too."""
        return {self.summary: summary_markdown(report)} | self.conversation.show(report, language)

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that there is nothing yet."""
        nothing = {self.note: status.note(translatable(EMPTY)), self.table: rows_table(self.columns, [])}
        return nothing | {self.summary: ""} | self.conversation.empty() | self.downloads.empty()


@dataclass(frozen=True)
class MethodResults(Results):
    """The results of a method: a report too, and for chains of several steps a picture."""

    report: gr.Markdown
    picture: Picture | None

    @property
    def places(self) -> list[Any]:
        """All components that the methods give values for."""
        return [*super().places, self.report, *(self.picture.places if self.picture else [])]

    def show(self, run: Run, language: str, folder: Path) -> dict[Any, Any]:
        """Return the values that show the finished steps of a run and offer them as files in a folder."""
        report = page_report(run, language)
        if not report.rows:
            return self.empty()
        note = "Run {}. Finished steps: {}. Measure: {}"
        note = translate(language, note, run.id, len(report.rows), short_name(run.measure))
        return self.show_report(report, note, folder, language) | {self.report: _markdown(report)}

    def tell(self, report: Report, language: str) -> dict[Any, Any]:
        """Return the values of what is told in a visitor's language, of an example too."""
        return super().tell(report, language) | (self.picture.show(report.run, language) if self.picture else {})

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that there is nothing yet."""
        return super().empty() | {self.report: ""} | (self.picture.show(None, "en") if self.picture else {})


def draw(method: Method, example: Run | None, conversation: Conversation) -> MethodResults:
    """Return the results of a method; until the first run they show the example, if there is one."""
    widths = COLUMNS[method]
    report = page_report(example) if example else None
    with gr.Column(elem_classes="bonsai-results"):
        note = gr.HTML(status.note(translatable(EXAMPLE if example else EMPTY)))
        summary = markdown_box(summary_markdown(report) if report else "", "bonsai-summary")
        with gr.Tabs():
            with gr.Tab(translatable("Table")):
                table = table_box(rows_table(widths, report.rows if report else []))
            with gr.Tab(translatable("Report")):
                shown = markdown_box(_markdown(report) if report else "", "bonsai-report")
            drawn = picture.draw(example) if method == Method.QTQ else None
        files = downloads.draw()
    return MethodResults(widths, note, summary, table, files, conversation, shown, drawn)


def page_report(run: Run, language: str = Language.EN, axis: str = "", side_by_side: bool = False) -> Report:
    """Return the report of a run with the rows that the page shows of it."""
    return Report.of(run, ReportOptions(Language(language), axis, MAX_ROWS, side_by_side))


def markdown_box(value: str, *classes: str) -> gr.Markdown:
    """Return the place of Markdown in which the texts of a model stand."""
    return gr.Markdown(value, latex_delimiters=[], sanitize_html=True, elem_classes=[*classes])


def _markdown(report: Report) -> str:
    return "".join(map(str, draw_report(report, Format.MARKDOWN, report.chains())))
