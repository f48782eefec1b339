"""The cells of a comparison side by side: which text they show, two of them word by word, and one asked again."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from bonsai.chains.outcomes import Axis
from bonsai.reports.comparison import Cell, Comparison, Line, difference
from bonsai.reports.report import Report
from bonsai.runs.run import Run
from bonsai.ui.grid_tab import blind_panel
from bonsai.ui.grid_tab.blind_panel import BlindPanel
from bonsai.ui.locales.translate import cut, translatable, translate
from bonsai.ui.views import status
from bonsai.ui.views.controls.options import seed_box
from bonsai.ui.views.table import cell, html_table, table_box

FIELDS = {
    "Answer": "answer",
    "Reasoning": "reasoning",
    "Question": "question",
    "Next question": "next_question",
    "Flags": "flags",
}
_AXES = {
    "question": "Questions",
    "prompt": "Prompt variants",
    "method": "Methods",
    "adapter": "Adapter",
    "seed": "Seeds",
}
_CHOICE_LENGTH = 70
MAX_COLUMNS = 50
_PAGE, _NARROWEST = 1190, 260
_NO_CELLS = html_table(["step"], [], [58])
HINT = "Click two cells, or choose two steps here, to see which words differ."


@dataclass(frozen=True)
class Layout:
    """What the table shows."""

    axis: str | None = None
    """The axis whose values are its columns; None for the likeliest one."""
    field: str = "answer"
    """The text of each step."""
    only_differences: bool = False
    """Whether it has only the lines whose columns differ."""


PLAIN = Layout()


@dataclass(frozen=True)
class Cells:
    """The places of the section."""

    axis: gr.Dropdown
    field: gr.Dropdown
    differences: gr.Checkbox
    table: gr.HTML
    one: gr.Dropdown
    other: gr.Dropdown
    difference: gr.HTML
    seed: gr.Number
    again: gr.Button
    blind: BlindPanel

    @property
    def places(self) -> list[Any]:
        """All components that `show`, `lay_out` and `empty` give values for."""
        return [self.axis, self.table, self.one, self.other, self.difference, self.again, self.blind.button]

    @property
    def looked(self) -> list[Any]:
        """What a visitor chose to look at, as `Layout` takes it."""
        return [self.axis, self.field, self.differences]

    def at_work(self) -> dict[Any, Any]:
        """Return the values of the buttons while work goes on."""
        return {button: gr.Button(interactive=False) for button in (self.again, self.blind.button)}

    def show(self, report: Report, layout: Layout) -> dict[Any, Any]:
        """Return the values that show a run, whatever was chosen before."""
        steps = _steps(report)
        return self.lay_out(comparison_of(report), layout) | {
            self.axis: gr.Dropdown(choices=_axes(report), value=comparison_of(report).axis),
            self.one: gr.Dropdown(choices=steps),
            self.other: gr.Dropdown(choices=steps),
            self.again: gr.Button(interactive=bool(steps)),
            self.blind.button: gr.Button(interactive=len(comparison_of(report).columns) > 1),
        }

    def unchosen(self, shown: dict[Any, Any]) -> dict[Any, Any]:
        """Return the values with which no cell is chosen of those that are offered in `shown`."""
        choices = {place: gr.Dropdown(choices=shown[place].choices, value=None) for place in (self.one, self.other)}
        return {**choices, self.difference: status.note(translatable(HINT))}

    def lay_out(self, comparison: Comparison, layout: Layout) -> dict[Any, Any]:
        """Return the values that show one text of each step, with the values of an axis as columns."""
        return {self.table: _table(comparison, layout)}

    def empty(self) -> dict[Any, Any]:
        """Return the values that show that there is nothing yet."""
        nothing = gr.Dropdown(choices=[], value=None)
        return {
            self.axis: nothing,
            self.table: _NO_CELLS,
            self.one: nothing,
            self.other: nothing,
            self.difference: status.note(translatable(HINT)),
            **self.at_work(),
        }

    def compare(self, run: Run, one: str | None, other: str | None, field: str, language: str) -> dict[Any, Any]:
        """Return the value that shows the words that differ between two steps; a hint as long as they are not two."""
        texts = [_text(run, key, field) for key in (one, other)]
        if None in texts:
            return {self.difference: status.note(translatable(HINT))}
        if texts[0] == texts[1]:
            return {self.difference: status.note(translate(language, "Both say the same, word for word."))}
        marks = {"same": "{}", "removed": "<del>{}</del>", "added": "<ins>{}</ins>"}
        shown = "".join(marks[kind].format(escape(text)) for text, kind in difference(*map(str, texts)))
        legend = translate(language, "struck out: only in the first; underlined: only in the second")
        return {self.difference: f'<div class="bonsai-difference"><p>{shown}</p>{status.note(legend)}</div>'}


def draw(report: Report | None) -> Cells:
    """Draw the section as a tab of the results."""
    with gr.Tab(translatable("Side by side")):
        with gr.Row(elem_classes="bonsai-cells-options"):
            axis = gr.Dropdown(
                _axes(report) if report else [],
                value=report.axis if report else None,
                label=translatable("Columns"),
                filterable=False,
                elem_classes="bonsai-axis",
            )
            field = gr.Dropdown(
                [(translatable(name), field) for name, field in FIELDS.items()],
                value="answer",
                label=translatable("Text"),
                filterable=False,
                elem_classes="bonsai-field",
            )
            differences = gr.Checkbox(False, label=translatable("Only what differs"), elem_classes="bonsai-only")
            judging = gr.Button(translatable("Judge blind"), elem_classes="bonsai-judge")
        blind = blind_panel.draw(judging)
        comparison = comparison_of(report) if report else None
        table = table_box(_table(comparison, PLAIN) if comparison else _NO_CELLS, "bonsai-cells")
        with gr.Row(elem_classes="bonsai-cells-options"):
            steps = _steps(report) if report else []
            one = gr.Dropdown(steps, value=None, label=translatable("First cell"), elem_classes="bonsai-one")
            other = gr.Dropdown(steps, value=None, label=translatable("Second cell"), elem_classes="bonsai-other")
        shown = gr.HTML(status.note(translatable(HINT)))
        seed, again = _asking_again(bool(steps))
    return Cells(axis, field, differences, table, one, other, shown, seed, again, blind)


def _asking_again(possible: bool) -> tuple[gr.Number, gr.Button]:
    """Draw with which seed the first cell is asked again, and the button for it."""
    with gr.Row(elem_classes="bonsai-cells-options"):
        seed = seed_box("The cell's own gives the same text again")
        again = gr.Button(translatable("Ask the first cell again"), interactive=possible, elem_classes="bonsai-again")
    return seed, again


def comparison_of(report: Report) -> Comparison:
    """Return the steps of a report side by side, which it was asked to hold."""
    assert report.comparison is not None
    return report.comparison


def _axes(report: Report) -> list[tuple[str, str]]:
    """Return the choices of axes: those along which there is something to compare, and not too much to be read."""
    several = [axis for axis in Axis if 1 < len(report.values[axis]) <= MAX_COLUMNS or axis == report.axis]
    return [(translatable(_AXES[axis]), axis) for axis in several or [Axis.PROMPT]]


def _steps(report: Report) -> list[tuple[str, str]]:
    """Return the choices of finished steps: chain and step, variant, and the question."""
    return [
        (cut("{chain}.{step} {prompt}: {question}".format(**row), _CHOICE_LENGTH), _key(row["chain"], row["step"]))
        for row in report.rows
    ]


def _text(run: Run, key: str | None, field: str) -> str | None:
    """Return a text of the step that a choice names, None if there is no such step."""
    chain, _, step = (key or "").partition(".")
    if not step or int(chain) > len(run.chains):
        return None
    # Chains of a grid are numbered in their order.
    steps = {one.number: one for one in run.chains[int(chain) - 1].steps}
    return str(getattr(steps[int(step)], field)) if int(step) in steps else None


def _table(comparison: Comparison, layout: Layout) -> str:
    """Return the table of a comparison; a click on a cell picks its first step."""
    lines = [line for line in comparison.lines if not layout.only_differences or line.differs(layout.field)]
    widths = _widths(comparison)
    return html_table(widths, (_row(comparison, line, layout.field) for line in lines), widths.values())


def _row(comparison: Comparison, line: Line, field: str) -> str:
    labels = [*(line.labels[name] for name in comparison.labels), str(line.step)]
    cells = [line.cells[column] for column in comparison.columns]
    return f"<tr>{''.join(map(cell, labels))}{''.join(cell(one.told(field), _first(one)) for one in cells)}</tr>"


def _first(found: Cell) -> str:
    """Return the choice that names the first step in a cell; "" for a cell that holds none."""
    first = next(iter(found.entries), None)
    return _key(first.chain.number, first.step.number) if first else ""


def _widths(comparison: Comparison) -> dict[str, int]:
    """Return the widths of the table's columns in pixels: together they fill the page, or more than that."""
    labels = {name: 180 if name == "question" else 96 for name in comparison.labels} | {"step": 58}
    left = _PAGE - sum(labels.values())
    return labels | dict.fromkeys(comparison.columns, max(_NARROWEST, left // len(comparison.columns)))


def _key(chain: object, step: object) -> str:
    return f"{chain}.{step}"
