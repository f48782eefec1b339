"""What happens on the tabs Compare and Batch, from Run to the last row."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.errors import UsageError
from bonsai.reports.formats import Language
from bonsai.runs.journal import begin_journal, open_journal, read_saved
from bonsai.runs.run import NOTHING_TO_CONCLUDE
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.grid_tab.cells import Layout
from bonsai.ui.grid_tab.form import GridForm
from bonsai.ui.grid_tab.results import GridResults
from bonsai.ui.grid_tab.run_state import NOT_KEPT, GridRunState, journal_of, reopened
from bonsai.ui.grid_tab.variant_editor import Editor
from bonsai.ui.locales.translate import language_of, translate
from bonsai.ui.views import status
from bonsai.ui.views.conversation.marks import UNFINISHED
from bonsai.ui.views.run_events import RunEvents
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import QUIET, Values
from bonsai.ui.work.gpu import is_leased
from bonsai.ui.work.streaming import progress

# A drawing that took a while is not done again for as many times that while.
_PATIENCE = 10
_OTHER_TAB = "This run cannot be opened here: its chains are not all questions with all variants. Open it in QtQ chain."
_NO_RUN = "There is no run to go on with. Press Run to begin one."


@dataclass(frozen=True)
class GridTab(RunEvents[GridRunState]):
    """The tab Compare or Batch as it is used, with its form and results."""

    draws_after_stop = True

    form: GridForm
    results: GridResults
    editor: Editor | None

    @property
    def own_places(self) -> list[Any]:
        """What was passed over in the questions, and the buttons that go on with a run."""
        return [self.form.passed_over, self.form.go_on, self.form.retry]

    def connect(self) -> list[Any]:
        """Tie what the form begins to what it does, and return the events of the work of the model among it."""
        form = self.form
        at_work = [
            self.start([form.run.click], self._asked, {*form.inputs, *([self.editor.added] if self.editor else [])}),
            self.start([form.go_on.click], self.resumed, {self.run_state}),
            self.start([form.retry.click], self._retried, {self.run_state}),
            self.start([form.conclude.click], self._asked_to_conclude, {self.run_state}),
        ]
        if form.upload:
            upload = form.upload
            for looked in (upload.file.upload, upload.file.clear, upload.column.input):
                looked(self._look, [upload.file, upload.column], [upload.column, upload.found], queue=False, **QUIET)
        return at_work

    def seconds_needed(self, state: GridRunState) -> int:
        """Return the GPU seconds that the run asks for; 0 where none is leased, and the journal need not be read."""
        if not is_leased():
            return 0
        return self.context.runner.seconds_needed(state.asked, state.journal.plan.sampling)

    def begun(self, state: GridRunState, language: str) -> Values:
        """Return the values that show the run while it waits for its place."""
        visitor_files.forget_later(state.journal.file, self.results.note)
        shown = {} if state.journal.steps else self.nothing() | self.form.tell(state.notes, language)
        return shown | self.conversation.rest() | {self.token: state.journal.file.parent.name}

    async def grow(self, state: GridRunState, request: gr.Request) -> AsyncGenerator[Values, None]:
        """Show how far the run is, the step being written, and now and then all that is kept."""
        language, began, journal = language_of(request), time.monotonic(), state.journal
        drawn, due = 0, 0.0
        try:
            async with aclosing(progress(self.context.runner, journal, state.asked)) as growing:
                async for now in growing:
                    state = replace(state, seconds=now.seconds)
                    told = status.progress_of(now, self.context.engine.is_ready, language)
                    values = {self.status: status.line(told, "busy"), self.run_state: state}
                    values |= self.conversation.watch(now, language)
                    if journal.steps != drawn and time.monotonic() >= due:
                        start, drawn = time.monotonic(), journal.steps
                        values |= await asyncio.to_thread(self.results.show, journal, state.folder, language)
                        due = time.monotonic() + max(1.0, _PATIENCE * (time.monotonic() - start))
                    yield values
            state = replace(state, seconds=time.monotonic() - began)
            yield await asyncio.to_thread(self.end, state, language)
        except Exception as error:
            yield self.failed(error, state, language)

    def stopped(self, state: GridRunState, language: str) -> Values:
        """Return the values that show at once that the run was stopped."""
        state = replace(state, is_stopped=True)
        told = {
            self.status: status.line(status.ending_of(state.journal, state.seconds, language)),
            self.run_state: state,
        }
        return told | self.at_work(False, state)

    def end(self, state: GridRunState, language: str, told: str = "") -> Values:
        """Return the values that show a run which ended here, whatever was still to come.

        If its files went away it is shown that there is none, so that another one can begin.
        """
        if not state.journal.file.is_file():
            return self.blank(told or status.line(translate(language, NOT_KEPT), "bad"))
        mood = "bad" if state.journal.failed else "good" if state.over and not state.is_stopped else ""
        shown = {
            self.status: told or status.line(status.ending_of(state.journal, state.seconds, language), mood),
            self.run_state: state,
        }
        shown |= self.conversation.rest() | self.results.show(state.journal, state.folder, language)
        return shown | self.at_work(False, state)

    def failed(self, error: Exception, state: GridRunState, language: str) -> Values:
        """Return the values that show a run which an error ended; if its files went away, that is told instead."""
        gone = not state.journal.file.is_file()
        return self.end(state, language) if gone else super().failed(error, state, language)

    def opened(self, file: Path) -> GridRunState:
        """Return the run that was saved in a file, if its chains are a grid; it can go on if the same model made it."""
        journal = journal_of(read_saved(file))
        if journal is None:
            raise UsageError(_OTHER_TAB)
        visitor_files.forget_later(journal.file, self.results.note)
        return GridRunState(journal)

    def is_open(self, state: GridRunState, language: str) -> str:
        """Return the sentence that tells what was opened."""
        journal = state.journal
        return translate(language, "Opened: {} of {} chains are finished.", journal.finished, len(journal))

    def anew(self, shown: Values) -> Values:
        """Return the values that show another run, none of whose cells is chosen yet."""
        cells = self.results.cells
        return shown | (cells.unchosen(shown) if cells else {})

    def found(self, folder: Path) -> GridRunState | None:
        """Return the run in a visitor's folder; None if there is none any more."""
        journal = open_journal(folder / visitor_files.JOURNAL)
        return GridRunState(journal) if journal else None

    def nothing(self) -> Values:
        """Return the values that show that there are no results."""
        return super().nothing() | self.form.tell((), Language.EN)

    def judged(self, state: GridRunState | None, verdicts: list[StepVerdict]) -> GridRunState:
        """Return the run with what was said of its steps, in its journal; that of an example becomes the visitor's."""
        if state is None or (state.journal.lines.held and not state.is_stopped):
            raise UsageError(UNFINISHED)
        journal = reopened(state)
        visitor_files.forget_later(journal.file, self.results.note)
        journal.judge(verdicts)
        return replace(state, journal=journal, shared=False)

    def figures(self, state: GridRunState, language: str, *looked: Any) -> Values:
        """Return the values that show the figures and files of a run, and leave its texts alone."""
        cells = self.results.cells
        shown = self.results.show(state.journal, state.folder, language, Layout(*looked))
        left_alone = [self.conversation.turns, *(cells.places if cells else [])]
        return {place: value for place, value in shown.items() if place not in left_alone}

    def at_work(self, running: bool, state: GridRunState | None = None) -> Values:
        """Return the values of the buttons while work goes on, or when it has ended."""
        form, cells = self.form, self.results.cells
        journal = state.journal if state else None
        more = journal is not None and journal.finished < len(journal)
        values = {
            form.go_on: gr.Button(interactive=more and not running),
            form.retry: gr.Button(interactive=bool(journal and journal.failed) and not running),
        }
        return super().at_work(running) | values | (cells.at_work() if cells and running else {})

    def _asked(self, values: Values) -> GridRunState:
        found = self.form.read(values, self.context.settings.max_questions)
        editor = self.editor
        variants = editor.variants(values[editor.added]) if editor else self.context.variants
        plan = self.form.plan(self.context, values, variants, found.questions)
        journal = begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)
        return GridRunState(journal, notes=found.notes)

    def resumed(self, values: Values) -> GridRunState:
        """Return the run on the tab, to go on with it; raise UsageError if there is none, or it cannot go on here."""
        state: GridRunState | None = values[self.run_state]
        if state is None:
            raise UsageError(_NO_RUN)
        if state.journal.file.is_file():
            self.context.check_same(state.journal.run)
        journal = reopened(state)
        if state.concludes:
            # Stopped among the conclusions: these are taken up too.
            journal.conclude()
        return GridRunState(journal)

    def _asked_to_conclude(self, values: Values) -> GridRunState:
        state = self.resumed(values)
        if not state.journal.conclude():
            raise UsageError(NOTHING_TO_CONCLUDE)
        self.context.check_same(state.journal.run)
        return replace(state, concludes=True)

    def _retried(self, values: Values) -> GridRunState:
        state = self.resumed(values)
        state.journal.reopen(state.journal.failed)
        self.context.check_same(state.journal.run)
        return state

    def _look(self, file: str | None, column: str | None, request: gr.Request) -> Values:
        upload = self.form.upload
        return upload.look(file, column, self.context.settings.max_questions, language_of(request)) if upload else {}
