"""The tabs Compare and Batch, drawn and tied together: form, progress, live step, results."""

import gradio as gr

from bonsai.ui import editor, grid_form, grid_results, live
from bonsai.ui.grid_sheet import GridMoment, GridSheet, journal_of
from bonsai.ui.laying_out import LayOut
from bonsai.ui.offer import Offer
from bonsai.ui.texts import t


def draw(offer: Offer, key: str) -> GridSheet:
    """Draw a tab and let it work; return it as it is used."""
    compares = key == grid_form.COMPARED
    run = offer.examples.get(key)
    example = journal_of(run) if run else None
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300):
            form = grid_form.draw(offer, key)
            status = gr.HTML(live.status_line(t(live.READY)))
            edited = editor.draw(offer) if compares else None
        with gr.Column(min_width=300):
            step = gr.HTML(live.idle_step())
    results = grid_results.draw(compares, example)
    moment = gr.State(GridMoment(example, shared=True) if example else None)
    added = edited.added if edited else gr.State({})
    variants = edited.variants if edited else lambda added: offer.variants
    sheet = GridSheet(key, offer, form, variants, added, status, step, results, moment)
    sheet.connect()
    if edited:
        edited.connect(form.prompts)
    if results.cells:
        LayOut(sheet, results.cells).connect()
    return sheet
