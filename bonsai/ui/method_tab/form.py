"""The form of a tab: question, starters, prompt variant, the method's own options, sampling, and three buttons."""

import json

import gradio as gr
from gradio.components import Component

from bonsai.chains.outcomes import Method
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable
from bonsai.ui.views.controls.desk import Form, buttons, conclude_button
from bonsai.ui.views.controls.options import chain_options, sampling_options


def question_box(context: PageContext) -> gr.Textbox:
    """Return the question box, with the starters under it; a click on one fills the box."""
    question = gr.Textbox(
        label=translatable("Question"),
        placeholder=translatable("Write a question, or pick a starter below"),
        lines=2,
        max_lines=8,
        elem_classes="bonsai-question",
    )
    texts = [starter.question for starter in context.starters]
    starters = gr.Dataset(
        samples=[[text] for text in texts],
        components=[gr.Textbox(visible=False)],
        type="index",
        samples_per_page=len(texts) or 1,
        label=translatable("Starters"),
        elem_classes="bonsai-starters",
    )
    # In the browser alone: the question stands in the box before anyone can press Run.
    starters.click(None, starters, question, js=f"(index) => {json.dumps(texts)}[index]")
    return question


def prompt_choice(context: PageContext) -> gr.Dropdown:
    """Return the choice of a prompt variant, with the description of the one that is chosen."""
    choice = gr.Dropdown(
        list(context.variants),
        value=context.prompt,
        label=translatable("Prompt variant"),
        filterable=False,
        info=translatable(context.variants[context.prompt].description),
        elem_classes="bonsai-prompt",
    )

    def describe(name: str) -> gr.Dropdown:
        return gr.Dropdown(info=translatable(context.variants[name].description))

    choice.input(describe, choice, choice, queue=False, show_progress="hidden", api_visibility="private")
    return choice


def draw(context: PageContext, method: Method) -> Form:
    """Return the form of the tab of a method; only QtQ has options of its own, and conclusions."""
    question = question_box(context)
    fields: dict[str, Component] = {"question": question, "prompt": prompt_choice(context)}
    if method == Method.QTQ:
        with gr.Row(elem_classes="bonsai-options"):
            fields |= chain_options(context)
    fields |= sampling_options(context)
    return Form(question, fields, *buttons(), conclude_button() if method == Method.QTQ else None)
