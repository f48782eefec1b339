"""What happens when a visitor judges pairs of answers without names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from bonsai.errors import UsageError
from bonsai.reports.comparison import side_by_side
from bonsai.reports.comparison.blind import BlindPair, blind_pairs
from bonsai.reports.report import Report, ReportOptions
from bonsai.reports.statistics import tables
from bonsai.ui.grid_tab.cells import Cells, layout_of
from bonsai.ui.grid_tab.events import GridTab
from bonsai.ui.grid_tab.run_state import GridRunState
from bonsai.ui.grid_tab.verdicts.panel import NOTHING, marked
from bonsai.ui.locales.translate import language_of
from bonsai.ui.views import status
from bonsai.ui.views.run_events import TOAST
from bonsai.ui.work.event_settings import ONE_AFTER_ANOTHER, QUIET, Values


@dataclass(frozen=True)
class BlindEvents:
    """The panel in which the pairs of a comparison are judged."""

    sheet: GridTab
    cells: Cells

    def connect(self) -> None:
        """Tie the panel to what it does: the last event waits for the one before it, and tells all marks."""
        sheet, cells, blind = self.sheet, self.cells, self.cells.blind
        shown = [blind.panel, blind.pairs, sheet.status]
        begun = blind.button.click(self.begin, [sheet.run_state, cells.axis], shown, queue=False, **QUIET)
        inputs = [blind.told, sheet.run_state, blind.pairs, *cells.looked]
        places = list(dict.fromkeys([*shown, *sheet.places]))
        judging = blind.panel.select(self.take_marks, inputs, places, js=blind.tell, **ONE_AFTER_ANOTHER)
        for event in (begun, judging):
            event.then(None, sheet.status, None, js=TOAST, **QUIET)

    def begin(self, state: GridRunState | None, axis: str | None, request: gr.Request) -> Values:
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
        figures = Report.of(judged.journal.run, ReportOptions(axis=layout_of(*looked).axis)).statistics
        won = tables(figures)[:1] if figures and figures.wins else []
        outcome = blind.show_outcome(won, language) if won else blind.empty()
        return sheet.kept(judged, language, *looked) | outcome
