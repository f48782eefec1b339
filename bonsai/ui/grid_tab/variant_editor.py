"""The editor of prompt variants: a copy of one, checked while it is typed, for the visitor's own session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from bonsai.chains.prompts import PromptVariant, check_name, parse_variant, to_yaml
from bonsai.errors import PromptError
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import as_html, language_of, translatable, translate, translate_error
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import ONE_AFTER_ANOTHER, QUIET, Values

INTRODUCTION = "Edit a copy of a variant and run it beside the original. It stays in this page and is yours alone."
LONGEST = 20_000
Variants = Mapping[str, PromptVariant]


@dataclass(frozen=True)
class Editor:
    """The places of the editor; `added` holds the visitor's own variants by name, to be chosen among `prompts`."""

    context: PageContext
    prompts: gr.CheckboxGroup
    original: gr.Dropdown
    name: gr.Textbox
    text: gr.Code
    status: gr.HTML
    add: gr.Button
    download: gr.DownloadButton
    added: gr.State

    def connect(self) -> None:
        """Tie the editor to what it does."""
        chosen = [self.original, self.added]
        # Not `input`, which a dropdown also tells when it is left: what was typed by then would be lost.
        self.original.change(self.begin, chosen, [self.name, self.text, self.status, self.add], queue=False, **QUIET)
        for typed in (self.text.input, self.name.input):
            typed(self.check, [self.name, self.text], [self.status, self.add], **ONE_AFTER_ANOTHER)
        inputs: set[Any] = {self.name, self.text, self.added, self.original, self.prompts}
        places = [self.added, self.status, self.download, self.prompts]
        self.add.click(self.take, inputs, places, queue=False, **QUIET)

    def variants(self, added: Variants | None) -> Variants:
        """Return the variants of the page and of the visitor."""
        return {**self.context.variants, **(added or {})}

    def begin(self, name: str | None, added: Variants) -> Values:
        """Show the text of a variant, under another name."""
        variant = self.variants(added).get(name or "")
        if variant is None:
            return {self.status: ""}
        told = _line(translatable("Change the text, and add it to the comparison."))
        copied = {self.name: self._new_name(variant.name, added), self.text: to_yaml(variant)}
        return copied | {self.status: told, self.add: gr.Button(interactive=True)}

    def check(self, name: str, text: str, request: gr.Request) -> Values:
        """Say whether the text is a variant, or what is wrong with it, by role and name."""
        try:
            self._parse(name, text)
        except PromptError as error:
            told = _line(translate_error(language_of(request), error), "bad")
            return {self.status: told, self.add: gr.Button(interactive=False)}
        told = _line(translatable("This variant is well-formed."), "good")
        return {self.status: told, self.add: gr.Button(interactive=True)}

    def take(self, values: Values, request: gr.Request) -> Values:
        """Take the variant up for this session, choose it and its original, and offer it as a file."""
        language = language_of(request)
        try:
            variant = self._parse(values[self.name], values[self.text])
        except PromptError as error:
            return {self.status: _line(translate_error(language, error), "bad")}
        added = {**values[self.added], variant.name: variant}
        names = list(self.variants(added))
        wanted = {*values[self.prompts], variant.name, values[self.original]}
        file = visitor_files.new_folder() / f"{variant.name}.yaml"
        file.write_text(values[self.text], encoding="utf-8", errors="replace")
        return {
            self.added: added,
            self.prompts: gr.CheckboxGroup(choices=names, value=[name for name in names if name in wanted]),
            self.download: gr.DownloadButton(value=str(file), interactive=True),
            self.status: _line(translate(language, "{} is added. Press Run to compare.", variant.name), "good"),
        }

    def _parse(self, name: str, text: str) -> PromptVariant:
        name = check_name(name or "")
        if name in self.context.variants:
            raise PromptError("There is a variant {name} already; choose another name for yours.", name=name)
        if len(text) > LONGEST:
            raise PromptError(
                "The text has {length:,} characters; at most {limit:,} are taken.", length=len(text), limit=LONGEST
            )
        return parse_variant(name, text)

    def _new_name(self, name: str, added: Variants) -> str:
        taken = self.variants(added)
        return next(new for number in range(1, len(taken) + 2) if (new := f"{name}-{number}") not in taken)


def draw(context: PageContext, prompts: gr.CheckboxGroup) -> Editor:
    """Draw the editor, folded; what is added can be chosen among `prompts`."""
    first = context.variants[context.prompt]
    with gr.Accordion(translatable("Edit a variant"), open=False, elem_classes="bonsai-editor"):
        gr.Markdown(translatable(INTRODUCTION))
        with gr.Row():
            original = gr.Dropdown(
                list(context.variants),
                value=first.name,
                label=translatable("Copy of"),
                filterable=False,
                elem_classes="bonsai-original",
            )
            name = gr.Textbox(
                f"{first.name}-1", label=translatable("Name"), max_length=40, elem_classes="bonsai-variant-name"
            )
        text = gr.Code(
            to_yaml(first),
            language="yaml",
            lines=12,
            max_lines=24,
            wrap_lines=True,
            interactive=True,
            label=translatable("Text of the variant (YAML)"),
            elem_classes="bonsai-variant",
        )
        status = gr.HTML(elem_classes="bonsai-variant-status")
        with gr.Row():
            add = gr.Button(translatable("Add to the comparison"), variant="primary", min_width=90)
            download = gr.DownloadButton(translatable("Download YAML"), interactive=False, min_width=90)
    return Editor(context, prompts, original, name, text, status, add, download, gr.State({}))


def _line(sentence: str, mood: str = "") -> str:
    return f'<p class="bonsai-note {mood}" role="status">{as_html(sentence)}</p>'
