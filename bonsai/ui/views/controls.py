"""The top that all tabs share: a form beside a conversation, sampling options, and the buttons Run, Stop and Clear."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import gradio as gr
from gradio.components import Component

from bonsai.runs.limits import DEFAULT_SAMPLING
from bonsai.runs.run import Run
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable
from bonsai.ui.views import conversation, status
from bonsai.ui.views.conversation import Conversation
from bonsai.ui.views.results import page_report

Form = TypeVar("Form")


@dataclass(frozen=True)
class Desk:
    """The top of a tab: its form and a status line in a column on the left, the conversation beside it."""

    left: gr.Column
    status: gr.HTML
    conversation: Conversation


def desk(draw_form: Callable[[], Form], example: Run | None, *, filters: bool) -> tuple[Form, Desk]:
    """Draw the top of a tab and return it with its form; `filters` let its reader choose what of a step is shown."""
    with gr.Row(elem_classes="bonsai-desk"):
        with gr.Column(min_width=300) as left:
            form = draw_form()
            line = gr.HTML(status.line(translatable(status.READY)))
        with gr.Column(min_width=300):
            report = page_report(example) if example else None
            panel = conversation.draw(conversation.turns(report, "en"), filters=filters)
    return form, Desk(left, line, panel)


@dataclass(frozen=True)
class _Range:
    """What a slider offers, and what is said of it."""

    lowest: float
    highest: float
    step: float
    label: str
    info: str


_RANGES = {
    "temperature": _Range(
        0, 2, 0.05, translatable("Temperature"), translatable("0 takes the likeliest word each time")
    ),
    "top_p": _Range(0.05, 1, 0.05, translatable("Top p"), translatable("1 keeps every word")),
    "top_k": _Range(0, 200, 1, translatable("Top k"), translatable("0 keeps every word")),
    "repetition_penalty": _Range(
        0.8, 1.5, 0.05, translatable("Repetition penalty"), translatable("1 leaves repeated words alone")
    ),
}


def sampling_options(context: PageContext) -> dict[str, Component]:
    """Return the sampling options that the engine honours, in a folded section."""
    most = context.settings.max_new_tokens
    honoured = context.engine.info.options
    new_tokens = _Range(1, most, 1, translatable("New tokens"), translatable("The most tokens of one text"))
    with gr.Accordion(translatable("Sampling"), open=False, elem_classes="bonsai-sampling"):
        options: dict[str, Component] = {
            "max_new_tokens": _slider(new_tokens, min(DEFAULT_SAMPLING.max_new_tokens, most)),
            **{
                name: _slider(offered, getattr(DEFAULT_SAMPLING, name))
                for name, offered in _RANGES.items()
                if name in honoured
            },
        }
        if "seed" in honoured:
            options["seed"] = gr.Number(
                DEFAULT_SAMPLING.seed,
                precision=0,
                minimum=0,
                maximum=2**31 - 1,
                label=translatable("Seed"),
                info=translatable("Same seed and settings, same table"),
            )
    return options


def _slider(offered: _Range, value: float) -> gr.Slider:
    return gr.Slider(offered.lowest, offered.highest, value, step=offered.step, label=offered.label, info=offered.info)


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
