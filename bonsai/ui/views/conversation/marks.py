"""What a visitor says of the steps in the conversation: each turn can be marked good or bad, with a word of why."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from bonsai.chains.outcomes import Judgement
from bonsai.errors import UsageError
from bonsai.runs.run.verdicts import ALONE, StepVerdict
from bonsai.ui.locales.translate import translate

UNFINISHED = "The run is being written. Wait until it ends, or stop it; then say what you think of its steps."
KEPT = "Your verdict is kept with the run."
_NAMES = {Judgement.GOOD: "Good", Judgement.BAD: "Bad"}

# What was told by an element, as the first input. Gradio drops what an event carries if it waits for the one before it.
TELL = "(_, ...others) => [JSON.stringify(document.getElementById('{}')?.told ?? null), ...others]"

Marks = Mapping[str, StepVerdict]
"""What is said of steps alone, by their keys."""


def marks_of(verdicts: Sequence[StepVerdict]) -> Marks:
    """Return what is said of steps alone."""
    return {f"{one.chain}.{one.step}": one for one in verdicts if not one.beside}


def mark_line(found: StepVerdict | None, language: str) -> str:
    """Return the two buttons of a turn and the place for the reason, as they were left."""
    buttons = "".join(
        f'<button type="button" data-mark="{judgement}" aria-pressed="{_pressed(found, judgement)}">'
        f"{escape(translate(language, _NAMES[judgement]))}</button>"
        for judgement in ALONE
    )
    why = escape(translate(language, "Why?"))
    hidden = "" if found else " hidden"
    reason = escape(found.reason) if found else ""
    # A first newline in a text area is not read.
    field = f'<textarea rows="1" placeholder="{why}" aria-label="{why}"{hidden}>\n{reason}</textarea>'
    return f'<div class="marks">{buttons}{field}</div>'


def said(told: str) -> list[StepVerdict]:
    """Return what the conversation told: all that was said of steps since they were drawn.

    Raises UsageError if it is no verdict.
    """
    verdicts = []
    for key, value in parsed(told).items():
        chain, _, step = key.partition(".")
        if not (chain.isdecimal() and step.isdecimal() and isinstance(value, list) and len(value) == 2):
            raise UsageError("This is no step of the run.")
        verdict, reason = map(str, value)
        verdicts.append(StepVerdict.of(int(chain), int(step), verdict, reason))
    return verdicts


def parsed(told: str) -> dict[str, Any]:
    """Return what the browser told, as `TELL` gives it."""
    try:
        found = json.loads(told or "null")
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _pressed(found: StepVerdict | None, judgement: Judgement) -> str:
    return "true" if found and found.judgement == judgement else "false"
