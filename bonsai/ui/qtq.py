"""The tab for a chain from question to question."""

import gradio as gr

from bonsai.ui import tab
from bonsai.ui.offer import DEFAULT_CANDIDATES, DEFAULT_STEPS, MOST_CANDIDATES, Offer
from bonsai.ui.texts import t
from bonsai.ui.wiring import Sheet

INTRODUCTION = "From question to question: Reasoning, answer and a deeper next question, which begins the next step."


def build(offer: Offer) -> Sheet:
    """Draw the tab: the chain's options are its length, how many next questions to choose from, and when to stop."""
    most = offer.settings.max_steps
    with gr.Tab(t("QtQ chain"), id="qtq"):
        gr.Markdown(t(INTRODUCTION))
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
        return tab.draw(offer, "qtq", options)
