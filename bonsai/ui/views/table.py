"""Tables as HTML: what is sent is what is seen, in a hidden tab and under load too."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

# Tells of a click, or of Enter or Space, in what belongs to a step: an event with its key.
PICKS_STEP = """
element.addEventListener('click', (event) => {
  const found = event.target.closest('[data-step]');
  if (found && !getSelection().toString()) trigger('select', {step: found.dataset.step});
});
element.addEventListener('keydown', (event) => {
  // A button makes a click of a key by itself.
  const found = [' ', 'Enter'].includes(event.key) && event.target.closest('[data-step]:not(button)');
  if (!found) return;
  event.preventDefault();
  trigger('select', {step: found.dataset.step});
});
"""


def rows_table(widths: Mapping[str, int], rows: Sequence[Mapping[str, object]]) -> str:
    """Return the table of a report's rows: some of their columns. A click on a row picks its step."""
    return html_table(widths, (_row(row, widths) for row in rows), widths.values())


def html_table(
    names: Iterable[str], rows: Iterable[str], widths: Collection[int] = (), frame: str = "bonsai-frame"
) -> str:
    """Return a table with a column for each name; the rows are HTML.

    With `widths` the columns have so many pixels, or more if there is room.
    """
    table = "<table>"
    if widths:
        columns = "".join(f'<col style="width: {width}px">' for width in widths)
        table = f'<table style="min-width: {sum(widths)}px"><colgroup>{columns}</colgroup>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f'<div class="{frame}">{table}<thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def html_row(texts: Iterable[str]) -> str:
    """Return a row of such a table."""
    return f"<tr>{''.join(map(cell, texts))}</tr>"


def cell(text: str, step: str = "") -> str:
    """Return a cell; a click on it picks the step with this key, if there is one."""
    return f"<td{_picks(step) if step else ''}>{escape(text)}</td>"


def table_box(value: str, *classes: str) -> gr.HTML:
    """Return the place of a table; its `select` event tells the step that was picked."""
    return gr.HTML(value, js_on_load=PICKS_STEP, elem_classes=["bonsai-table", *classes])


def picked(event: gr.EventData) -> str:
    """Return the key of the step that an event of `table_box` tells of."""
    data: dict[str, Any] = getattr(event, "_data", None) or {}
    return str(data.get("step", ""))


def _row(row: Mapping[str, object], names: Iterable[str]) -> str:
    step = "{chain}.{step}".format(**row)
    return f"<tr{_picks(step)}>{''.join(cell(_text(row[name])) for name in names)}</tr>"


def _picks(step: str) -> str:
    return f' data-step="{escape(step)}" tabindex="0"'


def _text(value: object) -> str:
    return "" if value is None else str(value)
