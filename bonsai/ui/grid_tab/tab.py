"""The tabs Compare and Batch, drawn and tied together: form, progress, live step, results."""

import gradio as gr

from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab import form, results, variant_editor
from bonsai.ui.grid_tab.cell_events import CellEvents
from bonsai.ui.grid_tab.events import GridRunState, GridTab, journal_of
from bonsai.ui.locales.translate import translatable
from bonsai.ui.views import live_step


def draw(context: PageContext, key: str) -> GridTab:
    """Draw a tab and let it work; return it as it is used."""
    compares = key == form.COMPARED
    run = context.examples.get(key)
    example = journal_of(run) if run else None
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300):
            drawn = form.draw(context, key)
            status = gr.HTML(live_step.status_line(translatable(live_step.READY)))
            edited = variant_editor.draw(context) if compares else None
        with gr.Column(min_width=300):
            step = gr.HTML(live_step.idle_step())
    shown = results.draw(compares, example)
    run_state = gr.State(GridRunState(example, shared=True) if example else None)
    added = edited.added if edited else gr.State({})
    variants = edited.variants if edited else lambda added: context.variants
    sheet = GridTab(key, context, drawn, variants, added, status, step, shown, run_state)
    sheet.connect()
    if edited:
        edited.connect(drawn.prompts)
    if shown.cells:
        CellEvents(sheet, shown.cells).connect()
    return sheet
