"""Controls that the forms of all tabs share: sampling options, and the buttons Run, Stop and Clear."""

import gradio as gr
from gradio.components import Component

from bonsai.runs.limits import DEFAULT_SAMPLING
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable


def sampling_options(context: PageContext) -> dict[str, Component]:
    """Return the sampling options that the engine honours, in a folded section."""
    most = context.settings.max_new_tokens
    default = DEFAULT_SAMPLING
    with gr.Accordion(translatable("Sampling"), open=False, elem_classes="bonsai-sampling"):
        options: dict[str, Component] = {
            "max_new_tokens": gr.Slider(
                1,
                most,
                min(default.max_new_tokens, most),
                step=1,
                label=translatable("New tokens"),
                info=translatable("The most tokens of one text"),
            ),
            "temperature": gr.Slider(
                0,
                2,
                default.temperature,
                step=0.05,
                label=translatable("Temperature"),
                info=translatable("0 takes the likeliest word each time"),
            ),
            "top_p": gr.Slider(
                0.05, 1, default.top_p, step=0.05, label=translatable("Top p"), info=translatable("1 keeps every word")
            ),
            "top_k": gr.Slider(
                0, 200, default.top_k, step=1, label=translatable("Top k"), info=translatable("0 keeps every word")
            ),
            "repetition_penalty": gr.Slider(
                0.8,
                1.5,
                default.repetition_penalty,
                step=0.05,
                label=translatable("Repetition penalty"),
                info=translatable("1 leaves repeated words alone"),
            ),
            "seed": gr.Number(
                default.seed,
                precision=0,
                minimum=0,
                maximum=2**31 - 1,
                label=translatable("Seed"),
                info=translatable("Same seed and settings, same table"),
            ),
        }
        honoured = context.engine.info.options | {"max_new_tokens"}
        for name in options.keys() - honoured:
            options.pop(name).unrender()  # type: ignore[no-untyped-call]
    return options


def buttons() -> tuple[gr.Button, gr.Button, gr.Button]:
    """Return Run, Stop and Clear, side by side."""
    with gr.Row(elem_classes="bonsai-buttons"):
        run = gr.Button(translatable("Run"), variant="primary", min_width=90)
        stop = gr.Button(translatable("Stop"), variant="stop", interactive=False, min_width=90)
        clear = gr.Button(translatable("Clear"), min_width=90)
    return run, stop, clear
