"""The form of the tabs Compare and Batch: the questions, what each is asked with, and the buttons."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from bonsai.chains.prompts import PromptVariant
from bonsai.errors import Note, UsageError
from bonsai.runs.limits import MAX_REPEATS
from bonsai.runs.plan import Plan
from bonsai.runs.question_lists import FORMS, QuestionList, columns, pasted, read_questions
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translatable, translatable_error, translate, translate_error
from bonsai.ui.views import status
from bonsai.ui.views.controls.desk import Form, buttons, conclude_button
from bonsai.ui.views.controls.options import chain_options, sampling_options, slider
from bonsai.ui.work.event_settings import Values

METHODS = (("Single question", "single"), ("Two-step reasoning", "two-step"), ("QtQ chain", "qtq"))
COMPARED = "compare"


@dataclass(frozen=True)
class Upload:
    """Where a list of questions is given as a file, its column is chosen, and what is in it is told."""

    file: gr.File
    column: gr.Dropdown
    found: gr.HTML
    """Tells what is in the file."""

    def read(self, file: str, column: str | None, most: int) -> QuestionList:
        """Return the questions of an uploaded file; raise UsageError, which names it as its visitor does."""
        path = Path(file)
        try:
            return read_questions(path, most, column or "")
        except UsageError as error:
            raise error.with_values(file=path.name) from error

    def look(self, file: str | None, column: str | None, most: int, language: str) -> Values:
        """Return the values that tell what is in an uploaded file, and offer its columns."""
        if not file:
            return {self.column: gr.Dropdown(choices=[], value=None, visible=False), self.found: ""}
        offered: tuple[str, ...] = ()
        try:
            offered = columns(Path(file))
            chosen = self.read(file, column if column in offered else "", most)
            count = translate(language, "{} questions.", f"{len(chosen.questions):,}")
            told = status.note(f"{count} {_sentences(chosen.notes, language)}".rstrip())
        except UsageError as error:
            told = status.note(translate_error(language, error.with_values(file=Path(file).name)), "bad")
        choice = gr.Dropdown(choices=list(offered), value=column if column in offered else None, visible=bool(offered))
        return {self.column: choice, self.found: told}


@dataclass(frozen=True)
class GridForm(Form):
    """The controls of one tab."""

    conclude: gr.Button
    passed_over: gr.HTML
    """Tells what was passed over in the questions."""
    upload: Upload | None
    prompts: gr.CheckboxGroup
    methods: gr.CheckboxGroup | gr.Radio
    adapters: gr.CheckboxGroup | None
    go_on: gr.Button
    retry: gr.Button

    @property
    def inputs(self) -> set[Any]:
        """All components that `plan` reads."""
        chosen = [self.question, self.prompts, self.methods, *self.fields.values()]
        chosen += [self.adapters] if self.adapters else []
        return {*chosen, *((self.upload.file, self.upload.column) if self.upload else ())}

    def read(self, values: Values, most: int) -> QuestionList:
        """Return the questions that were given; raise UsageError if there are none or too many."""
        if self.upload and values[self.upload.file]:
            # What is passed over in a file is told beside it.
            return replace(self.upload.read(values[self.upload.file], values[self.upload.column], most), notes=())
        return pasted(values[self.question] or "", most)

    def tell(self, notes: Sequence[Note], language: str) -> Values:
        """Return the value that tells what was passed over in the questions."""
        return {self.passed_over: status.note(_sentences(notes, language)) if notes else ""}

    def plan(
        self, context: PageContext, values: Values, variants: Mapping[str, PromptVariant], questions: Sequence[str]
    ) -> Plan:
        """Return the plan that was asked for; raise UsageError, with a sentence for the visitor, if it may not be."""
        chosen = values[self.methods] if isinstance(values[self.methods], list) else [values[self.methods]]
        # In their own order, and not in that in which they were ticked.
        return context.plan(
            variants,
            questions=questions,
            prompts=[name for name in variants if name in values[self.prompts]],
            methods=[method for _, method in METHODS if method in chosen],
            with_adapter=values[self.adapters] if self.adapters else (True,),
            **{name: values[field] for name, field in self.fields.items()},
        )


def draw(context: PageContext, tab: str) -> GridForm:
    """Return the form of a tab: Compare crosses all axes, Batch takes a list as a file."""
    compares = tab == COMPARED
    texts = [starter.question for starter in context.starters]
    questions = gr.Textbox(
        label=translatable("Questions, one a line"),
        placeholder=translatable("Write questions, one a line"),
        lines=2 if compares else 5,
        max_lines=12,
        value=texts[0] if compares and texts else "",
        elem_classes="bonsai-question",
    )
    passed_over = gr.HTML(elem_classes="bonsai-found")
    take = gr.Button(translatable("Take the nine starters"), size="sm", elem_classes="bonsai-take")
    take.click(None, None, questions, js=f"() => {json.dumps(chr(10).join(texts))}")
    upload = None if compares else _upload()
    names = list(context.variants)
    prompts = gr.CheckboxGroup(
        names,
        value=_first(names, context.prompt, 2 if compares else 1),
        label=translatable("Prompt variants"),
        elem_classes="bonsai-prompts",
    )
    methods = _methods(compares)
    adapters = _adapters(context) if compares else None
    fields = _options(context) | sampling_options(context)
    run, stop, clear = buttons()
    with gr.Row(elem_classes="bonsai-buttons"):
        go_on = gr.Button(translatable("Go on"), interactive=False, min_width=90)
        retry = gr.Button(translatable("Ask the failed again"), interactive=False, min_width=90)
    own = (passed_over, upload, prompts, methods, adapters)
    return GridForm(questions, fields, run, stop, clear, conclude_button(), *own, go_on, retry)


def _methods(several: bool) -> gr.CheckboxGroup | gr.Radio:
    choices, name = [(translatable(name), method) for name, method in METHODS], "bonsai-methods"
    if several:
        return gr.CheckboxGroup(choices, value=["two-step"], label=translatable("Methods"), elem_classes=name)
    return gr.Radio(choices, value="two-step", label=translatable("Method"), elem_classes=name)


def _upload() -> Upload:
    file = gr.File(
        label=translatable("or a file: CSV, Excel, JSON or TXT"),
        file_types=[f".{form}" for form in FORMS],
        height=150,
        elem_classes="bonsai-upload",
    )
    column = gr.Dropdown(
        [],
        value=None,
        label=translatable("Column with the questions"),
        info=translatable("Left empty, it is found"),
        visible=False,
        elem_classes="bonsai-column",
    )
    return Upload(file, column, gr.HTML(elem_classes="bonsai-found"))


def _adapters(context: PageContext) -> gr.CheckboxGroup | None:
    if context.base_engine is None:
        if context.base_engine_error:
            gr.HTML(f'<p class="bonsai-note">{translatable_error(context.base_engine_error)}</p>')
        return None
    return gr.CheckboxGroup(
        [(translatable("with the adapter"), True), (translatable("without it"), False)],
        value=[True],
        label=translatable("Adapter"),
        elem_classes="bonsai-adapters",
    )


def _options(context: PageContext) -> dict[str, Component]:
    with gr.Row(elem_classes="bonsai-options"):
        repeats = slider("Repeats", "Seeds for each", 1, MAX_REPEATS, 1, min_width=170)
        return {"repeats": repeats, **chain_options(context, one_of_several=True)}


def _first(names: list[str], usual: str, count: int) -> list[str]:
    """Return the usual variant and as many others as are wanted, in their order."""
    others = [name for name in names if name != usual]
    likely = sorted(others, key=lambda name: name != "logician")[: count - 1]
    return [name for name in names if name in (usual, *likely)]


def _sentences(notes: Sequence[Note], language: str) -> str:
    """Return notes in the language of a visitor."""
    return " ".join(translate_error(language, note) for note in notes)
