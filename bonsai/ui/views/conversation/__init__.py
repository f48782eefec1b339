"""The conversation of a run, beside the form: its finished steps as turns, and the step being written at their end."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import Flag, Method, Role
from bonsai.chains.step import Step
from bonsai.reports.report import Report
from bonsai.runs.journal.progress import Progress
from bonsai.ui.locales.translate import translatable, translate
from bonsai.ui.views.conversation.marks import TELL, Marks, mark_line, marks_of

# More are not sent to a browser with every step: table and files hold them.
MAX_TURNS = 300
HINT = "What is written appears here."
_PARTS = {
    Role.REASONING: ("reasoning", "Reasoning"),
    Role.ANSWER: ("answer", "Answer"),
    Role.SINGLE: ("answer", "Answer"),
    Role.NEXT_QUESTION: ("next_question", "Next question"),
}
_ids = count(1)

Row = Mapping[str, object]


@dataclass(frozen=True)
class Conversation:
    """The places of the panel."""

    head: gr.HTML
    turns: gr.HTML
    step: gr.HTML
    told: gr.Textbox
    """What a visitor says of the steps; see `bonsai.ui.views.conversation.marks.said`."""
    tell: str
    """The script that fills it in."""

    @property
    def places(self) -> list[Any]:
        """All components that the methods give values for."""
        return [self.head, self.turns, self.step]

    def show(self, report: Report, language: str) -> dict[Any, Any]:
        """Return the value that shows the rows of a report as turns."""
        # Never the same text twice: the browser would leave the turns as a visitor has marked them since.
        return {self.turns: f"{turns(report, language)}<!-- {next(_ids)} -->"}

    def write(self, chain: Chain, seconds: float, language: str) -> dict[Any, Any]:
        """Return the values that show the step of a chain that is being written, some seconds after it began."""
        step = chain.steps[-1]
        place = translate(language, "Step {} of {}", step.number, chain.length)
        return {self.head: _head(place, seconds, language), self.step: _written(chain, language)}

    def watch(self, now: Progress, language: str) -> dict[Any, Any]:
        """Return the values that show one of many chains as it is written, and how far all of them are."""
        chain = now.chain
        place = translate(language, "Chain {}, step {} of {}", chain.number, chain.steps[-1].number, chain.length)
        head = _head(place, now.seconds, language)
        name = escape(translate(language, "{} of {} chains", f"{now.finished:,}", f"{now.chains:,}"))
        bar = f'<div class="bar" role="progressbar" aria-label="{name}" aria-valuenow="{100 * now.share:.0f}">'
        return {
            self.head: f'{head}{bar}<i style="width: {now.share:.1%}"></i></div>',
            self.step: _written(chain, language),
        }

    def rest(self) -> dict[Any, Any]:
        """Return the values that show that nothing is being written any more."""
        return {self.head: "", self.step: ""}

    def empty(self) -> dict[Any, Any]:
        """Return the value that shows that there is no step yet."""
        return {self.turns: _hint()}


def draw(example: str, filters: bool) -> Conversation:
    """Draw the panel, with the turns of an example if there is one; filters choose among its turns."""
    panel = f"bonsai-conversation-{next(_ids)}"
    with gr.Column(elem_classes="bonsai-live", elem_id=panel):
        head = gr.HTML(elem_classes="bonsai-live-head")
        if filters:
            _filters(panel)
        with gr.Column(elem_classes="bonsai-scroll"), gr.Column(elem_classes="bonsai-turns"):
            shown = gr.HTML(example, js_on_load="bonsai.keep(element, watch); bonsai.mark(element, watch, trigger)")
            step = gr.HTML(js_on_load="bonsai.follow(element, watch)")
        told = gr.Textbox(visible="hidden", elem_classes="bonsai-token")
    return Conversation(head, shown, step, told, TELL.format(panel))


def turns(report: Report | None, language: str) -> str:
    """Return the rows of a report as turns: question, Reasoning (folded), answer, flags, and at an end conclusions.

    Each can be marked good or bad.
    """
    if report is None or not report.rows:
        return _hint()
    rows, marks = report.rows, marks_of(report.run.verdicts)
    several = len({row["chain"] for row in rows}) > 1
    parts = [_turn(row, several, marks, language) for row in rows[:MAX_TURNS]]
    if len(rows) > MAX_TURNS:
        more = "The first {} steps are shown; the table and the files hold all."
        parts.append(f'<p class="hint">{escape(translate(language, more, MAX_TURNS))}</p>')
    none = translate(language, "None of the steps shown is like that.")
    return f'{"".join(parts)}<p class="none" hidden>{escape(none)}</p>'


def _turn(row: Row, several: bool, marks: Marks, language: str) -> str:
    place, flags = f"{row['chain']}.{row['step']}", str(row["flags"])
    number = f"{place} · {row['prompt']}" if several else str(row["step"])
    parts = [f'<p class="asked"><span class="place">{escape(number)}</span> {_text(row, "question")}</p>']
    if row["reasoning"]:
        summary = escape(translate(language, "Reasoning"))
        parts.append(f"<details><summary>{summary}</summary><p>{_text(row, 'reasoning')}</p></details>")
    parts.append(f'<p class="answer">{_text(row, "answer")}</p>')
    if flags:
        parts.append(f'<p class="flags">{"".join(f"<span>{escape(flag)}</span>" for flag in flags.split())}</p>')
    if row["conclusion"]:
        name = escape(translate(language, "Conclusion"))
        parts.append(f'<p class="conclusion"><b>{name}</b> {_text(row, "conclusion")}</p>')
    parts.append(mark_line(marks.get(place), language))
    data = f'data-chain="{row["chain"]}" data-number="{row["step"]}" data-flags="{escape(flags)}" data-key="{place}"'
    return f'<article class="turn" {data}>{"".join(parts)}</article>'


def _text(row: Row, name: str) -> str:
    return escape(str(row[name]))


def _written(chain: Chain, language: str) -> str:
    """Return the step or conclusion that is being written; "" when all is finished and stands among the turns."""
    if chain.concluding and chain.conclusion:
        return f'<article class="turn now">{_part("Conclusion", chain.conclusion.sentence, True, language)}</article>'
    step = chain.steps[-1]
    if step.finished:
        return ""
    parts = [_part("Question", step.question, False, language), *_parts(chain.method, step, language)]
    return f'<article class="turn now">{"".join(parts)}</article>'


def _parts(method: Method, step: Step, language: str) -> list[str]:
    return [
        _part(name, getattr(step, field) or _thought(step, role), step.writing == role, language)
        for role in method.roles
        if role in _PARTS
        for field, name in [_PARTS[role]]
        if getattr(step, field) or step.writing == role
    ]


def _thought(step: Step, role: Role) -> str:
    """Return what the model thinks before the text of a role, while there is nothing else of it to see."""
    return next((one.text for one in reversed(step.thoughts) if one.role == role == step.writing), "")


def _part(name: str, text: str, writing: bool, language: str) -> str:
    kind = "part writing" if writing else "part"
    return f'<section class="{kind}"><h4>{escape(translate(language, name))}</h4><p>{escape(text)}</p></section>'


def _head(place: str, seconds: float, language: str) -> str:
    clock = translate(language, "{} s", f"{seconds:.1f}")
    return f'<div class="head"><span>{escape(place)}</span><span class="clock">{escape(clock)}</span></div>'


def _hint() -> str:
    return f'<p class="hint">{translatable(HINT)}</p>'


def _filters(panel: str) -> None:
    """Draw the fields that choose among the turns, in the browser alone."""
    with gr.Accordion(translatable("Find steps"), open=False, elem_classes="bonsai-filters"), gr.Row():
        text = gr.Textbox(label=translatable("Text"), min_width=150, scale=2)
        chain = gr.Textbox(label=translatable("Chain"), min_width=70, max_length=6)
        number = gr.Textbox(label=translatable("Step"), min_width=70, max_length=6)
        flags = ["", *map(str, Flag)]
        flag = gr.Dropdown(flags, value="", label=translatable("Flag"), filterable=False, min_width=130)
    fields: list[gr.Textbox | gr.Dropdown] = [text, chain, number, flag]
    choose = f"(...wanted) => bonsai.filter('{panel}', wanted)"
    for field in fields:
        field.change(None, fields, None, js=choose, api_visibility="private")
