"""The form of a tab: question, starters, prompt variant, the method's own options, sampling, and three buttons."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from bonsai.ui.context import Offer
from bonsai.ui.locales.translate import t
from bonsai.ui.views.controls import buttons, sampling_options


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
