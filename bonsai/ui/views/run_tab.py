"""A tab that runs something: its places, and the values that show the visitor's run in them."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import gradio as gr

from bonsai.errors import BonsaiError
from bonsai.reports.formats import Language
from bonsai.reports.report import Report
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import translate
from bonsai.ui.views import status
from bonsai.ui.views.controls.desk import Form
from bonsai.ui.views.conversation import Conversation
from bonsai.ui.views.conversation.marks import KEPT
from bonsai.ui.views.results import Results, page_report
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import Values


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


@dataclass(frozen=True)
class RunTab(ABC, Generic[Shown]):
    """One tab: its places, and how it shows a run."""

    context: PageContext
    key: str
    """The tab's name in the browser."""
    form: Form
    results: Results
    status: gr.HTML
    run_state: gr.State
    accepted: gr.State
    """Whether what was asked last may be done: a refused question leaves the run on the page as it is."""

    @property
    def conversation(self) -> Conversation:
        """The conversation, which is a part of the results."""
        return self.results.conversation

    @property
    def token(self) -> gr.Textbox:
        """Where the token of the visitor's run is."""
        return self.results.downloads.token

    @property
    def places(self) -> list[Any]:
        """All components that change while a run goes on."""
        shown = [self.status, *self.conversation.places, self.run_state, self.accepted, *self.results.places]
        buttons = [*self.resting, self.form.stop, self.results.downloads.opened]
        return list(dict.fromkeys([*shown, *buttons, *self.own_places]))

    @property
    def resting(self) -> list[gr.Button]:
        """The buttons that rest while work goes on."""
        return [self.form.run, *([self.form.conclude] if self.form.conclude else [])]

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
    def judged(self, state: Shown | None, verdicts: list[StepVerdict]) -> Shown:
        """Return the run with what was said of its steps; an example becomes the visitor's own.

        Raises UsageError while it is being written.
        """

    @abstractmethod
    def figures(self, state: Shown, language: str, *looked: Any) -> Values:
        """Return the values that show a run with new verdicts, and leave its texts as a visitor looks at them."""

    def tell(self, report: Report, language: str) -> Values:
        """Return the values that tell an example in a visitor's language."""
        return self.results.tell(report, language)

    def nothing(self) -> Values:
        """Return the values that show that there are no results."""
        return self.results.empty()

    def at_work(self, running: bool, state: Shown | None = None) -> Values:
        """Return the values of the buttons while work goes on, when nothing can be opened, or when it has ended."""
        return {
            **{button: gr.Button(interactive=not running) for button in self.resting},
            self.form.stop: gr.Button(interactive=running),
            self.results.downloads.opened: gr.UploadButton(interactive=not running),
        }

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
        if not example or language == Language.EN:
            # The page itself tells it in English.
            return {}
        return self.tell(page_report(example, language), language)

    def kept(self, judged: Shown, language: str, *looked: Any) -> Values:
        """Return the values that tell that new verdicts are kept with a run."""
        kept = status.line(translate(language, KEPT), "good")
        return self.figures(judged, language, *looked) | {self.run_state: judged, self.status: kept}

    def failed(self, error: Exception, state: Shown, language: str) -> Values:
        """Return the values that show a run which an error ended, and the sentence for it."""
        return self.end(state, language, status.failure(error, language))

    def blank(self, told: str) -> Values:
        """Return the values that show a tab without a run, under a status line."""
        nothing = {self.status: told, self.run_state: None, self.token: visitor_files.NO_TOKEN}
        return nothing | self.conversation.rest() | self.nothing() | self.at_work(False)
