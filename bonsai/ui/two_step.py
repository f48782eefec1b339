"""The tab for two-step reasoning."""

import gradio as gr

from bonsai.ui import tab
from bonsai.ui.offer import Offer
from bonsai.ui.texts import t
from bonsai.ui.wiring import Sheet


def build(offer: Offer) -> Sheet:
    """Draw the tab: Reasoning first, then the answer; without options of its own."""
    with gr.Tab(t("Two-step reasoning"), id="two-step"):
        gr.Markdown(t("The model writes its Reasoning first, and then an answer that follows from it."))
        return tab.draw(offer, "two-step", {})
