"""What happens on every tab from Run to the last row, and what else may begin or end a run."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from bonsai.errors import BonsaiError, UsageError
from bonsai.ui.locales.translate import language_of, translatable
from bonsai.ui.views import status
from bonsai.ui.views.conversation.marks import said
from bonsai.ui.views.run_tab import RunTab, Shown
from bonsai.ui.views.table import picked
from bonsai.ui.work.event_settings import NO_MORE, ONE_AFTER_ANOTHER, QUIET, RUNS, Values

PICKED = "picked"
"""Among the values that `asked` takes: the key of what was clicked in a table, "" for another trigger."""
NO_FILE = "There is no file to open."
# What is said of a refusal, and of nothing else that may stand in the status line by then.
TOAST = "(told) => { if (told?.includes('bonsai-status bad')) bonsai.toast(told); }"

Work = Callable[..., AsyncGenerator[Values, None]]


@dataclass(frozen=True)
class RunEvents(RunTab[Shown]):
    """One tab as it is used."""

    draws_after_stop: ClassVar[bool] = False
    """Whether a run takes a moment to draw, so that what was stopped is said first, by `stopped`."""

    def start(
        self,
        triggers: Sequence[Any],
        asked: Callable[[Values], Shown],
        inputs: set[Any],
        work: Work | None = None,
        work_inputs: Sequence[Any] = (),
        begun: Callable[[Shown, str], Values] | None = None,
    ) -> Any:
        """Let triggers begin work, and return its event: check what was asked or say why not, wait, and do the work.

        The work is `grow`, or something else that takes its own inputs after the run; `begun` as the method.
        """
        doing: Work = work or self.grow
        show = begun or self.begun

        def begin(values: Values, request: gr.Request, event: gr.EventData) -> Values:
            chosen = values | {PICKED: picked(event)}
            return self.accept(lambda: asked(chosen), show, language_of(request))

        async def go(request: gr.Request, accepted: bool, state: Shown, *others: Any) -> AsyncIterator[Values]:
            if accepted:
                async with aclosing(doing(state, *others, request)) as growing:
                    async for values in growing:
                        yield values
            yield NO_MORE

        checked = gr.on(list(triggers), begin, inputs, self.places, queue=False, **QUIET)
        # The status line may be out of sight.
        checked.then(None, self.status, None, js=TOAST, **QUIET)
        taken = [self.accepted, self.run_state, *work_inputs]
        working = checked.success(go, taken, self.places, concurrency_id=RUNS, **QUIET)
        working.failure(self.give_up, [self.accepted, self.run_state], self.places, queue=False, **QUIET)
        return working

    def accept(self, asked: Callable[[], Shown], show: Callable[[Shown, str], Values], language: str) -> Values:
        """Return the values that show what was asked while it waits for its place; or why it is refused."""
        try:
            state = asked()
            waits = status.waiting(self.seconds_needed(state), self.context.engine.is_ready, language)
        except Exception as error:
            return {self.status: status.failure(error, language), self.accepted: False}
        shown = {self.status: waits, self.run_state: state, self.accepted: True}
        return shown | show(state, language) | self.at_work(True)

    def connect_end(self, at_work: Sequence[Any], looked: Sequence[Any] = ()) -> None:
        """Tie Stop, Clear, Open and the marks to what they do: the first two end the events that are `at_work`.

        `looked` tell what a visitor chose to look at.
        """
        form, places, state, opened = self.form, self.places, self.run_state, self.results.downloads.opened
        ends: dict[str, Any] = {"cancels": list(at_work), "queue": False, **QUIET}
        halted = form.stop.click(self.halt, state, places, **ends)
        if self.draws_after_stop:
            halted.then(self.draw, state, places, queue=False, **QUIET)
        form.clear.click(self.wipe, None, [form.question, *places], **ends)
        opened.upload(self.open, opened, places, queue=False, **QUIET)
        turns = self.conversation
        # The last event waits for the one before it, and tells all that was said.
        told = [turns.told, state, *looked]
        marking = turns.turns.select(self.mark, told, places, js=turns.tell, **ONE_AFTER_ANOTHER)
        marking.then(None, self.status, None, js=TOAST, **QUIET)

    def halt(self, state: Shown | None, request: gr.Request) -> Values:
        """Show that the run was stopped."""
        if state is None:
            return self.blank(status.line(translatable(status.NOTHING_WRITTEN)))
        return self.stopped(state, language_of(request))

    def stopped(self, state: Shown, language: str) -> Values:
        """Return the values that show at once that a run was stopped."""
        return self.end(state, language)

    def draw(self, state: Shown | None, request: gr.Request) -> Values:
        """Show the run as it was when it was stopped, with all that was written."""
        return self.end(state, language_of(request)) if state else {self.status: gr.skip()}

    def wipe(self) -> Values:
        """Show the tab as it was before the first run, without the example."""
        return {self.form.question: "", **self.blank(status.line(translatable(status.READY)))}

    def give_up(self, accepted: bool, state: Shown | None, request: gr.Request) -> Values:
        """Show that too many visitors are waiting; or, for a run that lost its connection or was stopped, its end."""
        if not accepted or state is None or state.over:
            return {self.status: gr.skip()}
        busy = "" if state.begun else status.line(translatable(status.BUSY), "bad")
        return self.end(state, language_of(request), busy)

    def open(self, file: str | None, request: gr.Request) -> Values:
        """Show a saved run, if it is of this tab."""
        language, path = language_of(request), Path(file or "")
        try:
            if not file:
                raise UsageError(NO_FILE)
            state = self.opened(path)
            return self.anew(self.end(state, language, status.line(self.is_open(state, language))))
        except Exception as error:
            named = error.with_values(file=path.name) if isinstance(error, BonsaiError) else error
            return {self.status: status.failure(named, language)}

    def mark(self, request: gr.Request, told: str, state: Shown | None, *looked: Any) -> Values:
        """Keep what was said of steps with the run; the turns stay as they are, with what is typed."""
        language = language_of(request)
        try:
            judged = self.judged(state, said(told))
        except Exception as error:
            return {self.status: status.failure(error, language)}
        return self.kept(judged, language, *looked)
