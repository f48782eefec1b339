"""The form of a tab: question, starters, prompt variant, the method's own options, sampling, and three buttons."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from bonsai.ui.offer import DEFAULT_SAMPLING, Offer
from bonsai.ui.texts import t


@dataclass(frozen=True)
class Form:
    """The controls of one tab; `fields` are those that `Offer.begin` takes, by the names it takes them by."""

    question: gr.Textbox
    fields: Mapping[str, Component]
    run: gr.Button
    stop: gr.Button
    clear: gr.Button


def question_box(offer: Offer) -> gr.Textbox:
    """Return the question box, with the starters under it; a click on one fills the box."""
    question = gr.Textbox(
        label=t("Question"), placeholder=t("Write a question, or pick a starter below"),
        lines=2, max_lines=8, max_length=20_000, elem_classes="bonsai-question",
    )  # fmt: skip
    texts = [starter.question for starter in offer.starters]
    starters = gr.Dataset(
        samples=[[text] for text in texts], components=[gr.Textbox(visible=False)], type="index",
        samples_per_page=len(texts) or 1, label=t("Starters"), elem_classes="bonsai-starters",
    )  # fmt: skip
    # In the browser alone: the question stands in the box before anyone can press Run.
    starters.click(None, starters, question, js=f"(index) => {json.dumps(texts)}[index]")
    return question


def prompt_choice(offer: Offer) -> gr.Dropdown:
    """Return the choice of a prompt variant, with the description of the one that is chosen."""
    choice = gr.Dropdown(
        list(offer.variants), value=offer.prompt, label=t("Prompt variant"), filterable=False,
        info=t(offer.variants[offer.prompt].description), elem_classes="bonsai-prompt",
    )  # fmt: skip

    def describe(name: str) -> gr.Dropdown:
        return gr.Dropdown(info=t(offer.variants[name].description))

    choice.input(describe, choice, choice, queue=False, show_progress="hidden", api_visibility="private")
    return choice


def sampling_options(offer: Offer) -> dict[str, Component]:
    """Return the sampling options that the engine honours, in a folded section."""
    most = offer.settings.max_new_tokens
    default = DEFAULT_SAMPLING
    with gr.Accordion(t("Sampling"), open=False, elem_classes="bonsai-sampling"):
        options: dict[str, Component] = {
            "max_new_tokens": gr.Slider(
                1, most, min(default.max_new_tokens, most), step=1,
                label=t("New tokens"), info=t("The most tokens of one text"),
            ),
            "temperature": gr.Slider(
                0, 2, default.temperature, step=0.05,
                label=t("Temperature"), info=t("0 takes the likeliest word each time"),
            ),
            "top_p": gr.Slider(0.05, 1, default.top_p, step=0.05, label=t("Top p"), info=t("1 keeps every word")),
            "top_k": gr.Slider(0, 200, default.top_k, step=1, label=t("Top k"), info=t("0 keeps every word")),
            "repetition_penalty": gr.Slider(
                0.8, 1.5, default.repetition_penalty, step=0.05,
                label=t("Repetition penalty"), info=t("1 leaves repeated words alone"),
            ),
            "seed": gr.Number(
                default.seed, precision=0, minimum=0, maximum=2**31 - 1,
                label=t("Seed"), info=t("Same seed and settings, same table"),
            ),
        }  # fmt: skip
        honoured = offer.engine.options | {"max_new_tokens"}
        for name in options.keys() - honoured:
            options.pop(name).unrender()  # type: ignore[no-untyped-call]
    return options


def buttons() -> tuple[gr.Button, gr.Button, gr.Button]:
    """Return Run, Stop and Clear, side by side."""
    with gr.Row(elem_classes="bonsai-buttons"):
        run = gr.Button(t("Run"), variant="primary", min_width=90)
        stop = gr.Button(t("Stop"), variant="stop", interactive=False, min_width=90)
        clear = gr.Button(t("Clear"), min_width=90)
    return run, stop, clear


def draw(offer: Offer, options: Mapping[str, Component]) -> Form:
    """Return the form of a tab; `options` are the method's own, which are placed under the prompt variant."""
    question = question_box(offer)
    fields: dict[str, Component] = {"question": question, "prompt": prompt_choice(offer)}
    if options:
        with gr.Row(elem_classes="bonsai-options"):
            for option in options.values():
                option.render()  # type: ignore[no-untyped-call]
    fields |= options
    fields |= sampling_options(offer)
    return Form(question, fields, *buttons())
