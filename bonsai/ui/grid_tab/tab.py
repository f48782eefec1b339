"""The tabs Compare and Batch, drawn and tied together: form, conversation, results."""

import gradio as gr

from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab import form, results, variant_editor
from bonsai.ui.grid_tab.cell_events import CellEvents
from bonsai.ui.grid_tab.events import GridTab
from bonsai.ui.grid_tab.run_state import GridRunState, journal_of
from bonsai.ui.grid_tab.verdicts.events import BlindEvents, VerdictEvents
from bonsai.ui.views.controls.desk import desk
from bonsai.ui.views.run_events import RunButtons


def draw(context: PageContext, key: str) -> GridTab:
    """Draw a tab and let it work; return it as it is used."""
    compares = key == form.COMPARED
    run = context.examples.get(key)
    example = journal_of(run) if run else None
    drawn, top = desk(lambda: form.draw(context, key), run, filters=True)
    with top.left:
        edited = variant_editor.draw(context) if compares else None
    shown = results.draw(compares, example, top.conversation)
    run_state = gr.State(GridRunState(example, shared=True) if example else None)
    added = edited.added if edited else gr.State({})
    variants = edited.variants if edited else lambda added: context.variants
    buttons = RunButtons(drawn.run, drawn.stop, drawn.clear, shown.downloads.opened)
    sheet = GridTab(
        context=context,
        key=key,
        question=drawn.questions,
        buttons=buttons,
        status=top.status,
        conversation=top.conversation,
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
        BlindEvents(sheet, shown.cells).connect()
    VerdictEvents(sheet).connect()
    return sheet
