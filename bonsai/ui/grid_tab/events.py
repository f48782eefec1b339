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
from bonsai.runs.plan import plan_of
from bonsai.runs.progress import Progress
from bonsai.runs.run import Run
from bonsai.ui.context import Offer
from bonsai.ui.grid_tab.form import GridForm
from bonsai.ui.grid_tab.results import GridResults
from bonsai.ui.locales.translate import language, say, say_error, t
from bonsai.ui.views import live_step
from bonsai.ui.views.results import in_language
from bonsai.ui.work import gpu, visitor_files
from bonsai.ui.work.event_settings import NO_MORE, QUIET, RUNS, Values
from bonsai.ui.work.streaming import progress

# A drawing that took a while is not done again for as many times that while.
_PATIENCE = 10
_OTHER_TAB = "This run cannot be opened here: its chains are not all questions with all variants. Open it in QtQ chain."


@dataclass(frozen=True)
class GridMoment:
    """A run as it is shown: the journal that keeps it, and the seconds since the work on it began.

    An example's journal is shared by all visitors: one who goes on with it goes on with a copy.
    """

    journal: Journal
    seconds: float = 0.0
    shared: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class GridSheet:
    """One tab as it is used: form, status, progress, live step, results, and the visitor's run."""

    key: str
    offer: Offer
    form: GridForm
    variants: Callable[[Mapping[str, PromptVariant] | None], Mapping[str, PromptVariant]]
    added: gr.State
    status: gr.HTML
    step: gr.HTML
    results: GridResults
    moment: gr.State

    @property
    def token(self) -> gr.Textbox:
        """Where the token of the visitor's journal is."""
        return self.results.downloads.token

    @property
    def places(self) -> list[Any]:
        """All components that change while a run goes on."""
        form = self.form
        buttons = [form.run, form.stop, form.go_on, form.retry]
        return [self.status, self.step, self.moment, self.token, *buttons, *self.results.places]

    def connect(self) -> None:
        """Tie all buttons to what they do."""
        form, cells = self.form, self.results.cells
        at_work = [
            self._start(form.run.click, self._asked, {*form.inputs, self.added}),
            self._start(form.go_on.click, self._resumed, {self.moment}),
            self._start(form.retry.click, self._retried, {self.moment}),
        ]
        if cells:
            at_work.append(self._start(cells.again.click, self._asked_again, {self.moment, cells.one, cells.seed}))
        # What was stopped is said at once; to draw it may take a moment.
        halted = form.stop.click(self.halt, self.moment, self.places, cancels=at_work, queue=False, **QUIET)
        halted.then(self.draw, self.moment, self.places, queue=False, **QUIET)
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
                raise gr.Error(say_error(language(request), str(error)), print_exception=False) from error
            visitor_files.forget_later(journal.file, self.results.note)
            seconds = gpu.seconds_needed(tuple(journal.unfinished()), journal.plan.sampling) if gpu.is_leased() else 0
            waits = live_step.waiting(seconds, self.offer.engine.is_ready, language(request))
            begun = {self.status: waits, self.moment: GridMoment(journal), self.token: journal.file.parent.name}
            shown = {} if journal.steps else self.results.empty()
            return begun | shown | {self.step: live_step.idle_step()} | self._at_work(True)

        def refuse(error_values: Values, request: gr.Request) -> Values:
            try:
                asked(error_values)
            except BonsaiError as error:
                return {self.status: live_step.status_line(say_error(language(request), str(error)), "bad")}
            return {self.status: live_step.status_line(t(live_step.FAILED), "bad")}

        checked = trigger(begin, inputs, self.places, queue=False, **QUIET)
        checked.failure(refuse, inputs, self.status, queue=False, **QUIET)
        working = checked.success(self.grow, self.moment, self.places, concurrency_id=RUNS, **QUIET)
        working.failure(self.give_up, self.moment, self.places, queue=False, **QUIET)
        return working

    async def grow(self, moment: GridMoment, request: gr.Request) -> AsyncIterator[Values]:
        """Show how far the run is, the step being written, and now and then all that is kept."""
        tongue, began = language(request), time.monotonic()
        drawn, due = 0, 0.0
        try:
            async with aclosing(progress(moment.journal)) as growing:
                async for now in growing:
                    moment = GridMoment(moment.journal, now.seconds)
                    values = self._told(now, tongue) | {self.moment: moment}
                    if moment.journal.steps != drawn and time.monotonic() >= due:
                        start = time.monotonic()
                        drawn = moment.journal.steps
                        values |= await asyncio.to_thread(self.results.show, moment.journal, tongue)
                        due = time.monotonic() + max(1.0, _PATIENCE * (time.monotonic() - start))
                    yield values
            yield await asyncio.to_thread(self.end, GridMoment(moment.journal, time.monotonic() - began), tongue)
        except Exception as error:
            yield self._failed(error, moment, tongue)
        yield NO_MORE

    def halt(self, moment: GridMoment | None, request: gr.Request) -> Values:
        """Show the run as it was when it was stopped, with every step that was finished."""
        if moment is None:
            return self._blank(live_step.status_line(t(live_step.NOTHING_WRITTEN)))
        stopped = {self.status: _stopped(moment.journal, language(request)), self.moment: replace(moment, stopped=True)}
        return stopped | self._at_work(False, moment.journal)

    def draw(self, moment: GridMoment | None, request: gr.Request) -> Values:
        """Draw all that is kept."""
        return self.results.show(moment.journal, language(request)) if moment else {self.status: gr.skip()}

    def wipe(self) -> Values:
        """Show the tab as it was before the first run, without the example."""
        return {self.form.questions: "", **self._blank(live_step.status_line(t(live_step.READY)))}

    def give_up(self, moment: GridMoment | None, request: gr.Request) -> Values:
        """Show that too many visitors are waiting; or, for a run that lost its connection or was stopped, its end."""
        if moment is None or moment.stopped or moment.journal.finished == len(moment.journal):
            return {self.status: gr.skip()}
        tongue = language(request)
        # Stop ends the work too, and may be told of before this or after it.
        told = _stopped(moment.journal, tongue) if moment.seconds else live_step.status_line(t(live_step.BUSY), "bad")
        return self.end(moment, tongue, told)

    def end(self, moment: GridMoment, tongue: str, status: str = "") -> Values:
        """Return the values that show a run which ended here, whatever was still to come."""
        journal = moment.journal
        sentence = say(tongue, "Done in {} s.", f"{moment.seconds:.1f}")
        if journal.failures:
            sentence += " " + say(
                tongue, "{} chains failed; ask them again, or see the flags.", f"{journal.failures:,}"
            )
        shown = {self.status: status or live_step.status_line(sentence, "bad" if journal.failures else "good")}
        return shown | {self.moment: moment} | self.results.show(journal, tongue) | self._at_work(False, journal)

    def open(self, file: str | None, request: gr.Request) -> Values:
        """Show a saved run, which can be gone on with if the same model made it."""
        tongue = language(request)
        try:
            if not file:
                raise UsageError("There is no file to open.")
            journal = _kept(Path(file))
        except BonsaiError as error:
            told = str(error).replace(file or "", Path(file or "").name)
            return {self.status: live_step.status_line(say_error(tongue, told), "bad")}
        opened = live_step.status_line(
            say(tongue, "Opened: {} of {} chains are finished.", journal.finished, len(journal))
        )
        return self.end(GridMoment(journal), tongue, opened) | {self.token: journal.file.parent.name}

    def restore(self, token: str, tongue: str) -> Values:
        """Return the values that show the run of a token, or the example as it is told in the visitor's language."""
        folder = visitor_files.find(token)
        try:
            journal = open_journal(folder / visitor_files.JOURNAL) if folder else None
        except BonsaiError:
            journal = None
        if journal is None:
            return in_language(self.results.summary, self.offer.examples.get(self.key), tongue)
        told = live_step.status_line(say(tongue, live_step.KEPT))
        return self.end(GridMoment(journal), tongue, told) | {self.token: token}

    def _asked(self, values: Values) -> Journal:
        plan = self.form.plan(self.offer, values, self.variants(values[self.added]))
        return begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)

    def _resumed(self, values: Values) -> Journal:
        moment: GridMoment | None = values[self.moment]
        if moment is None:
            raise UsageError("There is no run to go on with. Press Run to begin one.")
        self.offer.check_same(moment.journal.run)
        file = moment.journal.file
        if moment.shared:
            file = Path(shutil.copy(file, visitor_files.new_folder()))
        # Opened anew: what was stopped may have kept a last step after it was shown.
        journal = open_journal(file)
        if journal is None:
            raise UsageError("The run is no longer kept. Press Run to begin it anew.")
        return journal

    def _retried(self, values: Values) -> Journal:
        journal = self._resumed(values)
        journal.begin_again(journal.failed)
        return journal

    def _asked_again(self, values: Values) -> Journal:
        cells = self.results.cells
        journal = self._resumed(values)
        chosen = values[cells.one] if cells else None
        if not chosen:
            raise UsageError("Choose a first cell to ask again.")
        number = int(str(chosen).partition(".")[0])
        seed = SamplingParams(seed=int(values[cells.seed] or 0)).seed if cells else 0
        journal.ask_again(number, seed)
        return journal

    def _look(self, file: str | None, column: str | None, request: gr.Request) -> Values:
        upload = self.form.upload
        return upload.look(file, column, self.offer.settings.max_questions, language(request)) if upload else {}

    def _told(self, now: Progress, tongue: str) -> Values:
        state = live_step.progress_of(now, self.offer.engine.is_ready, tongue)
        return {self.status: live_step.status_line(state, "busy"), self.step: live_step.watched_step(now, tongue)}

    def _failed(self, error: Exception, moment: GridMoment, tongue: str) -> Values:
        return self.end(moment, tongue, live_step.failure(error, tongue))

    def _at_work(self, running: bool, journal: Journal | None = None) -> Values:
        form, cells = self.form, self.results.cells
        more = journal is not None and journal.finished < len(journal)
        values = {
            form.run: gr.Button(interactive=not running), form.stop: gr.Button(interactive=running),
            form.go_on: gr.Button(interactive=more and not running),
            form.retry: gr.Button(interactive=bool(journal and journal.failures) and not running),
        }  # fmt: skip
        return values | ({cells.again: gr.Button(interactive=False)} if cells and running else {})

    def _blank(self, status: str) -> Values:
        nothing = {
            self.status: status,
            self.step: live_step.idle_step(),
            self.moment: None,
            self.token: visitor_files.NOTHING,
        }
        return nothing | self.results.empty() | self._at_work(False)


def _stopped(journal: Journal, tongue: str) -> str:
    finished, chains = f"{journal.finished:,}", f"{len(journal):,}"
    sentence = "Stopped. {} of {} chains are finished; Go on takes up the rest."
    return live_step.status_line(say(tongue, sentence, finished, chains))


def _kept(file: Path) -> Journal:
    """Return a journal with what was saved in a file; raise BonsaiError, saying why, if it cannot be opened here."""
    journal = journal_of(read_saved(file))
    if journal is None:
        raise UsageError(_OTHER_TAB)
    return journal


def journal_of(run: Run) -> Journal | None:
    """Return a new journal with what a run has, None if its chains are no grid."""
    plan = plan_of(run)
    if plan is None:
        return None
    journal = begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)
    for chain in run.chains:
        journal.keep(chain)
    return journal
