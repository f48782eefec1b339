"""The tab that asks whole lists of questions."""

import gradio as gr

from bonsai.ui import grid_tab
from bonsai.ui.grid_sheet import GridSheet
from bonsai.ui.offer import Offer
from bonsai.ui.texts import t

INTRODUCTION = (
    "A whole list of questions: every finished step is kept, Stop loses nothing, and Go on takes up the rest."
)


def build(offer: Offer) -> GridSheet:
    """Draw the tab and return it as it is used."""
    with gr.Tab(t("Batch"), id="batch"):
        gr.Markdown(t(INTRODUCTION))
        return grid_tab.draw(offer, "batch")
