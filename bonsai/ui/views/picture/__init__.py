"""The picture of a run: its questions as a tree, and the measures of its last chain as lines over the steps."""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from bonsai.runs.run import Run
from bonsai.ui.locales.translate import translatable, translate
from bonsai.ui.views import status
from bonsai.ui.views.picture.charts import line_chart
from bonsai.ui.views.picture.drawing import draw_tree
from bonsai.ui.views.picture.tree import lines, tree
from bonsai.ui.views.table import PICKS_STEP

_LEGEND = (
    "Arrows lead to the next question, dotted ones to the question that is repeated. ✗ marks what was proposed but not "
    "asked."
)
_TOO_MANY = "This run has too many steps for one picture."
_MEASURES = {"New content": "new_content", "Similarity": "similarity"}


@dataclass(frozen=True)
class Picture:
    """The places of a run's picture."""

    tree: gr.HTML
    lines: gr.HTML

    @property
    def places(self) -> list[Any]:
        """All components that `show` gives values for."""
        return [self.tree, self.lines]

    def show(self, run: Run | None, language: str) -> dict[Any, Any]:
        """Return the values that show the finished steps of a run, or nothing."""
        return {self.tree: _tree(run, language), self.lines: _lines(run, language)}


def draw(example: Run | None) -> Picture:
    """Draw the picture as a tab of the results."""
    with gr.Tab(translatable("Picture")), gr.Row(elem_classes="bonsai-picture"):
        with gr.Column(min_width=300, scale=3):
            drawn = gr.HTML(_tree(example, "en"), js_on_load=PICKS_STEP, elem_classes="bonsai-tree")
        with gr.Column(min_width=300, scale=2):
            plot = gr.HTML(_lines(example, "en"), elem_classes="bonsai-lines")
            gr.HTML(status.note(translatable(_LEGEND)))
    return Picture(drawn, plot)


def _tree(run: Run | None, language: str) -> str:
    if run is None:
        return ""
    nodes = [replace(node, move=translate(language, node.move)) for node in tree(run)]
    if not nodes and any(step.finished for chain in run.chains for step in chain.steps):
        return status.note(translate(language, _TOO_MANY))
    return draw_tree(nodes, translate(language, "The questions of the run"))


def _lines(run: Run | None, language: str) -> str:
    """Return the lines of the chain that was asked last."""
    if run is None:
        return ""
    title = translate(language, "New content and similarity in the last chain")
    measured = {translate(language, name): lines(run.chains[-1], column) for name, column in _MEASURES.items()}
    return line_chart(measured, title, translate(language, "Step"))
