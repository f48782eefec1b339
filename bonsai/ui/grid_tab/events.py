"""The wiring of the tabs Compare and Batch: what happens from Run to the last row, and what may end or begin it."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.chains.prompts import PromptVariant
from bonsai.engines.base import SamplingParams
from bonsai.errors import BonsaiError, UsageError
from bonsai.runs.journal import Journal, begin_journal, open_journal, read_saved
from bonsai.runs.journal.progress import Progress
from bonsai.runs.run import Run
from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab.form import GridForm
from bonsai.ui.grid_tab.results import GridResults
from bonsai.ui.locales.translate import language_of, translatable, translate, translate_error
from bonsai.ui.views import live_step
from bonsai.ui.views.results import in_language
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import NO_MORE, QUIET, RUNS, Values
from bonsai.ui.work.gpu import is_leased
from bonsai.ui.work.streaming import progress

# A drawing that took a while is not done again for as many times that while.
_PATIENCE = 10
_OTHER_TAB = "This run cannot be opened here: its chains are not all questions with all variants. Open it in QtQ chain."


@dataclass(frozen=True)
class GridRunState:
    """A run as it is shown: the journal that keeps it, and the seconds since the work on it began.

    An example's journal is shared by all visitors: one who goes on with it goes on with a copy.
    """

    journal: Journal
    seconds: float = 0.0
    shared: bool = False
    stopped: bool = False

    @property
    def folder(self) -> Path:
        """Where the files of the run are: beside the journal, unless others use that too."""
        return visitor_files.new_folder() if self.shared else self.journal.file.parent


@dataclass(frozen=True)
class GridTab:
    """One tab as it is used: form, status, progress, live step, results, and the visitor's run."""

    key: str
    context: PageContext
    form: GridForm
    variants: Callable[[Mapping[str, PromptVariant] | None], Mapping[str, PromptVariant]]
    added: gr.State
    status: gr.HTML
    step: gr.HTML
    results: GridResults
    run_state: gr.State

    @property
    def token(self) -> gr.Textbox:
        """Where the token of the visitor's journal is."""
        return self.results.downloads.token

    @property
    def places(self) -> list[Any]:
        """All components that change while a run goes on."""
        form = self.form
        buttons = [form.run, form.stop, form.go_on, form.retry]
        return [self.status, self.step, self.run_state, self.token, *buttons, *self.results.places]

    def connect(self) -> None:
        """Tie all buttons to what they do."""
        form, cells = self.form, self.results.cells
        at_work = [
            self._start(form.run.click, self._asked, {*form.inputs, self.added}),
            self._start(form.go_on.click, self._resumed, {self.run_state}),
            self._start(form.retry.click, self._retried, {self.run_state}),
        ]
        if cells:
            at_work.append(self._start(cells.again.click, self._asked_again, {self.run_state, cells.one, cells.seed}))
        # What was stopped is said at once; to draw it may take a moment.
        halted = form.stop.click(self.halt, self.run_state, self.places, cancels=at_work, queue=False, **QUIET)
        halted.then(self.draw, self.run_state, self.places, queue=False, **QUIET)
        form.clear.click(self.wipe, None, [form.questions, *self.places], cancels=at_work, queue=False, **QUIET)
        opened = self.results.downloads.opened
        opened.upload(self.open, opened, self.places, queue=False, **QUIET)
        if form.upload:
            upload = form.upload
            seen = [upload.column, upload.found]
            for looked in (upload.file.upload, upload.file.clear, upload.column.input):
                looked(self._look, [upload.file, upload.column], seen, queue=False, **QUIET)

    def _start(self, trigger: Any, asked: Callable[[Values], Journal], inputs: set[Any]) -> Any:
        """Let a trigger begin work, and return its event: check what was asked or say why not, wait, do the work."""

        def begin(values: Values, request: gr.Request) -> Values:
            try:
                journal = asked(values)
            except BonsaiError as error:
                raise gr.Error(translate_error(language_of(request), error), print_exception=False) from error
            visitor_files.forget_later(journal.file, self.results.note)
            # Read from the journal only where they count.
            runner = self.context.runner
            seconds = runner.seconds_needed(tuple(journal.unfinished()), journal.plan.sampling) if is_leased() else 0
            waits = live_step.waiting(seconds, self.context.engine.is_ready, language_of(request))
            begun = {self.status: waits, self.run_state: GridRunState(journal), self.token: journal.file.parent.name}
            shown = {} if journal.steps else self.results.empty()
            return begun | shown | {self.step: live_step.idle_step()} | self._at_work(True)

        def refuse(error_values: Values, request: gr.Request) -> Values:
            try:
                asked(error_values)
            except BonsaiError as error:
                return {self.status: live_step.status_line(translate_error(language_of(request), error), "bad")}
            return {self.status: live_step.status_line(translatable(live_step.FAILED), "bad")}

        checked = trigger(begin, inputs, self.places, queue=False, **QUIET)
        checked.failure(refuse, inputs, self.status, queue=False, **QUIET)
        working = checked.success(self.grow, self.run_state, self.places, concurrency_id=RUNS, **QUIET)
        working.failure(self.give_up, self.run_state, self.places, queue=False, **QUIET)
        return working

    async def grow(self, run_state: GridRunState, request: gr.Request) -> AsyncIterator[Values]:
        """Show how far the run is, the step being written, and now and then all that is kept."""
        language, began = language_of(request), time.monotonic()
        drawn, due = 0, 0.0
        try:
            async with aclosing(progress(self.context.runner, run_state.journal)) as growing:
                async for now in growing:
                    run_state = GridRunState(run_state.journal, now.seconds)
                    values = self._told(now, language) | {self.run_state: run_state}
                    if run_state.journal.steps != drawn and time.monotonic() >= due:
                        start = time.monotonic()
                        drawn = run_state.journal.steps
                        values |= await asyncio.to_thread(self._shown, run_state, language)
                        due = time.monotonic() + max(1.0, _PATIENCE * (time.monotonic() - start))
                    yield values
            yield await asyncio.to_thread(self.end, GridRunState(run_state.journal, time.monotonic() - began), language)
        except Exception as error:
            yield self._failed(error, run_state, language)
        yield NO_MORE

    def halt(self, run_state: GridRunState | None, request: gr.Request) -> Values:
        """Show the run as it was when it was stopped, with every step that was finished."""
        if run_state is None:
            return self._blank(live_step.status_line(translatable(live_step.NOTHING_WRITTEN)))
        stopped = {
            self.status: _stopped(run_state.journal, language_of(request)),
            self.run_state: replace(run_state, stopped=True),
        }
        return stopped | self._at_work(False, run_state.journal)

    def draw(self, run_state: GridRunState | None, request: gr.Request) -> Values:
        """Draw all that is kept."""
        return self._shown(run_state, language_of(request)) if run_state else {self.status: gr.skip()}

    def wipe(self) -> Values:
        """Show the tab as it was before the first run, without the example."""
        return {self.form.questions: "", **self._blank(live_step.status_line(translatable(live_step.READY)))}

    def give_up(self, run_state: GridRunState | None, request: gr.Request) -> Values:
        """Show that too many visitors are waiting; or, for a run that lost its connection or was stopped, its end."""
        if run_state is None or run_state.stopped or run_state.journal.finished == len(run_state.journal):
            return {self.status: gr.skip()}
        language = language_of(request)
        # Stop ends the work too, and may be told of before this or after it.
        told = (
            _stopped(run_state.journal, language)
            if run_state.seconds
            else live_step.status_line(translatable(live_step.BUSY), "bad")
        )
        return self.end(run_state, language, told)

    def end(self, run_state: GridRunState, language: str, status: str = "") -> Values:
        """Return the values that show a run which ended here, whatever was still to come."""
        journal = run_state.journal
        sentence = translate(language, "Done in {} s.", f"{run_state.seconds:.1f}")
        if journal.failures:
            sentence += " " + translate(
                language, "{} chains failed; ask them again, or see the flags.", f"{journal.failures:,}"
            )
        told = {self.status: status or live_step.status_line(sentence, "bad" if journal.failures else "good")}
        shown = self._shown(run_state, language)
        return told | {self.run_state: run_state} | shown | self._at_work(False, journal)

    def _shown(self, run_state: GridRunState, language: str) -> Values:
        return self.results.show(run_state.journal, run_state.folder, language)

    def open(self, file: str | None, request: gr.Request) -> Values:
        """Show a saved run, which can be gone on with if the same model made it."""
        language = language_of(request)
        try:
            if not file:
                raise UsageError("There is no file to open.")
            journal = _kept(Path(file))
        except BonsaiError as error:
            told = translate_error(language, error.with_values(file=Path(file or "").name))
            return {self.status: live_step.status_line(told, "bad")}
        opened = live_step.status_line(
            translate(language, "Opened: {} of {} chains are finished.", journal.finished, len(journal))
        )
        return self.end(GridRunState(journal), language, opened) | {self.token: journal.file.parent.name}

    def restore(self, token: str, language: str) -> Values:
        """Return the values that show the run of a token, or the example as it is told in the visitor's language."""
        folder = visitor_files.find(token)
        try:
            journal = open_journal(folder / visitor_files.JOURNAL) if folder else None
        except BonsaiError:
            journal = None
        if journal is None:
            return in_language(self.results.summary, self.context.examples.get(self.key), language)
        told = live_step.status_line(translate(language, live_step.KEPT))
        return self.end(GridRunState(journal), language, told) | {self.token: token}

    def _asked(self, values: Values) -> Journal:
        plan = self.form.plan(self.context, values, self.variants(values[self.added]))
        return begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)

    def _resumed(self, values: Values) -> Journal:
        run_state: GridRunState | None = values[self.run_state]
        if run_state is None:
            raise UsageError("There is no run to go on with. Press Run to begin one.")
        self.context.check_same(run_state.journal.run)
        file = run_state.journal.file
        if run_state.shared:
            file = Path(shutil.copy(file, visitor_files.new_folder()))
        # Opened anew: what was stopped may have kept a last step after it was shown.
        journal = open_journal(file)
        if journal is None:
            raise UsageError("The run is no longer kept. Press Run to begin it anew.")
        return journal

    def _retried(self, values: Values) -> Journal:
        journal = self._resumed(values)
        journal.reopen(journal.failed)
        return journal

    def _asked_again(self, values: Values) -> Journal:
        cells = self.results.cells
        journal = self._resumed(values)
        chosen = values[cells.one] if cells else None
        if not chosen:
            raise UsageError("Choose a first cell to ask again.")
        number = int(str(chosen).partition(".")[0])
        seed = SamplingParams(seed=int(values[cells.seed] or 0)).seed if cells else 0
        journal.restart_with_seed(number, seed)
        return journal

    def _look(self, file: str | None, column: str | None, request: gr.Request) -> Values:
        upload = self.form.upload
        return upload.look(file, column, self.context.settings.max_questions, language_of(request)) if upload else {}

    def _told(self, now: Progress, language: str) -> Values:
        state = live_step.progress_of(now, self.context.engine.is_ready, language)
        return {self.status: live_step.status_line(state, "busy"), self.step: live_step.watched_step(now, language)}

    def _failed(self, error: Exception, run_state: GridRunState, language: str) -> Values:
        return self.end(run_state, language, live_step.failure(error, language))

    def _at_work(self, running: bool, journal: Journal | None = None) -> Values:
        form, cells = self.form, self.results.cells
        more = journal is not None and journal.finished < len(journal)
        values = {
            form.run: gr.Button(interactive=not running),
            form.stop: gr.Button(interactive=running),
            form.go_on: gr.Button(interactive=more and not running),
            form.retry: gr.Button(interactive=bool(journal and journal.failures) and not running),
        }
        return values | ({cells.again: gr.Button(interactive=False)} if cells and running else {})

    def _blank(self, status: str) -> Values:
        nothing = {
            self.status: status,
            self.step: live_step.idle_step(),
            self.run_state: None,
            self.token: visitor_files.NO_TOKEN,
        }
        return nothing | self.results.empty() | self._at_work(False)


def _stopped(journal: Journal, language: str) -> str:
    finished, chains = f"{journal.finished:,}", f"{len(journal):,}"
    sentence = "Stopped. {} of {} chains are finished; Go on takes up the rest."
    return live_step.status_line(translate(language, sentence, finished, chains))


def _kept(file: Path) -> Journal:
    """Return a journal with what was saved in a file; raise BonsaiError, saying why, if it cannot be opened here."""
    journal = journal_of(read_saved(file))
    if journal is None:
        raise UsageError(_OTHER_TAB)
    return journal


def journal_of(run: Run) -> Journal | None:
    """Return a new journal with what a run has, None if its chains are no grid."""
    plan = run.find_plan()
    if plan is None:
        return None
    journal = begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)
    for chain in run.chains:
        journal.append(chain)
    return journal
