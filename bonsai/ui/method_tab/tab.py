"""The tab of a method, drawn and tied together: form, conversation, results, and the steps one by one."""

import gradio as gr

from bonsai.chains.outcomes import Method
from bonsai.ui.context import PageContext
from bonsai.ui.method_tab import form, question_bank, step_section
from bonsai.ui.method_tab.events import MethodTab, RunState
from bonsai.ui.method_tab.step_events import StepEvents
from bonsai.ui.views import results
from bonsai.ui.views.controls.desk import desk


def draw(context: PageContext, method: Method) -> MethodTab:
    """Draw the tab of a method and let it work; return it as it is used."""
    example = context.examples.get(method)
    drawn, top = desk(lambda: form.draw(context, method), example, filters=method == Method.QTQ)
    shown = results.draw(method, example, top.conversation)
    bank = question_bank.draw(example) if method == Method.QTQ else None
    looked_at = step_section.draw(context, method, example) if method != Method.SINGLE else None
    run_state = gr.State(RunState(example, begun=True) if example else None)
    sheet = MethodTab(context, method, drawn, shown, top.status, run_state, gr.State(True), looked_at, bank)
    at_work = sheet.connect()
    if looked_at:
        at_work += StepEvents(sheet, looked_at).connect()
    sheet.connect_end(at_work)
    return sheet
