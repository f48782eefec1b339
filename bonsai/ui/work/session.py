"""What a visitor finds again after the page was loaded again: the last run of each tab, by a token in the browser."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

import gradio as gr

from bonsai.ui.locales.translate import language_of
from bonsai.ui.work.event_settings import QUIET, Values


class RestorableTab(Protocol):
    """A tab that shows its last run again; `key` is its name in the browser."""

    @property
    def key(self) -> str:
        """The tab's name in the browser."""
        ...

    @property
    def token(self) -> gr.Textbox:
        """Where the token of what is shown is."""
        ...

    @property
    def places(self) -> list[Any]:
        """All components that `restore` gives values for."""
        ...

    def restore(self, token: str, language: str) -> Values:
        """Return the values that show the run of a token; if it is no longer there, what the visitor should see."""
        ...


def connect(demo: gr.Blocks, tabs: Sequence[RestorableTab]) -> None:
    """Let each tab's token be kept for as long as the browser's tab is open, and its run be shown when it is loaded."""
    for tab in tabs:
        name = json.dumps(f"bonsai-{tab.key}")
        tab.token.change(
            None, tab.token, None, js=f"(token) => {{ if (token) sessionStorage.setItem({name}, token); }}"
        )
    names = json.dumps([f"bonsai-{tab.key}" for tab in tabs])
    kept = f"{names}.map((name) => sessionStorage.getItem(name) || '')"
    tokens = [tab.token for tab in tabs]

    def restore(request: gr.Request, *found: Any) -> Values:
        values: Values = {tokens[0]: gr.skip()}
        for tab, token in zip(tabs, found, strict=True):
            values |= tab.restore(token, language_of(request))
        return values

    places = list(dict.fromkeys(place for tab in tabs for place in tab.places))
    asked = gr.Textbox(visible="hidden", elem_classes="bonsai-token")
    # Most visitors have nothing there, and read the page as it is: for them nothing is asked of the server.
    needed = f"{kept}.some(Boolean) || !navigator.language.startsWith('en')"
    demo.load(None, None, asked, js=f"() => {needed} ? 'yes' : ''")
    asked.change(restore, tokens, places, js=f"() => {kept}", queue=False, **QUIET)
