"""The tab of a method, drawn and tied together: form, live step, results, and the steps one by one."""

from collections.abc import Mapping

import gradio as gr
from gradio.components import Component

from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable
from bonsai.ui.method_tab import form, step_section
from bonsai.ui.method_tab.events import MethodTab, RunState
from bonsai.ui.method_tab.step_events import StepEvents
from bonsai.ui.views import live_step, results


def draw(context: PageContext, method: str, options: Mapping[str, Component]) -> MethodTab:
    """Draw the tab of a method, with the method's own options, and let it work; return it as it is used."""
    example = context.examples.get(method)
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300):
            drawn = form.draw(context, options)
            status = gr.HTML(live_step.status_line(translatable(live_step.READY)))
        with gr.Column(min_width=300):
            step = gr.HTML(live_step.idle_step())
    shown = results.draw(method, example)
    looked_at = step_section.draw(context, method, example) if method != "single" else None
    run_state = gr.State(RunState(example, begun=True) if example else None)
    sheet = MethodTab(context, method, drawn, status, step, shown, looked_at, run_state)
    at_work = [sheet.connect()]
    if looked_at:
        at_work += StepEvents(sheet, looked_at).connect()
    sheet.connect_end(at_work)
    return sheet
