"""What happens when a visitor says what a step is worth."""

from dataclasses import dataclass, replace

import gradio as gr

from bonsai.errors import UsageError
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.locales.translate import language_of, translate
from bonsai.ui.method_tab.events import MethodTab, RunState
from bonsai.ui.views import status
from bonsai.ui.views.conversation.marks import KEPT, UNFINISHED, said
from bonsai.ui.views.run_events import TOAST
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import ONE_AFTER_ANOTHER, QUIET, Values


@dataclass(frozen=True)
class VerdictEvents:
    """The marks in the conversation of a tab."""

    sheet: MethodTab

    def connect(self) -> None:
        """Tie the marks to what they do: the last event waits for the one before it, and tells all that was said."""
        sheet = self.sheet
        turns = sheet.conversation
        inputs = [turns.told, sheet.run_state]
        marking = turns.turns.select(self.mark, inputs, sheet.places, js=turns.tell, **ONE_AFTER_ANOTHER)
        marking.then(None, sheet.status, None, js=TOAST, **QUIET)

    def mark(self, told: str, run_state: RunState | None, request: gr.Request) -> Values:
        """Keep what was said of steps in the run and in its files; the turns stay as they are, with what is typed."""
        sheet, language = self.sheet, language_of(request)
        try:
            judged = _judged(run_state, said(told))
        except Exception as error:
            return {sheet.status: status.failure(error, language)}
        shown = sheet.rows(judged, language)
        del shown[sheet.conversation.turns]
        kept = status.line(translate(language, KEPT), "good")
        return shown | {sheet.run_state: judged, sheet.status: kept}


def _judged(state: RunState | None, verdicts: list[StepVerdict]) -> RunState:
    """Return the run with what was said; an example becomes the visitor's own."""
    if state is None or not all(chain.finished for chain in state.run.chains):
        raise UsageError(UNFINISHED)
    run = state.run.with_verdicts(verdicts)
    return replace(state, run=run, begun=True, folder=state.folder or visitor_files.new_folder())
