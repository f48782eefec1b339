"""The wiring of a tab, the same for all methods: what happens from Run to the last row, and what else may end a run."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain, stop
from bonsai.errors import BonsaiError, UsageError
from bonsai.runs.journal import read_saved
from bonsai.runs.run import Run, read_run
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import language_of, translatable, translate, translate_error
from bonsai.ui.method_tab.form import Form
from bonsai.ui.method_tab.step_section import Steps
from bonsai.ui.views import live_step
from bonsai.ui.views.results import Results, in_language
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import NO_MORE, QUIET, RUNS, Values
from bonsai.ui.work.streaming import snapshots

OTHER_TAB = "This is a run of another tab; open it there, or in Compare or Batch if it has many chains."
Asked = Callable[[Values], Run]


@dataclass(frozen=True)
class RunState:
    """A run as it is shown."""

    run: Run
    begun: bool = False
    """Whether the work on it has begun."""
    seconds: float = 0.0
    """Time since then."""
    folder: Path | None = None
    """Where its files are; None for an example, which all visitors share."""


@dataclass(frozen=True)
class MethodTab:
    """One tab as it is used: a method with its form, status line, live step, results, steps, and the visitor's run."""

    context: PageContext
    method: str
    form: Form
    status: gr.HTML
    step: gr.HTML
    results: Results
    steps: Steps | None
    run_state: gr.State

    @property
    def key(self) -> str:
        """The tab's name in the browser."""
        return self.method

    @property
    def token(self) -> gr.Textbox:
        """Where the token of the files of the visitor's run is."""
        return self.results.downloads.token

    @property
    def places(self) -> list[Any]:
        """All components that change while a run goes on."""
        looked_at = [*self.steps.places, *self.steps.buttons] if self.steps else []
        return [self.status, self.step, self.run_state, self.form.run, self.form.stop, *self.results.places, *looked_at]

    def connect(self) -> Any:
        """Tie Run to what it does, and return the event of the work that it begins."""
        triggers = [self.form.run.click, self.form.question.submit]
        return self.start(
            triggers, self._asked, set(self.form.fields.values()), self._first, self.grow, [self.run_state]
        )

    def connect_end(self, at_work: Sequence[Any]) -> None:
        """Tie Stop and Clear to what they do: they end the events that are `at_work`, whichever it is."""
        form, places = self.form, self.places
        form.stop.click(self.halt, self.run_state, places, cancels=list(at_work), queue=False, **QUIET)
        form.clear.click(self.wipe, None, [form.question, *places], cancels=list(at_work), queue=False, **QUIET)
        opened = self.results.downloads.opened
        opened.upload(self.open, opened, places, queue=False, **QUIET)

    def start(
        self,
        triggers: Sequence[Any],
        asked: Asked,
        inputs: set[Any],
        first: Callable[[Run, str], Values],
        work: Callable[..., AsyncIterator[Values]],
        work_inputs: Sequence[Any],
    ) -> Any:
        """Let triggers begin work, and return its event: check what was asked or say why not, wait, and do the work.

        `first` gives what the page shows of the run in a visitor's language while it waits.
        """

        def begin(values: Values, request: gr.Request) -> Values:
            try:
                run = asked(values)
            except BonsaiError as error:
                raise gr.Error(str(error), print_exception=False) from error
            language = language_of(request)
            waits = live_step.waiting(
                self.context.runner.seconds_needed(tuple(run.chains), run.sampling),
                self.context.engine.is_ready,
                language,
            )
            begun = {self.status: waits, self.run_state: RunState(run, folder=visitor_files.new_folder())}
            return begun | first(run, language) | self.at_work(True)

        def refuse(values: Values, request: gr.Request) -> str:
            try:
                asked(values)
            except BonsaiError as error:
                return live_step.status_line(translate_error(language_of(request), error), "bad")
            return live_step.status_line(translatable(live_step.FAILED), "bad")

        checked = gr.on(triggers, begin, inputs, self.places, queue=False, **QUIET)
        checked.failure(refuse, inputs, self.status, queue=False, **QUIET)
        working = checked.success(work, list(work_inputs), self.places, concurrency_id=RUNS, **QUIET)
        working.failure(self.give_up, self.run_state, self.places, queue=False, **QUIET)
        return working

    async def grow(self, run_state: RunState, request: gr.Request) -> AsyncIterator[Values]:
        """Show the run as it grows; table and picture only when a step was finished."""
        language, began = language_of(request), time.monotonic()
        finished = _finished_steps(run_state.run.chains)
        try:
            async with aclosing(
                snapshots(self.context.runner, tuple(run_state.run.chains), run_state.run.sampling)
            ) as growing:
                async for chains in growing:
                    run = run_state.run.with_chains(chains)
                    run_state = replace(run_state, run=run, begun=True, seconds=time.monotonic() - began)
                    values = self._show(run_state, language)
                    if finished != (finished := _finished_steps(chains)):
                        values |= self.rows(run_state, language)
                    # Only what changes: a button that is sent is made anew, each time.
                    yield values | (self.at_work(False) if chains[-1].finished else {})
        except Exception as error:
            yield self.failed(error, run_state, language)
        yield NO_MORE

    def halt(self, run_state: RunState | None, request: gr.Request) -> Values:
        """Show the run as it was when it was stopped, with all that was written."""
        if run_state is None:
            return self._blank(live_step.status_line(translatable(live_step.NOTHING_WRITTEN)))
        return self.end(run_state, language_of(request))

    def wipe(self) -> Values:
        """Show the tab as it was before the first run, without the example."""
        return {self.form.question: "", **self._blank(live_step.status_line(translatable(live_step.READY)))}

    def give_up(self, run_state: RunState | None, request: gr.Request) -> Values:
        """Show that too many visitors are waiting; or, for a run that lost its connection or was stopped, its end."""
        if run_state is None or (run_state.begun and run_state.run.chains[-1].finished):
            return {self.status: gr.skip()}
        busy = "" if run_state.begun else live_step.status_line(translatable(live_step.BUSY), "bad")
        return self.end(run_state, language_of(request), busy)

    def open(self, file: str | None, request: gr.Request) -> Values:
        """Show a saved run, if it is of this tab."""
        language, path = language_of(request), Path(file or "")
        try:
            run = read_saved(path)
            if {chain.method for chain in run.chains} != {self.method} or sum(one.is_root for one in run.chains) > 1:
                raise UsageError(OTHER_TAB)
        except BonsaiError as error:
            told = translate_error(language, error.with_values(file=path.name))
            return {self.status: live_step.status_line(told, "bad")}
        opened = live_step.status_line(translate(language, "The run is open."))
        return self.end(RunState(run, True, folder=visitor_files.new_folder()), language, opened)

    def restore(self, token: str, language: str) -> Values:
        """Return the values that show the run of a token, or the example as it is told in the visitor's language."""
        folder = visitor_files.find(token)
        files = sorted(folder.glob("bonsai-*.json")) if folder else []
        try:
            run = read_run(files[0]) if files else None
        except BonsaiError:
            run = None
        if run is None:
            return in_language(self.results.summary, self.context.examples.get(self.method), language)
        kept = live_step.status_line(translate(language, live_step.KEPT))
        return self.end(RunState(run, True, folder=folder), language, kept)

    def failed(self, error: Exception, run_state: RunState, language: str) -> Values:
        """Return the values that show a run which an error ended, and the sentence for it."""
        return self.end(run_state, language, live_step.failure(error, language))

    def end(self, run_state: RunState, language: str, status: str = "") -> Values:
        """Return the values that show a run which ended here, whatever was still to come.

        A chain of which nothing was written yet is left out.
        """
        chains = [
            stop(chain, self.context.measure) for chain in run_state.run.chains if chain.finished or _begun(chain)
        ]
        if len(chains) < len(run_state.run.chains):
            status = status or live_step.status_line(translatable(live_step.NOTHING_WRITTEN))
        if not chains:
            return self._blank(status)
        ended = replace(run_state, run=run_state.run.with_chains(tuple(chains)), begun=True)
        values = self._show(ended, language) | self.rows(ended, language)
        return values | self.at_work(False) | ({self.status: status} if status else {})

    def rows(self, run_state: RunState, language: str) -> Values:
        """Return the values that show the finished steps of a run everywhere but in the live step."""
        shown = self.results.show(run_state.run, language, run_state.folder or visitor_files.new_folder())
        return shown | (self.steps.context(run_state.run) if self.steps else {})

    def live_step(self, run: Run, language: str, seconds: float = 0.0) -> Values:
        """Return the value that shows the last step of a run."""
        return {self.step: live_step.live_step(run.chains[-1], seconds, language)}

    def at_work(self, running: bool) -> Values:
        """Return the values of the buttons while work goes on, or when it has ended."""
        begins = [self.form.run, *(self.steps.buttons if self.steps else [])]
        return {button: gr.Button(interactive=not running) for button in begins} | {
            self.form.stop: gr.Button(interactive=running)
        }

    def _asked(self, values: Values) -> Run:
        return self.context.begin(self.method, **{name: values[field] for name, field in self.form.fields.items()})

    def _first(self, run: Run, language: str) -> Values:
        return self.live_step(run, language) | self._no_rows()

    def _show(self, run_state: RunState, language: str) -> Values:
        chain = run_state.run.chains[-1]
        state = live_step.state_of(chain, run_state.seconds, self.context.engine.is_ready, language)
        status = live_step.status_line(state, live_step.mood_of(chain))
        return {self.status: status, self.run_state: run_state} | self.live_step(
            run_state.run, language, run_state.seconds
        )

    def _blank(self, status: str) -> Values:
        nothing = {self.status: status, self.step: live_step.idle_step(), self.run_state: None}
        return nothing | self.at_work(False) | self._no_rows()

    def _no_rows(self) -> Values:
        return self.results.empty() | (self.steps.empty() if self.steps else {})


def _finished_steps(chains: Sequence[Chain]) -> int:
    return sum(step.finished for chain in chains for step in chain.steps)


def _begun(chain: Chain) -> bool:
    return any(step.reasoning or step.answer for step in chain.own_steps)
