"""What happens among the cells of a comparison: columns and texts are chosen, two cells are laid over each other."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from bonsai.ui.grid_tab.cells import Cells, pick
from bonsai.ui.grid_tab.events import GridMoment, GridSheet
from bonsai.ui.locales.translate import language
from bonsai.ui.work.event_settings import QUIET, Values


@dataclass(frozen=True)
class LayOut:
    """The cells of a tab."""

    sheet: GridSheet
    cells: Cells

    def connect(self) -> None:
        """Tie the cells to what they do."""
        cells, moment = self.cells, self.sheet.moment
        layout = [moment, cells.axis, cells.field, cells.differences]
        chosen = [moment, cells.one, cells.other, cells.field]
        cells.axis.input(self.look_along, layout, self.sheet.results.places, queue=False, **QUIET)
        for changed in (cells.field.input, cells.differences.input):
            changed(self.lay_out, layout, cells.table, queue=False, **QUIET)
        for changed in (cells.one.input, cells.other.input, cells.field.input):
            changed(self.lay_over, chosen, cells.difference, queue=False, **QUIET)
        # Not `input`, which a dropdown also tells when it is left: a seed that was typed by then would be lost.
        cells.one.change(self.take_seed, [moment, cells.one], cells.seed, queue=False, **QUIET)
        places = [cells.one, cells.other, cells.difference]
        cells.table.select(self.pick, [*layout, cells.one, cells.other], places, queue=False, **QUIET)

    def look_along(
        self, moment: GridMoment | None, axis: str | None, field: str, only: bool, request: gr.Request
    ) -> Values:
        """Show the run along another axis: side by side, in its figures and in its files."""
        if moment is None or axis is None:
            return {self.cells.table: gr.skip()}
        shown = self.sheet.results.show(moment.journal, language(request), axis)
        return shown | self.cells.lay_out(moment.journal.run, axis, field, only)

    def lay_out(self, moment: GridMoment | None, axis: str | None, field: str, only: bool) -> Values:
        """Show another text of the steps, or only the lines that differ."""
        if moment is None or axis is None:
            return {self.cells.table: gr.skip()}
        return self.cells.lay_out(moment.journal.run, axis, field, only)

    def lay_over(
        self, moment: GridMoment | None, one: str | None, other: str | None, field: str, request: gr.Request
    ) -> Values:
        """Show the words that differ between two steps."""
        if moment is None:
            return {self.cells.difference: gr.skip()}
        return self.cells.compare(moment.journal.run, one, other, field, language(request))

    def take_seed(self, moment: GridMoment | None, one: str | None) -> Values:
        """Show the seed of the chosen step's chain."""
        if moment is None or one is None:
            return {self.cells.seed: gr.skip()}
        return {self.cells.seed: moment.journal[int(one.partition(".")[0]) - 1].seed}

    def pick(
        self, moment: GridMoment | None, axis: str | None, field: str, only: bool, one: str | None, other: str | None,
        event: gr.SelectData, request: gr.Request,
    ) -> Values:  # fmt: skip
        """Take the cell that was clicked as the second of two, and the second as the first."""
        place: Any = event.index
        key = pick(moment.journal.run, axis, field, only, *place) if moment and axis else None
        if key is None or key in (one, other):
            return {self.cells.one: gr.skip()}
        one, other = (key, None) if one is None else (one, key) if other is None else (other, key)
        assert moment is not None
        values: Values = {self.cells.one: one, self.cells.other: other}
        return values | self.cells.compare(moment.journal.run, one, other, field, language(request))
