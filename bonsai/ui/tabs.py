"""The tabs of the page, in the order of use, and what a visitor finds again in them when the page is loaded again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.chains.outcomes import Method
from bonsai.settings import ROOT
from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab import tab as grid_tab
from bonsai.ui.grid_tab.form import COMPARED
from bonsai.ui.locales.translate import ABOUT, language_of, translatable
from bonsai.ui.method_tab import tab as method_tab
from bonsai.ui.views.run_tab import RunTab
from bonsai.ui.work.event_settings import QUIET, Values

TABS = {
    Method.SINGLE: ("Single question", "One question, one answer."),
    Method.TWO_STEP: (
        "Two-step reasoning",
        "The model writes its Reasoning first, and then an answer that follows from it.",
    ),
    Method.QTQ: (
        "QtQ chain",
        "From question to question: Reasoning, answer and a deeper next question, which begins the next step.",
    ),
    COMPARED: (
        "Compare",
        "The same questions with several prompt variants, side by side: which words differ, and by how much.",
    ),
    "batch": (
        "Batch",
        "A whole list of questions: every finished step is kept, Stop loses nothing, and Go on takes up the rest.",
    ),
}
"""The name and the promise of each tab that runs something, by its key."""
_CHANGES = "\n## What the adapter changes\n"


def draw(demo: gr.Blocks, context: PageContext) -> None:
    """Draw all tabs on the page that is being built, and let them work."""
    drawn: list[RunTab[Any]] = []
    with gr.Tabs():
        for key, (name, promise) in TABS.items():
            with gr.Tab(translatable(name), id=key):
                gr.Markdown(translatable(promise))
                drawn.append(method_tab.draw(context, key) if isinstance(key, Method) else grid_tab.draw(context, key))
        _draw_about(context.engine.info.adapter_id)
    _keep_runs(demo, drawn)


def _draw_about(adapter: str) -> None:
    """Draw the tab About: methods, columns, flags, limits, and what happens to what visitors write."""
    with gr.Tab(translatable("About"), id="about"):
        gr.Markdown(translatable(ABOUT), elem_classes="bonsai-about")
        if changes := adapter_changes(ROOT / "docs" / "faults.md", adapter):
            with gr.Accordion(translatable("What this adapter changes"), open=False):
                gr.Markdown(changes)


def adapter_changes(report: Path, adapter: str) -> str:
    """Return what an adapter changes, as a report of `python -m bonsai evaluate` tells it in Markdown.

    "" without a report, or if it is about other adapters. `adapter` is a hub id or folder; a report names adapters by
    the last parts of these.
    """
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    section = text.partition(_CHANGES)[2].partition("\n## ")[0].strip()
    head = next((line for line in section.splitlines() if line.startswith("|")), "")
    return section if adapter and Path(adapter).name in [cell.strip() for cell in head.split("|")] else ""


def _keep_runs(demo: gr.Blocks, tabs: Sequence[RunTab[Any]]) -> None:
    """Let each tab's token be kept for as long as the browser's tab is open, and its run be shown when it is loaded."""
    names = [f"bonsai-{tab.key}" for tab in tabs]
    tokens = [tab.token for tab in tabs]
    for name, token in zip(names, tokens, strict=True):
        keep = f"(token) => {{ if (token) sessionStorage.setItem({json.dumps(name)}, token); }}"
        token.change(None, token, None, js=keep)
    kept = f"{json.dumps(names)}.map((name) => sessionStorage.getItem(name) || '')"

    def restore(request: gr.Request, *found: Any) -> Values:
        values: Values = {tokens[0]: gr.skip()}
        for tab, token in zip(tabs, found, strict=True):
            values |= tab.restore(token, language_of(request))
        return values

    places = list(dict.fromkeys(place for tab in tabs for place in tab.places))
    asked = gr.Textbox(visible="hidden", elem_classes="bonsai-token")
    # Most visitors have nothing there, and read the page as it is: for them nothing is asked of the server.
    needed = f"{kept}.some(Boolean) || !navigator.language.startsWith('en')"
    demo.load(None, None, asked, js=f"() => {needed} ? 'yes' : ''")
    asked.change(restore, tokens, places, js=f"() => {kept}", queue=False, **QUIET)
