"""The tabs of the page, in the order of use."""

import gradio as gr

from bonsai.ui.context import DEFAULT_CANDIDATES, DEFAULT_STEPS, MOST_CANDIDATES, Offer
from bonsai.ui.grid_tab import tab as grid_tab
from bonsai.ui.grid_tab.events import GridSheet
from bonsai.ui.grid_tab.form import COMPARED
from bonsai.ui.locales.translate import ABOUT, t
from bonsai.ui.method_tab import tab as method_tab
from bonsai.ui.method_tab.events import Sheet

QTQ = "From question to question: Reasoning, answer and a deeper next question, which begins the next step."
COMPARE = "The same questions with several prompt variants, side by side: which words differ, and by how much."
BATCH = "A whole list of questions: every finished step is kept, Stop loses nothing, and Go on takes up the rest."


def build_single(offer: Offer) -> Sheet:
    """Build the tab Single question: a question and its answer, without options of its own."""
    with gr.Tab(t("Single question"), id="single"):
        gr.Markdown(t("One question, one answer."))
        return method_tab.draw(offer, "single", {})


def build_two_step(offer: Offer) -> Sheet:
    """Build the tab Two-step reasoning: Reasoning first, then the answer; without options of its own."""
    with gr.Tab(t("Two-step reasoning"), id="two-step"):
        gr.Markdown(t("The model writes its Reasoning first, and then an answer that follows from it."))
        return method_tab.draw(offer, "two-step", {})


def build_qtq(offer: Offer) -> Sheet:
    """Build the tab QtQ chain; its options are the number of steps and candidates, and when to stop."""
    most = offer.settings.max_steps
    with gr.Tab(t("QtQ chain"), id="qtq"):
        gr.Markdown(t(QTQ))
        options = {
            "steps": gr.Slider(
                1, most, min(DEFAULT_STEPS, most), step=1, render=False,
                label=t("Steps"), info=t("How many questions the chain asks, the first one included"),
            ),
            "candidates": gr.Slider(
                1, MOST_CANDIDATES, DEFAULT_CANDIDATES, step=1, render=False,
                label=t("Candidates"),
                info=t("Next questions to choose from; those that repeat an earlier one are dropped"),
            ),
            "stop_without_progress": gr.Checkbox(
                True, render=False, elem_classes="bonsai-wide", label=t("Stop when nothing new comes"),
                info=t("Ends the chain when two steps running add next to nothing"),
            ),
        }  # fmt: skip
        return method_tab.draw(offer, "qtq", options)


def build_compare(offer: Offer) -> GridSheet:
    """Build the tab Compare: prompt variants, methods, seeds, and answers with and without the adapter."""
    with gr.Tab(t("Compare"), id=COMPARED):
        gr.Markdown(t(COMPARE))
        return grid_tab.draw(offer, COMPARED)


def build_batch(offer: Offer) -> GridSheet:
    """Build the tab Batch: whole lists of questions."""
    with gr.Tab(t("Batch"), id="batch"):
        gr.Markdown(t(BATCH))
        return grid_tab.draw(offer, "batch")


def build_about(offer: Offer) -> None:
    """Build the tab About: methods, columns, flags, limits, and what happens to what visitors write."""
    with gr.Tab(t("About"), id="about"):
        gr.Markdown(t(ABOUT), elem_classes="bonsai-about")
