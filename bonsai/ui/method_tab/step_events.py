"""What happens in the section where one step is looked at: choose it, test its Reasoning, branch from it."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.chains.reasoning_test import can_be_tested
from bonsai.chains.step import Step
from bonsai.errors import UsageError
from bonsai.runs.run import Run
from bonsai.ui.locales.translate import language, say, t
from bonsai.ui.method_tab.events import Moment, Sheet
from bonsai.ui.method_tab.step_section import OWN_QUESTION, Branching, Steps, choice_of, last_choice
from bonsai.ui.views import live_step
from bonsai.ui.work.event_settings import NO_MORE, QUIET, Values
from bonsai.ui.work.streaming import reasoning_test

NO_STEP = "Choose a step first."
Shown = tuple[str, str | None, int] | None


@dataclass(frozen=True)
class Look:
    """The section of a tab in which its steps are looked at."""

    sheet: Sheet
    steps: Steps

    def connect(self) -> list[Any]:
        """Tie the section to what it does, and return the events of the work of the model that can begin here."""
        sheet, steps = self.sheet, self.steps
        chosen = [sheet.moment, steps.choice]
        looked_at = [*chosen, steps.shown]
        steps.section.expand(self.unfold, looked_at, steps.places, queue=False, **QUIET)
        steps.choice.input(self.look, looked_at, steps.places, queue=False, **QUIET)
        picked = [sheet.moment, steps.shown]
        sheet.results.table.select(self.pick, picked, steps.places, queue=False, **QUIET)
        testing = sheet.start(
            [steps.test.click], self._asked_to_test, set(chosen), lambda run, tongue: {}, self.test, chosen
        )
        return [testing, *(self._connect_branching(steps.branching) if steps.branching else [])]

    def look(self, moment: Moment | None, chosen: str | None, shown: Shown, request: gr.Request) -> Values:
        """Show the chosen step; one that is shown stays as it is, with what was typed there."""
        # A dropdown tells of a choice twice, and again whenever it is left.
        if moment and shown and shown[:2] == (moment.run.id, chosen):
            return {self.steps.choice: gr.skip()}
        return self.steps.show(moment.run if moment else None, chosen, language(request))

    def unfold(self, moment: Moment | None, chosen: str | None, shown: Shown, request: gr.Request) -> Values:
        """Show the chosen step, or the last one if none is chosen yet."""
        return self.look(moment, chosen or (last_choice(moment.run) if moment else None), shown, request)

    def pick(self, moment: Moment | None, shown: Shown, event: gr.SelectData, request: gr.Request) -> Values:
        """Show the step whose row of the table was clicked."""
        row = dict(zip(self.sheet.results.columns, event.row_value, strict=False))
        key = choice_of(moment.run, row.get("chain", "1"), row["step"]) if moment else None
        return self.look(moment, key, shown, request) if key else {self.steps.choice: gr.skip()}

    async def test(self, moment: Moment, chosen: str | None, request: gr.Request) -> AsyncIterator[Values]:
        """Test whether the Reasoning of the chosen step was used, and show what came out."""
        sheet, tongue, began = self.sheet, language(request), time.monotonic()
        chain, step = _found(moment, chosen)
        moment = Moment(moment.run, True, moment.seconds)
        busy = live_step.status_line(t("Answering again without the Reasoning, and with its words shuffled."), "busy")
        yield {sheet.status: busy, sheet.moment: moment} | sheet.at_work(True)
        try:
            async with aclosing(reasoning_test(chain, step.number, moment.run.sampling)) as testing:
                async for grown in testing:
                    chain = grown
        except Exception as error:
            yield sheet.failed(error, moment, tongue)
        else:
            run = moment.run.with_chains(
                tuple(chain if one.number == chain.number else one for one in moment.run.chains)
            )
            done = live_step.status_line(say(tongue, "Done in {} s.", f"{time.monotonic() - began:.1f}"), "good")
            shown = sheet.rows(run, tongue) | self.steps.show(run, chosen, tongue) | sheet.at_work(False)
            yield {sheet.status: done, sheet.moment: Moment(run, True, moment.seconds)} | shown
        yield NO_MORE

    def _asked_to_test(self, values: Values) -> Run:
        moment, chosen = values[self.sheet.moment], values[self.steps.choice]
        _, step = _found(moment, chosen)
        self.sheet.offer.check_same(moment.run)
        if not can_be_tested(step):
            raise UsageError("This step has no Reasoning with an answer, so there is nothing to test.")
        run: Run = moment.run
        return run

    def _connect_branching(self, branching: Branching) -> list[Any]:
        sheet, steps = self.sheet, self.steps

        def begin_with(moment: Moment | None, chosen: str | None, number: int | None, shown: Shown) -> Values:
            now = (moment.run.id, chosen, number) if moment and number is not None else None
            if now is None or shown in (None, now):
                return {branching.question: gr.skip()}
            _, step = _found(moment, chosen)
            question = step.candidates[number - 1].question if number else step.question
            return {branching.question: question, steps.shown: now}

        def asked(values: Values) -> Run:
            chain, step = _found(values[sheet.moment], values[steps.choice])
            keep = step.number - 1 if values[branching.begin] in (None, OWN_QUESTION) else step.number
            fields = {name: values[getattr(branching, name)] for name in ("question", "prompt", "steps", "seed")}
            return sheet.offer.branch(values[sheet.moment].run, chain, keep, **fields)

        chosen = [sheet.moment, steps.choice, branching.begin]
        begun = [branching.question, steps.shown]
        branching.begin.input(begin_with, [*chosen, steps.shown], begun, queue=False, **QUIET)
        inputs = {*chosen, branching.question, branching.prompt, branching.steps, branching.seed}
        return [
            sheet.start([branching.button.click], asked, inputs, sheet.live_step, sheet.grow, [sheet.moment]),
        ]


def _found(moment: Moment | None, chosen: str | None) -> tuple[Chain, Step]:
    found = moment.run.find_step(chosen) if moment else None
    if found is None:
        raise UsageError(NO_STEP)
    return found
