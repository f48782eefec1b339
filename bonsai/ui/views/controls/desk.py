"""The top that all tabs share: a form beside a conversation, and the buttons Run, Stop and Clear."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import gradio as gr
from gradio.components import Component

from bonsai.runs.run import Run
from bonsai.ui.locales.translate import translatable
from bonsai.ui.views import conversation, status
from bonsai.ui.views.conversation import Conversation
from bonsai.ui.views.results import page_report


@dataclass(frozen=True)
class Form:
    """The controls of one tab; `fields` are fields of its request and of SamplingParams, by their names."""

    question: gr.Textbox
    fields: Mapping[str, Component]
    run: gr.Button
    stop: gr.Button
    clear: gr.Button
    conclude: gr.Button | None
    """Writes the conclusions that a run lacks; None for methods that have none."""


AnyForm = TypeVar("AnyForm", bound=Form)


@dataclass(frozen=True)
class Desk:
    """The top of a tab: its form and a status line in a column on the left, the conversation beside it."""

    left: gr.Column
    status: gr.HTML
    conversation: Conversation


def desk(draw_form: Callable[[], AnyForm], example: Run | None, *, filters: bool) -> tuple[AnyForm, Desk]:
    """Draw the top of a tab and return it with its form; `filters` let its reader choose what of a step is shown."""
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300) as left:
            form = draw_form()
            line = gr.HTML(status.line(translatable(status.READY)))
        with gr.Column(min_width=300):
            report = page_report(example) if example else None
            panel = conversation.draw(conversation.turns(report, "en"), filters=filters)
    return form, Desk(left, line, panel)


def conclude_button() -> gr.Button:
    """Return the button that writes the conclusions which the run on a tab lacks."""
    return gr.Button(translatable("Write conclusions"), min_width=90, elem_classes="bonsai-conclude")


def buttons() -> tuple[gr.Button, gr.Button, gr.Button]:
    """Return Run, Stop and Clear, side by side."""
    with gr.Row(elem_classes="bonsai-buttons"):
        run = gr.Button(translatable("Run"), variant="primary", min_width=90)
        stop = gr.Button(
            translatable("Stop"), variant="stop", interactive=False, min_width=90, elem_classes="bonsai-stop"
        )
        clear = gr.Button(translatable("Clear"), min_width=90)
    return run, stop, clear
