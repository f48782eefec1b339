"""The tabs of the page, in the order of use."""

import gradio as gr

from bonsai.settings import ROOT
from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab import tab as grid_tab
from bonsai.ui.grid_tab.events import GridTab
from bonsai.ui.grid_tab.form import COMPARED
from bonsai.ui.locales.translate import ABOUT, translatable
from bonsai.ui.method_tab import tab as method_tab
from bonsai.ui.method_tab.events import MethodTab
from bonsai.ui.views.adapter_changes import adapter_changes
from bonsai.ui.views.controls.options import chain_options

QTQ = "From question to question: Reasoning, answer and a deeper next question, which begins the next step."
COMPARE = "The same questions with several prompt variants, side by side: which words differ, and by how much."
BATCH = "A whole list of questions: every finished step is kept, Stop loses nothing, and Go on takes up the rest."


def build_single(context: PageContext) -> MethodTab:
    """Build the tab Single question: a question and its answer, without options of its own."""
    with gr.Tab(translatable("Single question"), id="single"):
        gr.Markdown(translatable("One question, one answer."))
        return method_tab.draw(context, "single")


def build_two_step(context: PageContext) -> MethodTab:
    """Build the tab Two-step reasoning: Reasoning first, then the answer; without options of its own."""
    with gr.Tab(translatable("Two-step reasoning"), id="two-step"):
        gr.Markdown(translatable("The model writes its Reasoning first, and then an answer that follows from it."))
        return method_tab.draw(context, "two-step")


def build_qtq(context: PageContext) -> MethodTab:
    """Build the tab QtQ chain; its options are the number of steps and candidates, and when to stop."""
    with gr.Tab(translatable("QtQ chain"), id="qtq"):
        gr.Markdown(translatable(QTQ))
        return method_tab.draw(context, "qtq", chain_options)


def build_compare(context: PageContext) -> GridTab:
    """Build the tab Compare: prompt variants, methods, seeds, and answers with and without the adapter."""
    with gr.Tab(translatable("Compare"), id=COMPARED):
        gr.Markdown(translatable(COMPARE))
        return grid_tab.draw(context, COMPARED)


def build_batch(context: PageContext) -> GridTab:
    """Build the tab Batch: whole lists of questions."""
    with gr.Tab(translatable("Batch"), id="batch"):
        gr.Markdown(translatable(BATCH))
        return grid_tab.draw(context, "batch")


def build_about(context: PageContext) -> None:
    """Build the tab About: methods, columns, flags, limits, and what happens to what visitors write."""
    with gr.Tab(translatable("About"), id="about"):
        gr.Markdown(translatable(ABOUT), elem_classes="bonsai-about")
        changes = adapter_changes(ROOT / "docs" / "faults.md", context.engine.info.adapter_id)
        if changes:
            with gr.Accordion(translatable("What this adapter changes"), open=False):
                gr.Markdown(changes)
