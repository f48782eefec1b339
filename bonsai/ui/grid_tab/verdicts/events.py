"""What happens when a visitor says what steps are worth, one by one or in pairs without names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from bonsai.errors import UsageError
from bonsai.reports.comparison import side_by_side
from bonsai.reports.comparison.blind import BlindPair, blind_pairs
from bonsai.reports.report import Report, ReportOptions
from bonsai.reports.statistics import tables
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.grid_tab.cells import PLAIN, Cells, Layout
from bonsai.ui.grid_tab.events import GridTab
from bonsai.ui.grid_tab.run_state import GridRunState, reopened
from bonsai.ui.grid_tab.verdicts.panel import NOTHING, marked
from bonsai.ui.locales.translate import language_of, translate
from bonsai.ui.views import status
from bonsai.ui.views.conversation.marks import KEPT, UNFINISHED, said
from bonsai.ui.views.run_events import TOAST
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import ONE_AFTER_ANOTHER, QUIET, Values


@dataclass(frozen=True)
class VerdictEvents:
    """The marks in the conversation of a tab."""

    sheet: GridTab

    def connect(self) -> None:
        """Tie the marks to what they do: the last event waits for the one before it, and tells all that was said."""
        sheet, cells = self.sheet, self.sheet.results.cells
        turns = sheet.conversation
        inputs = [turns.told, sheet.run_state, *(cells.looked if cells else [])]
        marking = turns.turns.select(self.mark, inputs, sheet.places, js=turns.tell, **ONE_AFTER_ANOTHER)
        marking.then(None, sheet.status, None, js=TOAST, **QUIET)

    def mark(self, request: gr.Request, told: str, state: GridRunState | None, *looked: Any) -> Values:
        """Keep what was said of steps in the journal and in the files; the turns stay as they are."""
        sheet, language = self.sheet, language_of(request)
        try:
            judged = _judged(sheet, state, said(told))
        except Exception as error:
            return {sheet.status: status.failure(error, language)}
        return _show(sheet, judged, _layout(*looked), language)


@dataclass(frozen=True)
class BlindEvents:
    """The panel in which the pairs of a comparison are judged."""

    sheet: GridTab
    cells: Cells

    def connect(self) -> None:
        """Tie the panel to what it does, as `VerdictEvents` does."""
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
            judged = _judged(sheet, state, verdicts)
        except Exception as error:
            return {sheet.status: status.failure(error, language)} | blind.empty()
        if not ends:
            return {sheet.run_state: judged, sheet.token: judged.folder.name}
        layout = _layout(*looked)
        figures = Report.of(judged.journal.run, ReportOptions(axis=layout.axis)).statistics
        won = tables(figures)[:1] if figures and figures.wins else []
        return _show(sheet, judged, layout, language) | (blind.show_outcome(won, language) if won else blind.empty())


def _judged(sheet: GridTab, state: GridRunState | None, verdicts: list[StepVerdict]) -> GridRunState:
    """Return the run with more verdicts, kept in its journal; that of an example becomes the visitor's own."""
    if state is None or (state.journal.lines.lock.held and not state.is_stopped):
        raise UsageError(UNFINISHED)
    journal = reopened(state)
    visitor_files.forget_later(journal.file, sheet.results.note)
    journal.judge(verdicts)
    return replace(state, journal=journal, shared=False)


def _layout(axis: str | None = None, field: str = PLAIN.field, only_differences: bool = False) -> Layout:
    """Return what a visitor looks at, as `Cells.looked` tells it; on a tab without cells there is nothing to choose."""
    return Layout(axis or "", field, only_differences)


def _show(sheet: GridTab, state: GridRunState, layout: Layout, language: str) -> Values:
    """Return the values that show the figures and files of a run with new verdicts, and leave its texts alone."""
    cells = sheet.results.cells
    shown = sheet.results.show(state.journal, state.folder, language, layout)
    left_alone = [sheet.conversation.turns, *(cells.places if cells else [])]
    told = {place: value for place, value in shown.items() if place not in left_alone}
    kept = status.line(translate(language, KEPT), "good")
    return told | {sheet.run_state: state, sheet.token: state.folder.name, sheet.status: kept}
