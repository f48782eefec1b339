"""What happens on every tab from Run to the last row, and what else may begin or end a run."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import gradio as gr

from bonsai.errors import BonsaiError, UsageError
from bonsai.reports.formats import Language
from bonsai.runs.run import Run
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import language_of, translatable, translate
from bonsai.ui.views import status
from bonsai.ui.views.conversation import Conversation
from bonsai.ui.views.table import picked
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import NO_MORE, QUIET, RUNS, Values

PICKED = "picked"
"""Among the values that `asked` takes: the key of what was clicked in a table, "" for another trigger."""
NO_FILE = "There is no file to open."
# What is said of a refusal, and of nothing else that may stand in the status line by then.
TOAST = "(told) => { if (told?.includes('bonsai-status bad')) bonsai.toast(told); }"


class State(Protocol):
    """A run as it is shown."""

    @property
    def begun(self) -> bool:
        """Whether the work on it has begun."""
        ...

    @property
    def over(self) -> bool:
        """Whether it ended, so that nothing more is to be told of its end."""
        ...


Shown = TypeVar("Shown", bound=State)
Work = Callable[..., AsyncGenerator[Values, None]]


@dataclass(frozen=True)
class RunButtons:
    """What begins and ends runs on a tab."""

    run: gr.Button
    stop: gr.Button
    clear: gr.Button
    opened: gr.UploadButton


@dataclass(frozen=True)
class RunEvents(ABC, Generic[Shown]):
    """One tab as it is used: its places, and the visitor's run."""

    draws_after_stop: ClassVar[bool] = False
    """Whether a run takes a moment to draw, so that what was stopped is said first, by `stopped`."""

    context: PageContext
    key: str
    """The tab's name in the browser."""
    question: gr.Textbox
    buttons: RunButtons
    status: gr.HTML
    conversation: Conversation
    token: gr.Textbox
    """Where the token of the visitor's run is."""
    run_state: gr.State
    accepted: gr.State
    """Whether what was asked last may be done: a refused question leaves the run on the page as it is."""

    @property
    def places(self) -> list[Any]:
        """All components that change while a run goes on."""
        shown = [self.status, *self.conversation.places, self.run_state, self.token, self.accepted]
        return list(dict.fromkeys([*shown, self.buttons.run, self.buttons.stop, self.buttons.opened, *self.own_places]))

    @property
    @abstractmethod
    def own_places(self) -> list[Any]:
        """The components that only this kind of tab has."""

    @abstractmethod
    def seconds_needed(self, state: Shown) -> int:
        """Return the GPU seconds that a run asks for; 0 where none is leased."""

    @abstractmethod
    def begun(self, state: Shown, language: str) -> Values:
        """Return the values that show a run while it waits for its place."""

    @abstractmethod
    def grow(self, state: Shown, request: gr.Request) -> AsyncGenerator[Values, None]:
        """Show the run as it grows."""

    @abstractmethod
    def end(self, state: Shown, language: str, told: str = "") -> Values:
        """Return the values that show a run which ended here, whatever was still to come; `told` is a status line."""

    @abstractmethod
    def opened(self, file: Path) -> Shown:
        """Return the run that was saved in a file; raise BonsaiError, saying why, if it cannot be opened here."""

    @abstractmethod
    def found(self, folder: Path) -> Shown | None:
        """Return the run in a visitor's folder; None if there is none any more. Raises BonsaiError like `opened`."""

    @abstractmethod
    def is_open(self, state: Shown, language: str) -> str:
        """Return the sentence that tells what was opened."""

    @abstractmethod
    def anew(self, shown: Values) -> Values:
        """Return the values that show another run, with nothing left of what was looked at in the one before."""

    @abstractmethod
    def nothing(self) -> Values:
        """Return the values that show that there are no results."""

    @abstractmethod
    def example_in(self, example: Run, language: str) -> Values:
        """Return the values that tell an example in a visitor's language, which is not that of the page."""

    def at_work(self, running: bool, state: Shown | None = None) -> Values:
        """Return the values of the buttons while work goes on, when nothing can be opened, or when it has ended."""
        return {
            self.buttons.run: gr.Button(interactive=not running),
            self.buttons.stop: gr.Button(interactive=running),
            self.buttons.opened: gr.UploadButton(interactive=not running),
        }

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

    def connect_end(self, at_work: Sequence[Any]) -> None:
        """Tie Stop, Clear and Open to what they do: the first two end the events that are `at_work`."""
        buttons, places, state = self.buttons, self.places, self.run_state
        ends: dict[str, Any] = {"cancels": list(at_work), "queue": False, **QUIET}
        halted = buttons.stop.click(self.halt, state, places, **ends)
        if self.draws_after_stop:
            halted.then(self.draw, state, places, queue=False, **QUIET)
        buttons.clear.click(self.wipe, None, [self.question, *places], **ends)
        buttons.opened.upload(self.open, buttons.opened, places, queue=False, **QUIET)

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
        return {self.question: "", **self.blank(status.line(translatable(status.READY)))}

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

    def restore(self, token: str, language: str) -> Values:
        """Return the values that show the run of a token, or the example as it is told in the visitor's language."""
        folder = visitor_files.find(token)
        try:
            state = self.found(folder) if folder else None
        except BonsaiError:
            state = None
        if state is not None:
            return self.end(state, language, status.line(translate(language, status.KEPT)))
        example = self.context.examples.get(self.key)
        # The page itself tells it in English.
        return self.example_in(example, language) if example and language != Language.EN else {}

    def failed(self, error: Exception, state: Shown, language: str) -> Values:
        """Return the values that show a run which an error ended, and the sentence for it."""
        return self.end(state, language, status.failure(error, language))

    def blank(self, told: str) -> Values:
        """Return the values that show a tab without a run, under a status line."""
        nothing = {self.status: told, self.run_state: None, self.token: visitor_files.NO_TOKEN}
        return nothing | self.conversation.rest() | self.nothing() | self.at_work(False)
