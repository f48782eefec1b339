"""The downloads of a tab: what is shown, in each form that it can be taken away in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.errors import UsageError
from bonsai.reports.exports import check, write_files
from bonsai.reports.formats import Format
from bonsai.reports.report import Report
from bonsai.ui.locales.translate import translatable
from bonsai.ui.work import visitor_files

_LABELS = {
    Format.CSV: "Download CSV",
    Format.MARKDOWN: "Download Markdown",
    Format.JSON: "Download JSON",
    Format.HTML: "Download HTML",
    Format.XLSX: "Download Excel",
    Format.STATISTICS: "Download statistics",
    Format.LLM_COMPARATOR: "Download for LLM Comparator",
    Format.QUESTIONS: "Download questions",
}
EACH = (Format.CSV, Format.XLSX, Format.MARKDOWN, Format.JSON, Format.HTML, Format.QUESTIONS)


@dataclass(frozen=True)
class Downloads:
    """A button for each form, the token of the folder that the files are in, and a button to open a saved run."""

    buttons: Mapping[Format, gr.DownloadButton]
    token: gr.Textbox
    opened: gr.UploadButton

    @property
    def places(self) -> list[Any]:
        """All components that `show` and `empty` give values for."""
        return [*self.buttons.values(), self.token]

    def show(self, report: Report, folder: Path) -> dict[Any, Any]:
        """Write a run to files in its folder and return the values that offer them; a form that it has not is not."""
        files = {form: folder / f"bonsai-{report.run.id}{form.suffix}" for form in self.buttons if _has(report, form)}
        write_files(report, files)
        return self._offered(files) | {self.token: folder.name}

    def empty(self) -> dict[Any, Any]:
        """Return the values that offer nothing."""
        return self._offered({}) | {self.token: visitor_files.NO_TOKEN}

    def _offered(self, files: Mapping[Format, Path]) -> dict[Any, Any]:
        return {
            button: gr.DownloadButton(value=str(files[form]) if form in files else None, interactive=form in files)
            for form, button in self.buttons.items()
        }


def draw(forms: Sequence[Format] = EACH) -> Downloads:
    """Draw the buttons in a row."""
    with gr.Row(elem_classes="bonsai-downloads"):
        buttons = {
            form: gr.DownloadButton(translatable(_LABELS[form]), interactive=False, size="md", min_width=90)
            for form in forms
        }
        opened = gr.UploadButton(translatable("Open a run"), file_types=[".json", ".jsonl"], size="md", min_width=90)
    token = gr.Textbox(visible="hidden", elem_classes="bonsai-token")
    return Downloads(buttons, token, opened)


def _has(report: Report, form: Format) -> bool:
    try:
        check(report, form)
    except UsageError:
        return False
    return form != Format.QUESTIONS or bool(report.bank)
