"""The tabs Compare and Batch, drawn and tied together: form, progress, live step, results."""

import gradio as gr

from bonsai.ui.context import Offer
from bonsai.ui.grid_tab import form, results, variant_editor
from bonsai.ui.grid_tab.cell_events import LayOut
from bonsai.ui.grid_tab.events import GridMoment, GridSheet, journal_of
from bonsai.ui.locales.translate import t
from bonsai.ui.views import live_step


def draw(offer: Offer, key: str) -> GridSheet:
    """Draw a tab and let it work; return it as it is used."""
    compares = key == form.COMPARED
    run = offer.examples.get(key)
    example = journal_of(run) if run else None
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300):
            drawn = form.draw(offer, key)
            status = gr.HTML(live_step.status_line(t(live_step.READY)))
            edited = variant_editor.draw(offer) if compares else None
        with gr.Column(min_width=300):
            step = gr.HTML(live_step.idle_step())
    shown = results.draw(compares, example)
    moment = gr.State(GridMoment(example, shared=True) if example else None)
    added = edited.added if edited else gr.State({})
    variants = edited.variants if edited else lambda added: offer.variants
    sheet = GridSheet(key, offer, drawn, variants, added, status, step, shown, moment)
    sheet.connect()
    if edited:
        edited.connect(drawn.prompts)
    if shown.cells:
        LayOut(sheet, shown.cells).connect()
    return sheet
