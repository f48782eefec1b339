"""The panel in which pairs of answers are judged blind, over the rest of the page: by keys, or by buttons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import count
from typing import Any

import gradio as gr

from bonsai.chains.outcomes import Judgement
from bonsai.errors import UsageError
from bonsai.reports.comparison.blind import MARKS, BlindPair
from bonsai.reports.markdown import TextTable
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.locales.translate import translate
from bonsai.ui.views.conversation.marks import TELL, parsed
from bonsai.ui.views.table import html_row, html_table

# More come when they are asked for again.
MAX_PAIRS = 100
KEYS = "Keys: 1 the first, 2 the second, 0 neither; Backspace goes back, Esc ends."
NOTHING = "There is no pair with two different answers that is not judged yet."
_openings = count(1)
_BUTTONS = {"1": "The first is better", "0": "Neither", "2": "The second is better"}


@dataclass(frozen=True)
class BlindPanel:
    """The button that opens the panel, the panel, and the pairs that are in it."""

    button: gr.Button
    panel: gr.HTML
    pairs: gr.State
    told: gr.Textbox
    """What a visitor marked; see `marked`."""
    tell: str
    """The script that fills it in."""

    def show(self, pairs: Sequence[BlindPair], language: str) -> dict[Any, Any]:
        """Return the values that open the panel with the first of some pairs."""
        pairs = pairs[:MAX_PAIRS]
        # Never the same text twice: the browser would leave the panel closed that was left without a mark.
        return {self.pairs: tuple(pairs), self.panel: f"{_pairs(pairs, language)}<!-- {next(_openings)} -->"}

    def show_outcome(self, tables: Sequence[TextTable], language: str) -> dict[Any, Any]:
        """Return the values that show whose the answers were, and how each fared."""
        return {self.pairs: (), self.panel: _outcome(tables, language)}

    def empty(self) -> dict[Any, Any]:
        """Return the values of a panel that is closed."""
        return {self.pairs: (), self.panel: ""}


def draw(button: gr.Button) -> BlindPanel:
    """Draw the panel, which is not seen before its button is pressed."""
    name = "bonsai-blind"
    panel = gr.HTML(js_on_load="bonsai.judge(element, watch, trigger)", elem_classes=name, elem_id=name)
    told = gr.Textbox(visible="hidden", elem_classes="bonsai-token")
    return BlindPanel(button, panel, gr.State(()), told, TELL.format(name))


def marked(pairs: Sequence[BlindPair], told: str) -> tuple[list[StepVerdict], bool]:
    """Return the verdicts that the panel told, from the first pair on, and whether no more come.

    Of pairs without a mark, to which the visitor may have gone back, the verdict is taken back. Raises UsageError if
    the marks are not of these pairs.
    """
    data = parsed(told)
    marks = data.get("marks")
    if not isinstance(marks, list) or len(marks) > len(pairs) or not all(mark in MARKS for mark in map(str, marks)):
        raise UsageError("These marks are not of the pairs that were shown.")
    verdicts = [pair.verdict(str(mark)) for pair, mark in zip(pairs, marks, strict=False)]
    others = [replace(pair.verdict("0"), judgement=Judgement.NONE) for pair in pairs[len(marks) :]]
    return [*verdicts, *others], bool(data.get("done"))


def _pairs(pairs: Sequence[BlindPair], language: str) -> str:
    articles = "".join(
        _pair(pair, translate(language, "Pair {} of {}", place, len(pairs)), language)
        for place, pair in enumerate(pairs, start=1)
    )
    buttons = "".join(
        f'<button type="button" data-mark="{mark}"><kbd>{mark}</kbd> {escape(translate(language, name))}</button>'
        for mark, name in _BUTTONS.items()
    )
    keys = escape(translate(language, KEYS))
    return _dialog(f'{articles}<div class="choices">{buttons}</div><p class="keys">{keys}</p>', language)


def _pair(pair: BlindPair, place: str, language: str) -> str:
    questions = list(dict.fromkeys((pair.first.step.question, pair.second.step.question)))
    asked = f"<h3>{escape(questions[0])}</h3>" if len(questions) == 1 else ""
    sides = "".join(
        f"<section><h4>{key}</h4>"
        + ("" if asked else f"<h3>{escape(entry.step.question)}</h3>")
        + f"<p>{escape(entry.step.answer)}</p></section>"
        for key, entry in (("1", pair.first), ("2", pair.second))
    )
    return f'<article hidden><p class="place">{escape(place)}</p>{asked}<div class="sides">{sides}</div></article>'


def _outcome(tables: Sequence[TextTable], language: str) -> str:
    drawn = [html_table(table.head, map(html_row, table.rows)) for table in tables]
    told = escape(translate(language, "Your verdicts are kept with the run. The columns fared so:"))
    return _dialog(f'<p class="outcome">{told}</p>{"".join(drawn)}', language)


def _dialog(inside: str, language: str) -> str:
    close = escape(translate(language, "Close"))
    name = escape(translate(language, "Judge blind"))
    end = f'<button type="button" class="end" aria-label="{close}" title="{close}">×</button>'
    return f'<dialog aria-label="{name}">{end}{inside}</dialog>'
