"""Settings that the events of all tabs share."""

from typing import Any

import gradio as gr

# All runs of the page and of the API share one concurrency limit.
RUNS = "runs"
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# While one event is under way the next ones wait, and are told as one.
ONE_AFTER_ANOTHER: dict[str, Any] = {"trigger_mode": "always_last", "queue": False, **QUIET}
# Gradio repeats the last yielded value when an event ends; yielding this last avoids a second redraw, which would also
# set back what a visitor has chosen by then.
NO_MORE = gr.skip()
# The new values of components, by component.
Values = dict[Any, Any]
