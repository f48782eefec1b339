"""What happens in the section where one step is looked at: choose it, test its Reasoning, branch from it."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.chains.questions import clean_question
from bonsai.chains.reasoning_test import MOST_ANSWERS, can_be_tested
from bonsai.chains.step import Step
from bonsai.errors import UsageError
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.limits import number
from bonsai.ui.locales.translate import language_of, translate
from bonsai.ui.method_tab.events import MethodTab, RunState
from bonsai.ui.method_tab.question_bank import branch_request
from bonsai.ui.method_tab.step_section import OWN_QUESTION, Branching, Steps, last_choice
from bonsai.ui.views import status
from bonsai.ui.views.run_events import PICKED
from bonsai.ui.views.table import picked
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import QUIET, Values
from bonsai.ui.work.streaming import reasoning_test

NO_STEP = "Choose a step first."
AT_WORK = "The run is still being written. Wait for its end, or press Stop first."
ANSWERING = "Answering again with other texts in place of the Reasoning: {} of {} answers."
Shown = tuple[str, str | None, int] | None


@dataclass(frozen=True)
class StepEvents:
    """The section of a tab in which its steps are looked at."""

    sheet: MethodTab
    steps: Steps

    def connect(self) -> list[Any]:
        """Tie the section to what it does, and return the events of the work of the model that can begin here."""
        sheet, steps = self.sheet, self.steps
        chosen = [sheet.run_state, steps.choice]
        looked_at = [*chosen, steps.shown]
        steps.section.expand(self.unfold, looked_at, steps.places, queue=False, **QUIET)
        steps.choice.input(self.look, looked_at, steps.places, queue=False, **QUIET)
        shown = [sheet.run_state, steps.shown]
        tree = [sheet.results.picture.tree] if sheet.results.picture else []
        for place in (sheet.results.table, *tree):
            place.select(self.pick, shown, steps.places, queue=False, **QUIET)
        testing = sheet.start(
            [steps.test.click], self._asked_to_test, set(chosen), self.test, [steps.choice], lambda state, language: {}
        )
        return [testing, *(self._connect_branching(steps.branching) if steps.branching else [])]

    def look(self, run_state: RunState | None, chosen: str | None, shown: Shown, request: gr.Request) -> Values:
        """Show the chosen step; one that is shown stays as it is, with what was typed there."""
        # A dropdown tells of a choice twice, and again whenever it is left.
        if run_state and shown and shown[:2] == (run_state.run.id, chosen):
            return {self.steps.choice: gr.skip()}
        return self.steps.show(run_state.run if run_state else None, chosen, language_of(request))

    def unfold(self, run_state: RunState | None, chosen: str | None, shown: Shown, request: gr.Request) -> Values:
        """Show the chosen step, or the last one if none is chosen yet."""
        return self.look(run_state, chosen or (last_choice(run_state.run) if run_state else None), shown, request)

    def pick(self, run_state: RunState | None, shown: Shown, event: gr.EventData, request: gr.Request) -> Values:
        """Show the step that was clicked in the table or in the picture."""
        key = picked(event)
        return self.look(run_state, key, shown, request) if run_state and key else {self.steps.choice: gr.skip()}

    async def test(self, run_state: RunState, chosen: str | None, request: gr.Request) -> AsyncGenerator[Values, None]:
        """Test whether the Reasoning of the chosen step was used, and show what came out."""
        sheet, language, began = self.sheet, language_of(request), time.monotonic()
        chain, step = _found(run_state, chosen)
        run_state = replace(run_state, begun=True, folder=run_state.folder or visitor_files.new_folder())
        yield {sheet.status: _answering(0, language), sheet.run_state: run_state} | sheet.at_work(True)
        try:
            async with aclosing(
                reasoning_test(sheet.context.runner, chain, step.number, run_state.run.sampling)
            ) as testing:
                async for grown in testing:
                    chain, test = grown, grown.steps[step.number - 1].reasoning_test
                    if test and not test.controls:
                        yield {sheet.status: _answering(test.answers, language)}
        except Exception as error:
            yield sheet.failed(error, run_state, language)
        else:
            run = run_state.run.updated([chain])
            done = status.line(status.done_in(time.monotonic() - began, language), "good")
            run_state = replace(run_state, run=run)
            shown = sheet.rows(run_state, language) | self.steps.show(run, chosen, language) | sheet.at_work(False)
            yield {sheet.status: done, sheet.run_state: run_state} | shown

    def _asked_to_test(self, values: Values) -> RunState:
        run_state: RunState = values[self.sheet.run_state]
        chain, step = _found(run_state, values[self.steps.choice])
        self.sheet.context.check_same(run_state.run)
        if not can_be_tested(step):
            raise UsageError("This step has no Reasoning with an answer, so there is nothing to test.")
        seconds = self.sheet.context.runner.seconds_for_test(chain, step.number, run_state.run.sampling)
        return RunState(run_state.run, folder=visitor_files.new_folder(), test_seconds=seconds)

    def _connect_branching(self, branching: Branching) -> list[Any]:
        sheet, steps = self.sheet, self.steps

        def begin_with(run_state: RunState | None, chosen: str | None, begin: int | str | None, shown: Shown) -> Values:
            now = (run_state.run.id, chosen, begin) if run_state and begin is not None else None
            if now is None or shown in (None, now):
                return {branching.question: gr.skip()}
            _, step = _found(run_state, chosen)
            question = step.candidates[begin - 1].question if begin and isinstance(begin, int) else step.question
            return {branching.question: question, steps.shown: now}

        def asked(values: Values) -> RunState:
            chain, step = _found(values[sheet.run_state], values[steps.choice])
            begin = values[branching.begin]
            direction = begin if isinstance(begin, str) else ""
            request = BranchRequest(
                chain=chain.number,
                step=step.number,
                question="" if direction else clean_question(values[branching.question]),
                after=not direction and begin not in (None, OWN_QUESTION),
                moves=direction,
                prompt=values[branching.prompt],
                seed=number("seed", values[branching.seed], 1),
            )
            run = sheet.context.branch(values[sheet.run_state].run, request, values[branching.steps])
            return RunState(run, folder=visitor_files.new_folder())

        chosen = [sheet.run_state, steps.choice, branching.begin]
        begun = [branching.question, steps.shown]
        branching.begin.input(begin_with, [*chosen, steps.shown], begun, queue=False, **QUIET)
        inputs = {*chosen, branching.question, branching.prompt, branching.steps, branching.seed}
        begun_here = [sheet.start([branching.button.click], asked, inputs, begun=sheet.branched)]
        if sheet.bank:
            picks = [sheet.bank.table.select]
            begun_here.append(
                sheet.start(picks, self._asked_next, {sheet.run_state, branching.steps}, begun=sheet.branched)
            )
        return begun_here

    def _asked_next(self, values: Values) -> RunState:
        """Return the run with a branch that asks a question which the run left."""
        state: RunState | None = values[self.sheet.run_state]
        if state is None or not self.steps.branching:
            raise UsageError(NO_STEP)
        if not state.over:
            raise UsageError(AT_WORK)
        request, length = branch_request(values[PICKED]), values[self.steps.branching.steps]
        run = self.sheet.context.branch(state.run, request, length)
        return RunState(run, folder=visitor_files.new_folder())


def _answering(done: int, language: str) -> str:
    return status.line(translate(language, ANSWERING, done, MOST_ANSWERS), "busy")


def _found(run_state: RunState | None, chosen: str | None) -> tuple[Chain, Step]:
    found = run_state.run.find_step(chosen) if run_state else None
    if found is None:
        raise UsageError(NO_STEP)
    return found
