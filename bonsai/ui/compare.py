"""The tab that compares prompt variants, methods, seeds, and answers with and without the adapter."""

import gradio as gr

from bonsai.ui import grid_tab
from bonsai.ui.grid_form import COMPARED
from bonsai.ui.grid_sheet import GridSheet
from bonsai.ui.offer import Offer
from bonsai.ui.texts import t

INTRODUCTION = "The same questions with several prompt variants, side by side: which words differ, and by how much."


def build(offer: Offer) -> GridSheet:
    """Draw the tab and return it as it is used."""
    with gr.Tab(t("Compare"), id=COMPARED):
        gr.Markdown(t(INTRODUCTION))
        return grid_tab.draw(offer, COMPARED)
