"""The tab for a chain from question to question."""

import gradio as gr

from bonsai.ui import wiring
from bonsai.ui.offer import DEFAULT_CANDIDATES, DEFAULT_STEPS, MOST_CANDIDATES, Offer
from bonsai.ui.texts import t

INTRODUCTION = "From question to question: Reasoning, answer and a deeper next question, which begins the next step."


def build(offer: Offer) -> None:
    """Draw the tab: the chain's options are how many steps it takes, and how many next questions to choose from."""
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
        }  # fmt: skip
        wiring.draw(offer, "qtq", options)
