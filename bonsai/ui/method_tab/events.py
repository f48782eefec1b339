"""What happens on the tab of a method, from Run to the last row."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain, stop
from bonsai.errors import UsageError
from bonsai.reports.report import Report
from bonsai.runs.journal import read_saved
from bonsai.runs.run import Run, read_run
from bonsai.runs.run.answering import Answering
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.locales.translate import language_of, translatable, translate
from bonsai.ui.method_tab.question_bank import Bank
from bonsai.ui.method_tab.step_section import Steps
from bonsai.ui.views import status
from bonsai.ui.views.conversation.marks import UNFINISHED
from bonsai.ui.views.results import MethodResults
from bonsai.ui.views.run_events import RunEvents
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import Values
from bonsai.ui.work.streaming import snapshots

NO_RUN = "There is no run yet. Press Run to begin one."
OTHER_TAB = "This is a run of another tab; open it there, or in Compare or Batch if it has many chains."


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
    concludes: bool = False
    """Whether only conclusions are written."""
    test_seconds: int = 0
    """The GPU seconds that the test of a Reasoning asks for, if that is what begins."""

    @property
    def over(self) -> bool:
        """Whether all its chains ended."""
        return self.begun and all(chain.finished for chain in self.run.chains)

    @property
    def watched(self) -> Chain:
        """The chain that is being written, or else one whose conclusion failed just now, or the last one."""
        chains = self.run.chains
        failed = [chain for chain in chains if chain.error] if self.concludes else []
        return next((chain for chain in chains if not chain.finished), [*failed, chains[-1]][0])


@dataclass(frozen=True)
class MethodTab(RunEvents[RunState]):
    """The tab of a method as it is used, with its form, results, and steps."""

    results: MethodResults
    steps: Steps | None
    bank: Bank | None

    @property
    def own_places(self) -> list[Any]:
        """The places of a step, and of the questions that were not asked."""
        return [*(self.steps.places if self.steps else []), *(self.bank.places if self.bank else [])]

    @property
    def resting(self) -> list[gr.Button]:
        """The buttons that rest while work goes on."""
        return [*super().resting, *(self.steps.buttons if self.steps else [])]

    def connect(self) -> list[Any]:
        """Tie Run and the button for conclusions to what they do, and return the events of the work that begins."""
        form = self.form
        begun = [self.start([form.run.click, form.question.submit], self._asked, set(form.fields.values()))]
        if form.conclude:
            asked = self._asked_to_conclude
            begun.append(self.start([form.conclude.click], asked, {self.run_state}, begun=self.branched))
        return begun

    def seconds_needed(self, state: RunState) -> int:
        """Return the GPU seconds that the run asks for; 0 where none is leased."""
        needed = self.context.runner.seconds_needed
        return state.test_seconds or needed(tuple(state.run.chains), state.run.sampling)

    def begun(self, state: RunState, language: str) -> Values:
        """Return the values that show the run while it waits for its place."""
        return self.nothing() | self.conversation.write(state.watched, 0.0, language)

    def branched(self, state: RunState, language: str) -> Values:
        """Return the values that show a new branch or conclusion while it waits; what the run has stays."""
        return self.conversation.write(state.watched, 0.0, language)

    async def grow(self, state: RunState, request: gr.Request) -> AsyncGenerator[Values, None]:
        """Show the run as it grows; table and picture only when a step was finished."""
        language, began = language_of(request), time.monotonic()
        finished = _finished_texts(state.run.chains)
        try:
            growing = snapshots(self.context.runner, tuple(state.run.chains), state.run.sampling)
            async with aclosing(growing):
                async for chains in growing:
                    run = state.run.with_chains(chains)
                    if finished != _finished_texts(chains):
                        run = run.answered(Answering.of(self.context.engine))
                    state = replace(state, run=run, begun=True, seconds=time.monotonic() - began)
                    values = self._show(state, language)
                    if finished != (finished := _finished_texts(chains)) or state.over:
                        values |= self.rows(state, language)
                    # Only what changes: a button that is sent is made anew, each time.
                    yield values | (self.at_work(False) if state.over else {})
        except Exception as error:
            yield self.failed(error, state, language)

    def end(self, state: RunState, language: str, told: str = "") -> Values:
        """Return the values that show a run which ended here; a chain of which nothing was written is left out."""
        chains = [stop(chain, self.context.measure) for chain in state.run.chains if chain.finished or _begun(chain)]
        if len(chains) < len(state.run.chains):
            told = told or status.line(translatable(status.NOTHING_WRITTEN))
        if not chains:
            return self.blank(told)
        ended = replace(state, run=state.run.with_chains(tuple(chains)), begun=True)
        values = self._show(ended, language) | self.rows(ended, language)
        return values | self.at_work(False) | ({self.status: told} if told else {})

    def stopped(self, state: RunState, language: str) -> Values:
        """Return the values that show that a run was stopped: its chains do not tell it if their steps were done."""
        aside = all(chain.stop_reason for chain in state.run.chains)
        return self.end(state, language, status.line(translate(language, status.STOPPED)) if aside else "")

    def opened(self, file: Path) -> RunState:
        """Return the run that was saved in a file, if it is one chain of this method with its branches."""
        run = read_saved(file)
        if {chain.method for chain in run.chains} != {self.key} or sum(one.is_root for one in run.chains) > 1:
            raise UsageError(OTHER_TAB)
        return RunState(run, True, folder=visitor_files.new_folder())

    def is_open(self, state: RunState, language: str) -> str:
        """Return the sentence that tells what was opened."""
        return translate(language, "The run is open.")

    def anew(self, shown: Values) -> Values:
        """Return the values that show another run, none of whose steps is chosen yet."""
        return shown | (self.steps.unchosen(shown) if self.steps else {})

    def found(self, folder: Path) -> RunState | None:
        """Return the run in a visitor's folder; None if there is none any more."""
        files = sorted(folder.glob("bonsai-*.json"))
        return RunState(read_run(files[0]), True, folder=folder) if files else None

    def rows(self, state: RunState, language: str) -> Values:
        """Return the values that show the finished steps of a run everywhere but in what is being written."""
        shown = self.results.show(state.run, language, state.folder or visitor_files.new_folder())
        left = self.bank.show(state.run, language) if self.bank else {}
        return shown | left | (self.steps.choices(state.run) if self.steps else {})

    def tell(self, report: Report, language: str) -> Values:
        """Return the values that tell an example in a visitor's language."""
        return super().tell(report, language) | (self.bank.show(report.run, language) if self.bank else {})

    def nothing(self) -> Values:
        """Return the values that show that there are no results."""
        left = self.bank.empty() if self.bank else {}
        return super().nothing() | left | (self.steps.empty() if self.steps else {})

    def judged(self, state: RunState | None, verdicts: list[StepVerdict]) -> RunState:
        """Return the run with what was said of its steps; an example becomes the visitor's own."""
        if state is None or not all(chain.finished for chain in state.run.chains):
            raise UsageError(UNFINISHED)
        run = state.run.with_verdicts(verdicts)
        return replace(state, run=run, begun=True, folder=state.folder or visitor_files.new_folder())

    def figures(self, state: RunState, language: str, *looked: Any) -> Values:
        """Return the values that show a run with new verdicts, and leave its turns alone."""
        shown = self.rows(state, language)
        del shown[self.conversation.turns]
        return shown

    def at_work(self, running: bool, state: RunState | None = None) -> Values:
        """Return the values of the buttons while work goes on, or when it has ended."""
        return super().at_work(running) | (self.bank.at_work(running) if self.bank else {})

    def _asked(self, values: Values) -> RunState:
        fields = {name: values[field] for name, field in self.form.fields.items()}
        return RunState(self.context.begin(self.key, **fields), folder=visitor_files.new_folder())

    def _asked_to_conclude(self, values: Values) -> RunState:
        state: RunState | None = values[self.run_state]
        if state is None:
            raise UsageError(NO_RUN)
        run = state.run.concluding()
        self.context.check_same(run)
        return RunState(run, folder=visitor_files.new_folder(), concludes=True)

    def _show(self, state: RunState, language: str) -> Values:
        chain = state.watched
        sentence = status.state_of(chain, state.seconds, self.context.engine.is_ready, language)
        told = {self.status: status.line(sentence, status.mood_of(chain)), self.run_state: state}
        return told | self.conversation.write(chain, state.seconds, language)


def _finished_texts(chains: Sequence[Chain]) -> int:
    """Return how many steps and conclusions are finished."""
    steps = sum(step.finished for chain in chains for step in chain.steps)
    return steps + sum(chain.conclusion is not None and not chain.concluding for chain in chains)


def _begun(chain: Chain) -> bool:
    return any(step.reasoning or step.answer for step in chain.own_steps)
