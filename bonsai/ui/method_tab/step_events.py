"""What happens in the section where one step is looked at: choose it, test its Reasoning, branch from it."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.chains.questions import clean_question
from bonsai.chains.reasoning_test import can_be_tested
from bonsai.chains.step import Step
from bonsai.errors import UsageError
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.limits import number
from bonsai.runs.run import Run
from bonsai.ui.locales.translate import language_of, translatable, translate
from bonsai.ui.method_tab.events import MethodTab, RunState
from bonsai.ui.method_tab.step_section import OWN_QUESTION, Branching, Steps, choice_of, last_choice
from bonsai.ui.views import live_step
from bonsai.ui.work import visitor_files
from bonsai.ui.work.event_settings import NO_MORE, QUIET, Values
from bonsai.ui.work.streaming import reasoning_test

NO_STEP = "Choose a step first."
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
        picked = [sheet.run_state, steps.shown]
        sheet.results.table.select(self.pick, picked, steps.places, queue=False, **QUIET)
        testing = sheet.start(
            [steps.test.click], self._asked_to_test, set(chosen), lambda run, language: {}, self.test, chosen
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

    def pick(self, run_state: RunState | None, shown: Shown, event: gr.SelectData, request: gr.Request) -> Values:
        """Show the step whose row of the table was clicked."""
        row = dict(zip(self.sheet.results.columns, event.row_value, strict=False))
        key = choice_of(run_state.run, row.get("chain", "1"), row["step"]) if run_state else None
        return self.look(run_state, key, shown, request) if key else {self.steps.choice: gr.skip()}

    async def test(self, run_state: RunState, chosen: str | None, request: gr.Request) -> AsyncIterator[Values]:
        """Test whether the Reasoning of the chosen step was used, and show what came out."""
        sheet, language, began = self.sheet, language_of(request), time.monotonic()
        chain, step = _found(run_state, chosen)
        run_state = replace(run_state, begun=True, folder=run_state.folder or visitor_files.new_folder())
        busy = live_step.status_line(
            translatable("Answering again without the Reasoning, and with its words shuffled."), "busy"
        )
        yield {sheet.status: busy, sheet.run_state: run_state} | sheet.at_work(True)
        try:
            async with aclosing(
                reasoning_test(sheet.context.runner, chain, step.number, run_state.run.sampling)
            ) as testing:
                async for grown in testing:
                    chain = grown
        except Exception as error:
            yield sheet.failed(error, run_state, language)
        else:
            run = run_state.run.with_chains(
                tuple(chain if one.number == chain.number else one for one in run_state.run.chains)
            )
            done = live_step.status_line(
                translate(language, "Done in {} s.", f"{time.monotonic() - began:.1f}"), "good"
            )
            run_state = replace(run_state, run=run)
            shown = sheet.rows(run_state, language) | self.steps.show(run, chosen, language) | sheet.at_work(False)
            yield {sheet.status: done, sheet.run_state: run_state} | shown
        yield NO_MORE

    def _asked_to_test(self, values: Values) -> Run:
        run_state, chosen = values[self.sheet.run_state], values[self.steps.choice]
        _, step = _found(run_state, chosen)
        self.sheet.context.check_same(run_state.run)
        if not can_be_tested(step):
            raise UsageError("This step has no Reasoning with an answer, so there is nothing to test.")
        run: Run = run_state.run
        return run

    def _connect_branching(self, branching: Branching) -> list[Any]:
        sheet, steps = self.sheet, self.steps

        def begin_with(run_state: RunState | None, chosen: str | None, begin: int | str | None, shown: Shown) -> Values:
            now = (run_state.run.id, chosen, begin) if run_state and begin is not None else None
            if now is None or shown in (None, now):
                return {branching.question: gr.skip()}
            _, step = _found(run_state, chosen)
            question = step.candidates[begin - 1].question if begin and isinstance(begin, int) else step.question
            return {branching.question: question, steps.shown: now}

        def asked(values: Values) -> Run:
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
            return sheet.context.branch(values[sheet.run_state].run, request, values[branching.steps])

        chosen = [sheet.run_state, steps.choice, branching.begin]
        begun = [branching.question, steps.shown]
        branching.begin.input(begin_with, [*chosen, steps.shown], begun, queue=False, **QUIET)
        inputs = {*chosen, branching.question, branching.prompt, branching.steps, branching.seed}
        return [
            sheet.start([branching.button.click], asked, inputs, sheet.live_step, sheet.grow, [sheet.run_state]),
        ]


def _found(run_state: RunState | None, chosen: str | None) -> tuple[Chain, Step]:
    found = run_state.run.find_step(chosen) if run_state else None
    if found is None:
        raise UsageError(NO_STEP)
    return found
