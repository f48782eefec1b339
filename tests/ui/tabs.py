"""The tabs of a page that is built and not served."""

from typing import Any

import gradio as gr


def tabs_of(page: gr.Blocks) -> dict[str, Any]:
    """Return what answers the events of each tab, by the tab's key."""
    halts = [event.fn for event in page.fns.values() if getattr(event.fn, "__name__", "") == "halt"]
    return {halt.__self__.key: halt.__self__ for halt in halts}  # type: ignore[attr-defined]
