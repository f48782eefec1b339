"""What happens among the cells of a comparison: they are chosen, laid over each other, and judged without names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from bonsai.engines.base import SamplingParams
from bonsai.errors import UsageError
from bonsai.reports.comparison import side_by_side
from bonsai.reports.comparison.blind import BlindPair, blind_pairs
from bonsai.reports.report import Report, ReportOptions
from bonsai.reports.statistics import tables
from bonsai.ui.grid_tab.blind_panel import NOTHING, marked
from bonsai.ui.grid_tab.cells import Cells, Layout
from bonsai.ui.grid_tab.events import GridTab
from bonsai.ui.grid_tab.run_state import GridRunState
from bonsai.ui.locales.translate import language_of
from bonsai.ui.views import status
from bonsai.ui.views.run_events import TOAST
from bonsai.ui.views.table import picked
from bonsai.ui.work.event_settings import ONE_AFTER_ANOTHER, QUIET, Values


@dataclass(frozen=True)
class CellEvents:
    """The cells of a tab."""

    sheet: GridTab
    cells: Cells

    def connect(self) -> list[Any]:
        """Tie the cells to what they do, and return the events of the work of the model that can begin here."""
        cells, run_state = self.cells, self.sheet.run_state
        layout = [run_state, *cells.looked]
        chosen = [run_state, cells.one, cells.other, cells.field]
        cells.axis.input(self.look_along, layout, self.sheet.results.places, queue=False, **QUIET)
        for changed in (cells.field.input, cells.differences.input):
            changed(self.lay_out, layout, cells.table, queue=False, **QUIET)
        for changed in (cells.one.input, cells.other.input, cells.field.input):
            changed(self.lay_over, chosen, cells.difference, queue=False, **QUIET)
        # Not `input`, which a dropdown also tells when it is left: a seed that was typed by then would be lost.
        cells.one.change(self.take_seed, [run_state, cells.one], cells.seed, queue=False, **QUIET)
        places = [cells.one, cells.other, cells.difference]
        cells.table.select(self.pick, [run_state, cells.field, cells.one, cells.other], places, queue=False, **QUIET)
        self._connect_blind()
        asked_again = {run_state, cells.one, cells.seed}
        return [self.sheet.start([cells.again.click], self._asked_again, asked_again)]

    def _connect_blind(self) -> None:
        """Tie the panel to what it does: the last event waits for the one before it, and tells all marks so far."""
        sheet, cells, blind = self.sheet, self.cells, self.cells.blind
        shown = [blind.panel, blind.pairs, sheet.status]
        begun = blind.button.click(self.judge_blind, [sheet.run_state, cells.axis], shown, queue=False, **QUIET)
        inputs = [blind.told, sheet.run_state, blind.pairs, *cells.looked]
        places = list(dict.fromkeys([*shown, *sheet.places]))
        judging = blind.panel.select(self.take_marks, inputs, places, js=blind.tell, **ONE_AFTER_ANOTHER)
        for event in (begun, judging):
            event.then(None, sheet.status, None, js=TOAST, **QUIET)

    def look_along(
        self, run_state: GridRunState | None, axis: str | None, field: str, only: bool, request: gr.Request
    ) -> Values:
        """Show the run along another axis: side by side, in its figures and in its files."""
        if run_state is None or axis is None:
            return {self.cells.table: gr.skip()}
        layout = Layout(axis, field, only)
        return self.sheet.results.show(run_state.journal, run_state.folder, language_of(request), layout)

    def lay_out(self, run_state: GridRunState | None, axis: str | None, field: str, only: bool) -> Values:
        """Show another text of the steps, or only the lines that differ."""
        if run_state is None or axis is None:
            return {self.cells.table: gr.skip()}
        return self.cells.lay_out(side_by_side(run_state.journal.run, axis), Layout(axis, field, only))

    def lay_over(
        self, run_state: GridRunState | None, one: str | None, other: str | None, field: str, request: gr.Request
    ) -> Values:
        """Show the words that differ between two steps."""
        if run_state is None:
            return {self.cells.difference: gr.skip()}
        return self.cells.compare(run_state.journal.run, one, other, field, language_of(request))

    def take_seed(self, run_state: GridRunState | None, one: str | None) -> Values:
        """Show the seed of the chosen step's chain."""
        if run_state is None or one is None:
            return {self.cells.seed: gr.skip()}
        return {self.cells.seed: run_state.journal[int(one.partition(".")[0]) - 1].seed}

    def pick(
        self,
        run_state: GridRunState | None,
        field: str,
        one: str | None,
        other: str | None,
        event: gr.EventData,
        request: gr.Request,
    ) -> Values:
        """Take the cell that was clicked as the second of two, and the second as the first."""
        key = picked(event)
        if run_state is None or not key or key in (one, other):
            return {self.cells.one: gr.skip()}
        one, other = (key, None) if one is None else (one, key) if other is None else (other, key)
        values: Values = {self.cells.one: one, self.cells.other: other}
        return values | self.cells.compare(run_state.journal.run, one, other, field, language_of(request))

    def _asked_again(self, values: Values) -> GridRunState:
        """Return the run, of which the chain of the first cell begins anew with another seed."""
        state, chosen = self.sheet.resumed(values), values[self.cells.one]
        if not chosen:
            raise UsageError("Choose a first cell to ask again.")
        self.sheet.context.limits.check("steps", state.journal.plan.grid.length)
        seed = SamplingParams(seed=int(values[self.cells.seed] or 0)).seed
        state.journal.restart_with_seed(int(str(chosen).partition(".")[0]), seed)
        return state

    def judge_blind(self, state: GridRunState | None, axis: str | None, request: gr.Request) -> Values:
        """Open the panel with the pairs that nobody judged yet."""
        language = language_of(request)
        try:
            run = state.journal.run if state else None
            pairs = blind_pairs(run, side_by_side(run, axis)) if run and axis else []
            if not pairs:
                raise UsageError(NOTHING)
        except Exception as error:
            return {self.sheet.status: status.failure(error, language)}
        return self.cells.blind.show(pairs, language)

    def take_marks(
        self, request: gr.Request, told: str, state: GridRunState | None, pairs: Sequence[BlindPair], *looked: Any
    ) -> Values:
        """Keep the marks of the pairs so far; after the last one, show whose the answers were, and all figures.

        The panel closes if there are none: all marks were taken back.
        """
        sheet, blind, language = self.sheet, self.cells.blind, language_of(request)
        try:
            verdicts, ends = marked(pairs, told)
            judged = sheet.judged(state, verdicts)
        except Exception as error:
            return {sheet.status: status.failure(error, language)} | blind.empty()
        if not ends:
            return {sheet.run_state: judged, sheet.token: judged.folder.name}
        figures = Report.of(judged.journal.run, ReportOptions(axis=Layout(*looked).axis or "")).statistics
        won = tables(figures)[:1] if figures and figures.wins else []
        outcome = blind.show_outcome(won, language) if won else blind.empty()
        return sheet.kept(judged, language, *looked) | outcome
