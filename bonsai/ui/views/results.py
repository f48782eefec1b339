"""The results of a tab: a note, a summary, table, report and picture, and the downloads of exactly what is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.chains.outcomes import Method
from bonsai.reports.exports import draw as draw_report
from bonsai.reports.exports import summary_markdown
from bonsai.reports.formats import Format, Language
from bonsai.reports.report import Report, ReportOptions
from bonsai.runs.run import Run
from bonsai.ui.locales.translate import as_html, report_language, short_name, translatable, translate
from bonsai.ui.views import downloads, picture
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
    """The places in which a run is shown, and how; only chains of several steps have a picture."""

    columns: Mapping[str, int]
    note: gr.HTML
    summary: gr.Markdown
    table: gr.HTML
    report: gr.Markdown
    picture: Picture | None
    downloads: Downloads
    conversation: Conversation

    @property
    def places(self) -> list[Any]:
        """All components that `show` and `empty` give values for."""
        drawn = self.picture.places if self.picture else []
        told = [self.note, self.summary, self.table, self.report, self.conversation.turns]
        return [*told, *drawn, *self.downloads.places]

    def show(self, run: Run, language: str, folder: Path) -> dict[Any, Any]:
        """Return the values that show the finished steps of a run and offer them as files in a folder."""
        report = page_report(run, report_language(language))
        if not report.rows:
            return self.empty()
        note = translate(
            language, "Run {}. Finished steps: {}. Measure: {}", run.id, len(report.rows), short_name(run.measure)
        )
        values = {
            self.note: note_line(note),
            self.summary: summary_markdown(report),
            self.table: rows_table(self.columns, report.rows),
            self.report: _markdown(report),
        }
        values |= self.conversation.show(report, language) | self.downloads.show(report, folder)
        return values | (self.picture.show(run, language) if self.picture else {})

    def tell(self, example: Run, language: str) -> dict[Any, Any]:
        """Return the values that tell an example in a visitor's language."""
        report = page_report(example, report_language(language))
        told = {self.summary: summary_markdown(report)} | self.conversation.show(report, language)
        return told | (self.picture.show(example, language) if self.picture else {})

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that there is nothing yet."""
        nothing = {self.summary: "", self.table: rows_table(self.columns, []), self.report: ""}
        values = {self.note: note_line(translatable(EMPTY)), **nothing}
        values |= self.conversation.empty() | self.downloads.empty()
        return values | (self.picture.show(None, "en") if self.picture else {})


def draw(method: Method, example: Run | None, conversation: Conversation) -> Results:
    """Return the results of a method; until the first run they show the example, if there is one."""
    widths = COLUMNS[method]
    report = page_report(example) if example else None
    with gr.Column(elem_classes="bonsai-results"):
        note = gr.HTML(note_line(translatable(EXAMPLE if example else EMPTY)))
        summary = summary_box(report)
        with gr.Tabs():
            with gr.Tab(translatable("Table")):
                table = table_box(rows_table(widths, report.rows if report else []))
            with gr.Tab(translatable("Report")):
                shown = gr.Markdown(
                    _markdown(report) if report else "",
                    latex_delimiters=[],
                    sanitize_html=True,
                    elem_classes="bonsai-report",
                )
            drawn = picture.draw(example) if method == Method.QTQ else None
        files = downloads.draw()
    return Results(widths, note, summary, table, shown, drawn, files, conversation)


def page_report(run: Run, language: Language = Language.EN, axis: str = "", side_by_side: bool = False) -> Report:
    """Return the report of a run with the rows that the page shows of it."""
    return Report.of(run, ReportOptions(language, axis, MAX_ROWS, side_by_side))


def summary_box(report: Report | None) -> gr.Markdown:
    """Return the place of the summary, with that of a run."""
    return gr.Markdown(
        summary_markdown(report) if report else "",
        latex_delimiters=[],
        sanitize_html=True,
        elem_classes="bonsai-summary",
    )


def _markdown(report: Report) -> str:
    return "".join(map(str, draw_report(report, Format.MARKDOWN, report.chains())))


def note_line(sentence: str) -> str:
    """Return the line above the results as HTML."""
    return f'<p class="bonsai-note">{as_html(sentence)}</p>'
