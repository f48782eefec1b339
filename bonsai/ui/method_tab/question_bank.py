"""The questions of a run that were not asked yet, each with a button that asks it next."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from bonsai.reports.question_bank import TITLE, BankEntry, question_bank
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.run import Run
from bonsai.ui.locales.translate import translatable, translate
from bonsai.ui.views import status
from bonsai.ui.views.table import table_box

SHOWN = 50
EMPTY = "There is no question left that was not asked."


@dataclass(frozen=True)
class Bank:
    """The place of the questions; a pick in it tells "2.3.1": chain, step and candidate."""

    section: gr.Column
    table: gr.HTML

    @property
    def places(self) -> list[Any]:
        """All components that the methods give values for."""
        return [self.section, self.table]

    def show(self, run: Run, language: str) -> dict[Any, Any]:
        """Return the value that shows the questions that a run did not ask, the best first."""
        return {self.table: _drawn(run, language)}

    def empty(self) -> dict[Any, Any]:
        """Return the value that shows that there is none."""
        return {self.table: _drawn(None, "en")}

    def at_work(self, running: bool) -> dict[Any, Any]:
        """Return the value that hides the buttons while the model is at work."""
        return {self.section: gr.Column(elem_classes=_classes(running))}


def draw(example: Run | None) -> Bank:
    """Draw the questions that an example did not ask, folded."""
    folded = gr.Accordion(translatable(TITLE), open=False, elem_classes="bonsai-left")
    with folded, gr.Column(elem_classes=_classes(False)) as section:
        return Bank(section, table_box(_drawn(example, "en")))


def branch_request(key: str) -> BranchRequest:
    """Return the branch that asks the question of a pick."""
    chain, step, candidate = map(int, key.split("."))
    return BranchRequest(chain=chain, step=step, candidate=candidate)


def _classes(running: bool) -> list[str]:
    return ["bonsai-bank", *(["at-work"] if running else [])]


def _drawn(run: Run | None, language: str) -> str:
    entries = question_bank(run)[:SHOWN] if run else []
    if not entries:
        return status.note(translate(language, EMPTY))
    return f"<ol>{''.join(_item(entry, language) for entry in entries)}</ol>"


def _item(entry: BankEntry, language: str) -> str:
    place = translate(language, "Chain {}, step {}", entry.chain, entry.step)
    told = f"{translate(language, entry.move)} · {place}" if entry.move else place
    ask, key = translate(language, "Ask this next"), f"{entry.chain}.{entry.step}.{entry.candidate}"
    question = f'<p>{escape(entry.question)} <span class="place">{escape(told)}</span></p>'
    return f'<li>{question}<button type="button" data-step="{key}">{escape(ask)}</button></li>'
