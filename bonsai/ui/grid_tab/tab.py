"""The tabs Compare and Batch, drawn and tied together: form, conversation, results."""

import gradio as gr

from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab import form, results, variant_editor
from bonsai.ui.grid_tab.cell_events import CellEvents
from bonsai.ui.grid_tab.events import GridTab
from bonsai.ui.grid_tab.run_state import GridRunState, journal_of
from bonsai.ui.views.controls.desk import desk


def draw(context: PageContext, key: str) -> GridTab:
    """Draw a tab and let it work; return it as it is used."""
    compares = key == form.COMPARED
    run = context.examples.get(key)
    example = journal_of(run) if run else None
    drawn, top = desk(lambda: form.draw(context, key), run, filters=True)
    with top.left:
        edited = variant_editor.draw(context, drawn.prompts) if compares else None
    shown = results.draw(compares, example, top.conversation)
    run_state = gr.State(GridRunState(example, shared=True) if example else None)
    sheet = GridTab(context, key, drawn, shown, top.status, run_state, gr.State(True), edited)
    at_work = sheet.connect()
    if edited:
        edited.connect()
    if shown.cells:
        at_work += CellEvents(sheet, shown.cells).connect()
    sheet.connect_end(at_work, shown.cells.looked if shown.cells else ())
    return sheet
