"""The tabs Compare and Batch, drawn and tied together: form, conversation, results."""

import gradio as gr

from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab import form, results, variant_editor
from bonsai.ui.grid_tab.cell_events import CellEvents
from bonsai.ui.grid_tab.events import GridRunState, GridTab, journal_of
from bonsai.ui.locales.translate import translatable
from bonsai.ui.views import conversation, status
from bonsai.ui.views.results import page_report
from bonsai.ui.views.run_events import RunButtons


def draw(context: PageContext, key: str) -> GridTab:
    """Draw a tab and let it work; return it as it is used."""
    compares = key == form.COMPARED
    run = context.examples.get(key)
    example = journal_of(run) if run else None
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300):
            drawn = form.draw(context, key)
            line = gr.HTML(status.line(translatable(status.READY)))
            edited = variant_editor.draw(context) if compares else None
        with gr.Column(min_width=300):
            rows = page_report(run).rows if run else []
            panel = conversation.draw(conversation.turns(rows, "en"), filters=True)
    shown = results.draw(compares, example, panel)
    run_state = gr.State(GridRunState(example, shared=True) if example else None)
    added = edited.added if edited else gr.State({})
    variants = edited.variants if edited else lambda added: context.variants
    buttons = RunButtons(drawn.run, drawn.stop, drawn.clear, shown.downloads.opened)
    sheet = GridTab(
        context=context,
        key=key,
        question=drawn.questions,
        buttons=buttons,
        status=line,
        conversation=panel,
        token=shown.downloads.token,
        run_state=run_state,
        accepted=gr.State(True),
        form=drawn,
        variants=variants,
        added=added,
        results=shown,
    )
    sheet.connect()
    if edited:
        edited.connect(drawn.prompts)
    if shown.cells:
        CellEvents(sheet, shown.cells).connect()
    return sheet
