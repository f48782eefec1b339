"""The tab that explains the page."""

import gradio as gr

from bonsai.ui.offer import Offer
from bonsai.ui.texts import ABOUT, t


def build(offer: Offer) -> None:
    """Draw the tab: the methods, what columns and flags mean, the limits, and what happens to what is written."""
    with gr.Tab(t("About"), id="about"):
        gr.Markdown(t(ABOUT), elem_classes="bonsai-about")
