"""The tab for a single question."""

import gradio as gr

from bonsai.ui import tab
from bonsai.ui.offer import Offer
from bonsai.ui.texts import t
from bonsai.ui.wiring import Sheet


def build(offer: Offer) -> Sheet:
    """Draw the tab: a question and its answer, without options of its own."""
    with gr.Tab(t("Single question"), id="single"):
        gr.Markdown(t("One question, one answer."))
        return tab.draw(offer, "single", {})
